"""Families of networks on tables: columns become numbers and codes; the number of rows decides most of the recipe."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.contract import BaseContender, Family, Traits
from annvil.models.jobs import Context, Effort, Job, PreparationOptions, Rung, Running, Shape
from annvil.models.members import Fitted
from annvil.models.networks.bag import NetworkBag, network_outputs
from annvil.models.networks.column_tensors import ColumnTensors
from annvil.models.networks.family import NetworkFamily, TrainingData, positions
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.recipe import FEW_ROWS, Settings, search_ladder, settings_for
from annvil.models.networks.search import Searched, TrainedCandidate, search
from annvil.models.networks.table_bag import TableBag
from annvil.preparation import NetworkPreparation, TargetScaling
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

INITIAL_ROWS = 512
"""Training rows that initial weights are fitted to (assumed: enough for standard deviations)."""


@dataclass(frozen=True)
class Sizes:
    """What a network is built for: prepared inputs, outputs, and how many rows it learns from.

    ``edges`` are quantiles of the continuous columns, for a family that asks for them (`TableFamily.bins`).
    """

    n_rows: int
    n_numbers: int
    n_continuous: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    is_classification: bool
    edges: Sequence[NDArray[Any]] = field(default=(), compare=False, repr=False)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What networks of one population must share."""
        n_bins = max((len(edge) - 1 for edge in self.edges), default=0)
        return self.n_numbers, self.n_continuous, self.cardinalities, self.n_outputs, n_bins


class TableFamily(NetworkFamily[Table, Settings]):
    """Networks of some hidden layers on prepared columns.

    ``heads`` are the sub-networks of each network, whose outputs are averaged.
    """

    heads: ClassVar[int] = 1

    @abstractmethod
    def portfolio(self, is_classification: bool, n_rows: int) -> tuple[Settings, ...]:
        """Candidates for so many training rows, the most promising first; each has its place as `Settings.number`."""

    @abstractmethod
    def build(self, sizes: Sizes, settings: Settings, sample: tuple[Tensor, Tensor], seed: int) -> nn.Module:
        """A network with its initial weights; it may look at some of its training rows, ``(numbers, codes)``."""

    @abstractmethod
    def epochs(self, n_rows: int, scale: float) -> int:
        """Epochs for so many training rows."""

    @abstractmethod
    def core_seconds_per_row(self, shape: Shape) -> float:
        """Processor time for one row of one network in one epoch, in a population (measured, erring slow)."""

    def bins(self, sizes: Sizes) -> int:
        """Quantile bins of the continuous columns that its networks want to know; 0 for none."""
        return 0

    def prepare(self, dataset: Dataset, job: Job, options: PreparationOptions) -> TrainingData:
        """Columns prepared by what the job's rows teach."""
        import torch

        from annvil.networks import quantile_edges

        inputs, y, task = dataset.inputs.take(job.rows), dataset.y[job.rows], dataset.task
        columns = NetworkPreparation.fit(inputs, scaling=options.scaling, y=y, task=task, seed=job.seed)
        target = TargetScaling.of(task, y)
        answers = np.asarray(y, dtype=task.link.dtype) if target is None else target.transform(y)
        preparation = ColumnTensors(columns)
        numbers, codes = preparation.transform(inputs)
        splits = positions(job)
        sizes = Sizes(
            n_rows=max(len(train) for train, _ in splits),
            n_numbers=numbers.shape[1],
            n_continuous=columns.n_continuous,
            cardinalities=columns.cardinalities,
            n_outputs=task.n_outputs,
            is_classification=task.predicts_probabilities,
        )
        n_bins = self.bins(sizes)
        if n_bins and sizes.n_continuous:
            sizes = replace(sizes, edges=quantile_edges(numbers[:, : sizes.n_continuous].numpy(), n_bins))
        return TrainingData(
            job,
            (numbers, codes),
            torch.from_numpy(answers),
            splits,
            preparation,
            target,
            sizes.shape,
            sizes,
            job.weights,
        )

    def hidden(self, sizes: Sizes, settings: Settings) -> tuple[int, ...]:
        """Widths of the hidden layers: two, or those that were asked for."""
        return settings.widths or ((64, 64) if sizes.n_rows < FEW_ROWS else (128, 128))

    def widths(self, data: TrainingData, settings: Settings) -> tuple[int, ...]:
        """Of the hidden layers."""
        return self.hidden(data.sizes, settings)

    def network(self, data: TrainingData, settings: Settings, split: int, seed: int) -> nn.Module:
        """Built on a sample of the split's training rows."""
        train, _ = data.splits[split]
        numbers, codes = data.inputs
        rows = np.random.default_rng(seed).choice(train, min(INITIAL_ROWS, len(train)), replace=False)
        return self.build(data.sizes, settings, (numbers[rows], codes[rows]), seed)

    def member(self, data: TrainingData, settings: Settings, networks: Sequence[nn.Module], task: Task) -> NetworkBag:
        """The networks of the inner splits, averaged."""
        return self.bag(data, networks, (1 / len(networks),) * len(networks), task)

    def bag(
        self, data: TrainingData, networks: Sequence[nn.Module], weights: Sequence[float], task: Task
    ) -> NetworkBag:
        """Any networks of the job, averaged with weights."""
        return TableBag(data.preparation, tuple(networks), tuple(weights), data.target, task.link, self.heads)

    def outputs(
        self, data: TrainingData, settings: Settings, network: nn.Module, rows: IntArray, task: Task
    ) -> FloatArray:
        """Those of one network, its sub-networks averaged."""
        import torch

        return network_outputs(network, data.inputs, data.target, task.link, torch.from_numpy(rows))


class TableNetworks(BaseContender):
    """A contender: the candidate that the inner splits prefer, its networks averaged."""

    name: str
    title: str
    family: Family = "network"
    networks: TableFamily
    traits = Traits(trains_together=True, bags=True, weighs_rows=True, scales=True, weights_classes=True)

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One short training; then the search on a holdout, on five folds, of all candidates, and longer."""
        return search_ladder(self.networks, shape)

    def settings(self, dataset: Dataset, job: Job, effort: Effort) -> Sequence[Settings]:
        """The candidates of a job."""
        return settings_for(self.networks, dataset, job, effort)

    def fit(self, dataset: Dataset, jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Train the population (or take the one in memory), choose for every job."""

        def candidates_of(job: Job, running: Running) -> Sequence[Settings]:
            return self.settings(dataset, job, effort)

        for searched in search(dataset, jobs, self.networks, candidates_of, effort, context, context.searches):
            yield self.chosen(dataset, searched, effort)

    def chosen(self, dataset: Dataset, searched: Searched[Settings], effort: Effort) -> Fitted:
        """What the search of one job comes to."""
        return best_fitted(self.name, dataset, self.networks, searched, summary_of)


def summary_of(best: TrainedCandidate[Settings]) -> str:
    """For people: ``"2 layers of 128, learning rate 0.04, …, 5 networks averaged, best epoch 41 of 64"``."""
    several = f"{len(best.networks)} networks averaged, " if len(best.networks) > 1 else ""
    epoch = round(float(np.mean([one.best_epoch for one in best.trained])))
    most = best.trained[0].epochs
    return f"{_layers(best.widths)}, {best.settings.describe()}, {several}best epoch {epoch} of at most {most}"


def _layers(widths: tuple[int, ...]) -> str:
    if len(set(widths)) == 1:
        return f"{len(widths)} layers of {widths[0]}" if len(widths) > 1 else f"1 layer of {widths[0]}"
    return "layers of " + ", ".join(map(str, widths))
