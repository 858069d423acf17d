"""What Hydra and MiniRocket share, and MiniRocket: kernels that nobody trains, and what of a series they answer to.

Both slide many fixed kernels of nine steps, spread over more and more of the series (dilation), and count. A linear
model on the counts is as accurate as the best networks on most published sets, in a hundredth of their time.

*Sums are exact.* Counting makes steps: a value one bit to the other side of a threshold is another count. So kernels
are whole numbers, values are rounded to a grid of which every sum fits the 24 bits of a float32, and PyTorch,
onnxruntime and every other order of adding find the same counts to the bit.

Any length: dilations are those of the median training length; what lies behind the end of a series is 0, as it is
around its ends, and never counted; counts are shares of the steps there are.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from annvil.networks.series_input import SeriesInput

LENGTH = 9
"""Steps of a kernel, in both papers."""

REACH = 32
"""Training deviations at which values are cut (assumed), so that sums are bounded."""

DIGITS = 24
"""Of a float32: whole numbers up to 2 to that power have no rounding."""

STEPS_AT_ONCE = 1 << 24
"""Answers of kernels held at once for one series: 64 MB; more kernels wait their turn. (Measured with a million steps:
pieces of up to 32 MB come from the heap, where each small result keeps one of them from being used again.)"""

ENOUGH_STEPS = 1 << 12
"""Of one series, whose answers give a threshold (assumed): more hardly move a quantile."""


class Grid(nn.Module):
    """Scaled values as whole numbers of ``unit``, cut at `REACH`; and the mask. See the module's text.

    Parameters
    ----------
    largest : sum of a kernel's absolute weights times the values that are added up for one step
    """

    def __init__(self, n_channels: int, largest: int) -> None:
        super().__init__()
        self.input = SeriesInput(n_channels)
        self.per_unit = 2.0 ** (DIGITS - math.ceil(math.log2(REACH * largest)))

    def forward(self, values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x, mask = self.input(values, lengths)
        return (x.clamp(-REACH, REACH) * self.per_unit).round(), mask


class Kernels(nn.Module):
    """What both have in common: float32 ``(n, n_features)`` of values and lengths."""

    grid: Grid
    n_features: int
    told: ClassVar[str]
    """What they are, for people."""

    def look_at(self, values: Tensor, lengths: Tensor, seed: int) -> None:
        """Learn from training series what is learnt beside the scale of channels, without their answers."""

    def in_pieces(self, values: Tensor, lengths: Tensor) -> Tensor:
        """As `forward`, which has to be a graph, with no more memory than a part of a long series takes."""
        found: Tensor = self(values, lengths)
        return found


def shifted(x: Tensor, dilation: int) -> Tensor:
    """What each weight meets, with zeros around: ``(…, channels, time)`` → ``(…, channels × LENGTH, time)``.

    A product with weights is the convolution; for few channels it takes a fifth of PyTorch's time for one.
    """
    return seen_from(pad(x, [dilation * (LENGTH // 2)] * 2), dilation)


def seen_from(around: Tensor, dilation: int) -> Tensor:
    """The same for all steps but those at the ends, from which a kernel would reach beyond."""
    n_steps = around.shape[-1] - dilation * (LENGTH - 1)
    views = [around[..., place * dilation : place * dilation + n_steps] for place in range(LENGTH)]
    return torch.stack(views, dim=-2).flatten(-3, -2)


class MiniRocket(Kernels):
    """The share of steps at which the answer of a kernel is above a threshold ("proportion of positive values").

    Dempster, Schmidt, Webb, "MiniRocket" (KDD 2021, arXiv 2012.08791): all 84 kernels with three weights of 2 and six
    of -1; thresholds are quantiles of a kernel's answers to one training series, drawn evenly; half of the pairs of
    kernel and dilation see the zeros around the series, the others only what lies inside; of several channels each pair
    adds up some at random. Departures: thresholds lie between two values of the grid; kernels
    share a drawn series where series are very long; where a series is shorter than a
    kernel reaches, every pair sees the zeros; at most `MOST_CHANNELS` channels.
    """

    told = "84 kernels of nine steps at growing distances"
    PATTERNS = np.full((84, LENGTH), -1.0, dtype=np.float32)
    for _row, _places in enumerate(combinations(range(LENGTH), 3)):
        PATTERNS[_row, list(_places)] = 2.0
    MOST_CHANNELS = 9
    MOST_DILATIONS = 32
    BEYOND = float(1 << DIGITS)  # any answer
    PHI = (math.sqrt(5) + 1) / 2

    def __init__(self, n_channels: int, length: int, n_features: int, seed: int) -> None:
        super().__init__()
        most = min(n_channels, self.MOST_CHANNELS)
        self.grid = Grid(n_channels, 12 * most)
        per_kernel = max(1, n_features // len(self.PATTERNS))
        self.dilations, self.counts = _spread(length, per_kernel, self.MOST_DILATIONS)
        self.at_once = max(1, min(len(self.PATTERNS) // 2, STEPS_AT_ONCE // max(1, length)))
        most_draws = STEPS_AT_ONCE // 4 // max(1, LENGTH * n_channels * length)
        self.n_draws = max(n for n in (1, 2, 3, 6, 7, 14, 21, 42) if n <= max(1, most_draws))
        random = np.random.default_rng(seed)
        for place, count in enumerate(self.counts):
            weights = np.zeros((len(self.PATTERNS), n_channels, LENGTH), dtype=np.float32)
            for kernel, pattern in enumerate(np.roll(self.PATTERNS, place, axis=0)):
                n = min(most, int(2 ** random.uniform(0, math.log2(most + 1))))
                weights[kernel, random.choice(n_channels, n, replace=False)] = pattern
            # In two halves: those that see the zeros around the series, and the others.
            halves = torch.from_numpy(weights).flatten(1).reshape(-1, 2, n_channels * LENGTH).transpose(0, 1)
            self.register_buffer(f"weights_{place}", halves.contiguous())
            self.register_buffer(f"thresholds_{place}", torch.zeros(2, len(weights) // 2, count))
        self.n_features = len(self.PATTERNS) * sum(self.counts)

    @classmethod
    def features(cls, n_features: int, length: int) -> int:
        """How many there are of that size."""
        return max(1, n_features // len(cls.PATTERNS)) * len(cls.PATTERNS)

    @torch.no_grad()
    def look_at(self, values: Tensor, lengths: Tensor, seed: int) -> None:
        """Thresholds from the answers to training series, which the input has looked at."""
        random, met = np.random.default_rng(seed), 0
        for place in range(len(self.dilations)):
            thresholds = self.get_buffer(f"thresholds_{place}")
            shares = torch.arange(met + 1, met + 1 + thresholds.numel(), dtype=torch.float64) * self.PHI % 1
            met += thresholds.numel()
            for half in range(2):
                drawn = random.integers(0, len(values), self.n_draws)
                x, mask = self.grid(values[drawn], lengths[drawn])
                every = -(-x.shape[2] // ENOUGH_STEPS)
                around = shifted(x, self.dilations[place])[:, :, ::every]
                weights = self.get_buffer(f"weights_{place}")[half]
                answers = torch.matmul(weights.reshape(self.n_draws, -1, weights.shape[1]), around)
                seen = self._seen(mask, place, half)[:, :, ::every]
                answers = answers.where(seen > 0, torch.inf).flatten(0, 1).double()
                n_seen = seen.sum(dim=2).repeat_interleave(len(answers) // self.n_draws, dim=0)
                found = _quantiles(answers, n_seen.clamp(min=1), shares.reshape(thresholds.shape)[half])
                thresholds[half] = (found.where(found.isfinite(), 0.0).floor() + 0.5).float()

    def _seen(self, mask: Tensor, place: int, half: int) -> Tensor:
        """1 at steps that count for a half of the kernels, else 0; ``(n, 1, time)``."""
        if half == 0:
            return mask
        around = shifted(mask, self.dilations[place])
        within = mask * around[:, :1] * around[:, -1:]
        return mask.where(within.sum(dim=2, keepdim=True) == 0, within)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        x, mask = self.grid(values, lengths)
        n_steps = torch.ones_like(mask).sum(dim=2)
        found = []
        for place, dilation in enumerate(self.dilations):
            around = shifted(x, dilation)
            for half in range(2):
                seen = self._seen(mask, place, half)
                most = (seen * 2 - 1) * self.BEYOND  # below any threshold where a step does not count
                sums = []
                for start in range(0, len(self.PATTERNS) // 2, self.at_once):
                    kernels = slice(start, start + self.at_once)
                    answers = torch.minimum(
                        torch.matmul(self.get_buffer(f"weights_{place}")[half, kernels], around), most
                    )
                    thresholds = self.get_buffer(f"thresholds_{place}")[half, kernels]
                    # Of steps above and below, 1 and -1 are added up: far quicker than counting truths.
                    for k in range(self.counts[place]):
                        sums.append((answers - thresholds[:, k : k + 1]).sign_().sum(dim=2))
                found.append((torch.cat(sums, dim=1) + n_steps) / (2 * seen.sum(dim=2).clamp(min=1)))
        return torch.cat(found, dim=1)


def _quantiles(values: Tensor, counts: Tensor, shares: Tensor) -> Tensor:
    """Of the smallest ``counts`` ``(n, 1)`` values ``(n, time)`` of each row, at ``shares`` ``(n, several)``."""
    places = shares * (counts - 1)
    low = places.floor().long()
    ordered = values.sort(dim=1)[0]
    below, above = ordered.gather(1, low), ordered.gather(1, torch.minimum(low + 1, counts.long() - 1))
    return below + (above - below) * (places - low)


def _spread(length: int, per_kernel: int, most: int) -> tuple[list[int], list[int]]:
    """Dilations for series of that length, and how many thresholds each has; as in the paper's code."""
    n = min(per_kernel, most)
    widest = math.log2(max(1.0, (length - 1) / (LENGTH - 1)))
    dilations, times = np.unique(np.logspace(0, widest, n, base=2).astype(int), return_counts=True)
    counts = (times * (per_kernel / n)).astype(int)
    for extra in range(per_kernel - int(counts.sum())):
        counts[extra % len(counts)] += 1
    return dilations.tolist(), counts.tolist()
