"""Series as rows of numbers: what is seen at a glance of each channel, and how channels go together.

A bag of simple statistics is hard to beat where the length of a series, or where in it something happens, says little
(catch22, Lubba et al. 2019, Data Mining and Knowledge Discovery 33; TSFresh, Christ et al. 2018, Neurocomputing 307).
These here are chosen to say something about every trait of a series in `PER_CHANNEL` numbers: size, distribution,
course, memory, frequencies, steps. All hold for any length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.series import Series
from annvil.networks.series_input import inside
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
LAGS = (1, 2, 4, 8, 16)
OCTAVES = 6
PARTS = 8
"""A series is cut into so many parts of equal length, whose means tell its course (assumed)."""

MOST_PAIRS = 15
"""Pairs of channels that are compared: all of six channels, and of more each with those that follow it (assumed)."""

SMALLEST_SPREAD = 1e-6
"""Of moments: a series of one step has no slope."""

FLAT = 1e-6
"""A series that moves by less than this part of its mean is flat: nothing is made of its last bits in float32."""

NOTHING = 1e-30
"""The deviation of a series of zeros."""

FAINT = 1e-6
"""Added to energies of shapes before the logarithm: a thousandth of their deviation, squared."""

_TOLD = (
    *("mean", "deviation", "smallest", "largest", "mean step"),
    *("skewness", "kurtosis", *(f"{round(100 * q)}% quantile" for q in QUANTILES)),
    *("place of the largest", "place of the smallest", "slope", "rest beside the slope"),
    *(f"autocorrelation at {lag}" for lag in LAGS),
    *(f"energy at periods of about {3 * 2**octave} steps" for octave in range(OCTAVES)),
    "energy at longer periods",
    *("crossings of the mean", "turning points", "largest step up", "largest step down", "skewness of steps"),
    *(f"mean of part {part + 1} of {PARTS}" for part in range(PARTS)),
    *(f"deviation in quarter {part + 1}" for part in range(PARTS // 2)),
)
PER_CHANNEL = len(_TOLD)


class Summary(nn.Module):
    """Values ``(n, channels, time)`` float32 and lengths ``(n,)`` to float64 ``(n, channels × PER_CHANNEL + pairs)``.

    Five numbers of a channel keep its amplitude in its own unit; all others are of its shape: the series with mean 0
    and deviation 1. A channel without values has none of them (NaN). Nothing is learnt. Computed in float64, so that
    memory and graph find each row on the same side of a tree's threshold.
    """

    def __init__(self, pairs: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.pairs = tuple(pairs)

    def forward(self, values: Tensor, lengths: Tensor) -> Tensor:
        mask = inside(values, lengths).double()
        x = values.double() * mask
        count = lengths.double().clamp(min=1)[:, None, None]
        mean = x.sum(dim=2, keepdim=True) / count
        away = (x - mean) * mask
        flat = FLAT * mean.abs()
        deviation = ((away * away).sum(dim=2, keepdim=True) / count + flat * flat).sqrt().clamp(min=NOTHING)
        shape = away / deviation
        told = [mean, deviation, *_extremes(x, mask), *_of_shape(x, shape, mask, count)]
        together = torch.cat(told, dim=2)
        found = together.where(~mean.isnan(), torch.full_like(together, torch.nan)).flatten(1)
        if not self.pairs:
            return found
        first, second = (torch.tensor(places) for places in zip(*self.pairs, strict=True))
        correlations = (shape.index_select(1, first) * shape.index_select(1, second)).sum(dim=2) / count[:, :, 0]
        return torch.cat([found, correlations], dim=1)


@dataclass(frozen=True)
class SummaryFeatures:
    """`Summary` of series with these channels, as `annvil.models.on_features.Features`."""

    channels: tuple[str, ...]
    at_once = 1 << 16
    seconds_per_value = 6e-7  # 3e-7 measured

    @classmethod
    def choose(cls, form: SeriesForm, n_rows: int) -> SummaryFeatures:
        """The same for all."""
        return cls(form.channels)

    @cached_property
    def _pairs(self) -> list[tuple[int, int]]:
        """Neighbours first."""
        pairs = combinations(range(len(self.channels)), 2)
        return sorted(pairs, key=lambda pair: (pair[1] - pair[0], pair))[:MOST_PAIRS]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns: ``"kurtosis of x"``."""
        own = [f"{told} of {channel}" for channel in self.channels for told in _TOLD]
        return (*own, *(f"correlation of {self.channels[a]} and {self.channels[b]}" for a, b in self._pairs))

    def of(self, block: Series) -> FloatArray:
        values, lengths = block.padded()
        with torch.inference_mode():
            found: FloatArray = Summary(self._pairs)(torch.from_numpy(values), torch.from_numpy(lengths)).numpy()
        return found

    def write(self, graph: Graph, *raw: Value) -> Value:
        from annvil.onnx.export import export_module

        examples = torch.zeros(1, len(self.channels), 3), torch.full((1,), 3)
        (found,) = export_module(graph, Summary(self._pairs), *raw, examples=examples, free={0: 2})
        return found

    def describe(self) -> str:
        together = f", and {len(self._pairs)} correlations between channels" if self._pairs else ""
        return f"Each channel is summed up in {PER_CHANNEL} numbers{together}."


def _extremes(x: Tensor, mask: Tensor) -> Iterator[Tensor]:
    """Smallest and largest of each channel, ``(n, channels, 1)``."""
    there = mask > 0
    yield x.where(there, torch.full_like(x, torch.inf)).amin(dim=2, keepdim=True)
    yield x.where(there, torch.full_like(x, -torch.inf)).amax(dim=2, keepdim=True)


def _of_shape(x: Tensor, shape: Tensor, mask: Tensor, count: Tensor) -> Iterator[Tensor]:
    """What there is to say beside mean, deviation and extremes, in the order of `_TOLD`: ``(n, channels, some)``."""
    n_steps = x.shape[2]
    follows = pad(mask, (0, 1))[:, :, 1:]
    steps = (count - 1).clamp(min=1)
    yield ((pad(x, (0, 1))[:, :, 1:] - x) * follows).abs().sum(dim=2, keepdim=True) / steps
    square = shape * shape
    yield _mean(square * shape, count)
    yield _mean(square * square, count)
    yield _quantiles(shape, mask, count)
    yield from _places(shape, mask, count)
    at = (_steps(shape) + 0.5) / count - 0.5  # from -0.5 to 0.5
    slope = _mean(shape * at, count) / _mean(at * at * mask, count).clamp(min=SMALLEST_SPREAD)
    yield slope
    yield _mean(((shape - slope * at) * mask) ** 2, count)
    ahead = pad(shape, (0, max(LAGS)))
    for lag in LAGS:
        yield _mean(shape * ahead[:, :, lag : lag + n_steps], count)
    yield from _energies(shape, mask, count)
    yield from _steps_of(shape, follows, steps)
    yield from _parts(shape, mask, at)


def _mean(values: Tensor, count: Tensor) -> Tensor:
    """Of values that are 0 behind the end."""
    return values.sum(dim=2, keepdim=True) / count


def _steps(values: Tensor) -> Tensor:
    """0, 1, 2 … along the last axis."""
    return torch.arange(values.shape[2], device=values.device).to(values.dtype)


def _quantiles(shape: Tensor, mask: Tensor, count: Tensor) -> Tensor:
    """`QUANTILES` of each channel, on the line between the two nearest values."""
    ordered = shape.where(mask > 0, torch.full_like(shape, torch.inf)).sort(dim=2)[0]
    place = (count - 1) * torch.tensor(QUANTILES, dtype=shape.dtype) + torch.zeros_like(shape[:, :, :1])
    low = place.floor()
    high = torch.minimum(low + 1, (count - 1) + torch.zeros_like(low))
    below, above = ordered.gather(2, low.long()), ordered.gather(2, high.long())
    return below + (above - below) * (place - low)


def _places(shape: Tensor, mask: Tensor, count: Tensor) -> Iterator[Tensor]:
    """Where the largest value is first met, and the smallest: 0 at the beginning, near 1 at the end."""
    at, never = _steps(shape) + torch.zeros_like(shape), torch.full_like(shape, torch.inf)
    for signed in (shape, -shape):
        largest = signed.where(mask > 0, -never).amax(dim=2, keepdim=True)
        yield at.where((signed >= largest) & (mask > 0), never).amin(dim=2, keepdim=True) / count


def _energies(shape: Tensor, mask: Tensor, count: Tensor) -> Iterator[Tensor]:
    """Logarithms of the energy in octaves, the fastest first, and of what is slower.

    An undecimated wavelet transform with the kernel (1, 2, 1) / 4 (the "à trous" algorithm: Holschneider et al. 1989),
    its weights divided by what of the kernel lies inside the series: linear in time, the same for every length.
    """
    n_steps, smooth = shape.shape[2], shape
    for octave in range(OCTAVES):
        apart = 2**octave
        wide = pad(torch.cat([smooth, mask], dim=1), (apart, apart))
        sides = wide[:, :, :n_steps] + wide[:, :, 2 * apart :]
        total = sides[:, :-1] + 2 * smooth
        slower = total / (sides[:, -1:] + 2) * mask
        faster = smooth - slower
        yield (_mean(faster * faster, count) + FAINT).log()
        smooth = slower
    yield (_mean(smooth * smooth, count) + FAINT).log()


def _steps_of(shape: Tensor, follows: Tensor, steps: Tensor) -> Iterator[Tensor]:
    """What the differences of neighbours say. Products that are 0 but for their last bits have no sign."""
    nothing, after = 1e-9, pad(shape, (0, 1))[:, :, 1:]
    yield ((shape * after < -nothing) * follows).sum(dim=2, keepdim=True) / steps
    step = (after - shape) * follows
    yield ((step * pad(step, (0, 1))[:, :, 1:] < -nothing) * follows).sum(dim=2, keepdim=True) / steps
    yield step.amax(dim=2, keepdim=True)
    yield step.amin(dim=2, keepdim=True)
    yield (step**3).sum(dim=2, keepdim=True) / steps


def _parts(shape: Tensor, mask: Tensor, at: Tensor) -> Iterator[Tensor]:
    """Means of `PARTS` parts, and deviations of half as many; 0 where a series is too short to have the part."""
    for n_parts in (PARTS, PARTS // 2):
        place = ((at + 0.5) * n_parts).floor()
        for part in range(n_parts):
            own = (place == part) * mask
            n_own = own.sum(dim=2, keepdim=True).clamp(min=1)
            mean = (shape * own).sum(dim=2, keepdim=True) / n_own
            yield mean if n_parts == PARTS else ((((shape - mean) * own) ** 2).sum(dim=2, keepdim=True) / n_own).sqrt()
