"""Where networks come from: a module, a function that makes one, or a Keras model."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from annvil.errors import RequestError
from annvil.workshop.keras_models import from_keras, is_keras_model, write_back


@dataclass(frozen=True)
class Source:
    """How networks are made.

    Attributes
    ----------
    given : what the user passed: a module, a function or class that makes one, or a Keras model
    template : a network of that shape, in training mode; it is the engine's, never the user's own object
    takes : names of settings that ``given`` accepts as arguments; None for any name (``**settings``)
    """

    given: Any
    template: nn.Module
    takes: frozenset[str] | None = frozenset()

    @property
    def is_factory(self) -> bool:
        """Whether networks are made by calling a function or a class."""
        return not isinstance(self.given, nn.Module) and not is_keras_model(self.given)

    def accepts(self, name: str) -> bool:
        """Whether a setting of that name goes into making the network."""
        return self.takes is None or name in self.takes

    def build(self, settings: Mapping[str, Any], seed: int) -> nn.Module:
        """A new network. A function is called with those ``settings`` it accepts, its initial weights following from
        ``seed`` alone; of a module or model comes a copy with the weights it has.
        """
        if not self.is_factory:
            return copy.deepcopy(self.template)
        return make(self.given, {name: value for name, value in settings.items() if self.accepts(name)}, seed)

    def build_anew(self, seed: int) -> nn.Module:
        """A copy of a module with new initial weights, by the ``reset_parameters`` of its layers.

        Raises
        ------
        RequestError
            Where a layer with weights of its own has no ``reset_parameters``.
        """
        network = copy.deepcopy(self.template)
        with seeded(seed):
            for name, module in network.named_modules():
                own = [*module.parameters(recurse=False)]
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
                elif hasattr(module, "_reset_parameters"):  # nn.MultiheadAttention, nn.Transformer
                    module._reset_parameters()
                elif own:
                    where = f"{name!r} ({type(module).__name__})" if name else type(module).__name__
                    raise RequestError(
                        f"Several networks of one module need new initial weights, and {where} has weights but no "
                        "reset_parameters(); pass a function that makes the network instead."
                    )
        return network

    def give_back(self, network: nn.Module) -> None:
        """Put the trained weights into the user's own module or model; a function's networks are nobody's."""
        if is_keras_model(self.given):
            write_back(self.given, network)
        elif isinstance(self.given, nn.Module):
            self.given.load_state_dict(network.state_dict())
            self.given.eval()


def source_of(given: Any, seed: int) -> Source:
    """The source of what the user passed.

    Raises
    ------
    RequestError
        Where it is no module, no function that makes one, and no Keras model.
    """
    if is_keras_model(given):
        return Source(given, from_keras(given))
    if isinstance(given, nn.Module):
        return Source(given, copy.deepcopy(given).train())
    if not callable(given):
        raise RequestError(
            f"The network must be a torch.nn.Module, a function that makes one, or a Keras model; got "
            f"{_what(given)}."
        )
    takes = _takes(given)
    return Source(given, make(given, {}, seed), takes)


def make(factory: Callable[..., Any], settings: Mapping[str, Any], seed: int) -> nn.Module:
    """What the factory returns; PyTorch's global generator is seeded for its duration and put back."""
    name = getattr(factory, "__name__", type(factory).__name__)
    with seeded(seed):
        try:
            network = factory(**settings)
        except TypeError as error:
            raise RequestError(f"{name}({', '.join(settings)}) cannot be called like this: {error}") from error
    if is_keras_model(network):
        return from_keras(network).train()
    if not isinstance(network, nn.Module):
        raise RequestError(f"{name}() must return a torch.nn.Module or a Keras model; it returned {_what(network)}.")
    return network.train()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """PyTorch's global generator on the CPU seeded for a while, and put back."""
    before = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(before)


def _takes(factory: Callable[..., Any]) -> frozenset[str] | None:
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # written in C: no signature to read
        return frozenset()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(parameter.name for parameter in parameters if parameter.kind in named)


def _what(thing: Any) -> str:
    text = repr(thing) if isinstance(thing, (str, int, float, type(None))) else f"a {type(thing).__name__}"
    return text if len(text) < 80 else text[:76] + "…"

