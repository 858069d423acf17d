"""The family of additive networks: columns on knots, subnets and free parts trained, tables made of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.jobs import Job, PreparationOptions, Shape
from annvil.models.networks.additive_building import build, tables_of
from annvil.models.networks.additive_member import AdditiveMember
from annvil.models.networks.additive_settings import AdditiveSettings, AdditiveSizes
from annvil.models.networks.additive_tables import Density, EffectTables
from annvil.models.networks.bag import network_outputs
from annvil.models.networks.family import NetworkFamily, TrainingData, positions
from annvil.models.networks.recipe import FEW_ROWS, FULL_ROWS, HALVING, PATIENCE, batch_size, epochs_for
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling
from annvil.preparation.knots import KnotPreparation, Where
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.networks.additive import AdditiveNetwork
    from annvil.training import Recipe

MOST_KNOTS, MOST_COARSE = 128, 20
"""Knots of a number, and those that serve pairs, where there are rows enough (assumed)."""

ROWS_A_KNOT = 20
"""Training rows for a knot, and for a cell of a pair's table (assumed)."""


@dataclass(frozen=True)
class KnotTensors:
    """Rows on knots as tensors: places int64 and shares float32, among all slots and among the coarse ones."""

    knots: KnotPreparation

    def transform(self, inputs: Table) -> tuple[Tensor, ...]:
        """Fine places and shares, coarse ones, all ``(n_rows, n_columns)``."""
        return _tensors(*self.knots.place(inputs))

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        """Nobody asks for it: tables write themselves (`AdditiveMember.write`)."""
        raise NotImplementedError

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        return self.knots.describe()


def _tensors(fine: Where, coarse: Where) -> tuple[Tensor, ...]:
    import torch

    parts = (part for at, share in (fine, coarse) for part in (at, share.astype(np.float32)))
    return tuple(torch.from_numpy(part) for part in parts)


class AdditiveFamily(NetworkFamily[Table, AdditiveSettings]):
    """Effects at knots, trained as subnets and free parts; ``monotone`` are +1 or -1 for some of the columns."""

    name = "additive"

    def __init__(self, monotone: Mapping[str, int] | None = None) -> None:
        self.monotone = dict(monotone or {})

    def portfolio(self, is_classification: bool, n_rows: int) -> tuple[AdditiveSettings, ...]:
        """Penalty and pairs. A penalty of 1 / n_rows is a prior of standard deviation 1 (of log-odds, or of the target)
        on the free parts of columns (`annvil.networks.additive.AdditiveNetwork`)."""
        rows = (FEW_ROWS_CLASSES if n_rows < FEW_ROWS else CLASSES) if is_classification else NUMBERS
        monotone = tuple(sorted(self.monotone.items()))
        rate = (BRISK if n_rows < FULL_ROWS else FASTER) if is_classification else LEARNING_RATE
        return tuple(
            AdditiveSettings(number, rate, penalty / n_rows, n_pairs=n_pairs, monotone=monotone)
            for number, (penalty, n_pairs) in enumerate(rows)
        )

    def prepare(self, dataset: Dataset, job: Job, options: PreparationOptions) -> TrainingData:
        """Rows on knots that the job's rows teach; no target is looked at."""
        import torch

        inputs, y, task = dataset.inputs.take(job.rows), dataset.y[job.rows], dataset.task
        splits = positions(job)
        most, coarse = knots_for(max(len(train) for train, _ in splits))
        knots = KnotPreparation.fit(inputs, most=most, coarse=coarse, undivided=tuple(self.monotone))
        fine, coarsely = knots.place(inputs)
        target = TargetScaling.of(task, y)
        answers = np.asarray(y, dtype=task.link.dtype) if target is None else target.transform(y)
        weights = np.ones(len(y)) if job.weights is None else job.weights
        sizes = AdditiveSizes(knots, fine, coarsely, np.asarray(answers, dtype=np.float64), weights, task, splits)
        tensors = _tensors(fine, coarsely)
        return TrainingData(
            job, tensors, torch.from_numpy(answers), splits, KnotTensors(knots), target, sizes.shape, sizes, job.weights
        )

    def network(self, data: TrainingData, settings: AdditiveSettings, split: int, seed: int) -> nn.Module:
        """Scores of the base rates; no effects yet."""
        return build(data.sizes, settings, split, seed)

    def widths(self, data: TrainingData, settings: AdditiveSettings) -> tuple[int, ...]:
        """How many pairs."""
        return (len(data.sizes.pairs(settings, 0)),)

    def recipe(self, data: TrainingData, settings: AdditiveSettings, scale: float) -> Recipe:
        """As of dense networks, except that weight decay is a penalty of the loss (Adam), so that it means the same
        however long and fast a network learns."""
        from annvil.training import Recipe

        n_rows, size = data.sizes.n_rows, batch_size(data.sizes.n_rows)
        if data.target is None and n_rows < FULL_ROWS:
            scale, size = scale * SHORTER, min(LARGER * size, 2 ** math.ceil(math.log2(n_rows / LARGER)))
        epochs = settings.epochs or self.epochs(n_rows, scale)
        return Recipe(
            epochs=epochs,
            batch_size=settings.batch_size or size,
            optimizer="adam",
            betas=(0.9, 0.99),
            schedule="coslog",
            patience=math.ceil(PATIENCE * epochs),
            halving=HALVING,
        )

    def epochs(self, n_rows: int, scale: float) -> int:
        """48 for 6400 rows (measured on adult's training part: with 32 all candidates are best at the end)."""
        return epochs_for(n_rows, 48, scale)

    def core_seconds_per_row(self, shape: Shape) -> float:
        """The second training included (measured on telco_churn and adult with 10 pairs, erring slow)."""
        each = (8.0 + 1.0 * (shape.n_numbers + shape.n_texts)) * 1e-6 * max(1, shape.n_outputs - 1)
        return each * SHORTER if shape.task.predicts_probabilities and shape.n_rows < FULL_ROWS else each

    def outputs(
        self, data: TrainingData, settings: AdditiveSettings, network: nn.Module, rows: IntArray, task: Task
    ) -> FloatArray:
        """Those of one network."""
        import torch

        return network_outputs(network, data.inputs, data.target, task.link, torch.from_numpy(rows))

    def member(
        self, data: TrainingData, settings: AdditiveSettings, networks: Sequence[nn.Module], task: Task
    ) -> AdditiveMember:
        """The networks' tables, averaged and purified."""
        sizes: AdditiveSizes = data.sizes
        mean = EffectTables.mean([tables_of(sizes, cast("AdditiveNetwork", one), data.target) for one in networks])
        density = Density.of(sizes.knots, sizes.fine, sizes.coarse, mean.pairs)
        tables = mean.purified(sizes.knots, density)
        return AdditiveMember(sizes.knots, tables, data.target, task.link, dict(settings.monotone))


CLASSES = ((1.0, 10), (10.0, 10), (0.2, 10), (1.0, 0), (10.0, 0), (1.0, 20))
FEW_ROWS_CLASSES = ((10.0, 10), (40.0, 0), (3.0, 10), (10.0, 0), (40.0, 10), (1.0, 10))
NUMBERS = ((0.3, 10), (0.05, 10), (2.0, 10), (0.3, 0), (2.0, 0), (0.05, 20))
"""Penalty × training rows, and pairs: the most promising first (from training parts of public tables). Of numbers the
penalty that suits is in proportion to the noise."""

LEARNING_RATE, BRISK, FASTER = 0.03, 0.06, 0.15
"""Of all candidates: of numbers, of classes of few rows, and of many (`recipe.FULL_ROWS`). 0.01 and 0.03 did alike on
planted effects. Classes of many rows, whose rare values have strong effects, are still learning at the end with less: on
adult's training part, in one trial of 24 epochs, AUC was .9225 with 0.06 and .9233 with 0.15."""

LARGER, SHORTER = 4, 0.5
"""Classes of few rows learn in larger batches, a quarter of the rows at most, and half as long: on training parts of
heart_cleveland, titanic and telco_churn (three holdouts each) AUC rose by .005, .002 and .001 in .3 to .5 of the time.
Numbers lost by it (car_price .940 to .923, concrete .926 to .922), and so did adult, whose best epoch is the last."""


def knots_for(n_rows: int) -> tuple[int, int]:
    """Knots of a number, and coarse ones, for so many training rows."""
    most = int(np.clip(n_rows / ROWS_A_KNOT, 12, MOST_KNOTS))
    return most, int(np.clip(math.sqrt(n_rows / ROWS_A_KNOT), 4, MOST_COARSE))
