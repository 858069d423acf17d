"""Held-out pictures beside what the recommended contender says of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.kinds.found import Found
from annvil.kinds.pictures.images import Images
from annvil.sections import Picture, Section, enlargement, png
from annvil.text.quantities import plain_count

MOST_SHOWN, MOST_MISTAKES = 24, 16
"""Pictures of the section, and how many of them may be mistakes, so that what goes well is seen too (assumed)."""

LARGEST_SHOWN = 128
"""Longer sides are shrunk for the report (assumed: twenty-four pictures stay below a megabyte)."""


def pictures_and_predictions(found: Found) -> tuple[Section, ...]:
    """Held-out pictures of the first fold with truth and prediction, the gravest mistakes first."""
    dataset: Dataset[Images] = found.dataset
    contender = found.comparison.verdict.recommended
    rung = found.rung(contender)
    result = found.store.result(contender, FIRST_FOLD, rung)
    if result is None:
        return ()
    rows, outputs = found.store.predictions(contender, FIRST_FOLD, rung)
    y = dataset.y[rows]
    held_out = f"{plain_count(len(y), 'held-out picture')} of the first fold"
    shown = dataset.task.examples(y, outputs, result.threshold, held_out, MOST_MISTAKES, MOST_SHOWN)
    pixels = dataset.inputs.pixels(rows[shown.rows])
    enlarge = enlargement(*pixels.shape[1:3])
    pictures = tuple(
        Picture(png(_shrunk(one), enlarge), caption, bool(flagged))
        for one, caption, flagged in zip(pixels, shown.captions, shown.wrong, strict=True)
    )
    return (Section("pictures-and-predictions", "Pictures and predictions", shown.sentences, pictures),)


def _shrunk(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The means of equal squares of pixels, where a side is too long to be shown."""
    step = -(-max(pixels.shape[:2]) // LARGEST_SHOWN)
    if step == 1:
        return pixels
    height, width = (side // step * step for side in pixels.shape[:2])
    squares = pixels[:height, :width].reshape(height // step, step, width // step, step, -1)
    means: NDArray[np.uint8] = squares.mean(axis=(1, 3)).round().astype(np.uint8)
    return means
