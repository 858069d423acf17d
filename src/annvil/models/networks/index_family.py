"""The family of networks of projections: candidates, how rows become tensors, how they are trained.

After Yang, Zhang & Sudjianto 2019 (arXiv 1901.03838); see docs/decisions/0031-index-network.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.models.jobs import Job, Json, PreparationOptions
from annvil.models.networks.family import Hyperparameters, NetworkFamily, TrainingData, positions
from annvil.models.networks.index_rows import IndexColumns
from annvil.preparation import LinearPreparation, TargetScaling
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import nn

    from annvil.models.networks.index_bag import IndexBag
    from annvil.training import Recipe

MOST_PROJECTIONS = 10
"""The paper's number; fewer where there are fewer numbers to project, or rows."""

ROWS_A_PROJECTION = 20
"""Rows for each projection (assumed)."""

PENALTIES = ((1e-3, 1e-3, 1e-3), (3e-4, 3e-3, 1e-3), (3e-3, 1e-3, 1e-3))
"""Of weights, of contributions, of roughness, on standardised targets (chosen on validation rows of scenario S1 with a
seed that no benchmark has, out of 18 combinations of 1e-4 to 3e-3, 1e-3 to 1e-2 and 1e-5 to 1e-3)."""

CANDIDATES = (0, 0, 0, 0, 1, 2, 0, 0, 1, 2, 0, 0)
"""Places in `PENALTIES`; each candidate has a start of its own, for which there are local optima."""

LEARNING_RATE, STEPS, EPOCHS = 0.01, 1000, (8, 60)
"""Of training: 1000 steps within so many epochs (measured on S1: the rest is better finished than trained)."""

FEWEST_STEPS = 300
"""Not even a shortened training takes fewer (assumed): a start at random is worth nothing."""

HALVING = (0.3, 0.6)


@dataclass(frozen=True)
class IndexSettings(Hyperparameters):
    """One candidate.

    Attributes
    ----------
    penalties : of `annvil.networks.IndexNetwork`
    epochs, batch_size : None where the number of rows decides
    trained : False: of one sum, begun at directions that the rows show by themselves, and finished from there; several
        classes train shortly
    projections : what a fit ended with, by the names of features: where fits of weighted rows begin. None: at random.
    """

    penalties: tuple[float, float, float] = PENALTIES[0]
    epochs: int | None = None
    batch_size: int | None = None
    trained: bool = True
    projections: Mapping[str, Json] | None = None

    def to_json(self) -> dict[str, Json]:
        """JSON-able values for `Fitted.configuration`."""
        return {**asdict(self), "penalties": list(self.penalties)}

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> IndexSettings:
        """The settings that `to_json` wrote."""
        return cls(**{**values, "penalties": tuple(values["penalties"])})

    def describe(self) -> str:
        """For people."""
        weights, contributions, roughness = self.penalties
        if not self.trained:
            return "begun at directions of a linear fit and of curvature, without training"
        return (
            f"penalties {weights:g} of weights, {contributions:g} of contributions and {roughness:g} of roughness, "
            f"start {self.number + 1}"
        )


class IndexFamily(NetworkFamily[Table, IndexSettings]):
    """Networks of projections on prepared columns."""

    name = "index"

    def portfolio(self) -> tuple[IndexSettings, ...]:
        """Starts of the first penalties, then others."""
        return tuple(
            IndexSettings(number, LEARNING_RATE, 0.0, penalties=PENALTIES[place])
            for number, place in enumerate(CANDIDATES)
        )

    def prepare(self, dataset: Dataset, job: Job, options: PreparationOptions) -> TrainingData:
        """Columns prepared by what the job's rows teach; ``sizes`` are how many are projected, and all outputs."""
        import torch

        inputs, y, task = dataset.inputs.take(job.rows), dataset.y[job.rows], dataset.task
        columns = LinearPreparation.fit(inputs, y=y, task=task)
        target = TargetScaling.of(task, y)
        answers = np.asarray(y, dtype=task.link.dtype) if target is None else target.transform(y)
        told = answers if target is not None else np.eye(task.n_outputs, dtype=np.float32)[answers]
        preparation = IndexColumns.fit(columns, columns.transform(inputs).numbers, told)
        (numbers,) = preparation.transform(inputs)
        splits = positions(job)
        d = preparation.n_projected
        n_rows = max(len(train) for train, _ in splits)
        sizes = (d, numbers.shape[1] - d, task.n_outputs, min(d, MOST_PROJECTIONS, 1 + n_rows // ROWS_A_PROJECTION))
        return TrainingData(
            job, (numbers,), torch.from_numpy(answers), splits, preparation, target, sizes, task, job.weights
        )

    def network(self, data: TrainingData, settings: IndexSettings, split: int, seed: int) -> nn.Module:
        """At a random orthonormal start, or the second candidate along single features."""
        import torch

        from annvil.networks import IndexNetwork

        n_projected, n_others, n_outputs, k = data.shape
        generator = torch.Generator().manual_seed(seed)
        given = None if data.job.weights is None else given_directions(settings, cast(IndexColumns, data.preparation))
        if given is not None:
            start = torch.from_numpy(given).float()
        elif settings.number == 1:
            start = torch.eye(n_projected)[:, torch.randperm(n_projected, generator=generator)[:k]]
        else:
            start = torch.linalg.qr(torch.randn(n_projected, k, generator=generator))[0]
        return IndexNetwork(start, n_others, n_outputs, data.target is None, generator, penalties=settings.penalties)

    def recipe(self, data: TrainingData, settings: IndexSettings, scale: float) -> Recipe:
        """`STEPS` steps of Adam; the second half of them ever smaller."""
        from annvil.training import Recipe

        n_rows = max(len(train) for train, _ in data.splits)
        batch = settings.batch_size or batch_size(n_rows)
        epochs = settings.epochs or epochs_for(n_rows, scale)
        return Recipe(epochs, batch, schedule="flat-cosine", halving=HALVING, precision="float32")

    def member(
        self, data: TrainingData, settings: IndexSettings, networks: Sequence[nn.Module], task: Task
    ) -> IndexBag:
        """The first of the networks."""
        from annvil.models.networks.index_bag import IndexBag

        return IndexBag(data.preparation, (networks[0].double(),), (1.0,), data.target, task.link)

    def outputs(
        self, data: TrainingData, settings: IndexSettings, network: nn.Module, rows: IntArray, task: Task
    ) -> FloatArray:
        """Those of one network."""
        import torch

        from annvil.models.networks.bag import network_outputs

        return network_outputs(network, data.inputs, data.target, task.link, torch.from_numpy(rows))


def batch_size(n_rows: int) -> int:
    """Rows of a batch: an eighth of the training rows, from 16 to 256, and more where epochs are few."""
    return int(min(1024, max(16, min(n_rows // 8, 256), n_rows * EPOCHS[0] // (2 * STEPS))))


def epochs_for(n_rows: int, scale: float) -> int:
    """Epochs of `STEPS` steps; `FEWEST_STEPS` however short the training is to be."""
    wanted = float(np.clip(STEPS * batch_size(n_rows) / max(n_rows, 1), *EPOCHS))
    fewest = min(wanted, np.ceil(FEWEST_STEPS * batch_size(n_rows) / max(n_rows, 1)))
    return int(max(1, fewest, round(wanted * scale)))


def given_directions(settings: IndexSettings, columns: IndexColumns) -> FloatArray | None:
    """Those of a configuration in the features of ``columns``; None without, or where too many features are missing."""
    from annvil.models.networks.orthonormal import orthonormal

    if settings.projections is None:
        return None
    places = {feature.name: place for place, feature in enumerate(columns.features[: columns.n_projected])}
    weights = np.array(settings.projections["weights"], dtype=np.float64)
    found = np.zeros((columns.n_projected, len(weights)))
    for place, name in enumerate(settings.projections["features"]):
        if name in places:
            found[places[name]] = weights[:, place]
    return orthonormal(found, (found != 0).astype(np.float64)) if found.any(axis=0).all() else None
