"""What contenders whose models are linear maps share: candidates tried on the inner splits, one fit on all rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.forecasts.contenders.columns_used import Role
from annvil.kinds.forecasts.contenders.maps import View
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Json, Rung, Running, Shape
from annvil.models.ladder import ALL, describe_effort, ladder_of
from annvil.models.measurement import Stopwatch, one_by_one
from annvil.models.members import Fitted
from annvil.models.selection import Candidate, best_of, fitted_with, try_candidates
from annvil.tasks.base import FloatArray, IntArray


@dataclass(frozen=True)
class Rows:
    """Training rows: their inputs and answers ``(n_rows, horizon)``."""

    inputs: Histories
    y: FloatArray

    @property
    def smallest(self) -> float:
        """Of all values that these rows may look at."""
        least = float(self.y.min())
        for _, part in self.inputs.blocks():
            least = min(least, float(part.windows().min()))
        return least


def log_from(rows: Rows) -> float | None:
    """From which value on logarithms are taken, or None where not all values are positive."""
    smallest = rows.smallest
    return smallest / 2 if smallest > 0 else None


class MapContender(BaseContender):
    """One linear map for every job. A contender of this kind says which candidates there are, and makes the map."""

    name: str
    title: str
    family: Family = "linear"
    traits = Traits(library="")
    uses: tuple[Role, ...] = ()

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        """What is tried, the usual one first; ``log_from`` in a configuration is where logarithms begin."""
        raise NotImplementedError

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> Any:
        """The member that a candidate learns from these rows: a `MapMember`, for most."""
        raise NotImplementedError

    def summary(self, member: Any, best: Candidate) -> str:
        """What was chosen, in one line."""
        return best.words

    def seconds(self, n_rows: int, form: ForecastForm) -> float:
        """Of one fit of all candidates and their predictions, on one core (measured, erring slow)."""
        return 0.02 + 5e-8 * n_rows * (form.window + form.horizon)

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """All candidates on one holdout, then on five."""
        form = shape.form
        assert isinstance(form, ForecastForm)
        each = self.seconds(shape.n_rows, form)
        rungs = (Effort(ALL, inner_folds=folds) for folds in (1, 5))
        return ladder_of(Rung(effort, each * (1 + effort.inner_folds), describe_effort(effort)) for effort in rungs)

    def fit(
        self, dataset: Dataset[Histories], jobs: Sequence[Job], effort: Effort, context: Context
    ) -> Iterator[Fitted]:
        """Candidates on the inner splits, then one fit on all rows, for every job."""
        return one_by_one(dataset, jobs, context, lambda job, running: self._fit_job(dataset, job, effort, running))

    def _fit_job(self, dataset: Dataset[Histories], job: Job, effort: Effort, running: Running) -> Fitted | None:
        watch = Stopwatch()
        rows = rows_of(dataset, job.rows)
        if effort.configuration is not None:
            candidates = [Candidate(effort.configuration, "as configured")]
        else:
            candidates = list(self.candidates(rows, log_from(rows)))[: max(1, effort.candidates)]

        def fit_split(candidate: Candidate, number: int) -> tuple[None, FloatArray]:
            split = job.inner[number]
            member = self.make(rows_of(dataset, split.train), candidate.configuration)
            return None, member.predict(dataset.inputs.take(split.test))

        trials, _ = try_candidates(dataset, job, candidates, fit_split, running)
        if not trials:
            return None
        best = best_of(trials)
        member = self.make(rows, best.candidate.configuration)
        return fitted_with(
            self.name, dataset, job, trials, (member,), watch, running, summary=self.summary(member, best.candidate)
        )


def rows_of(dataset: Dataset[Histories], rows: IntArray) -> Rows:
    """Rows of a data set to learn from."""
    return Rows(dataset.inputs.take(rows), dataset.y[rows])


def in_views(log_from: float | None, words: str, configuration: Mapping[str, Any]) -> Iterator[Candidate]:
    """A candidate on values as they are and, where all are positive, on their logarithms."""
    yield Candidate({**configuration, "log_from": None}, words)
    if log_from is not None:
        yield Candidate({**configuration, "log_from": log_from}, f"{words}, logarithms")


def view_of(configuration: Mapping[str, Json], centre: str = "last") -> View:
    """The view of a configuration."""
    start = configuration["log_from"]
    chosen: Any = centre
    unit = configuration.get("unit")
    return View(None if start is None else float(start), chosen, None if unit is None else float(unit))


def padded(weights: FloatArray, length: int) -> FloatArray:
    """Weights of the last values as weights of ``length`` values, those before them 0."""
    return np.concatenate([np.zeros((length - len(weights), weights.shape[1])), weights])
