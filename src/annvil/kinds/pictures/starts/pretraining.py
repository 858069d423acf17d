"""Making a network to start from: one convolutional network learns to tell the classes of several sources at once.

The classes of all sources stand side by side under one softmax. With quarter turns every class counts four times, once
for each turn: telling the turns apart teaches shapes that the labels do not ask for (Gidaris et al. 2018, arXiv
1803.07728; Santoro et al. 2016, arXiv 1605.06065, section 4.1 for drawn characters). What is kept are stem and layers;
the head knows classes that nobody will meet again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from annvil.data.batch_transform import Moment
from annvil.data.dataset import Dataset
from annvil.data.readers.opened import Opened
from annvil.data.seeds import derived_seed
from annvil.data.splits import Split
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.contenders.convolutional_family import (
    ConvolutionalFamily,
    ConvolutionalSettings,
    train_alone,
)
from annvil.kinds.pictures.contenders.sizes import Size, affordable_epochs, architecture_for
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.reading.detection import is_pictures, lists_pictures
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.kinds.pictures.starts.pretrained import Card, Start, Taught, is_start, read_start, write_start
from annvil.models.jobs import Context, Shape
from annvil.models.networks.family import TrainingData
from annvil.models.networks.populations import Trained
from annvil.options import ReadOptions
from annvil.tasks.base import IntArray
from annvil.tasks.union import make_task
from annvil.text.quantities import seconds_of
from annvil.training import Augment

SIZE = Size("pretrained", 32, (64, 128, 256), 2)
"""572,000 numbers below the head, so that in half precision the file stays below 2 MB."""

ALL_TURNS_UP_TO = 20_000
"""Sources of at most so many pictures show each in all four turns; larger ones each in one (assumed)."""

HELD_OUT = 1_000
"""Pictures that measure what was learnt."""

SIDE = 32
"""Of the pictures, unless asked otherwise: small enough for minutes, large enough for shapes (assumed)."""


def pretrain(
    sources: Any,
    out: str | Path,
    *,
    size: int = SIDE,
    epochs: int | None = None,
    budget: str | float = "4m",
    turns: bool = True,
    seed: int = 0,
    tell: Callable[[str], None] = lambda text: None,
) -> Start:
    """A network to start from, written to the folder ``out`` (``start.json`` and ``weights.safetensors``).

    Give the folder to `annvil.fit` as ``start``, or to ``annvil fit --from``.

    Parameters
    ----------
    sources : one or several data sets of pictures with classes: whatever `annvil.read` takes
    size : side in pixels that all pictures are brought to
    epochs : passes over all pictures; default: what fits into ``budget`` by arithmetic on a machine of two cores
    budget : seconds, or ``"4m"``; training ends there in any case when ``epochs`` is not given
    turns : whether every class counts four times, once for each quarter turn
    seed : for everything random

    Raises
    ------
    RequestError
        When there is no source, or something other than such a folder is in the way.
    DataError
        When a source holds no pictures or no classes.
    """
    given = sources if isinstance(sources, list) else [sources]
    folder = Path(out)
    if not given:
        raise RequestError("pretrain needs at least one source of pictures.")
    if folder.exists() and not is_start(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} exists and holds something else: choose another name, nothing is overwritten.")
    seconds, started = seconds_of(budget), time.monotonic()
    read_all = []
    for source in given:
        tell(f"Reading {source if isinstance(source, str | Path) else 'pictures from memory'}")
        read_all.append(_pictures(source, size))
    lesson = lesson_of(read_all, turns, seed)
    if epochs is None:
        task = make_task("multiclass", "", range(lesson.n_classes))
        shape = Shape(len(lesson.y), size * size, 0, 0, task, read_all[0].inputs.form)
        epochs = max(1, int(affordable_epochs(shape, SIZE, seconds - (time.monotonic() - started))))
        left = started + seconds - time.monotonic()
    else:
        left = float("inf")
    begun = time.monotonic()
    trained, accuracy = pretrain_on(lesson, epochs, seed, left, tell)
    epochs, network = trained.best_epoch, trained.network
    words = [str(source) for source in given if isinstance(source, str | Path)]
    options = f"-o {folder} --size {size} --epochs {epochs} --seed {seed}" + ("" if turns else " --no-turns")
    card = Card(
        architecture=network.architecture.to_json(),  # type: ignore[operator, union-attr]
        taught=lesson.taught,
        command=f"annvil pretrain {' '.join(words)} {options}" if len(words) == len(given) else "",
        seconds=round(time.monotonic() - begun, 1),
        epochs=epochs,
        accuracy=round(accuracy, 4),
    )
    write_start(folder, card, {k: v.numpy() for k, v in network.state_dict().items() if not k.startswith("head.")})
    return read_start(folder)


def _pictures(source: Any, size: int) -> Dataset[Images]:
    if not (is_pictures(source) or lists_pictures(Opened(source, ReadOptions()))):
        name = source if isinstance(source, str | Path) else "What is given"
        raise DataError(f"{name} is a table: a network to start from is pretrained on pictures.")
    return read_images(source, size=size)


@dataclass(frozen=True)
class Lesson:
    """Pictures of all sources in one array, uint8 ``(n, side, side, channels)``, their joint classes, and the form."""

    pixels: NDArray[np.uint8]
    y: IntArray
    n_classes: int
    taught: tuple[Taught, ...]


def lesson_of(sources: Sequence[Dataset[Images]], turns: bool, seed: int) -> Lesson:
    """All sources together; their pictures must be of one size. Grey ones become coloured where others are.

    Raises
    ------
    DataError
        When a source has no classes.
    """
    coloured = max(source.inputs.form.channels for source in sources)
    parts, answers, taught, n_classes = [], [], [], 0
    for place, source in enumerate(sources):
        if not source.task.one_class_a_row:
            raise DataError(f"{source.source.name} has no classes to learn from: a network is pretrained on classes.")
        pixels, y = np.broadcast_to(source.inputs.pixels(), (*source.inputs.pixels().shape[:3], coloured)), source.y
        own = len(source.task.classes)
        taught.append(Taught(source.source.name, source.source.sha256, source.n_rows, own))
        if turns:
            pixels, y = _turned(pixels, y, own, np.random.default_rng([seed, place]))
        parts.append(pixels)
        answers.append(y + n_classes)
        n_classes += own * (4 if turns else 1)
    return Lesson(np.concatenate(parts), np.concatenate(answers), n_classes, tuple(taught))


def _turned(
    pixels: NDArray[np.uint8], y: IntArray, n_classes: int, random: np.random.Generator
) -> tuple[NDArray[np.uint8], IntArray]:
    """Square pictures in quarter turns, and classes ``turn × n_classes + class``."""
    if len(pixels) <= ALL_TURNS_UP_TO:
        turned = [np.rot90(pixels, turn, axes=(1, 2)) for turn in range(4)]
        return np.concatenate(turned), np.concatenate([y + turn * n_classes for turn in range(4)])
    chosen = random.integers(0, 4, len(pixels))
    out = np.empty(pixels.shape, dtype=np.uint8)
    for turn in range(4):
        out[chosen == turn] = np.rot90(pixels[chosen == turn], turn, axes=(1, 2))
    return out, y + chosen * n_classes


class PretrainingFamily(ConvolutionalFamily):
    """Convolutional networks that nobody knows the pictures of yet, and that see each in many ways."""

    name = "pretraining"

    def network(self, data: TrainingData, settings: ConvolutionalSettings, split: int, seed: int) -> nn.Module:
        """Its channels are centred on the middle grey: pictures come light on dark and dark on light."""
        network = super().network(data, settings, split, seed)
        network.mean.fill_(127.5)  # type: ignore[operator]
        return network

    def augment(self, settings: ConvolutionalSettings) -> Augment:
        """Turns, scales, shifts, negatives and contrast, whatever the candidate says."""
        return Varied()


def pretrain_on(
    lesson: Lesson, epochs: int, seed: int, seconds: float, tell: Callable[[str], None]
) -> tuple[Trained, float]:
    """The network after ``epochs`` passes over the lesson, fewer where the ``seconds`` are over before; its accuracy
    on pictures held out."""
    n, height, width, channels = lesson.pixels.shape
    form = PictureForm(height, width, channels)
    task = make_task("multiclass", "class", range(lesson.n_classes))
    dataset = Dataset(images_from_arrays(lesson.pixels, form=form), lesson.y.astype(np.int64), task, np.arange(n))
    order = np.random.default_rng(seed).permutation(n)
    held_out, learns = order[: min(HELD_OUT, n // 10)], order[min(HELD_OUT, n // 10) :]
    settings = ConvolutionalSettings(
        size=SIZE.name,
        architecture=architecture_for(form, lesson.n_classes, SIZE),
        epochs=epochs,
        planned_rows=max(len(learns), 10_001),
    )
    member, trained = train_alone(
        dataset,
        Split(np.sort(learns), held_out),
        settings,
        seed,
        Context(seconds).begin(),
        lambda now: tell(f"Epoch {now.epoch} of {now.epochs}: loss {float(now.train_loss[0]):.3f}"),
        PretrainingFamily(),
    )
    found = member.predict(dataset.inputs.take(held_out)).argmax(axis=1)
    return trained, float((found == lesson.y[held_out]).mean())


MOST_TURN, SCALES, MOST_SHIFT = 0.25, (0.8, 1.25), 0.12
"""Radians, factors and shares of the side by which pictures vary (assumed)."""

LEAST_CONTRAST = 0.4


@dataclass(frozen=True)
class Varied:
    """Small turns, scalings and shifts in one sampling; light and dark exchanged in every other picture; contrast.

    A network to start from must not care which side of a stroke is dark: half of what it meets will be the other way.
    """

    mixes: bool = False
    says: str = "small turns, scales and shifts; negatives; contrast"

    def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> None:
        for seed, batch in zip(moment.seeds, inputs[0], strict=True):
            generator = torch.Generator().manual_seed(derived_seed(seed, moment.epoch, moment.step))
            batch.copy_(_varied(batch, generator))


def _varied(batch: Tensor, generator: torch.Generator) -> Tensor:
    n = len(batch)

    def drawn(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    angle, scale = drawn(-MOST_TURN, MOST_TURN), drawn(*np.log(SCALES)).exp()
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    shift = 2 * MOST_SHIFT
    rows = [cos, -sin, drawn(-shift, shift), sin, cos, drawn(-shift, shift)]
    pictures = batch.permute(0, 3, 1, 2).float()
    grid = functional.affine_grid(torch.stack(rows, 1).view(n, 2, 3), list(pictures.shape), align_corners=False)
    pictures = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    gain, middle = drawn(LEAST_CONTRAST, 1.0), drawn(0, 1)
    gain = gain.view(-1, 1, 1, 1)
    pictures = pictures * gain + (255 * (1 - gain.view(-1)) * middle).view(-1, 1, 1, 1)
    negative = (drawn(0, 1) < 0.5).view(-1, 1, 1, 1)
    pictures = torch.where(negative, 255 - pictures, pictures)
    return pictures.round().clamp(0, 255).permute(0, 2, 3, 1).to(batch.dtype)
