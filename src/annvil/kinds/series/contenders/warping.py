"""Distances between series whose time may be bent a little: dynamic time warping inside a band."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from annvil.networks.series_input import SeriesInput


def diagonals(n_steps: int, band: int) -> list[tuple[int, int]]:
    """Of each anti-diagonal ``s = i + j``, first and last ``i`` inside the matrix and the band ``|i - j| ≤ band``."""
    found = []
    for s in range(2 * n_steps - 1):
        first = max(0, s - n_steps + 1, math.ceil((s - band) / 2))
        found.append((first, min(s, n_steps - 1, (s + band) // 2)))
    return found


def warped(a: Tensor, b: Tensor, band: int) -> Tensor:
    """Squared distances ``(n, m)`` of series ``(n, channels, time)`` and ``(m, channels, time)`` of one length.

    The least sum of squared differences over all ways of walking through both, at most ``band`` steps apart (Sakoe and
    Chiba 1978); with a band of 0 it is Euclid's. Channels walk together. All pairs go at once, from one anti-diagonal
    of the matrix to the next: what lies on one hangs on the two before it alone.
    """
    if band == 0:
        return (a[:, None] - b[None]).square().sum(dim=(2, 3))
    # Time first, pairs last: a stretch of a diagonal is a view, and neighbours in memory belong to neighbouring pairs.
    ahead = a.permute(2, 1, 0)[..., None]
    backwards = b.permute(2, 1, 0).flip(0)[:, :, None]
    n_steps = a.shape[2]
    wall = torch.full_like(ahead[:1, 0] - backwards[:1, 0], torch.inf)
    older = (0, wall)  # the first i of a diagonal, less one, and its values with walls on both sides
    newer = older
    for s, (first, last) in enumerate(diagonals(n_steps, band)):
        shift = n_steps - 1 - s
        steps = (ahead[first : last + 1] - backwards[shift + first : shift + last + 1]).square().sum(dim=1)
        if s > 0:
            at, values = newer
            n = last - first + 1
            least = torch.minimum(values[first - at - 1 :][:n], values[first - at :][:n])
            if s > 1:
                at, values = older
                least = torch.minimum(least, values[first - at - 1 :][:n])
            steps = steps + least
        older, newer = newer, (first - 1, torch.cat([wall, steps, wall]))
    return newer[1][1]


class Reshaped(nn.Module):
    """Scaled series brought to one number of steps, on straight lines between theirs: ``(n, channels, n_steps)``."""

    def __init__(self, n_channels: int, n_steps: int) -> None:
        super().__init__()
        self.input = SeriesInput(n_channels)
        self.n_steps = n_steps

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        x, _ = self.input(values, lengths)
        last = (lengths.double() - 1).clamp(min=0)[:, None, None] + torch.zeros_like(x[:, :, :1]).double()
        place = torch.arange(self.n_steps, dtype=torch.float64) * last / max(1, self.n_steps - 1)
        low = place.floor()
        below = x.gather(2, low.long())
        above = x.gather(2, torch.minimum(low + 1, last + torch.zeros_like(low)).long())
        found: Tensor = below + (above - below) * (place - low).float()
        return found


class WarpedDistances(nn.Module):
    """From values and lengths to distances ``(n, m)`` from remembered series ``(m, channels, n_steps)``."""

    memory: Tensor

    def __init__(self, reshaped: Reshaped, memory: Tensor, band: int) -> None:
        super().__init__()
        self.reshaped, self.band = reshaped, band
        self.register_buffer("memory", memory)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        return warped(self.reshaped(values, lengths), self.memory, self.band).sqrt()
