"""Convolutional networks as a family: a size of the ladder, so many passes, and pictures that vary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.member import PictureMember, PixelSteps
from annvil.kinds.pictures.contenders.picture_family import PictureFamily, PictureSettings
from annvil.kinds.pictures.contenders.sizes import architecture_for, recipe_for, size_named
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.models.jobs import Job, Json, PreparationOptions, Running
from annvil.models.networks.family import TrainingData
from annvil.models.networks.populations import Trained, train_one
from annvil.preparation.augmentation import Augmentation
from annvil.tasks.base import Task

if TYPE_CHECKING:
    from torch import nn

    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.training import Progress, Recipe

LOOKED_AT = 2_000
"""Training pictures that mean and deviation are taken from (assumed: more change nothing that matters)."""

LABEL_SMOOTHING = 0.1
WEIGHT_DECAY = 2e-4
LEARNING_RATE = 0.05
"""Of the filters, whose rows have a mean square length of 1: the angle of a step (measured on clothes)."""


@dataclass(frozen=True, kw_only=True)
class ConvolutionalSettings(PictureSettings):
    """One candidate.

    Attributes
    ----------
    size : name of a rung of the ladder
    planned_rows : pictures that batches are chosen for; None: as many as there are to learn from
    """

    learning_rate: float = LEARNING_RATE
    weight_decay: float = WEIGHT_DECAY
    label_smoothing: float = LABEL_SMOOTHING
    size: str
    architecture: ConvolutionalArchitecture
    planned_rows: int | None = None

    def to_json(self) -> dict[str, Json]:
        """What repeats it."""
        return {
            "size": self.size,
            "epochs": self.epochs,
            "shrink": self.architecture.shrink,
            "augmentation": self.augmentation.to_json(),
        }

    def describe(self) -> str:
        """For people."""
        layers = "-".join(f"{layer.channels}{'P' if layer.pools else ''}" for layer in self.architecture.layers)
        network = f"{self.architecture.stem_channels} + {layers} channels"
        shrink = self.architecture.shrink
        seen = f"; pictures at 1/{shrink} of their size" if shrink > 1 else ""
        return f"{self.size}: {network}{seen}; {self.epochs} epochs; {self.augmentation.short()}"


class ConvolutionalFamily(PictureFamily[ConvolutionalSettings]):
    """Of any size."""

    name = "convolutional"

    def network(self, data: TrainingData, settings: ConvolutionalSettings, split: int, seed: int) -> nn.Module:
        """Filters at random; mean and deviation of each channel from a sample of training pictures."""
        import torch

        from annvil.networks.convolutional import ConvolutionalNetwork

        network = ConvolutionalNetwork(settings.architecture)
        network.initialise(torch.Generator().manual_seed(seed))
        train, _ = data.splits[split]
        sample = np.sort(np.random.default_rng(seed).permutation(train)[:LOOKED_AT])
        network.look_at(torch.from_numpy(data.sizes.store.gather(sample)))  # read, not touched
        return network

    def recipe(self, data: TrainingData, settings: ConvolutionalSettings, scale: float) -> Recipe:
        """Airbench's."""
        n_rows = len(data.splits[0][0]) if settings.planned_rows is None else settings.planned_rows
        return recipe_for(n_rows, settings.epochs, is_classification=data.target is None)

    def member(
        self, data: TrainingData, settings: ConvolutionalSettings, networks: Sequence[nn.Module], task: Task
    ) -> PictureMember:
        """The one network; asked for the picture and its mirror image where it learnt from both."""
        mirrored = settings.augmentation.flip != "none"
        means = "Predictions are the mean of those for the picture and for its mirror image."
        first = (
            f"Pictures are brought to {data.sizes.form.describe()} pixels; the mean of each channel becomes 0, its "
            "standard deviation 1, as measured on training pictures."
        )
        varied = () if settings.augmentation.does_nothing else settings.augmentation.describe()
        sentences = (first, *varied, *((means,) if mirrored else ()))
        return PictureMember(networks[0], task, PixelSteps(sentences), data.target, mirrored)


CONVOLUTIONAL = ConvolutionalFamily()


def settings_of(
    configuration: Mapping[str, Json], form: PictureForm, task: Task, augmentation: Augmentation, number: int = 0
) -> ConvolutionalSettings:
    """The candidate of that size, with so many epochs, for pictures of that form."""
    architecture = architecture_for(form, task.n_outputs, size_named(configuration), configuration.get("shrink", 1))
    return ConvolutionalSettings(
        number=number,
        size=configuration["size"],
        architecture=architecture,
        epochs=int(configuration["epochs"]),
        augmentation=augmentation,
    )


def train_alone(
    dataset: Dataset[Images],
    split: Split,
    settings: ConvolutionalSettings,
    seed: int,
    running: Running,
    tell: Callable[[Progress], None] | None = None,
    family: ConvolutionalFamily = CONVOLUTIONAL,
) -> tuple[PictureMember, Trained]:
    """One network that learnt from ``split.train``, outside of any search; ``tell`` hears of every epoch."""
    data = family.prepare(dataset, Job("alone", split.train, (split,), seed), PreparationOptions())
    trained = train_one(data, family, settings, dataset.task, running, tell)
    return family.member(data, settings, [trained.network], dataset.task), trained
