"""What is minimised, written so that its traced gradient is short.

A loss sees the outputs of one member for one batch and tensors prepared outside the trace. Row weights come normalised
(they sum to 1 over the batch, padding has weight 0), so a loss is a weighted sum. Outputs ``(batch, k, out)`` of
networks that hold k sub-networks give the mean of the k losses, never the loss of the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from annvil.errors import DataError, RequestError, name_rows

CustomLoss = Callable[[Tensor, Tensor, Tensor], Tensor]


class Loss(Protocol):
    """The contract of the three losses below."""

    def check(self, output: Tensor, targets: Tensor) -> Tensor:
        """The targets as they will be gathered, checked against one member's ``output (batch, ..., out)``."""

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        """Memory for what `fill` prepares, each ``(members, batch, ...)``."""

    def fill(self, buffers: tuple[Tensor, ...], targets: Tensor, weights: Tensor, smoothing: Tensor | None) -> None:
        """Prepare a batch: targets and weights are ``(members, batch, ...)``, smoothing ``(members, 1, 1)``."""

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        """The loss of one member, a scalar."""


class CrossEntropy:
    """Class numbers, int64 ``(n_rows,)``, against logits ``(batch, classes)`` or ``(batch, k, classes)``."""

    n_classes = 0

    def check(self, output: Tensor, targets: Tensor) -> Tensor:
        self.n_classes = output.shape[-1]
        if targets.dim() != 1 or targets.is_floating_point():
            came = f"{targets.dtype} of shape {tuple(targets.shape)}"
            raise RequestError(f"Cross-entropy needs whole class numbers of shape (rows,); got {came}.")
        wrong = ((targets < 0) | (targets >= self.n_classes)).nonzero().flatten()
        if len(wrong):
            rows = name_rows(wrong[:5].tolist(), len(wrong))
            raise DataError(
                f"Class numbers must lie between 0 and {self.n_classes - 1}, since the network has that many outputs; "
                f"{rows} hold others, such as {int(targets[wrong[0]])}."
            )
        return targets.long()

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        return (torch.zeros(members, batch, self.n_classes),)

    def fill(self, buffers: tuple[Tensor, ...], targets: Tensor, weights: Tensor, smoothing: Tensor | None) -> None:
        """Fills ``-weight * target distribution``: then the loss is one product and its gradient needs no other."""
        (negative,) = buffers
        weights = weights.unsqueeze(-1)
        negative.zero_().scatter_(-1, targets.unsqueeze(-1), weights)
        if smoothing is not None:
            negative.mul_(1 - smoothing).addcmul_(weights, smoothing / self.n_classes)
        negative.neg_()

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        (negative,) = prepared
        logs = torch.log_softmax(output.float(), dim=-1)
        if logs.dim() == 3:
            return (logs * negative.unsqueeze(1)).sum() / logs.shape[1]
        return (logs * negative).sum()


class SquaredError:
    """Targets are numbers ``(n_rows,)`` or ``(n_rows, out)``; the mean over the outputs of the squared differences."""

    n_outputs = 0

    def check(self, output: Tensor, targets: Tensor) -> Tensor:
        self.n_outputs = output.shape[-1]
        targets = (targets.unsqueeze(-1) if targets.dim() == 1 else targets).float()
        if targets.dim() != 2 or targets.shape[1] != self.n_outputs:
            came = tuple(targets.shape)
            raise RequestError(
                f"The network has {self.n_outputs} outputs; the targets have shape {came}, which does not fit."
            )
        return _finite(targets)

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        return torch.zeros(members, batch, self.n_outputs), torch.zeros(members, batch, 1)

    def fill(self, buffers: tuple[Tensor, ...], targets: Tensor, weights: Tensor, smoothing: Tensor | None) -> None:
        buffers[0].copy_(targets)
        torch.div(weights.unsqueeze(-1), self.n_outputs, out=buffers[1])

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        targets, weights = prepared
        if output.dim() == 3:
            targets, weights = targets.unsqueeze(1), weights.unsqueeze(1) / output.shape[1]
        difference = output.float() - targets
        return (difference * difference * weights).sum()


class Custom:
    """``function(output, target, weight)`` for one member's batch; ``weight (batch,)`` sums to 1, padding has 0."""

    def __init__(self, function: CustomLoss) -> None:
        self.function = function
        self._example = torch.empty(0)

    def check(self, output: Tensor, targets: Tensor) -> Tensor:
        if targets.is_floating_point():
            targets = _finite(targets.float())
        self._example = targets[:1]
        weights = torch.full((len(output),), 1 / len(output))
        loss = self.function(output, targets[: len(output)], weights)
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            came = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise RequestError(
                f"The loss must return one number, a tensor without axes; got {came}. "
                "Multiply the rows' losses by `weight` (it sums to 1 and is 0 for padding) and sum them."
            )
        return targets

    def buffers(self, members: int, batch: int) -> tuple[Tensor, ...]:
        shape = (members, batch, *self._example.shape[1:])
        return torch.zeros(shape, dtype=self._example.dtype), torch.zeros(members, batch)

    def fill(self, buffers: tuple[Tensor, ...], targets: Tensor, weights: Tensor, smoothing: Tensor | None) -> None:
        buffers[0].copy_(targets)
        buffers[1].copy_(weights)

    def value(self, output: Tensor, *prepared: Tensor) -> Tensor:
        return self.function(output, prepared[0], prepared[1])


def make_loss(loss: str | CustomLoss) -> Loss:
    """The loss of that name, or the caller's own."""
    if loss == "cross-entropy":
        return CrossEntropy()
    if loss == "squared-error":
        return SquaredError()
    if callable(loss):
        return Custom(loss)
    raise RequestError(f"loss must be 'cross-entropy', 'squared-error' or a function; got {loss!r}.")


def _finite(targets: Tensor) -> Tensor:
    wrong = (~torch.isfinite(targets)).reshape(len(targets), -1).any(1).nonzero().flatten()
    if len(wrong):
        rows = name_rows(wrong[:5].tolist(), len(wrong))
        raise DataError(f"The targets of {rows} are missing or infinite; drop or fill them before training.")
    return targets
