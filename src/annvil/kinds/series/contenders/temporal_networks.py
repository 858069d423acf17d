"""Convolutional networks over time: causal with dilation (TCN), wide kernels side by side (LITE)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from annvil.kinds.series.contenders.sequence_family import SequenceFamily, SequenceNetworks, SeriesSettings, Sizes
from annvil.kinds.series.form import SeriesForm
from annvil.networks.temporal import KERNEL, WIDE_KERNELS, Form, layers_to_see

if TYPE_CHECKING:
    from torch import nn

FEWEST_LAYERS, MOST_LAYERS = 3, 8

STRIDES = ((96, 1), (512, 2))
"""(steps, stride) of the first layer, for series of fewer; 4 beyond. Every second place costs half (5 layers of 32 on
leaves of 128 steps: .931 after a thousand steps, in the time of 400 without, .922; measured)."""

LONGEST = 20_000
"""Steps of a series: a batch of 128 at stride 4 has maps of 82 MB a layer (assumed)."""

PRODUCTS = 2.5e10
"""Multiplications and additions in a second, there and back (measured)."""


@dataclass(frozen=True, kw_only=True)
class TemporalSettings(SeriesSettings):
    """One candidate; the fields are those of `annvil.networks.temporal.TemporalArchitecture`."""

    form: Form = "tcn"
    layers: int = 6
    stride: int = 1

    def describe(self) -> str:
        """For people."""
        name = f"TCN of {self.layers} layers" if self.form == "tcn" else "LITE"
        return f"{name}, {self.said()}"


class TemporalFamily(SequenceFamily[TemporalSettings]):
    """Convolutions over time, the mean over steps, a linear layer."""

    name = "temporal"
    settings = TemporalSettings

    def portfolio(self, form: SeriesForm, n_rows: int) -> Sequence[TemporalSettings]:
        """Layers as many as look back over a whole series."""
        stride = stride_for(form.longest)
        first = TemporalSettings(width=32, layers=layers_for(form.longest // stride), stride=stride)
        lite = replace(first, form="lite", layers=3)
        options = [
            first,
            lite,
            replace(first, width=64),
            replace(first, scaling="series"),
            replace(lite, scaling="series"),
        ]
        return [replace(one, number=number) for number, one in enumerate(options)]

    def build(self, sizes: Sizes, settings: TemporalSettings) -> nn.Module:
        from annvil.networks.temporal import TemporalArchitecture, TemporalNetwork

        architecture = TemporalArchitecture(
            sizes.n_channels,
            sizes.n_outputs,
            settings.form,
            settings.width,
            settings.layers,
            settings.stride,
            equal_lengths=sizes.shortest == sizes.longest,
            scaling=settings.scaling,
        )
        return TemporalNetwork(architecture, settings.dropout or 0.0)

    def core_seconds_per_series(self, form: SeriesForm, settings: TemporalSettings, batch: int) -> float:
        width, channels = settings.width, 2 * form.n_channels
        if settings.form == "tcn":
            weights = KERNEL * width * (channels + (settings.layers - 1) * width) + channels * width
            maps = settings.layers * width
        else:
            weights = width * (channels * sum(WIDE_KERNELS) + 3 * WIDE_KERNELS[1] + WIDE_KERNELS[2] + 4 * width)
            maps = 25 * width
        return form.longest / settings.stride * (6 * weights / PRODUCTS + 2e-8 * maps) + 2e-3 / batch


def stride_for(longest: int) -> int:
    """Of the first layer."""
    return next((stride for steps, stride in STRIDES if longest < steps), 4)


def layers_for(longest: int) -> int:
    """Causal layers, of which each looks twice as far back, until they see a whole series.

    >>> [layers_for(n) for n in (10, 150, 1_000_000)]
    [3, 6, 8]
    """
    return int(min(MOST_LAYERS, max(FEWEST_LAYERS, layers_to_see(longest))))


class TemporalNetworks(SequenceNetworks):
    """The contender."""

    name = "temporal-convolution"
    title = "Temporal convolutional network"
    networks = TemporalFamily()
    longest = LONGEST
