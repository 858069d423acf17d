"""Networks that forecast as a family: what they see of a window, how they begin and how long they train."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.forecasts.contenders.linear_map import LinearMap, Moments, first_guess, screened
from annvil.kinds.forecasts.contenders.map_contender import Rows, log_from, rows_of, view_of
from annvil.kinds.forecasts.contenders.network_member import ForecastBag, WindowTensors, network_values
from annvil.kinds.forecasts.histories import Histories
from annvil.models.jobs import Job, Json, PreparationOptions
from annvil.models.networks.family import Hyperparameters, NetworkFamily, TrainingData, positions
from annvil.models.networks.recipe import batch_size
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

WANTED_PATCHES = 8
"""So many patches are a window at least (assumed): a recurrence over days where values are hourly."""


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
        name = "two dense layers" if self.body == "dense" else f"{self.body.upper()} over patches"
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
