"""Convolutional networks in sizes: how large and how long a training a budget buys, and the recipe. Arithmetic only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from annvil.kinds.pictures.form import PictureForm
from annvil.models.jobs import Json, Shape
from annvil.models.networks import recipe

if TYPE_CHECKING:
    from annvil.networks.convolutional import ConvolutionalArchitecture
    from annvil.training import Recipe

WORK_OF_VALUE = 2_900
"""What computing a number of a map takes beside its operations (it is pooled, normalised, and all of it backwards), in
operations: fitted to three networks on one core (small maps with many channels take 490 µs a picture, large maps with
few 300 µs, though they need less than half the operations; measured)."""

WORK_PER_SECOND = 1.2e12
"""Work (`work_of`) that two cores do in a second in bfloat16: 1.3e12 to 1.8e12 with the machine to itself, all sizes;
less where others use it too (``python benchmarks/images.py --speed fashion_mnist``)."""

FIXED_SECONDS, STEP_SECONDS = 1.5, 0.003
"""Of a training, before its first step (two steps are recorded, and pictures looked at), and of every step, however
small its batch (measured on digits of 8 × 8 pixels)."""

EPOCHS = (2, 60)
"""Fewest and most passes over the pictures of a training (assumed)."""

WANTED_EPOCHS = 4
"""A training with fewer passes over the pictures is no fair trial, nor one of half as many (assumed)."""

BATCH_SIZES = ((4_001, 64), (10_001, 128))
"""(rows, batch size) below so many rows; `LARGEST_BATCH` from there on. A small data set needs small batches to make
enough steps (assumed)."""

LARGEST_BATCH = 256

LOOKING_SHARE = 0.05
"""Of a training's work, what finding out which changes pictures bear may cost (assumed)."""

FEWEST_STEPS = 300
"""Small data sets are passed over more often than `EPOCHS` allows, until there are so many steps (assumed)."""


@dataclass(frozen=True)
class Size:
    """A rung of the ladder: channels of a learnt stem, channels of each stage, convolutions in a stage.

    ``wanted``: it is taken where it gets so many passes. Measured on clothes: in about 50 s, 4 passes of the deep one
    reach 93.9%, 5 of one between it and the medium one 93.8%; in 160 s, 4 of the wide one less than 94%.
    """

    name: str
    stem: int
    widths: tuple[int, ...]
    depth: int
    wanted: int = 1


SIZES = (
    Size("small", 16, (32, 64, 128), 1, 2),
    Size("medium", 32, (64, 128, 256), 1, 4),
    Size("deep", 32, (64, 128, 256), 2, 4),
    Size("wide", 64, (128, 256, 512), 2, 16),
)


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
        batches="trimmed",
        parts=2,
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
    return recipe.batch_size(n_rows, BATCH_SIZES, LARGEST_BATCH)


def architecture_for(form: PictureForm, n_outputs: int, size: Size, shrink: int = 1) -> ConvolutionalArchitecture:
    """The network of that size for pictures of that form: maps are halved until their shorter side is below six."""
    from annvil.networks.convolutional import ConvolutionalArchitecture, Layer, Stem

    side = min(form.height, form.width) // shrink
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
        form.height,
        form.width,
        form.channels,
        n_outputs,
        stem=stem,
        stem_channels=size.stem,
        layers=tuple(layers),
        shrink=shrink,
    )


def work_of(architecture: ConvolutionalArchitecture) -> float:
    """Work of a training step for one picture: the backward pass has twice the operations of the forward one."""
    return 3 * architecture.operations + WORK_OF_VALUE * architecture.values


def affordable_epochs(shape: Shape, size: Size, seconds: float, rate: float = WORK_PER_SECOND) -> float:
    """Passes over the training pictures that fit into so many seconds, at so much work per second."""
    return max(0.0, seconds / (1 + LOOKING_SHARE) - FIXED_SECONDS) / _seconds_of_epoch(shape, size, rate)


def seconds_for(shape: Shape, size: Size, epochs: float, shrink: int = 1) -> float:
    """The time with which so many passes are affordable."""
    return (FIXED_SECONDS + epochs * _seconds_of_epoch(shape, size, WORK_PER_SECOND, shrink)) * (1 + LOOKING_SHARE)


def _seconds_of_epoch(shape: Shape, size: Size, rate: float, shrink: int = 1) -> float:
    assert isinstance(shape.form, PictureForm)
    work = _work_of_a_picture(shape.form, shape.n_outputs, size, shrink) * max(shape.n_rows, 1)
    return work / rate + STEP_SECONDS * math.ceil(shape.n_rows / batch_size(shape.n_rows))


@lru_cache(maxsize=256)  # a study asks for the same few some hundred thousand times while it plans
def _work_of_a_picture(form: PictureForm, n_outputs: int, size: Size, shrink: int) -> float:
    return work_of(architecture_for(form, n_outputs, size, shrink))


def size_and_epochs(
    shape: Shape, seconds: float, rate: float = WORK_PER_SECOND, sizes: Sequence[Size] = SIZES
) -> tuple[Size, int]:
    """The largest of the ``sizes`` that gets the passes it wants and `FEWEST_STEPS`, and the passes that fit.

    The smallest one where none does.
    """
    for_steps = min(EPOCHS[1], epochs_for_steps(shape.n_rows))
    fitting = [size for size in sizes if affordable_epochs(shape, size, seconds, rate) >= max(size.wanted, for_steps)]
    size = fitting[-1] if fitting else sizes[0]
    most = max(EPOCHS[1], epochs_for_steps(shape.n_rows))
    return size, int(np.clip(affordable_epochs(shape, size, seconds, rate), EPOCHS[0], most))


SEEN_SIDE = 40
"""Pixels of the shorter side with which a first training sees pictures (assumed; 48 of 100 lost nothing on photographs
and cost a quarter: measured)."""


def first_shrink(form: PictureForm) -> int:
    """How much pictures are shrunk for a first training: by 1 up to 59 pixels a side, by 2 up to 100."""
    return max(1, round(min(form.height, form.width) / SEEN_SIDE))


def epochs_for_steps(n_rows: int) -> int:
    """Passes with which training has `FEWEST_STEPS`."""
    return math.ceil(FEWEST_STEPS * batch_size(n_rows) / max(n_rows, 1))


def size_named(configuration: Mapping[str, Json]) -> Size:
    """The rung of the ladder that a configuration names."""
    return next(size for size in SIZES if size.name == configuration["size"])
