"""The fits of a study of memory, one after another; each is kept before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from annvil.comparison.studies.shelf import Shelf, as_bytes
from annvil.data.dataset import Dataset
from annvil.data.seeds import derived_seed
from annvil.data.splits import inner_splits, nested_subset
from annvil.kinds.series.series import Series
from annvil.kinds.series.studies import memory
from annvil.kinds.series.studies.planning import Part, StudyPlan, seconds_of_fit
from annvil.kinds.series.studies.rearranged import last_part, shuffled
from annvil.kinds.series.studies.sides import CELLS, GRU, MAIN, PLAIN, Side
from annvil.kinds.series.studies.trials import Trial
from annvil.models.jobs import Context, Deadline, Effort, Job
from annvil.models.members import Fitted, as_outputs
from annvil.tasks.base import FloatArray

FIRST = "whole-0"
"""The key of the fit that there must be."""

LEAST_SECONDS = 5.0
"""The first trainings get this, whatever the budget: without them there is no table."""


@dataclass
class Study:
    """What the fits share.

    Attributes
    ----------
    train, test : series that are learnt from, and judged on; of one form, cut to the plan's steps
    sides : all networks, by key
    left_out : fits for which there was no time, in words → networks
    """

    train: Dataset[Series]
    test: Dataset[Series]
    sides: Mapping[str, Side]
    plan: StudyPlan
    shelf: Shelf[Trial]
    deadline: Deadline
    tell: Callable[[str], None]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def measure(self) -> Iterator[Part]:
        """Make the fits that are missing; yields every part whose fits are done."""
        for part in self.plan.parts():
            missing = [key for key in part.sides if self.shelf.trial(key, part.key) is None]
            first = part.key == FIRST and part.sides == MAIN
            if missing and not first and self.deadline.left < sum(self._expected(key, part) for key in missing):
                self._leave_out(part, missing)
                continue
            for key in missing:
                self._fit(self.sides[key], part, first=first)
            yield part

    def trials(self, side: str, family: str) -> dict[int, Trial]:
        """The trainings of a family that are there, by number."""
        found = ((again, self.shelf.trial(side, f"{family}-{again}")) for again in range(self.plan.trainings))
        return {again: trial for again, trial in found if trial is not None}

    def seen(self, dataset: Dataset[Series], part: Part) -> Dataset[Series]:
        """The series as they are shown in this part."""
        if part.what == "shuffled":
            return shuffled(dataset, derived_seed(self.plan.seed, 3), self.plan.n_steps)
        return last_part(dataset, part.share) if part.what == "last" else dataset

    def job(self, part: Part) -> Job:
        """The same for all sides: rows, seed, and the holdout that chooses the epoch."""
        rows = np.arange(self.train.n_rows)
        if part.n_rows:
            rows = np.sort(nested_subset(self.train, rows, part.n_rows, derived_seed(self.plan.seed, 2)))
        seed = derived_seed(self.plan.seed, 4, part.again)
        return Job(part.key, rows, inner_splits(self.train, rows, 1, seed), seed)

    def _fit(self, side: Side, part: Part, *, first: bool) -> None:
        """Train one network and keep what is found; nothing where its time ended, but for the first ones."""
        self.tell(f"{PLAIN[side.key]} {part.words}")
        effort = Effort(scale=self.plan.scale, configuration=side.configuration)
        context = Context(max(self.deadline.left, LEAST_SECONDS if first else 0.0))
        data = self.seen(self.train, part)
        fitted = next(iter(side.contender.fit(data, [self.job(part)], effort, context)), None)
        if fitted is None or (fitted.cut_short and not first):
            self._leave_out(part, [side.key])
            return
        self.shelf.keep(self._trial(fitted, side, part))

    def _trial(self, fitted: Fitted, side: Side, part: Part) -> Trial:
        network: Any = fitted.members[0].networks[0]  # type: ignore[attr-defined]
        whole = part.what == "whole"
        saved = memory.as_saved(fitted, self.train.inputs.form, self.train.task) if whole and side.key in MAIN else None
        found: dict[str, Any] = {}
        if whole and side.key in CELLS:
            found["reach"] = tuple(memory.reach(network, self.test.inputs).tolist())
            found["patch"] = network.architecture.patch
        if saved is not None:
            if side.key == GRU:
                found["streaming"] = memory.streamed(saved, self.test.inputs)
            taken = memory.seconds_by_length(network, self.test.inputs)
            found["alone"] = memory.seconds_alone(saved, self.test.inputs)
            found["seconds"] = {n: tuple(some) for n, some in taken.items()}
        if part.what == "last":
            found["longer"] = as_bytes(self._losses(fitted, self.test))
        return Trial(
            contender=side.key,
            key=part.key,
            n_train=len(fitted.job.rows),
            n_parameters=side.n_parameters,
            summary=fitted.summary,
            fit_seconds=fitted.fit_seconds,
            losses=as_bytes(self._losses(fitted, self.seen(self.test, part))),
            **found,
        )

    def _losses(self, fitted: Fitted, test: Dataset[Series]) -> FloatArray:
        return test.task.shares_wrong(test.y, as_outputs(fitted.predict(test.inputs)))

    def _expected(self, key: str, part: Part) -> float:
        """Seconds of a fit: as planned, corrected by how long the first one took on this machine today."""
        side, form = self.sides[key], self.train.inputs.form
        planned = seconds_of_fit(self.plan, form, side, part)
        kept = self.shelf.trial(key, FIRST)
        first = kept or self.shelf.trial(GRU, FIRST)
        if first is None:
            return planned
        of = side if kept is not None else self.sides[GRU]
        return planned * first.fit_seconds / seconds_of_fit(self.plan, form, of, Part("whole", MAIN))

    def _leave_out(self, part: Part, keys: list[str]) -> None:
        self.left_out.setdefault(part.words, []).extend(PLAIN[key] for key in keys)
