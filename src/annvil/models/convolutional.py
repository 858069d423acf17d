"""Convolutional networks for pictures: one network a job, as large and as long as the budget allows.

A job's network learns from all of its rows but a small holdout, which calibrates it. The inner folds are not all used:
a fifth network costs as much as the first, and pictures are worth more in training than in choosing (assumed).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from annvil.data.images import ImageForm
from annvil.data.images.pictures import Images
from annvil.data.table import Dataset
from annvil.models.contract import Context, Effort, Family, Fitted, Job, Json, Shape
from annvil.models.metering import Stopwatch
from annvil.models.picture_member import PictureMember, PixelSteps
from annvil.models.picture_training import Trained, held_out, train_on_pictures
from annvil.models.selection import Candidate, judge

if TYPE_CHECKING:
    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.training import Recipe

OPERATIONS_PER_SECOND = 3.0e11
"""Multiplications and additions of forward and backward passes that two cores do in a second: 5.5e11 in bfloat16 with
the machine to itself (measured), about half where others use it too."""

EPOCHS = (2, 60)
"""Fewest and most passes over the pictures of a training (assumed)."""

WANTED_EPOCHS = 6
"""A larger network is taken where it gets so many passes (measured on clothes: in a minute 5 to 7 passes of the medium
one are best)."""

BATCH_SIZES = ((2_000, 64), (10_000, 128))
"""(rows, batch size); `LARGEST_BATCH` above. A small data set needs small batches to make enough steps (assumed)."""

LARGEST_BATCH = 256

FEWEST_STEPS = 300
"""Small data sets are passed over more often than `EPOCHS` allows, until there are so many steps (assumed)."""


@dataclass(frozen=True)
class Size:
    """A rung of the ladder: channels of a learnt stem, channels of each stage, convolutions in a stage."""

    name: str
    stem: int
    widths: tuple[int, ...]
    depth: int


SIZES = (
    Size("small", 16, (32, 64, 128), 1),
    Size("medium", 32, (64, 128, 256), 1),
    Size("deep", 32, (64, 128, 256), 2),
    Size("wide", 64, (128, 256, 512), 2),
)


class Convolutional:
    """The contender."""

    name = "convolutional"
    title = "Convolutional network"
    family: Family = "network"

    def declines(self, shape: Shape) -> str | None:
        """Only pictures of a few pixels, which have no maps to speak of."""
        if shape.form is None or min(shape.form.height, shape.form.width) < 4:
            return "The pictures are smaller than 4 × 4 pixels."
        return None

    def plan(self, shape: Shape, n_jobs: int, n_inner: int, seconds: float) -> Effort:
        """The largest network that gets `WANTED_EPOCHS` passes in its share of the time, and the passes that fit."""
        each = seconds / max(n_jobs, 1)
        fitting = [size for size in SIZES if affordable_epochs(shape, size, each) >= WANTED_EPOCHS]
        size = fitting[-1] if fitting else SIZES[0]
        fewest_for_steps = math.ceil(FEWEST_STEPS * batch_size(shape.n_rows) / max(shape.n_rows, 1))
        most = max(EPOCHS[1], fewest_for_steps)
        epochs = int(np.clip(affordable_epochs(shape, size, each), EPOCHS[0], most))
        return Effort(configuration={"size": size.name, "epochs": epochs})

    def fit(self, dataset: Dataset[Images], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """One network a job, one after another; the deadline cuts a training short, and none is begun after it."""
        configuration = {"size": SIZES[1].name, "epochs": EPOCHS[0]} | dict(effort.configuration or {})
        for job in jobs:
            if context.deadline.passed:
                context.cut_short = True
                return
            yield fit_network(self.name, dataset, job, configuration, context)


def fit_network(
    contender: str, dataset: Dataset[Images], job: Job, configuration: Mapping[str, Json], context: Context
) -> Fitted:
    """The network of one job, calibrated on its holdout."""
    watch = Stopwatch()
    size = next(size for size in SIZES if size.name == configuration["size"])
    architecture = architecture_for(dataset.inputs.form, dataset.task.n_outputs, size)
    split = held_out(dataset, job)
    recipe = recipe_for(len(split.train), int(configuration["epochs"]), dataset.task.is_classification)
    trained = train_on_pictures(dataset, split, architecture, recipe, job.seed, context)
    member = _member(dataset, trained)
    judged = replace(job, inner=(split,))
    words = f"{size.name}: {_layers_in_words(architecture)}; {recipe.epochs} epochs"
    trial = judge(dataset, judged, [member.predict(dataset.inputs.take(split.test))], Candidate(configuration, words))
    return Fitted(
        contender=contender,
        job=job,
        task=dataset.task,
        members=(member,),
        calibration=trial.calibration,
        out_of_fold=trial.out_of_fold,
        configuration=dict(configuration),
        summary=words,
        tried=(trial.to_json(),),
        fit_seconds=watch.seconds,
        core_seconds=watch.core_seconds,
        history=trained.history,
    )


def _member(dataset: Dataset[Images], trained: Trained) -> PictureMember:
    form = dataset.inputs.form
    sentence = (
        f"Pictures are brought to {form.describe()} pixels; the mean of each channel becomes 0, its standard "
        "deviation 1, as measured on training pictures."
    )
    return PictureMember(trained.network, dataset.task, PixelSteps((sentence,)), trained.target)


def recipe_for(n_rows: int, epochs: int, is_classification: bool = True) -> Recipe:
    """Muon for the filters, SGD for the rest, a triangular schedule: airbench's recipe with rates found on clothes.

    For numbers AdamW moves the rest: the squared error is steep where the largest values of many maps add up, and at
    the rates of classes the first steps of SGD kill every unit (measured on digits).
    """
    from annvil.training import Muon, Recipe

    muon = Muon(steps=3, scale="none", others="sgd", others_rate=4.0, others_momentum=0.85, others_warmup=0.2)
    if not is_classification:
        muon = replace(muon, others="adamw", others_rate=0.1)
    return Recipe(
        epochs=epochs,
        batch_size=batch_size(n_rows),
        batches="unpadded",
        optimizer="muon",
        momentum=0.6,
        renormalise=True,
        muon=muon,
        schedule="triangular",
        warmup=0.05,
        keep="last",
        byte_inputs="integers",
    )


def batch_size(n_rows: int) -> int:
    """Pictures in a batch for so many training pictures."""
    return next((size for rows, size in BATCH_SIZES if n_rows <= rows), LARGEST_BATCH)


def architecture_for(form: ImageForm, n_outputs: int, size: Size) -> ConvolutionalArchitecture:
    """The network of that size for pictures of that form: maps are halved until their shorter side is below six."""
    from annvil.networks.convolutional import ConvolutionalArchitecture, Layer, Stem

    side = min(form.height, form.width)
    stem: Stem = "small" if side < 16 else "plain" if side < 64 else "strided"
    side = side if stem == "small" else side // 2
    layers: list[Layer] = []
    stage = 0
    while side >= 6:
        width = size.widths[min(stage, len(size.widths) - 1)]
        layers += [Layer(width)] * (size.depth - 1) + [Layer(width, pools=True)]
        side, stage = side // 2, stage + 1
    layers.append(Layer(size.widths[min(stage, len(size.widths) - 1)]))
    return ConvolutionalArchitecture(
        form.height, form.width, form.channels, n_outputs, stem=stem, stem_channels=size.stem, layers=tuple(layers)
    )


def affordable_epochs(shape: Shape, size: Size, seconds: float) -> float:
    """Passes over the training pictures that fit into so many seconds: arithmetic on `OPERATIONS_PER_SECOND`."""
    assert shape.form is not None
    operations = 3 * architecture_for(shape.form, shape.n_outputs, size).operations
    return seconds * OPERATIONS_PER_SECOND / (operations * max(shape.n_rows, 1))


def _layers_in_words(architecture: ConvolutionalArchitecture) -> str:
    layers = "-".join(f"{layer.channels}{'P' if layer.pools else ''}" for layer in architecture.layers)
    return f"{architecture.stem_channels} + {layers} channels"
