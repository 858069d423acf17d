"""A few small pictures for the tests that every contender must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from annvil.data.dataset import Dataset
from annvil.kinds.base import Tiny
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.tasks.base import Task
from annvil.tasks.union import make_task


def tiny() -> Mapping[str, Tiny]:
    """Digits that scikit-learn ships, and noise with a red patch or without: a class, how red, two labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    drawn = np.rint(digits.images[:200] * 255 / 16).astype(np.uint8)
    classes = make_task("multiclass", "digit", tuple("0123456789"))
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, size=(60, 20, 24, 3), dtype=np.uint8)
    red = rng.integers(0, 2, size=60)
    pixels[red == 1, 5:15, 5:12, 0] += 150
    redness = pixels[:, 5:15, 5:12, 0].mean(axis=(1, 2))
    blue = rng.integers(0, 2, size=60)
    spotted = pixels.copy()
    spotted[blue == 1, :, 14:, 2] += 150
    labels = make_task("multilabel", "colours", ("red", "blue"))
    return {
        "multiclass": _tiny(drawn, digits.target[:200].astype(np.int64), classes),
        "binary": _tiny(pixels, red, make_task("binary", "red", ("no", "yes"))),
        "regression": _tiny(pixels, redness, make_task("regression", "redness")),
        "multilabel": _tiny(spotted, np.stack([red, blue], axis=1), labels),
    }


def _tiny(pixels: Any, y: Any, task: Task) -> Tiny:
    dataset: Dataset[Images] = Dataset(images_from_arrays(pixels), y, task, np.arange(len(y)))
    return Tiny(dataset, strange_pictures(pixels.shape[1:]), candidates=1)


def strange_pictures(shape: tuple[int, ...]) -> Images:
    """Black, white, and half of each."""
    strange = np.zeros((3, *shape), dtype=np.uint8)
    strange[1] = 255
    strange[2, : shape[0] // 2] = 255
    return images_from_arrays(strange)
