"""Feedback networks: GRU, LSTM and plain recurrent ones, over patches of steps or step by step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from annvil.kinds.series.contenders.member import RecurrentBag
from annvil.kinds.series.contenders.sequence_family import SequenceFamily, SequenceNetworks, SeriesSettings, Sizes
from annvil.kinds.series.form import SeriesForm
from annvil.networks.recurrent import Cell

if TYPE_CHECKING:
    from torch import nn

WANTED_PATCHES, LONGEST_PATCH = 16, 256
"""So many patches are a series at least, and so long is none (assumed)."""

STEP_BY_STEP = 1_000
"""Steps of a series up to which a network without patches is tried (assumed): each is one of the recurrence."""

GATES: dict[Cell, int] = {"gru": 3, "lstm": 4, "rnn": 1}
NAMES: dict[Cell, str] = {"gru": "GRU", "lstm": "LSTM", "rnn": "plain recurrent network"}

STEP_SECONDS = 2.5e-4
"""Of one step of a recurrence, there and back, for a whole batch, beside its products (measured)."""

PRODUCTS = 2.5e10
"""Multiplications and additions in a second in such small products (measured)."""


@dataclass(frozen=True, kw_only=True)
class RecurrentSettings(SeriesSettings):
    """One candidate; the fields are those of `annvil.networks.recurrent.RecurrentArchitecture`."""

    cell: Cell = "gru"
    patch: int = 1
    directions: int = 1

    def describe(self) -> str:
        """For people."""
        over = f" over patches of {self.patch} steps" if self.patch > 1 else ""
        both = ", both ways" if self.directions > 1 else ""
        return f"{NAMES[self.cell]}{over}{both}, {self.said()}"


class RecurrentFamily(SequenceFamily[RecurrentSettings]):
    """One layer."""

    name = "recurrent"
    settings = RecurrentSettings
    bag = RecurrentBag

    def portfolio(self, form: SeriesForm, n_rows: int) -> Sequence[RecurrentSettings]:
        """Over patches first: the same time buys so many times the steps. Patches of 4 steps and dropout were better
        than of 8 without on windows of 128 (.935 against .905 of activities, one run each, in twice the epochs)."""
        patch = patch_for(form.longest)
        half = max(1, patch // 2)
        options: list[dict[str, Any]] = [
            {"patch": half},
            {"patch": half, "directions": 2},
            {"patch": half, "cell": "lstm"},
            {"patch": half, "scaling": "series"},
            {"patch": patch, "cell": "rnn"},
            *([{"patch": 1, "width": 32}] if form.longest <= STEP_BY_STEP else []),
        ]
        shared: dict[str, Any] = {"dropout": 0.3, "weight_decay": 0.05}
        return [RecurrentSettings(number=number, **shared | one) for number, one in enumerate(options)]

    def build(self, sizes: Sizes, settings: RecurrentSettings) -> nn.Module:
        from annvil.networks.recurrent import RecurrentArchitecture, RecurrentNetwork

        architecture = RecurrentArchitecture(
            sizes.n_channels,
            sizes.n_outputs,
            settings.cell,
            settings.width,
            patch=settings.patch,
            directions=settings.directions,
            scaling=settings.scaling,
        )
        return RecurrentNetwork(architecture, settings.dropout or 0.0)

    def core_seconds_per_series(self, form: SeriesForm, settings: RecurrentSettings, batch: int) -> float:
        steps = math.ceil(form.longest / settings.patch) * settings.directions
        products = 12 * GATES[settings.cell] * settings.width**2
        return steps * (STEP_SECONDS / batch + products / PRODUCTS) + 1e-7 * form.n_values


def patch_for(longest: int) -> int:
    """Steps of a patch, a power of two, so that a series has `WANTED_PATCHES` at least.

    >>> [patch_for(n) for n in (10, 40, 128, 150, 1_000_000)]
    [1, 2, 8, 8, 256]
    """
    return int(min(LONGEST_PATCH, 2 ** max(0, math.floor(math.log2(max(longest, 1) / WANTED_PATCHES)))))


class RecurrentNetworks(SequenceNetworks):
    """The contender."""

    name = "recurrent-network"
    title = "Recurrent network"
    networks = RecurrentFamily()
