"""Which rows make a member's batches: a permutation per epoch that depends on the member's seed and the epoch alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from annvil.training.recipe import Member, Recipe

_ROUND = 16  # batches are padded to a multiple of this, so that folds which differ by a row share one program
_UNIT, _FEWEST_UNITS = 32, 16
"""Trimmed batches are multiples of 32, so that a half of one still is of 16; an epoch then leaves out at most 31 of at
least 512 rows."""

_VALIDATION_ROWS = 512  # most validation rows of a member in one pass (assumed: small enough for the cache)


@dataclass(frozen=True, order=True)
class BatchShape:
    """What members must share to be trained by one program. It follows from a member's own rows, not its companions.

    The last ``short_steps`` of an epoch have ``short`` rows instead of ``batch``; so have those of validation. Where
    batches are padded there are none.
    """

    steps: int  # of an epoch
    batch: int  # rows, padding included
    validation_steps: int
    validation_batch: int
    short_steps: int = 0
    short: int = 0
    short_validation_steps: int = 0
    validation_short: int = 0

    @property
    def rows(self) -> int:
        """Rows of an epoch, padding included."""
        return self.steps * self.batch - self.short_steps * (self.batch - self.short)

    @classmethod
    def of(cls, member: Member, recipe: Recipe) -> BatchShape:
        """The shape for ``member``; "equal" steps are padded by at most 15 rows and never beyond the batch size."""
        rows, validation_rows = len(member.train), len(member.validation)
        if recipe.batches == "equal":
            steps, batch = _cut(rows, recipe.batch_size)
            validation_steps, validation_batch = _cut(validation_rows, _VALIDATION_ROWS)
            return cls(steps, batch, validation_steps, validation_batch)
        cut = {"unpadded": _cut_evenly, "trimmed": _cut_trimmed, "exact": _cut_exactly}[recipe.batches]
        steps, batch, short_steps, short = cut(rows, recipe.batch_size)
        validation_steps, validation_batch, *validation_short = _cut_evenly(validation_rows, _VALIDATION_ROWS)
        return cls(steps, batch, validation_steps, validation_batch, short_steps, short, *validation_short)

    def rows_of(self, step: int) -> int:
        """Rows of a step of the epoch."""
        return self.batch if step < self.steps - self.short_steps else self.short

    def rows_of_validation(self, step: int) -> int:
        """Rows of a step of the validation."""
        return (
            self.validation_batch
            if step < self.validation_steps - self.short_validation_steps
            else self.validation_short
        )

    def batches_done(self, steps: int) -> float:
        """The first ``steps`` of an epoch, counted in whole batches."""
        short = max(0, steps - (self.steps - self.short_steps))
        return steps - short * (1 - self.short / self.batch)


def _cut(rows: int, most: int) -> tuple[int, int]:
    if rows == 0:
        return 0, 0
    steps = -(-rows // most)
    batch = -(-rows // steps)
    padded = -(-batch // _ROUND) * _ROUND
    return steps, max(batch, min(padded, most))


def _cut_evenly(rows: int, most: int) -> tuple[int, int, int, int]:
    """Steps, rows of the long ones, how many are a row shorter, and rows of those."""
    if rows == 0:
        return 0, 0, 0, 0
    steps = -(-rows // most)
    batch = -(-rows // steps)
    short_steps = steps * batch - rows
    return steps, batch, short_steps, batch - 1 if short_steps else 0


def _cut_exactly(rows: int, most: int) -> tuple[int, int, int, int]:
    """Steps, their rows, whether the last is shorter, and its rows."""
    steps, left = divmod(rows, most)
    if not steps or not left:
        return max(steps, 1), min(rows, most), 0, 0
    return steps + 1, most, 1, left


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

    ``order(epoch)`` → int32 ``(steps, members, batch)``; ``weights(order)`` → float32 of the same shape, or
    ``(steps, members, batch, *positions)`` if rows have a weight at every position, each batch of a member summing to 1
    and padding having 0. In a short step, the rows beyond its own are padding.
    """

    def __init__(
        self, members: list[Member], shape: BatchShape, row_weights: Tensor | None, shuffle: bool = True
    ) -> None:
        self._members, self._shape, self._shuffle = members, shape, shuffle
        self._row_weights = row_weights
        self._places = [_places(len(member.train), shape) for member in members]
        self._rows = [torch.as_tensor(np.asarray(member.train), dtype=torch.int32) for member in members]
        alike = len({len(rows) for rows in self._rows}) == 1
        flat = _normalise(torch.stack([(p >= 0).float() for p in self._places[: 1 if alike else None]], dim=1), 2)
        self._flat = flat.expand(-1, len(members), -1)  # where members have equally many rows, kept once

    def order(self, epoch: int) -> Tensor:
        """The rows of every step of ``epoch``."""
        order = torch.empty(self._shape.steps, len(self._members), self._shape.batch, dtype=torch.int32)
        for k, (member, rows, places) in enumerate(zip(self._members, self._rows, self._places, strict=True)):
            if self._shuffle:
                generator = torch.Generator().manual_seed(mix(member.seed, epoch))
                rows = rows[torch.randperm(len(rows), generator=generator)]
            order[:, k] = rows[places.clamp(min=0)]
        return order

    def weights(self, order: Tensor) -> Tensor:
        """The weight of every row of ``order``."""
        if self._row_weights is None:
            return self._flat
        return _normalise(_at(self._row_weights, order, self._flat > 0), 2)

    def validation(self) -> tuple[Tensor, Tensor]:
        """Rows and weights of all validation batches; a member's weights sum to 1 over all its batches."""
        shape = self._shape
        order = torch.zeros(shape.validation_steps, len(self._members), shape.validation_batch, dtype=torch.int32)
        real = torch.zeros(order.shape, dtype=torch.bool)
        bounds = _bounds([shape.rows_of_validation(step) for step in range(shape.validation_steps)])
        for k, member in enumerate(self._members):
            rows = torch.as_tensor(np.asarray(member.validation), dtype=torch.int32)
            if not shape.short_validation_steps:
                bounds = torch.arange(shape.validation_steps + 1) * len(rows) // max(shape.validation_steps, 1)
            places = _between(bounds, shape.validation_batch)
            order[:, k] = rows[places.clamp(min=0)]
            real[:, k] = places >= 0
        weights = real.float() if self._row_weights is None else _at(self._row_weights, order, real)
        return order, _normalise(weights, 2, over_steps=True)


def _cut_trimmed(rows: int, most: int) -> tuple[int, int, int, int]:
    units, of_batch = rows // _UNIT, most // _UNIT
    if units < _FEWEST_UNITS or not of_batch:
        return _cut_evenly(rows, most)
    steps, batch, short_steps, short = _cut_evenly(units, of_batch)
    return steps, batch * _UNIT, short_steps, short * _UNIT


def _places(rows: int, shape: BatchShape) -> Tensor:
    """``(steps, batch)``: which of ``rows`` shuffled rows stands where, -1 for padding."""
    if shape.short_steps:
        return _between(_bounds([shape.rows_of(step) for step in range(shape.steps)]), shape.batch)
    return _between(torch.arange(shape.steps + 1) * rows // max(shape.steps, 1), shape.batch)


def _bounds(sizes: list[int]) -> Tensor:
    return torch.tensor([0, *sizes]).cumsum(0)


def _between(bounds: Tensor, batch: int) -> Tensor:
    places = bounds[:-1, None] + torch.arange(batch)
    return torch.where(places < bounds[1:, None], places, -1)


def _at(row_weights: Tensor, order: Tensor, real: Tensor) -> Tensor:
    """The weights of the rows of ``order``, 0 where they are padding."""
    found = row_weights[order.long()]
    return found * real.view(*real.shape, *[1] * (found.dim() - real.dim()))


def _normalise(weights: Tensor, first: int, over_steps: bool = False) -> Tensor:
    """The weights with those of every member's batch (axes from ``first``) summing to 1, or those of all its steps."""
    axes = (*((0,) if over_steps else ()), *range(first, weights.dim()))
    return weights / weights.sum(axes, keepdim=True).clamp(min=1e-30)
