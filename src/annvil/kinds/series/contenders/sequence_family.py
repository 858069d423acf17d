"""What families of networks on series share: padded values with their lengths, steps instead of epochs, a ladder."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.series.contenders.member import SeriesBag, SeriesTensors
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.series import Series
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, Json, PreparationOptions, Rung, Running, Shape
from annvil.models.ladder import describe_effort, ladder_of, row_steps
from annvil.models.members import Fitted
from annvil.models.networks.bag import network_outputs
from annvil.models.networks.family import Hyperparameters, NetworkFamily, TrainingData, positions
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.recipe import batch_size
from annvil.models.networks.search import TrainedCandidate, search
from annvil.networks.series_input import Scaling
from annvil.preparation import TargetScaling, is_imbalanced
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import nn

    from annvil.training import Recipe

BATCH_SIZES = ((200, 16), (1_000, 32), (20_000, 64))
"""(rows, batch size); 128 above. Of few series, many small steps teach more than few large ones (measured)."""

LARGEST_BATCH = 128

STEPS = 1_000
"""Steps of a training of scale 1, however many series there are (measured)."""

FEWEST_STEPS, FEWEST_EPOCHS = 60, 2
"""Not even a training that is cut shorter than the first rung takes fewer (assumed)."""

SHORT, LONG = 0.4, 4.0
"""Lengths of the first rung and of the last: after 400 steps convolutions are at .98 to 1.00 on 18 to 40 series of
gun_point and ecg_five_days, and at .92 of 15 kinds of leaves (measured)."""

TO_THE_END = 1_000
"""Training series from which classes are learnt to the last epoch: the loss turns when networks become too sure, which
calibration mends, while they still get better (GRU on windows of activities: .924 instead of .904, one seed). With few
series there is not enough to calibrate with (23 of ecg_five_days: .58 instead of .73)."""

MOST_BYTES = 2 << 30
"""Of all series, each as long as the longest, which is how networks take them (assumed)."""

OVERHEAD_SECONDS = 0.4
"""Recording, preparing and judging, for each network (measured)."""


@dataclass(frozen=True, kw_only=True)
class SeriesSettings(Hyperparameters):
    """One candidate; ``scaling``: as `annvil.networks.series_input.SeriesInput` has it."""

    number: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    width: int = 64
    scaling: Scaling = "channel"

    def to_json(self) -> dict[str, Json]:
        """What repeats it."""
        return asdict(self)

    def said(self) -> str:
        """What all of them say."""
        parts = [f"width {self.width}", f"learning rate {self.learning_rate:g}"]
        parts += ["each series on a scale of its own"] if self.scaling == "series" else []
        parts += ["classes weighted"] if self.class_weighted else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Sizes:
    """What a family builds its networks for: training series of a split, channels, outputs, longest and shortest."""

    n_rows: int
    n_channels: int
    n_outputs: int
    longest: int
    shortest: int


P = TypeVar("P", bound=SeriesSettings)


class SequenceFamily(NetworkFamily[Series, P]):
    """Networks that take values float32 ``(n, channels, time)`` and lengths int64 ``(n,)``."""

    settings: type[P]
    bag: type[SeriesBag] = SeriesBag

    @abstractmethod
    def portfolio(self, form: SeriesForm, n_rows: int) -> Sequence[P]:
        """Candidates, the most promising first; each has its place as ``number``."""

    @abstractmethod
    def build(self, sizes: Sizes, settings: P) -> nn.Module:
        """A network that has not begun."""

    @abstractmethod
    def core_seconds_per_series(self, form: SeriesForm, settings: P, batch: int) -> float:
        """Processor time for one series of the longest length in one epoch of one network (measured, erring slow)."""

    def prepare(self, dataset: Dataset[Series], job: Job, options: PreparationOptions) -> TrainingData:
        """Values as they are, padded; a channel without values is the mean of the job's."""
        import torch

        series, task = dataset.inputs.take(job.rows), dataset.task
        y = dataset.y[job.rows]
        target = TargetScaling.of(task, y)
        answers = np.asarray(y, dtype=task.link.dtype) if target is None else target.transform(y)[:, None]
        preparation = SeriesTensors()
        values, lengths = preparation.transform(series)
        missing = values.isnan()
        if missing.any():
            steps = torch.arange(values.shape[2]) < lengths[:, None]
            known = steps[:, None] & ~missing
            mean = values.double().where(known, 0.0).sum((0, 2)) / known.sum((0, 2)).clamp(min=1)
            values = torch.where(missing, mean.float()[:, None], values)
        splits = positions(job)
        sizes = Sizes(
            n_rows=max(len(train) for train, _ in splits),
            n_channels=series.form.n_channels,
            n_outputs=task.n_outputs,
            longest=int(lengths.max()),
            shortest=int(lengths.min()),
        )
        shape = sizes.n_channels, sizes.n_outputs, sizes.longest, sizes.shortest == sizes.longest
        return TrainingData(
            job,
            (values, lengths),
            torch.from_numpy(answers),
            splits,
            preparation,
            target,
            shape,
            sizes,
            job.weights,
        )

    def network(self, data: TrainingData, settings: P, split: int, seed: int) -> nn.Module:
        """Initial weights at random; mean and deviation of each channel from the split's training series."""
        import torch

        network = self.build(data.sizes, settings)
        network.initialise(torch.Generator().manual_seed(seed))  # type: ignore[operator]
        train, _ = data.splits[split]
        network.input.look_at(*(tensor[train] for tensor in data.inputs))  # type: ignore[union-attr, operator]
        return network

    def widths(self, data: TrainingData, settings: P) -> tuple[Any, ...]:
        """All that makes a shape: networks of one population differ in nothing but rows, seeds and rates."""
        alike = replace(settings, number=0, learning_rate=0.0, weight_decay=0.0)
        return tuple(alike.to_json().values())

    def recipe(self, data: TrainingData, settings: P, scale: float) -> Recipe:
        """Steps as many as ``scale`` asks for, at one rate and then, for half of them, down to 0."""
        from annvil.training import Recipe

        n_rows = data.sizes.n_rows
        batch = batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH)
        return Recipe(
            epochs=epochs_for(n_rows, scale),
            batch_size=batch,
            schedule="flat-cosine",
            warmup=0.05,
            clip_norm=1.0,
            keep="last" if data.target is None and n_rows >= TO_THE_END else "best",
        )

    def member(self, data: TrainingData, settings: P, networks: Sequence[nn.Module], task: Task) -> SeriesBag:
        """The networks of the inner splits, averaged."""
        weights = (1 / len(networks),) * len(networks)
        preparation = SeriesTensors(settings.scaling)
        return self.bag(preparation, tuple(networks), weights, data.target, task.link)

    def outputs(self, data: TrainingData, settings: P, network: nn.Module, rows: IntArray, task: Task) -> FloatArray:
        """What one network says of series of the job."""
        import torch

        network.eval()
        at_once = SeriesBag.rows_of(data.sizes.n_channels * data.sizes.longest)
        parts = [
            network_outputs(
                network, data.inputs, data.target, task.link, torch.from_numpy(rows[start : start + at_once])
            )
            for start in range(0, len(rows), at_once)
        ]
        return np.concatenate(parts)


def epochs_for(n_rows: int, scale: float) -> int:
    """Epochs of so many training series: as many as make `STEPS` times ``scale`` steps, `FEWEST_STEPS` at least."""
    a_pass = math.ceil(n_rows / batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH))
    return max(FEWEST_EPOCHS, math.ceil(max(FEWEST_STEPS, STEPS * scale) / a_pass))


class SequenceNetworks(BaseContender):
    """A contender: the candidate that the inner splits prefer, its networks averaged."""

    name: str
    title: str
    family: Family = "network"
    networks: SequenceFamily[Any]
    traits = Traits(trains_together=True, bags=True, weights_classes=True, central=True)

    longest: int | None = None  # steps beyond which its maps would not fit into memory

    def declines(self, shape: Shape) -> str | None:
        """Series that are too long, or too unequal to be brought to one length."""
        form = shape.form
        assert isinstance(form, SeriesForm)
        if self.longest is not None and form.longest > self.longest:
            return (
                f"The longest series has {form.longest:,} steps; beyond {self.longest:,} its maps take too much memory."
            )
        n_bytes = 4 * shape.n_rows * form.n_values
        if n_bytes > MOST_BYTES:
            return f"Series brought to the length of the longest would take {n_bytes / 2**30:,.1f} GB of memory."
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One short training; five, one for each fold, together; these in full length; more candidates, all of them,
        and longer."""
        form = shape.form
        assert isinstance(form, SeriesForm)
        most = len(self.networks.portfolio(form, shape.n_rows))

        def rung(candidates: int, inner: int, scale: float, rows: int | None = None) -> Rung:
            n_rows = min(shape.n_rows, rows or shape.n_rows)
            n_train = max(1, int(n_rows * (1 - 1 / inner if inner > 1 else 0.8)))
            batch = batch_size(n_train, BATCH_SIZES, LARGEST_BATCH)
            passed = n_train * epochs_for(n_train, scale)
            chosen = self.networks.portfolio(form, n_train)[:candidates]
            seconds = sum(
                OVERHEAD_SECONDS + passed * self.networks.core_seconds_per_series(form, one, batch) for one in chosen
            )
            effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
            return Rung(effort, inner * seconds, describe_effort(effort))

        parts = [rung(1, 1, SHORT, rows) for rows in row_steps(shape.n_rows)]
        whole = [rung(1, 1, SHORT), rung(1, 5, SHORT), rung(1, 5, 1.0)]
        whole += [rung(min(2, most), 5, 1.0), rung(most, 5, 1.0), rung(most, 5, LONG)]
        return ladder_of([*parts, *whole])

    def fit(self, dataset: Dataset[Series], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train every candidate on every inner split; choose for every job."""

        def candidates_of(job: Job, running: Running) -> Sequence[SeriesSettings]:
            return self._candidates(dataset, job, effort)

        for searched in search(dataset, jobs, self.networks, candidates_of, effort, context):
            yield best_fitted(self.name, dataset, self.networks, searched, summary_of)

    def _candidates(self, dataset: Dataset[Series], job: Job, effort: Effort) -> Sequence[SeriesSettings]:
        if effort.configuration is not None:
            return [settings_from(self.networks.settings, effort.configuration)]
        n_rows = max(len(split.train) for split in job.inner)
        chosen = list(self.networks.portfolio(dataset.inputs.form, n_rows)[: effort.candidates])
        if effort.options.imbalance == "auto" and is_imbalanced(dataset.y[job.rows], dataset.task) and len(chosen) > 2:
            chosen[2] = replace(chosen[2], class_weighted=True)
        return chosen


def settings_from(kind: type[P], configuration: Mapping[str, Json]) -> P:
    """The settings that `SeriesSettings.to_json` wrote."""
    return kind(**configuration)


def summary_of(best: TrainedCandidate[Any]) -> str:
    """For people: ``"GRU over patches of 8 steps, width 64, …, 5 networks averaged, best epoch 41 of at most 64"``."""
    several = f"{len(best.networks)} networks averaged, " if len(best.networks) > 1 else ""
    epoch = round(float(np.mean([one.best_epoch for one in best.trained])))
    return f"{best.settings.describe()}, {several}best epoch {epoch} of at most {best.trained[0].epochs}"
