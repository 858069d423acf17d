"""Held-out pictures beside what the recommended contender says of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.kinds.base import Found
from annvil.kinds.pictures.images import Images
from annvil.sections import Picture, Section, enlargement, png
from annvil.tasks.base import Decision, FloatArray, IntArray, Label, Task
from annvil.tasks.class_metrics import decide
from annvil.tasks.label_metrics import decide_labels
from annvil.text.quantities import percent, plain_count

MOST_SHOWN, MOST_MISTAKES = 24, 16
"""Pictures of the section, and how many of them may be mistakes, so that what goes well is seen too (assumed)."""

LARGEST_SHOWN = 128
"""Longer sides are shrunk for the report (assumed: twenty-four pictures stay below a megabyte)."""

_LONGEST_LABEL = 24


def pictures_and_predictions(found: Found) -> tuple[Section, ...]:
    """Held-out pictures of the first fold with truth and prediction, the gravest mistakes first."""
    dataset: Dataset[Images] = found.dataset
    contender = found.comparison.verdict.recommended
    result = found.store.result(contender, FIRST_FOLD)
    if result is None:
        return ()
    rows, outputs = found.store.predictions(contender, FIRST_FOLD)
    y = dataset.y[rows]
    make = _of_labels if dataset.task.several else _of_classes if dataset.task.is_classification else _of_numbers
    order, captions, wrong, sentences = make(dataset.task, y, outputs, result.threshold)
    pixels = dataset.inputs.pixels(rows[order])
    enlarge = enlargement(*pixels.shape[1:3])
    pictures = tuple(
        Picture(png(_shrunk(one), enlarge), caption, bool(flagged))
        for one, caption, flagged in zip(pixels, captions, wrong, strict=True)
    )
    return (Section("pictures-and-predictions", "Pictures and predictions", sentences, pictures),)


Chosen = tuple[IntArray, list[str], NDArray[np.bool_], tuple[str, ...]]
"""Positions among the held-out rows, a caption and a flag for each, and what is said above them."""


def _of_classes(task: Task, y: NDArray[Any], outputs: FloatArray, threshold: Decision) -> Chosen:
    decided = decide(outputs, threshold)
    sure = outputs[np.arange(len(y)), decided]
    mistakes = np.flatnonzero(decided != y)
    mistakes = mistakes[np.argsort(-sure[mistakes], kind="stable")][:MOST_MISTAKES]
    right = np.random.default_rng(0).permutation(np.flatnonzero(decided == y))[: MOST_SHOWN - len(mistakes)]
    order = np.concatenate([mistakes, right]).astype(np.int64)
    names = [_short(label) for label in task.classes]
    captions = [
        f"{names[y[i]]}, said {names[decided[i]]} ({_sure(sure[i])})"
        if decided[i] != y[i]
        else f"{names[y[i]]} ({_sure(sure[i])})"
        for i in order
    ]
    n_wrong, held_out = int((decided != y).sum()), plain_count(len(y), "held-out picture")
    brackets = "In brackets: the model's probability."
    if n_wrong:
        said = f"Of {held_out} of the first fold, {n_wrong:,} were misclassified; the most certain mistakes come first."
        brackets = f"The others are drawn at random from those classified correctly. {brackets}"
    else:
        said = f"All {held_out} of the first fold were classified correctly; these are drawn at random."
    return order, captions, decided[order] != y[order], (said, brackets)


def _of_labels(task: Task, y: NDArray[Any], outputs: FloatArray, threshold: Decision) -> Chosen:
    """Those with the least likely truth first: the surer of what is wrong, and the more of it, the graver."""
    said = decide_labels(outputs, threshold)
    wrong = (said != y).any(axis=1)
    mistakes = np.flatnonzero(wrong)
    mistakes = mistakes[np.argsort(-task.row_losses(y, outputs)[mistakes], kind="stable")][:MOST_MISTAKES]
    right = np.random.default_rng(0).permutation(np.flatnonzero(~wrong))[: MOST_SHOWN - len(mistakes)]
    order = np.concatenate([mistakes, right]).astype(np.int64)
    names = np.array([_short(label) for label in task.classes], dtype=object)
    captions = []
    for i in order:
        missed, surplus = names[(y[i] == 1) & (said[i] == 0)], names[(y[i] == 0) & (said[i] == 1)]
        parts = [", ".join(names[y[i] == 1]) or "no label"]
        parts += [f"missed {', '.join(missed)}"] if len(missed) else []
        parts += [f"wrongly said {', '.join(surplus)}"] if len(surplus) else []
        captions.append("; ".join(parts))
    n_wrong, held_out = int(wrong.sum()), plain_count(len(y), "held-out picture")
    if not n_wrong:
        said_of = f"All labels of {held_out} of the first fold were correct; these are drawn at random."
        return order, captions, wrong[order], (said_of,)
    said_of = (
        f"Of {held_out} of the first fold, {n_wrong:,} have a label missed or wrongly said; the gravest come first."
    )
    return order, captions, wrong[order], (said_of, "The others are drawn at random from those classified correctly.")


def _of_numbers(task: Task, y: NDArray[Any], outputs: FloatArray, threshold: Decision) -> Chosen:
    order = np.argsort(-np.abs(outputs[:, 0] - y), kind="stable")[:MOST_SHOWN].astype(np.int64)
    captions = [f"{y[i]:.4g}, said {outputs[i, 0]:.4g}" for i in order]
    said = f"The largest errors among {plain_count(len(y), 'held-out picture')} of the first fold."
    return order, captions, np.zeros(len(order), dtype=bool), (said,)


def _sure(probability: float) -> str:
    """As `percent`, short enough for a caption: a probability that is no certainty never reads as 100%."""
    return ">99.9%" if 0.999 < probability < 1 else percent(probability)


def _short(label: Label) -> str:
    text = str(label)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


def _shrunk(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The means of equal squares of pixels, where a side is too long to be shown."""
    step = -(-max(pixels.shape[:2]) // LARGEST_SHOWN)
    if step == 1:
        return pixels
    height, width = (side // step * step for side in pixels.shape[:2])
    squares = pixels[:height, :width].reshape(height // step, step, width // step, step, -1)
    means: NDArray[np.uint8] = squares.mean(axis=(1, 3)).round().astype(np.uint8)
    return means
