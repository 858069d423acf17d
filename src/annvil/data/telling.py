"""How well something beside the inputs tells the answer, in words: marks of files, how loud or long things are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.leakage import told_by
from annvil.data.table import Column, Field, Table

CERTAIN = 4.0
"""Standard errors above one half, as guessing would have it (Mann and Whitney's), beyond which nothing is chance."""

FEWEST_ROWS = 30
"""Of fewer rows nothing is said (assumed)."""


def of_numbers(name: str, values: NDArray[Any]) -> Column:
    """A column of numbers ``(n_rows,)`` under that name."""
    return Column(Field(name, "number"), np.asarray(values, dtype=np.float64))


def of_texts(name: str, values: Sequence[str]) -> Column:
    """A column of texts under that name."""
    levels, codes = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
    return Column(Field(name, "category"), codes.astype(np.int32), tuple(levels.tolist()))


def told_in_words(dataset: Dataset[Any], columns: Sequence[Column], seed: int, telling: float) -> str | None:
    """How well these columns together tell the answer, where that is beyond doubt, and how in words.

    ``telling`` is the area under the ROC curve from which they tell much. Groups stay together, so what tells them
    apart alone does not count.
    """
    columns = [column for column in columns if len(np.unique(column.values)) > 1]
    if not columns or dataset.n_rows < FEWEST_ROWS or dataset.task.n_questions > 1:
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


def _described(dataset: Dataset[Any], column: Column) -> str:
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
