"""What every network for series does first: values on one scale, and nothing behind the end of a series."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

Scaling = Literal["channel", "series"]

SMALLEST = 1e-6
"""A channel whose standard deviation is smaller than this part of its mean does not move."""

FARTHEST = 1e3
"""Training deviations from the mean at which values are cut: what is farther is no measurement, and costs digits."""

FLAT = 1e-3
"""A series that moves less than this part of what it is away from 0 is flat: nothing is made of its last bits."""


def inside(values: Tensor, lengths: Tensor) -> Tensor:
    """1 where a step belongs to its series and 0 behind its end: float ``(n, 1, time)`` like ``values``."""
    steps = torch.arange(values.shape[2], device=values.device)
    return (steps < lengths[:, None])[:, None].to(values.dtype)


class SeriesInput(nn.Module):
    """From raw values ``(n, channels, time)`` and lengths ``(n,)`` to scaled values and a mask ``(n, 1, time)``.

    Values are scaled as the channel's training values ask, or each series as its own values do ("series": where
    amplitude says nothing). A missing value is the mean, 0; so is what lies behind the end.

    With ``changes``, as many channels more follow: each value less the one before, as parts of what is usual in
    training. What is small beside the course of a series, and quick, is seen as well as the course.
    """

    mean: Tensor
    deviation: Tensor
    usual_change: Tensor

    def __init__(self, n_channels: int, scaling: Scaling = "channel", changes: bool = False) -> None:
        super().__init__()
        self.scaling, self.changes = scaling, changes
        if changes:
            self.register_buffer("usual_change", torch.ones(n_channels, 1))
        self.register_buffer("mean", torch.zeros(n_channels, 1))
        self.register_buffer("deviation", torch.ones(n_channels, 1))

    @torch.no_grad()
    def look_at(self, values: Tensor, lengths: Tensor) -> None:
        """Learn mean and deviation of each channel from training series."""
        real = inside(values, lengths).bool() & ~values.isnan()
        numbers = values.double().where(real, 0.0)
        count = real.sum(dim=(0, 2)).clamp(min=1)[:, None]
        mean = numbers.sum(dim=(0, 2))[:, None] / count
        square = ((numbers - mean) ** 2 * real).sum(dim=(0, 2))[:, None] / count
        deviation = square.sqrt()
        self.mean.copy_(mean)
        # A channel that never moves stays 0, whatever the last bits of its mean.
        self.deviation.copy_(deviation.where(deviation > SMALLEST * mean.abs().clamp(min=SMALLEST), 1.0))
        if self.changes:
            x, mask = self._scaled(values, lengths)
            square = _changes(x, mask).double().square().sum(dim=(0, 2)) / mask.sum().clamp(min=1)
            self.usual_change.copy_(square.sqrt().clamp(min=SMALLEST)[:, None])

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x, mask = self._scaled(values, lengths)
        return (torch.cat([x, _changes(x, mask) / self.usual_change], dim=1), mask) if self.changes else (x, mask)

    def _scaled(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = inside(values, lengths)
        x = (values - self.mean) / self.deviation
        x = torch.where(x.isnan(), torch.zeros_like(x), x).clamp(-FARTHEST, FARTHEST) * mask
        if self.scaling == "series":
            count = mask.sum(dim=2, keepdim=True).clamp(min=1)
            middle = x.sum(dim=2, keepdim=True) / count
            away = (x - middle) * mask
            flat = FLAT * (1 + middle.abs())
            x = away / ((away * away).sum(dim=2, keepdim=True) / count + flat * flat).sqrt()
        return x, mask


def _changes(x: Tensor, mask: Tensor) -> Tensor:
    """Each value less the one before, like ``x``; 0 for the first step and behind the end."""
    before, there = pad(x, (1, 0))[:, :, :-1], pad(mask, (1, 0))[:, :, :-1]
    return (x - before) * (mask * there)
