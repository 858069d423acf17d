"""Whether networks differ in nothing but the values of their parameters and buffers, so that one program holds them."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
"""Their rate is a value of each member (`annvil.training.compat.dropout_noise`), but for 0 and 1, where nothing is
drawn."""


def structure(network: nn.Module) -> tuple[Any, ...]:
    """Everything about a network but the values of parameters and buffers; equal for networks that compute alike.

    What cannot be compared (tensors that are no buffers, objects, functions that remember something) makes a structure
    equal to none but itself: then networks are trained in programs of their own, which is only slower.
    """
    tensors = [*network.named_parameters(remove_duplicate=False), *network.named_buffers(remove_duplicate=False)]
    places: dict[int, int] = {}
    forms = [
        (name, places.setdefault(id(t), len(places)), tuple(t.shape), t.dtype, t.requires_grad, _plain(vars(t)))
        for name, t in tensors
    ]
    return (*forms, *((name, type(module), _attributes(module)) for name, module in network.named_modules()))


def _attributes(module: nn.Module) -> tuple[Any, ...]:
    hooks = [len(value) for name, value in vars(module).items() if name.endswith("_hooks")]
    own = {name: value for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}
    if type(module) in _DROPOUTS and 0 < own["p"] < 1:
        own["p"] = "a share"
    return (object() if any(hooks) else (), _plain(own))


def _plain(value: Any) -> Any:
    """The value in a form that compares by what it is; an object equal to nothing else where there is none."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | torch.dtype | torch.device):
        return type(value), value
    if isinstance(value, tuple | list | torch.Size):
        return type(value), tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return type(value), tuple((_plain(name), _plain(item)) for name, item in value.items())
    if isinstance(value, FunctionType) and value.__closure__ is None:
        return value.__code__, _plain(value.__defaults__), _plain(value.__kwdefaults__)
    owner = getattr(value, "__self__", None)
    is_builtin = type(value).__name__ in ("builtin_function_or_method", "method_descriptor")
    if isinstance(value, type) or (is_builtin and not isinstance(owner, Tensor | nn.Module)):
        return value
    return object()
