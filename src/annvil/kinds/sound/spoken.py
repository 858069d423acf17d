"""Clips without the quiet before and behind what is said: where a file is cut says who cut it, not what was said."""

from __future__ import annotations

import torch
from torch import Tensor

QUIET = 7.8
"""Nats of energy below the loudest frame, on the mean of all bands: 2% of the amplitude. Where frames before or behind
are as quiet, a clip has not begun or is over."""


def spoken(frames: Tensor, counts: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
    """Frames float32 ``(n, features, frames)`` from the first loud one on, zeros behind the last loud one, and how many
    count from now on, int64 ``(n,)``. A clip keeps a frame at least.

    Parameters
    ----------
    counts : frames of each clip that count until now ``(n,)``
    level : mean of the natural logarithms of a frame's energies ``(n, frames)``
    """
    at = places_of(level)
    inside = at < counts[:, None]
    level = level.where(inside, torch.tensor(-1e30))
    loud = inside & (level >= level.amax(dim=1, keepdim=True) - QUIET)
    last = (at * loud).amax(dim=1, keepdim=True)
    first = at.where(loud, torch.tensor(1 << 40)).amin(dim=1, keepdim=True)
    places = torch.minimum(at + first, last)[:, None] + torch.zeros(frames.shape[1], 1, dtype=torch.int64)
    count = last - first + 1
    return frames.gather(2, places) * (at < count).to(frames.dtype)[:, None], count[:, 0]


def places_of(values: Tensor) -> Tensor:
    """0, 1, 2 … along the last axis, int64, counted in the values: a graph cannot be asked how many there are."""
    return (values.abs() >= 0).long().cumsum(dim=-1) - 1
