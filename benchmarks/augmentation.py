"""What augmentation costs of a training step: python benchmarks/augmentation.py

Processor time of one thread, medium convolutional network, batches of 256 made-up pictures; a minute.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from annvil.data.batch_transform import Augment, Mixing, Moment
from annvil.kinds.pictures.contenders.sizes import SIZES, architecture_for, recipe_for
from annvil.kinds.pictures.form import PictureForm
from annvil.networks.convolutional import ConvolutionalNetwork
from annvil.preparation.augmentation import Augmentation
from annvil.training import Member, train_population

PICTURES = 2_560
CHANGES = (
    "shift=2,flip=alternate",
    "shift=2,flip=alternate,cutout=0.3",
    "shift=2,flip=alternate,rotate=10,scale=0.1",
    "shift=2,flip=alternate,cutmix=1",
    "brightness=0.1,contrast=0.2,colour=0.2",
    "noise=0.02",
)


@dataclass
class Timed:
    """An augmentation that notes its processor time."""

    augment: Augment
    seconds: float = 0.0
    steps: int = 0

    @property
    def mixes(self) -> bool:
        return self.augment.mixes

    @property
    def says(self) -> str:
        return self.augment.says

    def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> Mixing | None:
        start = time.thread_time()
        mixing = self.augment(inputs, rows, moment)
        self.seconds += time.thread_time() - start
        self.steps += 1
        return mixing


def measure(side: int, channels: int, changes: str) -> str:
    """One line: milliseconds of the augmentation and of the whole step."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (PICTURES, side, side, channels), dtype=torch.uint8, generator=generator)
    classes = torch.randint(0, 10, (PICTURES,), generator=generator)
    network = ConvolutionalNetwork(architecture_for(PictureForm(side, side, channels), 10, SIZES[1]))
    network.initialise(generator)
    network.look_at(pixels[:500])
    rows = np.arange(PICTURES)
    member = Member(rows, rows[:0], seed=0, learning_rate=0.05)
    recipe = replace(recipe_for(60_000, 2), threads=1, parts=1)
    timed = Timed(Augmentation.parse(changes).for_training())
    start = time.process_time()
    train_population(lambda _: network, (pixels,), classes, [member], recipe, "cross-entropy", augment=timed)
    step, own = (1e3 * seconds / timed.steps for seconds in (time.process_time() - start, timed.seconds))
    return f"{side} × {side} × {channels}  {changes:44} {own:5.2f} ms of {step:5.1f} ms: {own / step:.1%}"


if __name__ == "__main__":
    for form in ((28, 1), (32, 3)):
        for each in CHANGES:
            print(measure(*form, each), flush=True)
