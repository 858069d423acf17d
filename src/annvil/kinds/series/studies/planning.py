"""What a study of memory measures, decided before anything is trained: arithmetic from sizes and budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import msgspec

from annvil.kinds.series.contenders.sequence_family import (
    BATCH_SIZES,
    LARGEST_BATCH,
    OVERHEAD_SECONDS,
    epochs_for,
)
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.studies.sides import CELLS, GRU, MAIN, TCN, Side
from annvil.models.networks.recipe import batch_size

THOROUGH = ((5, 1.0), (3, 1.0), (3, 0.5), (3, 0.3), (2, 0.3), (2, 0.15))
"""From most to least: trainings that differ by their seed, and the length of each (`Effort.scale`)."""

ROOM_SHARE = 0.8
"""Part of the budget that trainings are planned for; measuring, writing and others on the machine take the rest
(assumed)."""

SHARES = (0.5, 0.25, 0.125)
"""Of the history, that are shown alone."""

FEWEST_STEPS_SHOWN = 3
"""A share of less is left out: nothing can be remembered in it (assumed)."""

CURVE = (2, 4, 8)
"""Learning curves have the training series divided by these."""

FEWEST_PER_CLASS = 4

AT_LEAST = 4
"""Parts that a study should have room for: only then series keep all of their steps (assumed)."""

SHORTEST = 64
"""Where even the least takes too long, series are cut to their last steps, down to so many (assumed)."""

What = Literal["whole", "shuffled", "last", "curve"]


@dataclass(frozen=True)
class Part:
    """One kind of fit of some sides: what is learnt from, how much of it, which training of it.

    ``share``: of the steps, at the end ("last"); ``n_rows``: training series ("curve").
    """

    what: What
    sides: tuple[str, ...]
    again: int = 0
    share: float = 1.0
    n_rows: int = 0

    @property
    def family(self) -> str:
        """Of the trainings that differ by their seed alone."""
        detail = {"last": f"-{round(1 / self.share)}", "curve": f"-{self.n_rows}"}.get(self.what, "")
        return f"{self.what}{detail}"

    @property
    def key(self) -> str:
        """Of its trials."""
        return f"{self.family}-{self.again}"

    @property
    def words(self) -> str:
        """What it is, for people."""
        some = {
            "whole": "on whole series",
            "shuffled": "on shuffled steps",
            "last": f"on the last {self.share:.0%} of the steps",
            "curve": f"on {self.n_rows:,} series",
        }[self.what]
        return f"{some} once more" if self.again else some


class StudyPlan(msgspec.Struct, frozen=True):
    """Everything that decides the fits.

    Attributes
    ----------
    data : digest of inputs and targets
    budget_seconds, seed : as asked
    n_train, n_test : series that are learnt from and judged on
    n_steps : of the longest series, after cutting
    trainings, scale : see `THOROUGH`
    shares : of the history, beside all of it
    curve : training series, ascending, beside all
    widths : units of each side, by its key
    """

    data: str
    budget_seconds: float
    seed: int
    n_train: int
    n_test: int
    n_steps: int
    trainings: int
    scale: float
    shares: tuple[float, ...]
    curve: tuple[int, ...]
    widths: dict[str, int]

    def parts(self) -> Iterator[Part]:
        """The most telling first."""
        yield Part("whole", MAIN)
        yield Part("shuffled", MAIN)
        yield Part("whole", CELLS[1:])
        yield from self._more(0, self.shares[:1], ())
        for again in range(1, self.trainings):
            yield Part("whole", MAIN, again)
            yield Part("shuffled", MAIN, again)
            yield from self._more(0, (), self.curve) if again == 1 else ()
            yield Part("whole", CELLS[1:], again)
            yield from self._more(0, self.shares[1:], ()) if again == 1 else ()
            yield from self._more(again, self.shares, self.curve)

    def _more(self, again: int, shares: tuple[float, ...], curve: tuple[int, ...]) -> Iterator[Part]:
        """Of the two that know the order."""
        for share in shares:
            yield Part("last", (GRU, TCN), again, share=share)
        for n_rows in curve[::-1]:
            yield Part("curve", (GRU, TCN), again, n_rows=n_rows)


def plan_study(
    form: SeriesForm,
    sides: Mapping[str, Side],
    n_train: int,
    n_test: int,
    n_classes: int,
    budget_seconds: float,
    seed: int,
    digest: str,
) -> StudyPlan:
    """The most careful study that fits; where none does, the least, of which the end is left out; and where not even
    `AT_LEAST` parts of it fit, on series that are cut to their last steps."""
    fewest = FEWEST_PER_CLASS * max(n_classes, 5)
    curve = tuple(sorted(n for n in (n_train // by for by in CURVE) if n >= fewest))
    n_steps = form.longest
    while True:
        for trainings, scale in THOROUGH:
            shares = tuple(share for share in SHARES if share * n_steps >= FEWEST_STEPS_SHOWN)
            widths = {key: side.settings.width for key, side in sides.items()}
            plan = StudyPlan(
                digest, budget_seconds, seed, n_train, n_test, n_steps, trainings, scale, shares, curve, widths
            )
            if seconds_of(plan, form, sides) <= ROOM_SHARE * budget_seconds:
                return plan
        if n_steps <= SHORTEST or seconds_of(plan, form, sides, AT_LEAST) <= ROOM_SHARE * budget_seconds:
            return plan
        n_steps = max(SHORTEST, n_steps // 2)


def seconds_of(plan: StudyPlan, form: SeriesForm, sides: Mapping[str, Side], most: int | None = None) -> float:
    """All fits together, or those of the first parts, as far as can be known before."""
    parts = islice(plan.parts(), most)
    return sum(seconds_of_fit(plan, form, sides[key], part) for part in parts for key in part.sides)


def seconds_of_fit(plan: StudyPlan, form: SeriesForm, side: Side, part: Part) -> float:
    """One fit."""
    n_train = max(1, int(0.8 * (part.n_rows or plan.n_train)))
    batch = batch_size(n_train, BATCH_SIZES, LARGEST_BATCH)
    longest = max(1, round(part.share * plan.n_steps))
    shorter = msgspec.structs.replace(form, longest=longest, shortest=min(form.shortest, longest))
    each = side.contender.networks.core_seconds_per_series(shorter, side.settings, batch)
    return OVERHEAD_SECONDS + n_train * epochs_for(n_train, plan.scale) * each
