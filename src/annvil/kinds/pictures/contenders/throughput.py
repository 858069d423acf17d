"""How fast this machine trains a convolutional network on these pictures, here and now: by a stopwatch.

Runs never ask: what they plan must not hang on the clock. Whoever trains one network in a given time does.
"""

from __future__ import annotations

import time
from itertools import pairwise

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures.contenders.convolutional_family import ConvolutionalSettings, train_alone
from annvil.kinds.pictures.contenders.sizes import Size, architecture_for, work_of
from annvil.kinds.pictures.images import Images
from annvil.models.jobs import Context
from annvil.preparation.augmentation import Augmentation
from annvil.tasks.base import IntArray

PILOT_WORK, PILOT_EPOCHS = 5e11, 4
"""Of each epoch of a short training: about half a second on two cores. The first one, which also records the program,
does not count, and of the others the quickest does: others may use the machine for a moment."""

FEWEST_STEPS, BATCH, MANY_ROWS = 2, 256, 100_000
"""Of an epoch, whatever they cost (assumed: fewer say little); in batches as of large data sets."""


def work_per_second(dataset: Dataset[Images], rows: IntArray, size: Size, seed: int) -> float | None:
    """What `sizes.affordable_epochs` takes as ``rate``; None where there are too few rows to tell."""
    architecture = architecture_for(dataset.inputs.form, dataset.task.n_outputs, size)
    per_step = work_of(architecture) * BATCH
    n = min(len(rows) // BATCH, max(FEWEST_STEPS, int(PILOT_WORK / per_step))) * BATCH
    if n < FEWEST_STEPS * BATCH:
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(rows)[:n])
    settings = ConvolutionalSettings(
        size=size.name,
        architecture=architecture,
        epochs=PILOT_EPOCHS,
        augmentation=Augmentation(shift=1),
        planned_rows=MANY_ROWS,
    )
    ends: list[float] = []
    split = Split(chosen, chosen[:0])
    train_alone(dataset, split, settings, seed, Context().begin(), lambda progress: ends.append(time.monotonic()))
    return work_of(architecture) * n / max(min(after - before for before, after in pairwise(ends)), 1e-9)
