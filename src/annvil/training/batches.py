"""Which rows make a member's batches: a permutation per epoch that depends on the member's seed and the epoch alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from annvil.training.recipe import Member, Recipe

_ROUND = 16  # batches are padded to a multiple of this, so that folds which differ by a row share one program
_VALIDATION_ROWS = 512  # most validation rows of a member in one pass (assumed: small enough for the cache)


@dataclass(frozen=True, order=True)
class BatchShape:
    """What members must share to be trained by one program. It follows from a member's own rows, not its companions."""

    steps: int  # of an epoch
    batch: int  # rows, padding included
    validation_steps: int
    validation_batch: int

    @property
    def rows(self) -> int:
        """Rows of an epoch, padding included."""
        return self.steps * self.batch

    @classmethod
    def of(cls, member: Member, recipe: Recipe) -> BatchShape:
        """The shape for ``member``: equal steps, each padded by at most 15 rows and never beyond the batch size."""
        steps, batch = _cut(len(member.train), recipe.batch_size)
        validation_steps, validation_batch = _cut(len(member.validation), _VALIDATION_ROWS)
        return cls(steps, batch, validation_steps, validation_batch)


def _cut(rows: int, most: int) -> tuple[int, int]:
    if rows == 0:
        return 0, 0
    steps = -(-rows // most)
    batch = -(-rows // steps)
    padded = -(-batch // _ROUND) * _ROUND
    return steps, max(batch, min(padded, most))


def mix(*numbers: int) -> int:
    """A 63-bit number from whole numbers, in which every bit of every one counts (SplitMix64, Steele et al. 2014)."""
    state = 0
    for number in numbers:
        state = (state ^ (number & 0xFFFFFFFFFFFFFFFF)) + 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & 0xFFFFFFFFFFFFFFFF
        state = (state ^ state >> 27) * 0x94D049BB133111EB & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1


class Layouts:
    """Row numbers and weights of a pack's batches.

    ``order(epoch)`` → int32 ``(steps, members, batch)``; ``weights(order)`` → float32 of the same shape, each batch of
    a member summing to 1 and padding having 0.
    """

    def __init__(self, members: list[Member], shape: BatchShape, row_weights: Tensor | None) -> None:
        self._members, self._shape = members, shape
        self._row_weights = row_weights
        self._places = [_places(len(member.train), shape.steps, shape.batch) for member in members]
        self._rows = [torch.as_tensor(np.asarray(member.train), dtype=torch.int32) for member in members]
        alike = len({len(rows) for rows in self._rows}) == 1
        flat = _normalise(torch.stack([(p >= 0).float() for p in self._places[: 1 if alike else None]], dim=1), (2,))
        self._flat = flat.expand(-1, len(members), -1)  # where members have equally many rows, kept once

    def order(self, epoch: int) -> Tensor:
        """The rows of every step of ``epoch``."""
        order = torch.empty(self._shape.steps, len(self._members), self._shape.batch, dtype=torch.int32)
        for k, (member, rows, places) in enumerate(zip(self._members, self._rows, self._places, strict=True)):
            generator = torch.Generator().manual_seed(mix(member.seed, epoch))
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            order[:, k] = shuffled[places.clamp(min=0)]
        return order

    def weights(self, order: Tensor) -> Tensor:
        """The weight of every row of ``order``."""
        if self._row_weights is None:
            return self._flat
        return _normalise(self._row_weights[order.long()] * (self._flat > 0), (2,))

    def validation(self) -> tuple[Tensor, Tensor]:
        """Rows and weights of all validation batches; a member's weights sum to 1 over all its batches."""
        steps, batch = self._shape.validation_steps, self._shape.validation_batch
        order = torch.zeros(steps, len(self._members), batch, dtype=torch.int32)
        weights = torch.zeros(steps, len(self._members), batch)
        for k, member in enumerate(self._members):
            rows = torch.as_tensor(np.asarray(member.validation), dtype=torch.int32)
            places = _places(len(rows), steps, batch)
            order[:, k] = rows[places.clamp(min=0)]
            weights[:, k] = (places >= 0).float()
        if self._row_weights is not None:
            weights *= self._row_weights[order.long()]
        return order, _normalise(weights, (0, 2))


def _places(rows: int, steps: int, batch: int) -> Tensor:
    """``(steps, batch)``: which of ``rows`` shuffled rows stands where, -1 for padding."""
    bounds = torch.arange(steps + 1) * rows // max(steps, 1)
    places = bounds[:-1, None] + torch.arange(batch)
    return torch.where(places < bounds[1:, None], places, -1)


def _normalise(weights: Tensor, axes: tuple[int, ...]) -> Tensor:
    return weights / weights.sum(axes, keepdim=True).clamp(min=1e-30)
