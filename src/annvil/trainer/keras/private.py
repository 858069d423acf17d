"""All of Keras' private names that Annvil uses, each in one function; Keras has no public one for what they say.

They may change with any release, so the versions are bounded (``pyproject.toml``), and tests say what each must do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def inner_layers(layer: Any) -> list[Any]:
    """All layers within a model or layer, in depth."""
    return list(layer._flatten_layers(include_self=False))


def takes_training(model: Any) -> bool:
    """Whether ``call`` of the model has the argument ``training``."""
    return bool(model._call_has_training_arg)


def decays(optimizer: Any, variable: Any) -> bool:
    """Whether the optimizer's weight decay applies to the variable."""
    return bool(optimizer._use_weight_decay(variable))


def learning_rate(optimizer: Any) -> Any:
    """As it was given: a variable, a function or a schedule, where the public property has today's number."""
    return optimizer._learning_rate


def noise_shape(layer: Any) -> Callable[[Tensor], Any]:
    """What a dropout layer draws for inputs, as a function of them; an axis that is None, or all, is the inputs'."""
    own: Callable[[Tensor], Any] | None = getattr(layer, "_get_noise_shape", None)  # SpatialDropout, some Dropout
    return (lambda inputs: layer.noise_shape) if own is None else own


def asked_metrics(model: Any) -> list[Any]:
    """What ``compile`` was given as ``metrics`` and ``weighted_metrics``, nested as it was."""
    asked = model._compile_metrics
    return [] if asked is None else [asked._user_metrics, asked._user_weighted_metrics]


def mask_of(output: Any) -> Tensor | None:
    """The mask that a layer's output carries."""
    return getattr(output, "_keras_mask", None)


def logits_of(output: Any) -> Tensor | None:
    """What went into the softmax or sigmoid that made the output, where that is known."""
    return getattr(output, "_keras_logits", None)


def last_layer(model: Any) -> Any:
    """The layer that makes the output of a Sequential or functional model; None of a subclassed one."""
    try:
        return model.outputs[0]._keras_history.operation
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
