"""What the next piece of work will take: the contender's arithmetic, corrected by what was seen in this run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from annvil.comparison.race.decisions import Decision, Unit
from annvil.models.contract import Contender
from annvil.models.jobs import Rung
from annvil.system.processors import bfloat16_units

CUT_FACTOR = 1.5
"""A unit that was cut would have taken this much longer at least (assumed)."""

BESIDE_FITTING = 0.2, 0.02
"""Seconds that a unit takes beside its fits, once and for every fold: a model is exported and timed, predictions are
scored and written (measured)."""

MOST_SLOWNESS = 4.0
"""No machine is taken to be slower than a quiet one by more than this (assumed): a first start after a boot reads from
disk, once."""

UNSEEN_FACTORS = 0.2, 2.5
"""Nobody is taken to be slower or faster than its arithmetic by more than this because of what others showed (assumed):
constants of different methods err differently."""


SLOWER = {"tiles": 1.0, "vectors": 2.0, "": 3.0}
"""How many times its arithmetic a contender in bfloat16 takes, by what the processor has for it (measured on AMX and on
AVX2 alone; assumed between them)."""


@dataclass
class CostModel:
    """Expected seconds of units; ``see`` what ended to learn.

    The first guess is a contender's arithmetic, times the median factor that others showed; its own latest factor
    replaces that as soon as there is one. ``slowness`` is that of the machine, by what starting took and then by what
    guessing took, which is the same everywhere. A second repeat of a rung takes what the first took.
    """

    contenders: Mapping[str, Contender]
    ladders: Mapping[str, Sequence[Rung]]
    n_folds: int
    slowness: float = 1.0
    _factors: dict[str, float] = field(default_factory=dict)
    _seen: dict[tuple[str, int], float] = field(default_factory=dict)

    def see_all(self, decisions: Iterable[Decision]) -> None:
        """Learn from a log."""
        for decision in decisions:
            self.see(decision)

    def see(self, decision: Decision) -> None:
        """Learn from one unit that ended."""
        unit = decision.unit
        if unit.what != "fit" or decision.ending not in ("complete", "cut short"):
            return
        seconds = decision.seconds * (CUT_FACTOR if decision.ending == "cut short" else 1.0)
        seconds = max(seconds, self._seen.get((unit.contender, unit.rung), 0.0) if decision.ending != "complete" else 0)
        self._seen[unit.contender, unit.rung] = seconds
        if self.contenders[unit.contender].family == "dummy":
            usual = self._beside() / self.slowness + self._arithmetic(unit.contender, unit.rung)
            self.slowness = min(MOST_SLOWNESS, max(self.slowness, seconds / usual))
        if self.owner(unit.contender) == unit.contender:
            fitting = max(seconds - self._beside(), 0.1 * seconds)
            self._factors[unit.contender] = fitting / self._arithmetic(unit.contender, unit.rung)

    def seconds(self, unit: Unit) -> float:
        """Expected wall clock of a fit unit."""
        if (unit.contender, unit.rung) in self._seen:
            return max(self._beside() / 4, self._seen[unit.contender, unit.rung])
        if self.owner(unit.contender) != unit.contender:
            return self._beside()
        return self._beside() + self.factor(unit.contender) * self._arithmetic(unit.contender, unit.rung)

    def at_best(self, unit: Unit) -> float:
        """What it would take were its arithmetic right, for such a processor."""
        traits = self.contenders[unit.contender].traits
        slower = SLOWER[bfloat16_units()] if traits.in_bfloat16 else 1.0
        return self._beside() + slower * self._arithmetic(unit.contender, unit.rung)

    def _beside(self) -> float:
        once, each = (self.slowness * seconds for seconds in BESIDE_FITTING)
        return once + each * self.n_folds

    def factor(self, contender: str) -> float:
        """How many times its arithmetic a contender takes here."""
        if contender in self._factors:
            return self._factors[contender]
        if self.contenders[contender].traits.in_bfloat16:  # on that hangs more than what others show
            return SLOWER[bfloat16_units()]
        family = self.contenders[contender].family
        related = [f for name, f in self._factors.items() if self.contenders[name].family == family]
        others = related or [f for name, f in self._factors.items() if self.contenders[name].family != "dummy"]
        return float(np.clip(np.median(others), *UNSEEN_FACTORS)) if others else self.slowness

    def of_one_candidate(self, contender: str, rung: int, inner_folds: int) -> float:
        """One fit of one candidate with the length of that rung, on a fold's training rows (wall clock, s).

        Whoever looks at the candidates of another needs all of them for a fit of its own.
        """
        owner = self.owner(contender)
        effort = self.ladders[owner][rung].effort
        each = self.seconds(Unit("fit", owner, rung)) / self.n_folds / effort.inner_folds
        return inner_folds * (each if owner != contender else each / max(1, effort.candidates))

    def _arithmetic(self, contender: str, rung: int) -> float:
        return max(1e-3, self.n_folds * self.ladders[self.owner(contender)][rung].core_seconds)

    def owner(self, contender: str) -> str:
        """Whose fits it looks at; itself where it makes its own."""
        owner = self.contenders[contender].traits.shares_fits_with
        return owner if owner is not None and owner in self.ladders else contender
