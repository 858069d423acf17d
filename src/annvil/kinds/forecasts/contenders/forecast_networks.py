"""Networks that forecast: dense ones on the window, and feedback networks over patches of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.forecasts.contenders.columns_used import Role
from annvil.kinds.forecasts.contenders.forecast_family import (
    ForecastFamily,
    ForecastSettings,
    epochs_for,
)
from annvil.kinds.forecasts.contenders.linear_map import LinearMap
from annvil.kinds.forecasts.contenders.map_contender import log_from, rows_of
from annvil.kinds.forecasts.contenders.network_member import ForecastBag
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of, row_steps
from annvil.models.measurement import Stopwatch
from annvil.models.members import Fitted
from annvil.models.networks.family import TrainingData
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.populations import Entry, train_members
from annvil.models.networks.search import Searched, search
from annvil.networks.forecasting import Body
from annvil.system.processors import bounded_threads

SHORT, LONG = 0.4, 3.0
"""Lengths of the first rung and of the last (assumed)."""

PRODUCTS = 2.5e10
"""Multiplications and additions in a second in small products (measured)."""

OVERHEAD_SECONDS = 0.4
"""Recording, preparing and judging, for each network (measured)."""


@dataclass(frozen=True)
class Refit:
    """A last training on all rows of a job: inner splits follow time, so that their networks have not seen the latest
    rows, or little but the first."""

    data: TrainingData
    settings: ForecastSettings
    epochs: int


def refit_of(searched: Searched[ForecastSettings], fitted: Fitted) -> Refit:
    """The best candidate, trained as long as its networks were best after, in steps of two so that jobs train together;
    as many networks as there were inner splits."""
    best = min(searched.candidates, key=lambda one: one.trial.score)
    asked = best.trained[0].epochs
    share = float(np.mean([one.best_epoch for one in best.trained])) / asked
    epochs = max(1, round(asked * 2.0 ** max(-4, round(math.log2(max(share, 1e-3))))))
    everything = np.arange(len(searched.job.rows))
    splits = [(everything, everything[:0])] * len(best.trained)
    return Refit(replace(searched.data, splits=splits), best.settings, epochs)


def refitted(
    dataset: Dataset[Histories], family: ForecastFamily, asked: Sequence[Refit], running: Running
) -> list[ForecastBag | None]:
    """A member of every job; None where the deadline came first."""
    groups: dict[Any, list[int]] = {}
    for place, one in enumerate(asked):
        recipe = family.recipe(one.data, one.settings, 1.0)
        key = one.epochs, recipe.batch_size, one.data.shape, family.widths(one.data, one.settings)
        groups.setdefault(key, []).append(place)
    found: list[ForecastBag | None] = [None] * len(asked)
    for (epochs, *_), places in groups.items():
        if running.is_over():
            break
        recipe = family.recipe(asked[places[0]].data, asked[places[0]].settings, 1.0)
        recipe = replace(recipe, epochs=epochs, keep="last")
        jobs = [(asked[place].data, [asked[place].settings]) for place in places]
        entries = [Entry(k, 0, split) for k, (data, _) in enumerate(jobs) for split in range(len(data.splits))]
        trained = train_members(jobs, entries, recipe, family, dataset.task, running)
        if running.is_over():
            break
        for k, place in enumerate(places):
            one = asked[place]
            networks = [trained[Entry(k, 0, split)].network for split in range(len(one.data.splits))]
            found[place] = family.member(one.data, one.settings, networks, dataset.task)
    return found


class ForecastNetworks(BaseContender):
    """A contender: the candidate that the inner splits prefer, its networks averaged."""

    name: str
    title: str
    family: Family = "network"
    uses: tuple[Role, ...] = ("known", "past", "statics")
    bodies: tuple[Body, ...]
    traits = Traits(trains_together=True, bags=True)

    def portfolio(self) -> tuple[ForecastSettings, ...]:
        """Candidates, the most promising first."""
        small = {} if self.bodies[0] == "dense" else {"width": 64}
        options: list[dict[str, Any]] = [
            small,
            {**small, "logs": True},
            {**small, "learning_rate": 3e-3},
            {"width": 256 if self.bodies[0] == "dense" else 128, "dropout": 0.3},
        ]
        found = [{"body": body, **one} for one in options for body in self.bodies]
        found += [{**small, "body": "lstm"}] if self.bodies == ("gru",) else []
        return tuple(ForecastSettings(number=number, **one) for number, one in enumerate(found))

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """Values and logarithms in a short training; then in full length, on five folds; all candidates; longer."""
        most, few = len(self.portfolio()), 2 * len(self.bodies)
        form = shape.form
        assert isinstance(form, ForecastForm)

        def rung(candidates: int, inner: int, scale: float, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            n_train = max(1, int(n_rows * (1 - 1 / inner if inner > 1 else 0.8)))
            passed = n_train * epochs_for(n_train, scale)
            work = 6 * (128 * (shape.n_numbers + 128) + shape.n_outputs * (shape.n_numbers + 128)) / PRODUCTS
            work *= 3 if self.bodies[0] != "dense" else 1
            overhead = OVERHEAD_SECONDS * (1 if self.bodies[0] == "dense" else 5)
            each = overhead + 2 * passed * (work + 2e-6) + 2e-7 * n_train * (shape.n_numbers + shape.n_outputs)
            effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
            return Rung(
                effort,
                LinearMap().seconds(n_rows, form) + inner * candidates * each,
                describe_effort(effort),
            )

        parts = [rung(few, 1, SHORT, rows) for rows in row_steps(shape.n_rows)]
        whole = [rung(few, 1, SHORT), rung(few, 1, 1.0), rung(few, 5, 1.0), rung(most, 5, 1.0), rung(most, 5, LONG)]
        return ladder_of([*parts, *whole])

    def fit(
        self, dataset: Dataset[Histories], jobs: Sequence[Job], effort: Effort, context: Context
    ) -> Iterator[Fitted]:
        """Train every candidate on every inner split; choose for every job. Candidates on logarithms are a family of
        their own, since they learn other answers; the better of both families is kept."""
        jobs = list(jobs)
        if effort.configuration is not None:
            chosen = [ForecastSettings(**effort.configuration)]
        else:
            chosen = list(self.portfolio()[: max(effort.candidates, 1)])
        on_values, on_logs = ([one for one in chosen if one.logs == logs] for logs in (False, True))
        if on_logs and on_values:
            positive = [job for job in jobs if log_from(rows_of(dataset, job.rows)) is not None]
        else:
            positive = jobs if on_logs else []
        logged = self._searched(dataset, positive, on_logs, effort, context)
        plain = self._searched(dataset, jobs if on_values else [], on_values, effort, context)
        for job in jobs:
            best = self._better(plain.get(job.key), logged.get(job.key))
            if best is None or (on_values and job.key not in plain):
                return
            yield best

    def _searched(
        self,
        dataset: Dataset[Histories],
        jobs: Sequence[Job],
        settings: Sequence[ForecastSettings],
        effort: Effort,
        context: Context,
    ) -> dict[str, Fitted]:
        """Results by job, of candidates that see values alike; those that there was no time for are missing."""
        if not jobs:
            return {}
        family = ForecastFamily(settings[0].logs)

        def candidates_of(job: Job, running: Running) -> Sequence[ForecastSettings]:
            return settings

        running = context.begin()
        with bounded_threads(0):  # each job has its linear map screened: many small products
            found = list(search(dataset, jobs, family, candidates_of, effort, context))
            chosen = [best_fitted(self.name, dataset, family, one) for one in found]
            again = [refit_of(one, fitted) for one, fitted in zip(found, chosen, strict=True)]
            watch = Stopwatch()
            members = refitted(dataset, family, again, running)
        for place, (fitted, member) in enumerate(zip(chosen, members, strict=True)):
            fitted.fit_seconds += watch.seconds / len(chosen)
            fitted.core_seconds += watch.core_seconds / len(chosen)
            if member is None:  # no time: what learnt from a part of the rows stands
                fitted.cut_short = True
                continue
            fitted.members = (member,)
            fitted.summary += f", then {again[place].epochs} epochs on all origins"
        return {one.job.key: one for one in chosen}

    @staticmethod
    def _better(one: Fitted | None, other: Fitted | None) -> Fitted | None:
        """The one whose best candidate has the lower inner loss, with what both tried and took."""
        if one is None or other is None:
            return one or other
        best = min((one, other), key=_inner_loss)
        best.tried = (*one.tried, *other.tried)
        best.fit_seconds = one.fit_seconds + other.fit_seconds
        best.core_seconds = one.core_seconds + other.core_seconds
        best.cut_short = one.cut_short or other.cut_short
        return best


def _inner_loss(fitted: Fitted) -> float:
    found = [float(one["score"]) for one in fitted.tried if one["score"] is not None]
    return min(found, default=float("inf"))


class DenseForecaster(ForecastNetworks):
    """Dense layers on the window."""

    name, title = "dense-network", "Dense network"
    bodies = ("dense",)
    traits = Traits(trains_together=True, bags=True, central=True)


class ConvolutionalForecaster(ForecastNetworks):
    """Causal convolutions over patches of the window."""

    name, title = "convolutional-network", "Convolutional network"
    bodies = ("tcn",)


class RecurrentForecaster(ForecastNetworks):
    """A recurrence over patches of the window."""

    name, title = "recurrent-network", "Recurrent network"
    bodies = ("gru",)
