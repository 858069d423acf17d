"""The answer to each row: a class, a number, or several labels at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.convert import read_numbers
from annvil.data.readers.raw import RawColumn
from annvil.data.readers.target import MOST_CLASSES, Answers, read_target
from annvil.data.readers.values import MISSING_TEXTS
from annvil.errors import DataError, RequestError
from annvil.tasks.base import IntArray, Task
from annvil.tasks.union import make_task
from annvil.text.safe import some_names

Certain = Literal["", "folders", "classes", "codes"]
"""Why values are surely classes: names of folders are whatever they read like, so is what a file calls classes, and
whole numbers of an array from 0 on are. Empty where a column is to be judged."""

CERTAIN_CLASSES: dict[Certain, str] = {"folders": "every folder is a class", "classes": "the file calls them classes"}
"""Whatever they read like, and how that is told."""

LABEL_NAMES = ("label", "labels", "class", "target", "y", "category", "answer")
"""Usual names of the column of the answer, the surest first."""

MULTILABEL = "multilabel"
_SURE = ("|", ";")  # nobody writes these into a single label
_SEPARATORS = (*_SURE, ",", " ")


def read_answers(
    columns: Sequence[RawColumn],
    asked: str | None,
    *,
    missing: Collection[str] = (),
    certain: Certain = "",
    where: str,
) -> Answers:
    """Task, values and gaps, as `annvil.data.readers.target.read_target`; several labels give ``y`` of int64 0 and 1
    ``(n_rows, n_classes)``.

    Several columns of 0 and 1 are several labels; so is one column of lists such as ``"cat|dog"`` or ``"cat;dog"``, and
    with the task "multilabel" also ``"cat, dog"`` and ``"cat dog"``. ``certain``: see `Certain`.

    Raises
    ------
    RequestError, DataError
        As `read_target`; and where several columns hold anything but 0 and 1.
    """
    if len(columns) > 1:
        if asked not in (None, MULTILABEL):
            raise RequestError(f"Several target columns make a multilabel task; got task {asked!r}.")
        return _from_columns(columns, missing, where)
    column = columns[0]
    if certain in CERTAIN_CLASSES:
        named = asked or ("binary" if len(column.levels) == 2 else "multiclass")
        task, y, gaps = read_target(column, named, usual=(), where=where)
        reason = task.reason if asked else task.reason.replace("as asked", CERTAIN_CLASSES[certain])
        return task.replace(reason=reason), y, gaps
    among = _SEPARATORS if asked == MULTILABEL else _SURE
    text = "\n".join(column.levels) if column.storage == "text" else ""
    separator = next((sign for sign in among if sign in text), "")
    if asked == MULTILABEL or (asked is None and separator):
        if column.storage != "text":
            raise DataError(f"The target {column.name!r} of {where} holds no lists of labels such as 'cat|dog'.")
        return _from_lists(column, separator, missing, where)
    if asked is None and certain == "codes" and _are_codes(column):
        asked = "binary" if len(np.unique(column.values)) == 2 else "multiclass"
        task, y, gaps = read_target(column, asked, missing=missing, where=where)
        return task.replace(reason=f"{column.name!r} holds the whole numbers 0 to {len(task.classes) - 1}"), y, gaps
    return read_target(column, asked, missing=missing, where=where)


def _are_codes(column: RawColumn) -> bool:
    """Whole numbers from 0 without a gap, each twice on average."""
    if column.storage != "number" or column.label != "int":
        return False
    distinct = np.unique(column.values)
    k = len(distinct)
    return 2 <= k <= MOST_CLASSES and 2 * k <= len(column.values) and np.array_equal(distinct, np.arange(k))


def _from_lists(column: RawColumn, separator: str, missing: Collection[str], where: str) -> Answers:
    parts = [() if level in MISSING_TEXTS or level in missing else _split(level, separator) for level in column.levels]
    used = np.unique(column.values[column.values >= 0])
    classes = tuple(sorted({part for code in used.tolist() for part in parts[code]}))
    _check(classes, column.name, where)
    at = {label: k for k, label in enumerate(classes)}
    rows = np.zeros((len(parts) + 1, len(classes)), dtype=np.int64)
    for code in used.tolist():
        rows[code, [at[part] for part in parts[code]]] = 1
    empty = np.array([*(not labels for labels in parts), True])
    y, gaps = rows[column.values], empty[column.values]
    reason = f"{column.name!r} lists several labels in some rows" if separator else "as asked"
    return _checked(make_task("multilabel", column.name, classes, reason), y, gaps, where)


def _split(level: str, separator: str) -> tuple[str, ...]:
    parts = level.split(separator) if separator else [level]
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _from_columns(columns: Sequence[RawColumn], missing: Collection[str], where: str) -> Answers:
    values = np.stack([_zero_or_one(column, missing, where) for column in columns], axis=1)
    gaps: NDArray[np.bool_] = np.any(np.isnan(values), axis=1)
    classes = tuple(column.name for column in columns)
    _check(classes, ", ".join(classes[:3]), where)
    task = make_task("multilabel", ", ".join(classes), classes, f"{len(classes)} columns of 0 and 1 were asked for")
    return _checked(task, np.nan_to_num(values).astype(np.int64), gaps, where)


def _zero_or_one(column: RawColumn, missing: Collection[str], where: str) -> NDArray[np.float64]:
    values = read_numbers(column, missing=missing).values
    if not np.isin(values[~np.isnan(values)], (0, 1)).all() or column.storage in ("date", "nested"):
        raise DataError(f"Several targets of {where} mean several labels, so {column.name!r} may hold 0 and 1 only.")
    return values


def _check(classes: Sequence[str], name: str, where: str) -> None:
    if not 2 <= len(classes) <= MOST_CLASSES:
        found = some_names(classes) if len(classes) < 2 else f"{len(classes)}"
        raise DataError(
            f"The target {name!r} of {where} has {found or 'no'} label{'s' * (len(classes) != 1)}; several "
            f"labels need 2 to {MOST_CLASSES}."
        )


def _checked(task: Task, y: IntArray, gaps: NDArray[np.bool_], where: str) -> Answers:
    counts = y[~gaps].sum(axis=0)
    for k, label in enumerate(task.classes):
        if counts[k] in (0, int((~gaps).sum())):
            when = "never" if counts[k] == 0 else "always"
            raise DataError(f"The label {label!r} of {where} is {when} there; leave it out, there is nothing to learn.")
    return task, y, gaps
