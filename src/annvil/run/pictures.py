"""What a run of pictures adds: the score on the test pictures of the source, and pictures to look at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.bundle import load
from annvil.comparison import Store
from annvil.comparison.results import Comparison
from annvil.data.table import Dataset, Inputs
from annvil.kinds.pictures.images import Images
from annvil.models.contract import Deadline
from annvil.report.summaries import wilson
from annvil.run.folder import RunFolder
from annvil.sections import Exhibit, Picture, enlargement, png
from annvil.tasks.base import Decision, FloatArray, IntArray, Label, Task
from annvil.tasks.class_metrics import decide
from annvil.tasks.label_metrics import decide_labels
from annvil.tasks.metrics import Metric
from annvil.text.quantities import percent, plain_count

MOST_SHOWN, MOST_MISTAKES = 24, 16
"""Pictures of the exhibit, and how many of them may be mistakes, so that what goes well is seen too (assumed)."""

LARGEST_SHOWN = 128
"""Longer sides are shrunk for the report (assumed: twenty-four pictures stay below a megabyte)."""

RESAMPLES = 400
"""Bootstrap samples of an interval (assumed: the ends of a 95% interval rest on ten of them each)."""

ROWS_AT_ONCE = 1024
_LONGEST_LABEL = 24


def official_test(
    dataset: Dataset[Inputs],
    comparison: Comparison,
    folder: RunFolder,
    threshold: Decision,
    deadline: Deadline,
) -> tuple[str, ...]:
    """One sentence on the shipped model's score on the test set of the source; empty where it has none.

    The verdict never rests on it. Accuracy has Wilson's interval; any other metric the percentiles of a bootstrap over
    the rows (Efron, Annals of Statistics 7, 1979). Copies of training pictures among the test pictures count as they
    are: the audit tells of them.
    """
    test = dataset.official_test
    if test is None or not test.n_rows:
        return ()
    of_test = f"the {plain_count(test.n_rows, 'test picture')} kept apart by the source"
    predictor, parts = load(folder.model), []
    for start in range(0, test.n_rows, ROWS_AT_ONCE):
        if deadline.passed:
            return (f"The budget ended before the model was tried on {of_test}.",)
        parts.append(predictor.raw(test.inputs.take(slice(start, start + ROWS_AT_ONCE))))
    outputs = np.concatenate(parts)
    metric = dataset.task.metric(comparison.metric)
    scores = []
    if metric.name != "accuracy":
        score = metric.shows(metric.score(test.y, outputs, threshold))
        ends = _bootstrap(metric, dataset.task, test.y, outputs, threshold, deadline)
        scores.append(
            f"{metric.title} {score} ({_interval(*map(metric.shows, ends)) if ends else 'no time to say how sure'})"
        )
    if dataset.task.is_classification:
        if dataset.task.several:
            what, right = "all labels right for", (decide_labels(outputs, threshold) == test.y).all(axis=1)
        else:
            what, right = "accuracy", decide(outputs, threshold) == test.y
        hits = int(right.sum())
        ends = wilson(hits, test.n_rows)
        scores.append(f"{what} {hits / test.n_rows:.1%} ({_interval(*(f'{end:.1%}' for end in ends))})")
    return (f"On {of_test}: {', '.join(scores)}.",)


def _interval(low: str, high: str) -> str:
    return f"95% interval {low} to {high}"


def _bootstrap(
    metric: Metric, task: Task, y: NDArray[Any], outputs: FloatArray, threshold: Decision, deadline: Deadline
) -> tuple[float, float] | None:
    """The 2.5% and 97.5% points of the score over rows drawn again; None when the deadline passed first."""
    random = np.random.default_rng(0)
    scores = []
    for _ in range(RESAMPLES):
        if deadline.passed:
            return None
        rows = random.integers(0, len(y), len(y))
        scores.append(metric.score(y[rows], outputs[rows], threshold))
    low, high = np.quantile(scores, (0.025, 0.975))
    return float(low), float(high)


def pictures_and_predictions(dataset: Dataset[Inputs], comparison: Comparison, store: Store) -> tuple[Exhibit, ...]:
    """Held-out pictures of the first fold with truth and prediction, the gravest mistakes first; empty for tables."""
    contender = comparison.verdict.recommended
    result = store.result(contender, "repeat-0-fold-0")
    if not isinstance(dataset.inputs, Images) or result is None:
        return ()
    rows, outputs = store.predictions(contender, "repeat-0-fold-0")
    y = dataset.y[rows]
    make = _of_labels if dataset.task.several else _of_classes if dataset.task.is_classification else _of_numbers
    order, captions, wrong, sentences = make(dataset.task, y, outputs, result.threshold)
    pixels = dataset.inputs.pixels(rows[order])
    enlarge = enlargement(*pixels.shape[1:3])
    pictures = tuple(
        Picture(png(_shrunk(one), enlarge), caption, bool(flagged))
        for one, caption, flagged in zip(pixels, captions, wrong, strict=True)
    )
    return (Exhibit("pictures-and-predictions", "Pictures and predictions", sentences, pictures),)


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
