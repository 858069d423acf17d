"""Losses that the caller brings, and the choice of a loss by name."""

from __future__ import annotations

import copy
import inspect
import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training.losses.named import (
    AbsoluteError,
    Batch,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    LabelCrossEntropy,
    Loss,
    SquaredError,
    finite,
    shape_of_rows,
    unmasked,
)
from annvil.training.system.random_state import seeded

CustomLoss = Callable[..., Tensor]
"""``function(output, target, weight) -> scalar``, or ``function(output, target)`` → the mean, or a number a row."""


_ROWS_TO_TELL = 64
"""Rows on which losses are told apart (assumed: more than most data have classes)."""


class Custom:
    """``function(output, target, weight)`` for one member's batch; ``weight`` sums to 1, padding has 0."""

    takes_weights = True

    def __init__(self, function: CustomLoss) -> None:
        self.function = function
        self.takes_mixing = False  # of class numbers, no function knows what half of one is
        self._example, self._weights = torch.empty(0), torch.empty(0)
        self._targets, self._output = torch.empty(0), torch.Size()

    def check(self, output: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        targets = self._remembered(output, targets, weights)
        weight = torch.full((len(output), *self._weights.shape[1:]), 1.0)
        loss = _call(self.function, output, targets[: len(output)], weight / weight.numel())
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            raise RequestError(
                f"The loss must return one number, a tensor without axes; got {_came(loss)}. "
                "Multiply the rows' losses by `weight` (it sums to 1 and is 0 for padding) and sum them."
            )
        return targets

    def _remembered(self, output: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        if targets.is_floating_point():
            targets = finite(unmasked(targets.float(), weights))
            self.takes_mixing = True
        self._example = targets[:1]
        self._weights = torch.ones(1) if weights is None else torch.ones_like(weights[:1])
        self._targets = targets[torch.linspace(0, len(targets) - 1, min(_ROWS_TO_TELL, len(targets))).long()]
        self._output = output.shape[1:]
        return targets

    def says(self) -> bytes:
        """What tells it from other functions, which have no lasting names: what it says of outputs made at random.

        Values and gradients are taken, for targets from all over the data. A change that shows in none is not noticed.
        """
        generator = torch.Generator().manual_seed(0)
        rows = len(self._targets)
        weights = torch.rand(rows, *self._weights.shape[1:], generator=generator)
        outputs = torch.randn(rows, *self._output, generator=generator)
        function, said = _copied(self.function), b""
        for given in (outputs, 10 * outputs, torch.sigmoid(outputs)):
            given = given.clone().requires_grad_()
            with torch.enable_grad(), seeded(0), redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    loss = type(self)(function).value(given, self._targets, weights / weights.sum())
                    (gradient,) = torch.autograd.grad(loss, given, allow_unused=True, materialize_grads=True)
                except Exception as error:  # it was seen to work on other rows; that it refuses these is an answer too
                    said += type(error).__name__.encode()
                else:
                    said += loss.detach().double().numpy().tobytes() + gradient.double().numpy().tobytes()
        return said

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        shape = (members, batch, *self._example.shape[1:])
        return torch.zeros(shape, dtype=self._example.dtype), torch.zeros(members, batch, *self._weights.shape[1:])

    def fill(self, buffers: tuple[Tensor, ...], batch: Batch) -> None:
        buffers[0].copy_(batch.targets if batch.mixing is None else batch.mixing.of_numbers(batch.targets))
        buffers[1].copy_(batch.weights)

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        return self.function(output, prepared[0], prepared[1])


class PlainCustom(Custom):
    """``function(output, target)`` as PyTorch's users write it, `torch.nn.CrossEntropyLoss()` for instance.

    One that returns the mean over the batch knows no weights: it is multiplied by the batch's share of the rows, which
    is 1 in training. One that returns a number for every row (``reduction="none"``) has each multiplied by its weight.
    """

    def check(self, output: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        targets = self._remembered(output, targets, weights)
        loss = _call(self.function, output, targets[: len(output)])
        of_rows = isinstance(loss, Tensor) and loss.dim() >= 1 and len(loss) == len(output)
        if not isinstance(loss, Tensor) or (loss.dim() and not of_rows):
            raise RequestError(
                f"The loss must return one number, the mean over the batch, or one number for each of its "
                f"{len(output)} rows; got {_came(loss)}."
            )
        self.takes_weights = loss.dim() > 0
        if weights is not None and not self.takes_weights:
            raise RequestError(
                "Rows with weights need a loss that returns one number for each row, such as "
                "torch.nn.CrossEntropyLoss(reduction='none'); this one returns the mean over the batch."
            )
        return targets

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        targets, weights = prepared
        losses = self.function(output, targets)
        if losses.dim() == 0:
            return losses * weights.sum()
        losses = losses.reshape(*weights.shape, -1).mean(-1)
        return (losses * weights).sum()


_NAMED: dict[str, Callable[[], Loss]] = {
    "cross-entropy": CrossEntropy,
    "binary-cross-entropy": BinaryCrossEntropy,
    "label-cross-entropy": LabelCrossEntropy,
    "squared-error": SquaredError,
    "absolute-error": AbsoluteError,
    "huber": Huber,
}


def make_loss(loss: str | CustomLoss) -> Loss:
    """The loss of that name, or the caller's own."""
    if isinstance(loss, str) and loss in _NAMED:
        return _NAMED[loss]()
    if callable(loss):
        return Custom(loss) if _wants_weights(loss) else PlainCustom(loss)
    raise RequestError(f"loss must be {', '.join(map(repr, _NAMED))} or a function; got {loss!r}.")


def given_function(loss: Loss) -> CustomLoss | None:
    """The caller's own function within a loss, if it is one."""
    return loss.function if isinstance(loss, Custom) else None


def _wants_weights(function: CustomLoss) -> bool:
    """Whether a third argument must be given; modules of PyTorch that need one mean something else by it."""
    if isinstance(function, nn.Module):
        return False
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(a.kind in kinds and a.default is inspect.Parameter.empty for a in arguments) >= 3


def _call(function: CustomLoss, output: Tensor, targets: Tensor, *weight: Tensor) -> Any:
    """What the caller's loss says of a few rows; shapes that do not fit are refused."""
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            loss = function(output, targets, *weight)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise RequestError(
            f"The loss cannot take outputs of shape {shape_of_rows(output)} and targets of shape "
            f"{shape_of_rows(targets)} and type {targets.dtype}: {str(error).splitlines()[0]}"
        ) from error
    if any("target size" in str(warning.message) for warning in warned):
        raise RequestError(
            f"The network's outputs have shape {shape_of_rows(output)}, the targets {shape_of_rows(targets)}: the "
            "loss would compare every output with every target. Give targets of the outputs' shape."
        )
    return loss


def _copied(function: CustomLoss) -> CustomLoss:
    """A copy of a loss that is an object, so that asking it leaves no trace."""
    try:
        return copy.deepcopy(function)
    except Exception:  # objects may refuse to be copied in ways of their own
        return function


def _came(loss: object) -> str:
    return f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
