"""Which Keras models can be trained here; and building one that has no weights yet."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import Tensor

from annvil.errors import RequestError, first_line
from annvil.trainer.keras.private import inner_layers


def check_backend(model: Any) -> None:
    """Refuse a model on another backend than PyTorch."""
    backend = sys.modules["keras"].config.backend()
    if backend != "torch":
        raise RequestError(
            f"The Keras model {model.name!r} runs on {backend}; annvil trains Keras models on PyTorch. Set the "
            "environment variable KERAS_BACKEND=torch before keras is imported."
        )


def build(model: Any, inputs: tuple[Tensor, ...]) -> None:
    """Give a model without weights its weights, by showing it two rows."""
    if model.built and all(layer.built for layer in inner_layers(model)):
        return
    if not inputs:
        raise RequestError(
            f"The Keras model {model.name!r} has no weights yet; call it on a few rows, or give it an Input."
        )
    rows = [tensor[:2].float() if tensor.is_floating_point() else tensor[:2] for tensor in inputs]
    try:
        with torch.no_grad():
            model(rows[0] if len(rows) == 1 else rows)
    except Exception as error:  # the user's own code runs here, and may raise anything
        shapes = ", ".join(str(tuple(row.shape)) for row in rows)
        raise RequestError(
            f"The Keras model {model.name!r} cannot take inputs of shapes {shapes}: {first_line(error)}."
        ) from error


def check_trainable(model: Any) -> None:
    """Refuse a model that is trained in a way the engine cannot repeat."""
    own = [name for name in ("train_step", "compute_loss") if not written_by_keras(type(model), name)]
    if own:
        raise RequestError(
            f"{type(model).__name__} has a {own[0]} of its own, which annvil.train would pass over; train it with fit, "
            "or give annvil.train a model without it and the loss as loss=…"
        )
    limited = [variable.path for variable in model.trainable_variables if variable.constraint is not None]
    if limited:
        raise RequestError(f"The engine keeps to no constraints of weights, but {limited[0]!r} has one; remove it.")
    wrong = [variable for variable in model.trainable_variables if variable.value.dtype is not torch.float32]
    if wrong:
        raise RequestError(
            f"The engine trains float32 weights, but {wrong[0].path!r} is {wrong[0].dtype}; build the model with "
            "dtype='float32', and choose precision= in annvil.train."
        )


def written_by_keras(kind: type, method: str) -> bool:
    """Whether the class has the method from Keras, and not from the user."""
    home = next(base for base in kind.__mro__ if method in vars(base))
    return home.__module__.startswith("keras.")
