"""What families of networks on pictures share: pictures as they lie in their store, bytes until the batch is made."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.member import PixelSteps
from annvil.kinds.pictures.images import Images
from annvil.models.jobs import Job, PreparationOptions
from annvil.models.networks.family import Hyperparameters, NetworkFamily, TrainingData
from annvil.preparation import TargetScaling
from annvil.preparation.augmentation import Augmentation
from annvil.tasks.base import FloatArray, IntArray, Task

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Augment

HOLDOUT_SHARE, MOST_HELD_OUT = 0.15, 2_000
"""Pictures of a job that calibrate instead of teaching (assumed: a few hundred settle a temperature)."""


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


UNCHANGED = Augmentation()


@dataclass(frozen=True, kw_only=True)
class PictureSettings(Hyperparameters):
    """One candidate: ``epochs`` passes over training pictures that vary as ``augmentation`` says."""

    number: int = 0
    epochs: int
    augmentation: Augmentation = UNCHANGED


P = TypeVar("P", bound=PictureSettings)


class PictureFamily(NetworkFamily[Images, P]):
    """Networks that take pictures as uint8 ``(n, height, width, channels)``; each is trained alone, to its last epoch.

    All candidates and splits of a job share its seed: they begin with the same weights and differ in nothing else.
    """

    together = False

    def prepare(self, dataset: Dataset[Images], job: Job, options: PreparationOptions) -> TrainingData:
        """The whole store, whose rows the splits name; a number is scaled as the first split's training rows ask."""
        import torch

        rows, shown = dataset.inputs.index, dataset.y
        pixels = stored_pixels(dataset.inputs)
        scaling = TargetScaling.of(dataset.task, shown[job.inner[0].train])
        answers = shown if scaling is None else scaling.transform(shown)[:, None]
        targets = np.zeros((len(pixels), *answers.shape[1:]), dtype=answers.dtype)
        targets[rows] = answers
        return TrainingData(
            job=job,
            inputs=(pixels,),
            targets=torch.from_numpy(targets),
            splits=[(rows[split.train], rows[split.test]) for split in job.inner],
            preparation=PixelSteps(()),
            target=scaling,
            shape=(*dataset.inputs.form.shape, dataset.task.n_outputs),
            sizes=dataset.inputs,
            weights=_of_store(job, rows, len(pixels)),
        )

    def outputs(self, data: TrainingData, settings: P, network: nn.Module, rows: IntArray, task: Task) -> FloatArray:
        """As the member says them of these pictures."""
        images: Images = replace(data.sizes, index=rows)
        return self.member(data, settings, [network], task).predict(images)

    def augment(self, settings: P) -> Augment | None:
        """As the candidate says."""
        from annvil.preparation.augment_batches import PictureChanges

        return None if settings.augmentation.does_nothing else PictureChanges(settings.augmentation)

    def seed(self, job: Job, settings: P, split: int) -> int:
        """The job's."""
        return job.seed

    def loss(self, task: Task) -> str:
        """Of several labels the sum over them: the loss of a row by which candidates are compared too."""
        return task.link.summed_loss


def _of_store(job: Job, rows: IntArray, n_stored: int) -> FloatArray | None:
    """The weights of a job's rows where their pictures lie in the store; None where all count the same."""
    if job.weights is None:
        return None
    weights = np.ones(n_stored)
    weights[rows[job.rows]] = job.weights
    return weights


def stored_pixels(images: Images) -> Tensor:
    """All pictures of the store as a uint8 tensor, over the same memory where it can be, mapped file or not."""
    import torch

    pixels = np.asarray(images.store.array)
    if min(pixels.strides) < 0:
        pixels = pixels.copy()  # a reversed view, which tensors cannot be
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a mapped file is read-only, and nobody writes to it
        return torch.from_numpy(pixels)
