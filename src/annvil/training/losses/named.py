"""Losses by name, written so that their traced gradient is short.

A loss sees the outputs of one member for one batch and tensors prepared outside the trace. Row weights come normalised
(they sum to 1 over the batch, padding has weight 0), so a loss is a weighted sum. Weights may also be given for every
position within a row, such as the steps of a sequence; then they sum to 1 over rows and positions, and a mask is a
weight of 0. Outputs ``(batch, k, out)`` of networks that hold k sub-networks give the mean of the k losses, never the
loss of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from annvil.data.batch_transform import Mixing
from annvil.errors import DataError, RequestError, name_rows


@dataclass(frozen=True)
class Batch:
    """What a loss is told of a batch of all members.

    Attributes
    ----------
    targets, weights : ``(members, batch, ...)``; the weights of a member sum to 1
    smoothing : of the labels, ``(members, 1, 1)``, or None
    mixing : how rows were mixed, or None
    """

    targets: Tensor
    weights: Tensor
    smoothing: Tensor | None = None
    mixing: Mixing | None = None


class Loss(Protocol):
    """The contract of the losses below."""

    takes_weights: bool
    """Whether rows may weigh differently, and so whether batches may be padded."""

    takes_mixing: bool
    """Whether a row's target may be a mix of two."""

    def check(self, output: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """The targets as they will be gathered, checked against one member's ``output (batch, ..., out)``."""

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        """Memory for what `fill` prepares, each ``(members, batch, ...)``."""

    def fill(self, buffers: tuple[Tensor, ...], batch: Batch) -> None:
        """Prepare a batch."""

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        """The loss of one member, a scalar."""


_FEW_CLASSES = 64
"""Up to so many classes, the logarithms of their probabilities are computed with classes as the first axis: PyTorch
goes through the last one number by number. Forward and backward, in µs, for 256 rows of 10 classes 8 instead of 52, for
32 members with 256 rows of 2 classes 29 instead of 352; of 1000 classes 514 instead of 262 (measured)."""

_LEAST_OUTPUTS = 128
"""The same for batches of at least so many outputs: for 32 rows of 2 classes it is 4% of a step slower (measured)."""


class CrossEntropy:
    """Class numbers ``(n_rows, *positions)`` against logits ``(batch, *positions, classes)``.

    Positions are none for a class a row, one axis for sequences, two for the pixels of an image. Class numbers
    ``(n_rows,)`` against ``(batch, k, classes)`` are k sub-networks.
    """

    takes_weights = True
    takes_mixing = True

    def __init__(self) -> None:
        self.n_classes = 0
        self._positions: tuple[int, ...] = ()

    def check(self, output: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        self.n_classes = output.shape[-1]
        self._positions = tuple(targets.shape[1:])
        fits = output.dim() >= 2 and (
            output.shape[1:-1] == targets.shape[1:] or (targets.dim() == 1 and output.dim() == 3)
        )
        if targets.is_floating_point() or not fits:
            wanted = "(rows,)" if output.dim() <= 2 else f"(rows, {', '.join(map(str, output.shape[1:-1]))})"
            came = f"{targets.dtype} of shape {tuple(targets.shape)}"
            raise RequestError(
                f"Cross-entropy needs whole class numbers of shape {wanted} for outputs of shape "
                f"{shape_of_rows(output)}; got {came}."
            )
        targets = unmasked(targets.long(), weights)
        wrong = (targets < 0) | (targets >= self.n_classes)
        if bool(wrong.any()):
            raise DataError(
                f"Class numbers must lie between 0 and {self.n_classes - 1}, since the network has that many outputs; "
                f"{rows_with(wrong)} hold others, such as {int(targets[wrong][0])}."
            )
        return targets

    def _classes_first(self, batch: int) -> bool:
        return self.n_classes <= _FEW_CLASSES and batch * self.n_classes >= _LEAST_OUTPUTS

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        if self._classes_first(batch):
            return (torch.zeros(members, self.n_classes, batch, *self._positions),)
        return (torch.zeros(members, batch, *self._positions, self.n_classes),)

    def fill(self, buffers: tuple[Tensor, ...], batch: Batch) -> None:
        """Fills ``-weight * target distribution``: then the loss is one product and its gradient needs no other."""
        targets, mixing = batch.targets, batch.mixing
        negative = buffers[0].movedim(1, -1) if self._classes_first(targets.shape[1]) else buffers[0]
        weights = _spread(batch.weights, targets.shape).expand(targets.shape).unsqueeze(-1)
        if mixing is None:
            negative.zero_().scatter_(-1, targets.unsqueeze(-1), weights)
        else:
            own = weights * mixing.share.view(*mixing.share.shape, *[1] * (weights.dim() - 2))
            negative.zero_().scatter_(-1, targets.unsqueeze(-1), own)
            negative.scatter_add_(-1, mixing.partners_of(targets).unsqueeze(-1), weights - own)
        if batch.smoothing is not None:
            smoothing = batch.smoothing.view(-1, *[1] * (negative.dim() - 1))
            negative.mul_(1 - smoothing).addcmul_(weights, smoothing / self.n_classes)
        negative.neg_()

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        (negative,) = prepared
        if self._classes_first(len(output)):
            logs, networks = torch.log_softmax(output.float().movedim(-1, 0), dim=0), -1
        else:
            logs, networks = torch.log_softmax(output.float(), dim=-1), 1
        if logs.dim() > negative.dim():
            return (logs * negative.unsqueeze(networks)).sum() / logs.shape[networks]
        return (logs * negative).sum()


class Elementwise:
    """The mean over the outputs of what `distance` says of each; targets are numbers, shaped as the outputs.

    Targets ``(n_rows,)`` fit outputs ``(batch, 1)`` too, and ``(n_rows, out)`` fit those of k sub-networks.
    """

    takes_weights = True
    takes_mixing = True

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._weights: tuple[int, ...] = ()  # axes of the weights beyond the row

    def check(self, output: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        numbers = unmasked(targets.float(), weights)
        mine, theirs = tuple(numbers.shape[1:]), tuple(output.shape[1:])
        if mine != theirs and len(theirs) == 2 and (mine == theirs[1:] or (mine == () and theirs[1] == 1)):
            mine = theirs[1:]  # k sub-networks
        elif mine != theirs and ((mine == theirs[:-1] and theirs[-1] == 1) or (mine == (1,) and theirs == ())):
            mine = theirs
        elif mine != theirs:
            outputs = f"{output.shape[1]} outputs" if output.dim() == 2 else f"outputs of shape {shape_of_rows(output)}"
            raise RequestError(
                f"The network has {outputs}; the targets have shape {tuple(targets.shape)}, which does not fit."
            )
        numbers = finite(numbers.reshape(len(numbers), *mine))
        self._shape = mine
        self._weights = tuple(_spread(weights[None, :1], (1, 1, *mine)).shape[2:]) if weights is not None else ()
        return numbers

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        ones = self._weights or (1,) * len(self._shape)
        return torch.zeros(members, batch, *self._shape), torch.zeros(members, batch, *ones)

    def fill(self, buffers: tuple[Tensor, ...], batch: Batch) -> None:
        buffers[0].copy_(batch.targets if batch.mixing is None else batch.mixing.of_numbers(batch.targets))
        buffers[1].copy_(_spread(batch.weights, batch.targets.shape))

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        targets, weights = prepared
        if output.dim() > targets.dim():
            targets, weights = targets.unsqueeze(1), weights.unsqueeze(1) / output.shape[1]
        return (self.distance(output.float(), targets) * weights).sum()

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of every single number."""
        raise NotImplementedError


class SquaredError(Elementwise):
    """The squared difference."""

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        difference = output - target
        return difference * difference


class AbsoluteError(Elementwise):
    """The absolute difference."""

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        return (output - target).abs()


class Huber(Elementwise):
    """Half the squared difference up to 1, the absolute difference less ½ beyond (Huber 1964), as PyTorch and Keras."""

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        size = (output - target).abs()
        square = size.clamp(max=1.0)
        return square * (size - 0.5 * square)


class BinaryCrossEntropy(Elementwise):
    """Zeros and ones (or shares between) against logits; with several outputs, each is a label of its own."""

    def check(self, output: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        labels = super().check(output, targets, weights)
        wrong = (labels < 0) | (labels > 1)
        if bool(wrong.any()):
            example = float(labels[wrong][0])
            raise DataError(f"Labels must lie between 0 and 1; {rows_with(wrong)} hold others, such as {example:g}.")
        return labels

    def fill(self, buffers: tuple[Tensor, ...], batch: Batch) -> None:
        super().fill(buffers, batch)
        if batch.smoothing is not None:
            smoothing = batch.smoothing.view(-1, *[1] * (batch.targets.dim() - 1))
            buffers[0].mul_(1 - smoothing).add_(smoothing / 2)

    def distance(self, output: Tensor, target: Tensor) -> Tensor:
        return functional.softplus(output) - target * output


class LabelCrossEntropy(BinaryCrossEntropy):
    """The binary cross-entropies of a row's labels added up, where `BinaryCrossEntropy` is their mean.

    The nats of a row, as cross-entropy has them: an optimiser whose steps grow with the gradient (SGD) then moves the
    weights of a label as far as it would those of a class, however many labels there are.
    """

    def fill(self, buffers: tuple[Tensor, ...], batch: Batch) -> None:
        super().fill(buffers, batch)
        buffers[1].mul_(prod(self._shape))


def shape_of_rows(tensor: Tensor) -> str:
    return f"({', '.join(['rows', *map(str, tensor.shape[1:])])})" if tensor.dim() > 1 else "(rows,)"


def _spread(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Weights ``(members, batch, *positions)`` for targets of ``shape``: shared evenly by the axes they lack."""
    lacking = shape[weights.dim() :]
    return (weights / prod(lacking)).view(*weights.shape, *[1] * len(lacking)) if lacking else weights


def unmasked(targets: Tensor, weights: Tensor | None) -> Tensor:
    """Zeros where the weight is zero: whatever stood there does not count."""
    if weights is None or weights.dim() < 2:
        return targets
    masked = (weights == 0).view(*weights.shape, *[1] * (targets.dim() - weights.dim()))
    return targets.masked_fill(masked, 0)


def finite(targets: Tensor) -> Tensor:
    wrong = ~torch.isfinite(targets)
    if bool(wrong.any()):
        raise DataError(
            f"The targets of {rows_with(wrong)} are missing or infinite; drop or fill them before training."
        )
    return targets


def rows_with(wrong: Tensor) -> str:
    """The rows where anything is ``wrong (n_rows, ...)``, in words."""
    rows = wrong.reshape(len(wrong), -1).any(1).nonzero().flatten()
    return name_rows(rows[:5].tolist(), len(rows))
