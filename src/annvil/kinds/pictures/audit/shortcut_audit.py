"""Does something beside what is shown tell the answer: the file's size and format, or brightness and border alone?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.leakage import told_by
from annvil.data.table import Column, Field, Table
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.decoding import FORMATS, MODES
from annvil.tasks.base import FloatArray

TELLING = 0.65
"""Area under the ROC curve from which files alone tell too much (assumed) …"""

CERTAIN = 4.0
"""… and so many standard errors above one half, as guessing would have it (Mann and Whitney's)."""

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
        _number("width", width),
        _number("height", height),
        _number("aspect (width to height)", width / np.maximum(height, 1)),
        _number("step of JPEG quantisation", facts["coarseness"]),
        _texts("format", [FORMATS[code] for code in facts["format"]]),
        _texts("colour mode", [MODES[code] for code in facts["mode"]]),
        _texts("camera data", ["yes" if exif else "no" for exif in facts["exif"]]),
        _texts("orientation", [str(code) for code in facts["orientation"]]),
    ]
    if told := _told(dataset, columns, seed, TELLING):
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
    columns = [_number(name, values) for name, values in looks.items() if name != "span"]
    if told := _told(dataset, columns, seed, TELLING_FRAME):
        yield Finding(
            "brightness and border tell the answer",
            "info",
            (dataset.task.target,),
            f"Brightness, contrast, colour and border alone, without any shape, tell {told}.",
            "This may be what is shown, or how and where the pictures were taken. If it is the second, test on "
            "pictures taken otherwise before trusting a score.",
        )


def _number(name: str, values: NDArray[Any]) -> Column:
    return Column(Field(name, "number"), np.asarray(values, dtype=np.float64))


def _texts(name: str, values: Sequence[str]) -> Column:
    levels, codes = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
    return Column(Field(name, "category"), codes.astype(np.int32), tuple(levels.tolist()))


def _told(dataset: Dataset[Images], columns: Sequence[Column], seed: int, telling: float) -> str | None:
    """How well these columns together tell the answer, where that is beyond doubt, and how in words."""
    columns = [column for column in columns if len(np.unique(column.values)) > 1]
    if not columns or dataset.n_rows < 30 or dataset.task.n_questions > 1:
        return None
    together, alone = told_by(Table(tuple(columns), dataset.n_rows), dataset, seed)
    if dataset.task.predicts_probabilities:
        quality, strength = "a ROC AUC", 1 - together / 2  # the error is 2 - 2 AUC
        beyond_doubt = strength >= telling and (strength - 0.5) / _standard_error(dataset.y) >= CERTAIN
    else:
        quality, strength = "an R²", 1 - together
        beyond_doubt = strength >= 2 * telling - 1
    best = _described(dataset, columns[int(np.argmin(alone))])
    return f"{dataset.task.target!r} with {quality} of {strength:.2f}: {best}" if beyond_doubt else None


def _standard_error(y: NDArray[Any]) -> float:
    """Of the AUC of guesses, for two classes of the sizes of the commonest and all others (Mann and Whitney 1947)."""
    counts = np.bincount(y)
    n = int(counts.max())
    rest = max(len(y) - n, 1)
    return float(np.sqrt((n + rest + 1) / (12 * n * rest)))


def _described(dataset: Dataset[Images], column: Column) -> str:
    """How the column differs with the answer."""
    if not dataset.task.predicts_probabilities:
        return f"{column.name!r} goes along with it most"
    labels = dataset.task.classes
    present = np.unique(dataset.y).tolist()
    if column.field.is_text:
        commonest = int(np.bincount(column.values).argmax())
        shares = [float((column.values[dataset.y == k] == commonest).mean()) for k in present]
        low, high = np.argmin(shares), np.argmax(shares)
        return (
            f"the {column.name} is {column.levels[commonest]!r} for {shares[high]:.0%} of {labels[present[high]]!r} "
            f"and {shares[low]:.0%} of {labels[present[low]]!r}"
        )
    middles = [float(np.median(column.values[dataset.y == k])) for k in present]
    low, high = np.argmin(middles), np.argmax(middles)
    return (
        f"the median {column.name} is {middles[high]:.3g} for {labels[present[high]]!r} and {middles[low]:.3g} for "
        f"{labels[present[low]]!r}"
    )
