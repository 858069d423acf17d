"""Who is compared: feedback networks, a convolutional one and a bag of steps, all with about as many weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from annvil.kinds.series.contenders.recurrent_networks import RecurrentNetworks, RecurrentSettings, patch_for
from annvil.kinds.series.contenders.sequence_family import SequenceFamily, SequenceNetworks, SeriesSettings, Sizes
from annvil.kinds.series.contenders.temporal_networks import TemporalNetworks, TemporalSettings, layers_for
from annvil.kinds.series.form import SeriesForm

if TYPE_CHECKING:
    from torch import nn

GRU, LSTM, RNN, TCN, BAG = "gru", "lstm", "rnn", "tcn", "bag"

MAIN = (GRU, TCN, BAG)
"""Of every row of the table, in this order: feedback, convolution, no order at all."""

CELLS = (GRU, LSTM, RNN)
"""Whose gradients are followed back."""

PLAIN = {
    GRU: "GRU",
    LSTM: "LSTM",
    RNN: "plain recurrent network",
    TCN: "convolutional network (TCN)",
    BAG: "bag of steps",
}

WIDTH = 48
"""Units of the GRU that gives the number of weights to all (assumed: about 15,000 learn such sets in seconds)."""


@dataclass(frozen=True, kw_only=True)
class StepBagSettings(SeriesSettings):
    """One candidate; the fields are those of `annvil.networks.step_bag.StepBagArchitecture`."""

    def describe(self) -> str:
        """For people."""
        return f"bag of steps, {self.said()}"


class StepBagFamily(SequenceFamily[StepBagSettings]):
    """Steps without their order: what knowing it is measured against."""

    name = "step-bag"
    settings = StepBagSettings

    def portfolio(self, form: SeriesForm, n_rows: int) -> Sequence[StepBagSettings]:
        """One."""
        return [StepBagSettings()]

    def build(self, sizes: Sizes, settings: StepBagSettings) -> nn.Module:
        from annvil.networks.step_bag import StepBagArchitecture, StepBagNetwork

        architecture = StepBagArchitecture(sizes.n_channels, sizes.n_outputs, settings.width, settings.scaling)
        return StepBagNetwork(architecture, settings.dropout or 0.0)

    def core_seconds_per_series(self, form: SeriesForm, settings: StepBagSettings, batch: int) -> float:
        return 1e-9 * form.longest * settings.width**2 + 1e-3 / batch


class StepBag(SequenceNetworks):
    """A contender of studies alone: where order means nothing, simple models on summary features need no network."""

    name = "step-bag"
    title = "Bag of steps"
    networks = StepBagFamily()


@dataclass(frozen=True)
class Side:
    """One network of the study: its contender, what it is trained with, and how many weights that makes."""

    key: str
    contender: SequenceNetworks
    settings: SeriesSettings
    n_parameters: int

    @property
    def configuration(self) -> Mapping[str, Any]:
        """For `annvil.models.jobs.Effort`."""
        return self.settings.to_json()

    def build(self, sizes: Sizes) -> nn.Module:
        """The network, which has not begun."""
        return self.contender.networks.build(sizes, self.settings)


def sides_for(form: SeriesForm, n_outputs: int) -> dict[str, Side]:
    """By key; the width of each but the first is chosen for about as many weights as the first has."""
    sizes = Sizes(1, form.n_channels, n_outputs, form.longest, form.shortest)
    patch = patch_for(form.longest)
    recurrent, temporal, bag = RecurrentNetworks(), TemporalNetworks(), StepBag()
    first = _side(GRU, recurrent, RecurrentSettings(cell="gru", patch=patch, width=WIDTH), sizes)
    others: dict[str, tuple[SequenceNetworks, SeriesSettings]] = {
        LSTM: (recurrent, RecurrentSettings(cell="lstm", patch=patch)),
        RNN: (recurrent, RecurrentSettings(cell="rnn", patch=patch)),
        TCN: (temporal, TemporalSettings(layers=layers_for(form.longest))),
        BAG: (bag, StepBagSettings()),
    }
    alike = {key: _alike(key, one, settings, sizes, first.n_parameters) for key, (one, settings) in others.items()}
    return {GRU: first, **alike}


def _side(key: str, contender: SequenceNetworks, settings: SeriesSettings, sizes: Sizes) -> Side:
    network = contender.networks.build(sizes, settings)
    return Side(key, contender, settings, sum(one.numel() for one in network.parameters()))


def _alike(key: str, contender: SequenceNetworks, settings: SeriesSettings, sizes: Sizes, wanted: int) -> Side:
    """The width whose number of weights is nearest to the wanted one: it grows with the width."""
    low, high = 1, 2
    while _side(key, contender, replace(settings, width=high), sizes).n_parameters < wanted:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        smaller = _side(key, contender, replace(settings, width=middle), sizes).n_parameters < wanted
        low, high = (middle, high) if smaller else (low, middle)
    found = [_side(key, contender, replace(settings, width=width), sizes) for width in (low, high)]
    return min(found, key=lambda side: abs(side.n_parameters - wanted))
