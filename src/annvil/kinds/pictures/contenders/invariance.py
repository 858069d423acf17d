"""Which changes leave pictures what they are: judged by a network that has seen none of them.

Flipping a photograph left to right shows another photograph; flipping a digit shows no digit. A small network that
learnt from unchanged pictures is asked for pictures it has not seen, as they are and changed: what it still tells apart
is the *affinity* of a change to the data (Gontijo-Lopes et al. 2020, arXiv 2002.08973, section 3; here as the share of
its accuracy beyond guessing that is left). Changes of low affinity teach what never occurs.

Short trainings *with* a change cannot tell this: every change makes the first epochs worse (measured on clothes: of
eight policies after an eighth of the training the one that does nothing was best, after the whole training the worst).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.batch_transform import Moment
from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.convolutional_family import ConvolutionalSettings, train_alone
from annvil.kinds.pictures.contenders.member import PictureMember
from annvil.kinds.pictures.contenders.picture_family import part_of
from annvil.kinds.pictures.contenders.sizes import work_of
from annvil.kinds.pictures.images import Images
from annvil.models.jobs import Context, Running
from annvil.preparation.augmentation import Augmentation, Padding

if TYPE_CHECKING:
    from annvil.networks.convolutional import ConvolutionalArchitecture

Pixels = NDArray[np.uint8]

LEAST_AFFINITY = 0.67
"""Changes that leave less are not made. Measured: mirrored clothes 0.71, photographs of clothes 0.97, brain scans 1;
digits 0.23 and 0.33; upside down 0.34 to 0.67; shifts by 1/28, turns of 10° and cutout 0.83 to 1."""

SHIFT_SHARE = 1 / 28
"""Of the shorter side, that pictures are shifted by (measured on clothes of 28 pixels: 1 is better than 2 in short
trainings)."""

MOST_JUDGED_ON, JUDGED_ON_SHARE = 1_500, 0.2
"""Pictures that are looked at changed and unchanged (assumed: a share of accuracy is then known to three points)."""

WORK = 6e12
"""Of the network's training, at most (`sizes.work_of`): a few seconds."""

FEWEST_EPOCHS, MOST_EPOCHS = 3, 30

PLANNED_ROWS = 2_000
"""Its batches are as small as those of so many pictures, so that a short training makes steps enough (assumed)."""

FEWEST_PICTURES = 100
"""With fewer nothing is told apart, and shifts alone are made (assumed)."""

LEAST_LEARNT = 0.1
"""Of the way from guessing to being always right: a network that has learnt less cannot say anything (assumed)."""


@dataclass(frozen=True)
class Affinities:
    """By change in words: the share of what was told apart that still is, clipped to [0, 1]; empty if not measured."""

    of: Mapping[str, float]

    def allows(self, augmentation: Augmentation) -> bool:
        """Whether the change was measured and leaves enough."""
        return self.of.get(augmentation.short(), 0.0) >= LEAST_AFFINITY

    def describe(self) -> str:
        """For people: what was measured."""
        if not self.of:
            return "There are too few pictures, or they are too hard, to see which changes leave them what they are."
        parts = ", ".join(f"{name} {share:.0%}" for name, share in self.of.items())
        return f"Of what a network tells apart that has never seen changed pictures, changed ones keep: {parts}."


def changes_for(side: int) -> tuple[Augmentation, ...]:
    """The single changes whose affinity is measured; ``side`` is the shorter one, in pixels."""
    padding: Padding = "edge" if side < 16 else "reflect"  # so near the middle, a mirror image shows the thing again
    found = [
        Augmentation(shift=max(1, round(side * SHIFT_SHARE)), padding=padding),
        Augmentation(flip="alternate"),
        Augmentation(rotate=10.0, scale=0.1),
        Augmentation(brightness=0.1, contrast=0.2, colour=0.2),
    ]
    return (*found, Augmentation(cutout=0.3)) if side >= 16 else tuple(found)


def measure_affinities(
    dataset: Dataset[Images],
    rows: Split,
    architecture: ConvolutionalArchitecture,
    seed: int,
    running: Running,
    work: float = WORK,
) -> Affinities:
    """Train a network on part of ``rows.train`` and look at the rest of them, unchanged and changed.

    ``architecture`` may be small; ``work`` is that of its training, at most.
    """
    inner = _inner(dataset, rows, architecture, work, seed)
    if len(inner.test) < FEWEST_PICTURES // 4 or len(inner.train) < FEWEST_PICTURES:
        return Affinities({})
    epochs = int(np.clip(int(work / (work_of(architecture) * len(inner.train))), FEWEST_EPOCHS, MOST_EPOCHS))
    settings = ConvolutionalSettings(size="small", architecture=architecture, epochs=epochs, planned_rows=PLANNED_ROWS)
    own = Context(running.deadline.left, threads=running.threads).begin()
    member, _ = train_alone(dataset, inner, settings, seed, own)
    if own.cut_short:
        return Affinities({})
    pixels = dataset.inputs.take(inner.test).pixels(slice(0, len(inner.test)))
    y = dataset.y[inner.test]
    plain, guessed = _skill(dataset, member, pixels, y), _guessing(dataset, dataset.y[inner.train], y)
    best = 1.0 if dataset.task.one_class_a_row else 0.0  # of a negative loss
    room = plain - guessed
    if room < LEAST_LEARNT * (best - guessed):
        return Affinities({})
    changes = changes_for(min(dataset.inputs.form.height, dataset.inputs.form.width))
    kept = {c.short(): _skill(dataset, member, _changed(pixels, c, seed), y) for c in changes}
    return Affinities({name: float(np.clip((skill - guessed) / room, 0, 1)) for name, skill in kept.items()})


def policies(affinities: Affinities, side: int, mixes: bool) -> tuple[Augmentation, ...]:
    """Augmentations of what the affinities allow, the one to take without trying first.

    Small shifts, and mirror images where they are the same thing. Then, for whoever has the time to try: the same with
    parts of other pictures (``mixes``: where targets can be mixed), which is far ahead where few pictures are passed
    over often and behind where many are passed over a few times (measured, docs/decisions/0062-augmentation.md); with
    parts covered; nothing; and more of what is allowed.
    """
    shift, flip, turn, colour, *cutout = changes_for(side)
    base = shift if affinities.allows(shift) or not affinities.of else Augmentation()
    base = replace(base, flip="alternate") if affinities.allows(flip) else base
    more = [change.to_json() for change in (*cutout, turn, colour) if affinities.allows(change)]
    more_and_more = accumulate(more, lambda so_far, change: replace(so_far, **change), initial=base)
    _, first, *further = [*more_and_more, Augmentation()]
    mixed = [replace(base, cutmix=1.0)] if mixes and cutout else []
    return tuple(dict.fromkeys([base, *mixed, first, Augmentation(), *further]))


def _inner(
    dataset: Dataset[Images], rows: Split, architecture: ConvolutionalArchitecture, work: float, seed: int
) -> Split:
    """Part of the training rows to learn from, and another to look at: whole groups."""
    most = int(min(MOST_JUDGED_ON, JUDGED_ON_SHARE * len(rows.train)))
    judged = part_of(dataset, rows.train, most, seed) if most else rows.train[:0]
    left = np.setdiff1d(rows.train, judged)
    n = int(work / (FEWEST_EPOCHS * work_of(architecture)))
    return Split(np.sort(np.random.default_rng(seed).permutation(left)[: max(FEWEST_PICTURES, n)]), np.sort(judged))


def _changed(pixels: Pixels, change: Augmentation, seed: int) -> Pixels:
    """The pictures after the change; a flip that alternates flips all of them."""
    import torch

    from annvil.preparation.augment_batches import PictureChanges

    if change.flip != "none":
        return np.ascontiguousarray(pixels[:, :, ::-1])
    batch = torch.from_numpy(pixels.copy()).unsqueeze(0)
    rows = torch.arange(len(pixels)).unsqueeze(0)
    PictureChanges(change)([batch], rows, Moment((seed,), 0, 0, 1))
    changed: Pixels = batch[0].numpy()
    return changed


def _skill(dataset: Dataset[Images], member: PictureMember, pixels: Pixels, y: NDArray[Any]) -> float:
    """Accuracy, or of numbers and several labels the negative mean loss."""
    from annvil.kinds.pictures.reading.arrays import images_from_arrays

    outputs = member.predict(images_from_arrays(pixels, form=dataset.inputs.form))
    if dataset.task.one_class_a_row:
        return float((outputs.argmax(1) == y).mean())
    return -float(dataset.task.row_losses(y, outputs).mean())


def _guessing(dataset: Dataset[Images], learnt: NDArray[Any], y: NDArray[Any]) -> float:
    """The same of somebody who has not seen the picture."""
    if dataset.task.one_class_a_row:
        return float((y == np.bincount(learnt.astype(np.int64)).argmax()).mean())
    outputs = np.tile(learnt.reshape(len(learnt), -1).mean(0), (len(y), 1))
    return -float(dataset.task.row_losses(y, outputs).mean())
