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
from annvil.models.networks.recipe import HALVING, PATIENCE, batch_size, epochs_for
from annvil.onnx.builder import Graph, Value
from annvil.preparation import TargetScaling
from annvil.preparation.knots import KnotPreparation, Where
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.networks.additive import AdditiveNetwork
    from annvil.training import Recipe

MOST_KNOTS, MOST_COARSE = 128, 32
"""Knots of a number, and those that serve pairs, where there are rows enough (assumed)."""

ROWS_A_KNOT, ROWS_A_CELL = 20, 10
"""Training rows for a knot (assumed), and for a cell of a pair's table (measured together with
`annvil.networks.additive.PAIRS`)."""


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
        rows = CLASSES if is_classification else NUMBERS
        monotone = tuple(sorted(self.monotone.items()))
        factor = (MONOTONE if monotone else 1.0) / n_rows
        return tuple(
            AdditiveSettings(number, LEARNING_RATE, penalty * factor, n_pairs=n_pairs, monotone=monotone)
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
        """It begins with a penalised fit of the split's training rows."""
        return build(data.sizes, settings, split, seed)

    def widths(self, data: TrainingData, settings: AdditiveSettings) -> tuple[int, ...]:
        """How many pairs."""
        return (len(data.sizes.pairs(settings, 0)),)

    def recipe(self, data: TrainingData, settings: AdditiveSettings, scale: float) -> Recipe:
        """As of dense networks, except that weight decay is a penalty of the loss (Adam), so that it means the same
        however long and fast a network learns."""
        from annvil.training import Recipe

        epochs = settings.epochs or self.epochs(data.sizes.n_rows, scale)
        return Recipe(
            epochs=epochs,
            batch_size=settings.batch_size or batch_size(data.sizes.n_rows),
            optimizer="adam",
            betas=(0.9, 0.99),
            schedule="coslog",
            patience=math.ceil(PATIENCE * epochs),
            halving=HALVING,
        )

    def epochs(self, n_rows: int, scale: float) -> int:
        """8 for 6400 rows, since training begins with a penalised fit (without that, 48 were too few on adult)."""
        return epochs_for(n_rows, 8, scale)

    def core_seconds_per_row(self, shape: Shape) -> float:
        """The penalised fit and the second training included (measured on three tables, erring slow)."""
        return (16.0 + 2.0 * (shape.n_numbers + shape.n_texts)) * 1e-6 * max(1, shape.n_outputs - 1)

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


CLASSES = ((10.0, 10), (30.0, 10), (3.0, 10), (100.0, 10), (30.0, 0), (10.0, 20))
NUMBERS = ((10.0, 20), (1.0, 20), (30.0, 20), (0.1, 20), (3.0, 20), (30.0, 0))
"""Penalty × training rows, and pairs: the most promising first (measured by the penalised fit alone on training parts
of seven public tables, see docs/decisions/0032; 0.1 is for numbers without noise, seen on planted effects). Those with
as many pairs are one population."""

MONOTONE = 0.1
"""Penalty with monotone columns, in that without (assumed): their steps begin near 0, and what they come to is far from
there, where a penalty that suits the other columns leaves hardly any effect (seen on planted effects)."""

LEARNING_RATE = 0.01
"""Of all candidates: small, since training begins near the best free parts (of two tables, one run each, 0.003 was
better on one and 0.01 on the other)."""


def knots_for(n_rows: int) -> tuple[int, int]:
    """Knots of a number, and coarse ones, for so many training rows."""
    most = int(np.clip(n_rows / ROWS_A_KNOT, 12, MOST_KNOTS))
    return most, int(np.clip(math.sqrt(n_rows / ROWS_A_CELL), 4, MOST_COARSE))
