"""Does something beside what is shown tell the answer: the file's size and format, or brightness and border alone?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.telling import of_numbers, of_texts, told_in_words
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.decoding import FORMATS, MODES
from annvil.tasks.base import FloatArray

TELLING = 0.65
"""Area under the ROC curve from which files alone tell too much (assumed)."""

TELLING_FRAME = 0.8
"""The same for brightness and border, which may well belong to what is shown (assumed)."""


def looks_of(images: Images) -> dict[str, FloatArray]:
    """Brightness, contrast, colour and border of every picture, float64 ``(n_rows,)`` each, in units of 255."""
    n = images.n_rows
    looks = {name: np.zeros(n) for name in ("brightness", "contrast", "border", "border contrast", "colour", "span")}
    for rows, pixels in images.blocks():
        values = pixels.astype(np.float32)
        grey = values.mean(axis=3)
        rim = np.concatenate([grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]], axis=1)
        looks["brightness"][rows], looks["contrast"][rows] = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
        looks["border"][rows], looks["border contrast"][rows] = rim.mean(axis=1), rim.std(axis=1)
        looks["span"][rows] = grey.max(axis=(1, 2)) - grey.min(axis=(1, 2))
        if pixels.shape[3] == 3:
            looks["colour"][rows] = np.abs(values - grey[..., None]).mean(axis=(1, 2, 3))
    return looks


def files_tell(dataset: Dataset[Images], seed: int) -> Iterator[Finding]:
    """Does the file, without its pixels, give the answer away? Not by its bytes, which are due to its content."""
    facts = dataset.inputs.facts
    height, width = facts["height"].astype(np.float64), facts["width"].astype(np.float64)
    columns = [
        of_numbers("width", width),
        of_numbers("height", height),
        of_numbers("aspect (width to height)", width / np.maximum(height, 1)),
        of_numbers("step of JPEG quantisation", facts["coarseness"]),
        of_texts("format", [FORMATS[code] for code in facts["format"]]),
        of_texts("colour mode", [MODES[code] for code in facts["mode"]]),
        of_texts("camera data", ["yes" if exif else "no" for exif in facts["exif"]]),
        of_texts("orientation", [str(code) for code in facts["orientation"]]),
    ]
    if told := told_in_words(dataset, columns, seed, TELLING):
        yield Finding(
            "the file gives the answer away",
            "serious",
            (dataset.task.target,),
            f"Size, format and other marks of the files, without their pixels, tell {told}.",
            "The classes may come from different sources, and a model can learn the source instead of what is shown. "
            "Nothing is removed; test on pictures that come from one place, or give groups by source (--groups).",
        )


def frames_tell(dataset: Dataset[Images], looks: dict[str, FloatArray], seed: int) -> Iterator[Finding]:
    """Do brightness and border alone tell the answer?"""
    columns = [of_numbers(name, values) for name, values in looks.items() if name != "span"]
    if told := told_in_words(dataset, columns, seed, TELLING_FRAME):
        yield Finding(
            "brightness and border tell the answer",
            "info",
            (dataset.task.target,),
            f"Brightness, contrast, colour and border alone, without any shape, tell {told}.",
            "This may be what is shown, or how and where the pictures were taken. If it is the second, test on "
            "pictures taken otherwise before trusting a score.",
        )
