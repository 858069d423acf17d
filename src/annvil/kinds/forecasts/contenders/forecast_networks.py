"""Networks that forecast: dense ones on the window, and feedback networks over patches of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.forecasts.contenders.linear_map import LinearMap, Moments, first_guess, screened
from annvil.kinds.forecasts.contenders.map_contender import Rows, log_from, rows_of, view_of
from annvil.kinds.forecasts.contenders.network_member import ForecastBag, WindowTensors, network_values
from annvil.kinds.forecasts.histories import Histories
from annvil.models.contract import (
    BaseContender,
    Context,
    Effort,
    Family,
    Fitted,
    Job,
    Json,
    PreparationOptions,
    Rung,
    Running,
    Shape,
    Traits,
)
from annvil.models.ladder import describe_effort, ladder_of, row_steps
from annvil.models.measurement import Stopwatch
from annvil.models.networks.family import Hyperparameters, NetworkFamily, TrainingData, positions
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.populations import Entry, train_members
from annvil.models.networks.recipe import batch_size
from annvil.models.networks.search import Searched, search
from annvil.networks.forecasting import Body
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import nn

    from annvil.training import Recipe

BATCH_SIZES = ((500, 32), (3_000, 64), (20_000, 128))
"""(rows, batch size); 256 above (assumed)."""

LARGEST_BATCH = 256
STEPS = 400
"""Steps of a training of scale 1, however many origins there are (assumed): it begins at the linear map."""

SHORT, LONG = 0.4, 3.0
"""Lengths of the first rung and of the last (assumed)."""

WANTED_PATCHES = 8
"""So many patches are a window at least (assumed): a recurrence over days where values are hourly."""

PRODUCTS = 2.5e10
"""Multiplications and additions in a second in small products (measured)."""

OVERHEAD_SECONDS = 0.4
"""Recording, preparing and judging, for each network (measured)."""


@dataclass(frozen=True, kw_only=True)
class ForecastSettings(Hyperparameters):
    """One candidate; ``logs``: whether it sees logarithms, where all values are positive."""

    number: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    dropout: float | None = 0.1
    body: Body = "dense"
    width: int = 128
    logs: bool = False

    def to_json(self) -> dict[str, Json]:
        """What repeats it."""
        return asdict(self)

    def describe(self) -> str:
        """For people."""
        name = {"dense": "two dense layers", "gru": "GRU over patches", "lstm": "LSTM over patches"}[self.body]
        logs = ", logarithms" if self.logs else ""
        return f"{name} beside a linear map, width {self.width}, learning rate {self.learning_rate:g}{logs}"


@dataclass(frozen=True)
class Sizes:
    """What networks are built for: training rows, their moments by split, centres and swings to go back with."""

    rows: Rows
    configuration: dict[str, Any]
    n_train: int
    centre: FloatArray
    swing: FloatArray


class ForecastFamily(NetworkFamily[Histories, ForecastSettings]):
    """Networks that begin as the closed-form linear map."""

    name = "forecasting"

    def __init__(self, logs: bool = False) -> None:
        self.logs = logs

    def prepare(self, dataset: Dataset[Histories], job: Job, options: PreparationOptions) -> TrainingData:
        """Windows and answers relative to centre and swing; how the linear map looks is screened on the job's rows."""
        import torch

        rows = rows_of(dataset, job.rows)
        found = screened(LinearMap(), rows, log_from(rows) if self.logs else None)
        configuration = dict(found[-1 if self.logs else 0].configuration)
        preparation = WindowTensors.learnt(rows.inputs, view_of(configuration, configuration["centre"]))
        values, sides, centre, swing = preparation.scaled(rows.inputs)
        apart = np.where(swing > 0, swing, 1.0)
        answers = np.where(swing > 0, (preparation.view.seen(rows.y) - centre) / apart, 0.0).astype(np.float32)
        splits = positions(job)
        n_train = max(len(train) for train, _ in splits)
        shape = values.shape[1], values.shape[2], sides.shape[1], answers.shape[1], self.logs
        return TrainingData(
            job,
            (values, sides),
            torch.from_numpy(answers),
            splits,
            preparation,
            None,
            shape,
            Sizes(rows, configuration, n_train, centre, swing),
            job.weights,
        )

    def network(self, data: TrainingData, settings: ForecastSettings, split: int, seed: int) -> nn.Module:
        """The straight path is the linear map of the split's training rows."""
        import torch

        from annvil.networks.forecasting import ForecastArchitecture, ForecastNetwork

        sizes: Sizes = data.sizes
        form = sizes.rows.inputs.form
        train, _ = data.splits[split]
        rows = Rows(sizes.rows.inputs.take(train), sizes.rows.y[train])
        length = int(sizes.configuration["length"])
        view = view_of(sizes.configuration, sizes.configuration["centre"])
        start = first_guess(rows, length) if sizes.configuration["seasonal"] else None
        weights = Moments.of(rows, view, length).solve(float(sizes.configuration["penalty"]), start)
        values, sides = data.inputs
        straight = np.zeros((form.window, form.horizon))
        straight[form.window - length :] = weights[:length]
        if view.centre == "mean":  # networks take the mean of the whole window away
            straight = _recentred(straight, length)
        architecture = ForecastArchitecture(
            form.window,
            form.horizon,
            values.shape[1],
            sides.shape[1],
            settings.body,
            settings.width,
            patch_for(form.window, form.season),
        )
        network = ForecastNetwork(architecture, settings.dropout or 0.0)
        first, beside = (torch.from_numpy(part.astype(np.float32)) for part in (straight, weights[length:]))
        network.begin(first, beside, torch.Generator().manual_seed(seed))
        return network

    def widths(self, data: TrainingData, settings: ForecastSettings) -> tuple[Any, ...]:
        """All that makes a shape."""
        return settings.body, settings.width, settings.dropout

    def recipe(self, data: TrainingData, settings: ForecastSettings, scale: float) -> Recipe:
        """Steps as many as ``scale`` asks for, at one rate and then, for half of them, down to 0."""
        from annvil.training import Recipe

        n_rows = data.sizes.n_train
        batch = batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH)
        epochs = epochs_for(n_rows, scale)
        return Recipe(epochs=epochs, batch_size=batch, schedule="flat-cosine", warmup=0.1, clip_norm=1.0)

    def member(
        self, data: TrainingData, settings: ForecastSettings, networks: Sequence[nn.Module], task: Task
    ) -> ForecastBag:
        """The networks of the inner splits, averaged."""
        assert isinstance(data.preparation, WindowTensors)
        return ForecastBag(data.preparation, tuple(networks))

    def outputs(
        self, data: TrainingData, settings: ForecastSettings, network: nn.Module, rows: IntArray, task: Task
    ) -> FloatArray:
        """What one network says of rows of the job, in the target's unit."""
        assert isinstance(data.preparation, WindowTensors)
        values, sides = (tensor[rows] for tensor in data.inputs)
        found = network_values(network, values, sides)
        return data.preparation.back(found, data.sizes.centre[rows], data.sizes.swing[rows])


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


def _recentred(straight: FloatArray, length: int) -> FloatArray:
    """The map of values relative to the mean of the last ``length``, as one relative to the mean of the whole window:
    ``m + (x - m) W`` with ``m`` a mean of ``x`` is linear in ``x``, and the same for ``x`` moved by any constant."""
    share = np.zeros(len(straight))
    share[len(straight) - length :] = 1 / length
    return np.asarray(straight + np.outer(share, 1 - straight.sum(axis=0)))


def epochs_for(n_rows: int, scale: float) -> int:
    """Epochs of so many training rows: as many as make `STEPS` times ``scale`` steps, two at least."""
    a_pass = math.ceil(n_rows / batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH))
    return max(2, math.ceil(STEPS * scale / a_pass))


def patch_for(window: int, season: int) -> int:
    """Steps of a patch: a season, or a part of one that makes `WANTED_PATCHES`."""
    most = max(1, window // WANTED_PATCHES)
    return max(k for k in range(1, most + 1) if season % k == 0 or season == 1)


class ForecastNetworks(BaseContender):
    """A contender: the candidate that the inner splits prefer, its networks averaged."""

    name: str
    title: str
    family: Family = "network"
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

        def rung(candidates: int, inner: int, scale: float, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            n_train = max(1, int(n_rows * (1 - 1 / inner if inner > 1 else 0.8)))
            passed = n_train * epochs_for(n_train, scale)
            work = 6 * (128 * (shape.n_numbers + 128) + shape.n_outputs * (shape.n_numbers + 128)) / PRODUCTS
            work *= 3 if self.bodies[0] != "dense" else 1
            overhead = OVERHEAD_SECONDS * (1 if self.bodies[0] == "dense" else 5)
            each = overhead + 2 * passed * (work + 2e-6) + 2e-7 * n_train * (shape.n_numbers + shape.n_outputs)
            effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
            return Rung(effort, inner * candidates * each, describe_effort(effort).replace("a sample of", "a part of"))

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


class RecurrentForecaster(ForecastNetworks):
    """A recurrence over patches of the window."""

    name, title = "recurrent-network", "Recurrent network"
    bodies = ("gru",)
