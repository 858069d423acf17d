"""Folds of a population: which rows each fold learns from, and which ones judge it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.splits import Split, inner_splits
from annvil.errors import DataError, RequestError, name_rows
from annvil.tasks.base import FloatArray, IntArray, Task
from annvil.tasks.union import make_task

LEARN_ONLY = -1  # fold of rows that all learn from and none is judged on, as in scikit-learn's `PredefinedSplit`


@dataclass(frozen=True)
class _Rows:
    """Bare targets, divided like a data set."""

    y: NDArray[Any]
    task: Task
    groups: IntArray
    time: FloatArray | None = None
    known_at: FloatArray | None = None

    @property
    def n_rows(self) -> int:
        return len(self.y)


def make_folds(asked: Any, y: NDArray[Any], is_classes: bool, groups: Any = None, seed: int = 0) -> tuple[Split, ...]:
    """The folds asked for, in order.

    Parameters
    ----------
    asked : a number (rows are dealt at random; classes, or ten bins of a numeric target, in proportion); a fold number
        for each row, where -1 is for rows that are learnt from in every fold; an object with scikit-learn's
        ``split(X, y, groups)``; or pairs of training and validation rows
    y : targets, rows first; with several columns, or several positions a row, nothing is kept in proportion
    is_classes : whether ``y`` holds class numbers
    groups : one per row, anything that compares: rows of a group stay together (a splitter gets them as they are)

    Raises
    ------
    RequestError, DataError
        For anything else; for rows outside the data; for a fold that would be judged on rows that it learnt from.
    """
    n_rows = len(y)
    if groups is not None:
        groups = np.asarray(groups)
        if groups.shape != (n_rows,):
            raise RequestError(f"groups must hold one group for each of the {n_rows} rows; got shape {groups.shape}.")
    if isinstance(asked, bool) or asked is None:
        raise RequestError(f"folds must be a number, fold numbers of the rows, or a splitter; got {asked!r}.")
    if isinstance(asked, int | np.integer):
        return _dealt(int(asked), y, is_classes, groups, seed)
    if callable(getattr(asked, "split", None)) and not isinstance(asked, str):
        return _checked(asked.split(np.zeros((n_rows, 1)), y, groups), n_rows, groups)
    try:
        array = np.asarray(asked)
    except ValueError:  # rows of unlike lengths: pairs, perhaps
        array = None
    if array is not None and array.shape == (n_rows,) and array.dtype.kind in "iub":
        return _checked(_by_number(array.astype(np.int64)), n_rows, groups)
    if isinstance(asked, Sequence) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in asked):
        return _checked(asked, n_rows, groups)
    came = f"an array of shape {array.shape}" if array is not None else type(asked).__name__
    raise RequestError(
        f"folds must be a number such as 5, one whole fold number for each of the {n_rows} rows, a splitter of "
        f"scikit-learn, or pairs of training and validation rows; got {came}."
    )


def _dealt(folds: int, y: NDArray[Any], is_classes: bool, groups: NDArray[Any] | None, seed: int) -> tuple[Split, ...]:
    if not 2 <= folds <= len(y):
        raise RequestError(f"folds must be at least 2 and at most the number of rows ({len(y)}); got {folds}.")
    plain = np.asarray(y).reshape(len(y), -1)
    target = plain[:, 0] if plain.shape[1] == 1 else np.zeros(len(y))
    codes = np.unique(target, return_inverse=True)[1] if is_classes else np.zeros(0, dtype=np.int64)
    if is_classes and plain.shape[1] == 1:
        rows = codes, make_task("multiclass", "y", tuple(range(int(codes.max()) + 1)))
    else:
        rows = target.astype(np.float64), make_task("regression", "y")
    number = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    if (n_groups := int(number.max()) + 1) < folds:  # who asked for folds gets them, or is told
        raise RequestError(f"{folds} folds need at least {folds} groups; there are {n_groups}. Ask for fewer folds.")
    return inner_splits(_Rows(*rows, groups=number), np.arange(len(y)), folds, seed)


def _by_number(numbers: IntArray) -> Iterable[tuple[IntArray, IntArray]]:
    used = [number for number in np.unique(numbers) if number != LEARN_ONLY]
    if len(used) < 2 and not (len(used) == 1 and (numbers == LEARN_ONLY).any()):
        raise RequestError("folds: the fold numbers of the rows must name at least two folds.")
    for number in used:
        yield np.flatnonzero(numbers != number), np.flatnonzero(numbers == number)


def _checked(pairs: Iterable[Any], n_rows: int, groups: NDArray[Any] | None) -> tuple[Split, ...]:
    folds = []
    for number, pair in enumerate(pairs):
        train, validation = (np.unique(np.asarray(rows, dtype=np.int64)) for rows in pair)
        for name, rows in (("training", train), ("validation", validation)):
            if not len(rows):
                raise RequestError(f"Fold {number} has no {name} rows.")
            if rows[0] < 0 or rows[-1] >= n_rows:
                raise RequestError(f"Fold {number}: {name} rows must lie between 0 and {n_rows - 1}.")
        both = np.intersect1d(train, validation)
        if len(both):
            rows_in_both = name_rows(both[:5].tolist(), len(both))
            raise DataError(f"Fold {number} would be judged on rows that it learns from: {rows_in_both}.")
        torn: NDArray[Any] = np.empty(0) if groups is None else np.intersect1d(groups[train], groups[validation])
        if len(torn):
            raise DataError(
                f"Fold {number}: group {torn[0]} is on both sides; a number of folds instead would keep it whole."
            )
        folds.append(Split(train, validation))
    if not folds:
        raise RequestError("folds: there is not a single one.")
    return tuple(folds)
