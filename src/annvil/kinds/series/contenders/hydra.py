"""Hydra: kernels in groups that compete for every step of a series. See `annvil.kinds.series.contenders.kernels`."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from annvil.kinds.series.contenders.kernels import LENGTH, STEPS_AT_ONCE, Grid, Kernels, seen_from

PIECE = 1 << 18
"""Answers of kernels held at once where a series need not be whole: 1 MB. A million steps take 9 instead of 28
processor seconds, as answers stay near the processor, and memory no longer grows with them (measured)."""


class Hydra(Kernels):
    """Kernels in groups of `GROUP` compete: how often each answers least, and how strongly where it answers most.

    Dempster, Schmidt, Webb, "Hydra" (2023, Data Mining and Knowledge Discovery 37, arXiv 2203.13652): kernels drawn
    from a normal distribution, mean 0, absolute weights adding up to 1; half of the groups look at the series, half at
    its differences; the largest answer is counted by its value, the smallest by 1. Departures: weights are rounded to
    `WEIGHT`-ths; where several kernels of a group answer the same, all are counted; counts are means over steps, times
    the median training length; channels of a group are added up, at most `MOST_CHANNELS`.
    """

    told = "competing kernels of nine steps at growing distances"
    GROUP = 8
    WEIGHT = 128
    MOST_CHANNELS = 8

    def __init__(self, n_channels: int, length: int, n_groups: int, seed: int) -> None:
        super().__init__()
        n_chosen = 1 if n_channels == 1 else min(n_channels, max(2, min(self.MOST_CHANNELS, n_channels // 2)))
        self.grid = Grid(n_channels, 2 * self.WEIGHT * n_chosen)  # differences are twice as large
        self.length, self.groups = length, max(1, n_groups // 2)
        self.at_once = max(1, min(self.groups, STEPS_AT_ONCE // max(1, self.GROUP * length)))
        self.dilations = _doublings(length)
        random = np.random.default_rng(seed)
        for place in range(2 * len(self.dilations)):
            drawn = _whole(random.normal(size=(self.groups * self.GROUP, LENGTH)), self.WEIGHT)
            drawn = drawn.reshape(self.groups, self.GROUP, LENGTH)
            self.register_buffer(f"weights_{place}", torch.from_numpy(drawn))
            chosen = np.zeros((self.groups, n_channels), dtype=np.float32)
            for group in chosen:
                group[random.choice(n_channels, n_chosen, replace=False)] = 1.0
            self.register_buffer(f"channels_{place}", torch.from_numpy(chosen))
        self.n_features = self.features(n_groups, length)

    @classmethod
    def features(cls, n_groups: int, length: int) -> int:
        """How many there are of so many groups."""
        return 4 * cls.GROUP * max(1, n_groups // 2) * len(_doublings(length))

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        return self._counted(values, lengths, None)

    def in_pieces(self, values: Tensor, lengths: Tensor) -> Tensor:
        piece = max(1, PIECE // (self.groups * self.GROUP))
        return self._counted(values, lengths, piece if values.shape[2] > 2 * piece else None)

    def _counted(self, values: Tensor, lengths: Tensor, piece: int | None) -> Tensor:
        """All features; of all steps at once, or of so many at a time, and then of all groups together."""
        x, mask = self.grid(values, lengths)
        after = pad(mask, (0, 1))[:, :, 1:]
        changes = (pad(x, (0, 1))[:, :, 1:] - x) * after
        looks = (x, mask), (changes, after)
        at_once = self.at_once if piece is None else self.groups
        found: list[Tensor] = []
        for place, dilation in enumerate(np.repeat(self.dilations, 2).tolist()):
            looked, counted = looks[place % 2]
            around = pad(looked, [dilation * (LENGTH // 2)] * 2)
            steps = counted.sum(dim=2).clamp(min=1)
            for start in range(0, self.groups, at_once):
                groups = slice(start, min(start + at_once, self.groups))
                if piece is None:
                    strong, loses = self._sums(around, counted, place, groups)
                else:
                    sums = []
                    for begin in range(0, counted.shape[2], piece):
                        part = around[:, :, begin : begin + piece + dilation * (LENGTH - 1)]
                        sums.append(self._sums(part, counted[:, :, begin : begin + piece], place, groups))
                    strong, loses = (torch.stack(one).sum(dim=0) for one in zip(*sums, strict=True))
                strength = strong / steps * (self.length / (self.grid.per_unit * self.WEIGHT))
                found.append(strength.clamp(min=0).sqrt())
                found.append(((torch.ones_like(mask).sum(dim=2) - loses) / steps * self.length).sqrt())
        return torch.cat(found, dim=1)

    def _sums(self, around: Tensor, mask: Tensor, place: int, groups: slice) -> tuple[Tensor, Tensor]:
        """Over steps: the largest answers by the kernels that gave them, and steps at which a kernel does not answer
        least, ``(n, groups × GROUP)`` each."""
        dilation = self.dilations[place // 2]
        weights = self.get_buffer(f"weights_{place}")[groups]
        if around.shape[1] == 1:
            answers = torch.matmul(weights.flatten(0, 1), seen_from(around, dilation))
            answers = torch.unflatten(answers, 1, list(weights.shape[:2]))
        else:
            added = torch.matmul(self.get_buffer(f"channels_{place}")[groups], around)
            answers = torch.matmul(weights, seen_from(added[:, :, None], dilation))
        counted = mask[:, :, None] > 0
        never = torch.full_like(mask[:, :, None], torch.inf)
        largest, smallest = answers.amax(dim=2, keepdim=True), answers.amin(dim=2, keepdim=True)
        # 1 where a kernel wins, else 0, by signs: comparing and choosing take five times as long.
        wins = (answers - largest.where(counted, never)).sign_().add_(1.0)
        strong = torch.matmul(wins, largest.where(counted, torch.zeros_like(largest)).transpose(2, 3)).flatten(1)
        return strong, (answers - smallest.where(counted, -never)).sign_().sum(dim=3).flatten(1)


def _doublings(length: int) -> list[int]:
    """Dilations 1, 2, 4 … of which a kernel is not longer than the series."""
    widest = math.log2(max(1.0, (length - 1) / (LENGTH - 1)))
    return [2**exponent for exponent in range(int(widest) + 1)]


def _whole(drawn: np.ndarray, total: int) -> np.ndarray:
    """Rows as whole numbers that add up to 0, their absolute values to ``total`` or a little less."""
    drawn = drawn - drawn.mean(axis=1, keepdims=True)
    drawn = drawn / np.abs(drawn).sum(axis=1, keepdims=True) * (total - LENGTH)
    found = np.round(drawn)
    rest = found.sum(axis=1).astype(int)
    for row, over in enumerate(rest):
        # Where rounding went furthest in that direction.
        order = np.argsort((found[row] - drawn[row]) * -np.sign(over), kind="stable")
        found[row, order[: abs(over)]] -= np.sign(over)
    return found.astype(np.float32)
