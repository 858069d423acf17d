"""Changing training batches on their way to the network: what an augmentation is to the engine.

It is called when a training batch has been gathered and before the step, never for validation, and changes the batch
where it lies. What it does must follow from the `Moment` and the rows alone: then a member's result follows from its
own seed, whoever trains beside it, and a run that was killed goes on to the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

_MASK = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True)
class Moment:
    """Where in training a batch comes. ``seeds`` are the members' own, one for each of the batch's first axis."""

    seeds: tuple[int, ...]
    epoch: int
    step: int
    epochs: int

    def chance(self, member: int) -> np.random.Generator:
        """A generator for the batch of the member at that place; it follows from its seed, the epoch and the step."""
        return np.random.default_rng((self.seeds[member] & _MASK, self.epoch, self.step))


@dataclass(frozen=True)
class Mixing:
    """Rows that were mixed with others of their batch: the targets of a row follow.

    A row's target becomes ``share`` × its own + (1 - ``share``) × that of its ``partner``: places within the member's
    batch, int64 ``(members, batch)``, and shares in [0, 1], float32 ``(members, batch)``.
    """

    partner: Tensor
    share: Tensor

    def of_numbers(self, targets: Tensor) -> Tensor:
        """Targets that are numbers, ``(members, batch, ...)``, mixed."""
        share = self.share.view(*self.share.shape, *[1] * (targets.dim() - 2)).to(targets.dtype)
        return share * targets + (1 - share) * self.partners_of(targets)

    def partners_of(self, targets: Tensor) -> Tensor:
        """The target of each row's partner."""
        members = torch.arange(len(self.partner)).unsqueeze(1)
        return targets[members, self.partner]


class Augment(Protocol):
    """What `train_population` takes as ``augment``.

    ``mixes``: whether it may return a `Mixing`, for which the loss must be one by name, or have numbers as targets.
    ``says``: what it does, in words that differ where it does: a checkpoint is gone on from only where they agree.
    """

    @property
    def mixes(self) -> bool: ...

    @property
    def says(self) -> str: ...

    def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> Mixing | None:
        """Change ``inputs (members, batch, ...)`` in place; shapes and types stay, so bytes stay bytes.

        ``rows`` are the row numbers ``(members, batch)``, integers. Rows that pad a batch may be among them.
        """
