"""Training a network on pictures as they lie in their store: bytes stay bytes until the batch is made."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.images import Images
from annvil.models.contract import Job, Running, Split
from annvil.preparation import TargetScaling

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.preparation.augmentation import Augmentation
    from annvil.training import Progress, Recipe

HOLDOUT_SHARE, MOST_HELD_OUT = 0.15, 2_000
"""Pictures of a job that calibrate instead of teaching (assumed: a few hundred settle a temperature)."""

LOOKED_AT = 2_000
"""Training pictures that mean and deviation are taken from (assumed: more change nothing that matters)."""

LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 2e-4
LEARNING_RATE = 0.05
"""Of the filters, whose rows have a mean square length of 1: the angle of a step (measured on clothes)."""


@dataclass(frozen=True)
class Rates:
    """Of a training; label smoothing is for one class of several."""

    learning_rate: float
    weight_decay: float
    label_smoothing: float


@dataclass(frozen=True)
class Trained:
    """A network after its training. ``target`` undoes the scaling of a number."""

    network: nn.Module
    target: TargetScaling | None
    history: Mapping[str, Sequence[float]]


def held_out(dataset: Dataset[Images], job: Job) -> Split:
    """The job's rows with a small holdout apart: part of the first inner test rows, whole groups."""
    test = job.inner[0].test
    most = held_out_of(len(job.rows))
    if len(test) > most:
        test = part_of(dataset, test, most, job.seed)
    learns = np.setdiff1d(job.rows, test)
    if dataset.time is not None:
        learns = job.inner[0].train  # what is later than a held-out picture teaches nothing
    return Split(learns, np.sort(test))


def held_out_of(n_rows: int) -> int:
    """How many of so many pictures are held out, at most."""
    return int(min(MOST_HELD_OUT, max(1, HOLDOUT_SHARE * n_rows)))


def part_of(dataset: Dataset[Images], rows: Any, most: int, seed: int) -> Any:
    """About ``most`` of the rows, whole groups, at random."""
    groups, counts = np.unique(dataset.groups[rows], return_counts=True)
    order = np.random.default_rng(seed).permutation(len(groups))
    n_groups = max(1, int(np.searchsorted(np.cumsum(counts[order]), most, side="right")))
    return rows[np.isin(dataset.groups[rows], groups[order[:n_groups]])]


def train_on_pictures(
    dataset: Dataset[Images],
    split: Split,
    architecture: ConvolutionalArchitecture,
    recipe: Recipe,
    seed: int,
    running: Running,
    augmentation: Augmentation | None = None,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """A network of ``architecture`` that learnt from ``split.train``, changed as ``augmentation`` says.

    ``tell`` hears of every epoch.
    """
    import torch

    from annvil.networks.convolutional import ConvolutionalNetwork

    network = ConvolutionalNetwork(architecture)
    network.initialise(torch.Generator().manual_seed(seed))
    rows = dataset.inputs.index
    sample = np.random.default_rng(seed).permutation(split.train)[:LOOKED_AT]
    network.look_at(torch.from_numpy(dataset.inputs.store.gather(np.sort(rows[sample]))))  # read, not touched
    checkpoint = None if running.folder is None else running.folder / f"pictures-{seed}.checkpoint"
    rates = Rates(LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING)
    return train_network(network, dataset, split, recipe, rates, seed, running, checkpoint, augmentation, tell)


def train_network(
    network: nn.Module,
    dataset: Dataset[Images],
    split: Split,
    recipe: Recipe,
    rates: Rates,
    seed: int,
    running: Running,
    checkpoint: Path | None,
    augmentation: Augmentation | None,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Trained:
    """The network after learning from ``split.train``, from the weights it has; the deadline cuts it short."""
    from annvil.preparation.augment_batches import PictureChanges
    from annvil.training import Member, train_population

    pixels = stored_pixels(dataset.inputs)
    targets, loss, scaling = targets_of(dataset, split, len(pixels))
    rows = dataset.inputs.index
    member = Member(
        train=rows[split.train],
        validation=rows[:0],
        seed=seed,
        learning_rate=rates.learning_rate,
        weight_decay=rates.weight_decay,
        label_smoothing=rates.label_smoothing if loss == "cross-entropy" else 0.0,
    )
    population = train_population(
        lambda _: network,
        (pixels,),
        targets,
        [member],
        recipe,
        loss,
        should_stop=lambda: running.deadline.passed,
        checkpoint=checkpoint,
        tell=tell,
        augment=None if augmentation is None or augmentation.does_nothing else PictureChanges(augmentation),
    )
    running.cut_short |= population.cut_short
    history = {name: values for name, values in population.histories[0].items() if np.isfinite(values).any()}
    return Trained(population.network(0), scaling, history)


def stored_pixels(images: Images) -> Tensor:
    """All pictures of the store as a uint8 tensor, over the same memory where it can be, mapped file or not."""
    import torch

    pixels = np.asarray(images.store.array)
    if min(pixels.strides) < 0:
        pixels = pixels.copy()  # a reversed view, which tensors cannot be
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a mapped file is read-only, and nobody writes to it
        return torch.from_numpy(pixels)


def targets_of(dataset: Dataset[Images], split: Split, n_stored: int) -> tuple[Tensor, str, TargetScaling | None]:
    """Targets by row of the store, the loss's name, and the scaling of a number."""
    import torch

    if dataset.task.is_classification:
        kind = dataset.y.ndim
        values: Any = np.zeros((n_stored, *dataset.y.shape[1:]), dtype=np.int64)
        values[dataset.inputs.index] = dataset.y
        return torch.from_numpy(values), "cross-entropy" if kind == 1 else "label-cross-entropy", None
    scaling = TargetScaling.fit(dataset.y[split.train])
    values = np.zeros((n_stored, 1), dtype=np.float32)
    values[dataset.inputs.index, 0] = scaling.transform(dataset.y)
    return torch.from_numpy(values), "squared-error", scaling
