"""What every way of naming pictures ends in: pictures, and beside each row an answer and its roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.labels import Certain
from annvil.data.readers.raw import RawColumn, column_from_array, column_from_values
from annvil.errors import DataError
from annvil.kinds.pictures.images import LeftOut, Store
from annvil.kinds.pictures.reading.listing import Entry
from annvil.tasks.base import IntArray


@dataclass(frozen=True, kw_only=True)
class Named:
    """Rows that name pictures, whatever says so: a table, folders, a list of paths.

    Attributes
    ----------
    pictures : distinct files; none where pictures are in memory
    rows : the picture of each row, int64 ``(n_rows,)``
    answers : columns of the answer, each of ``n_rows``: one, or several 0/1 columns where labels are not exclusive
    testing : which rows the source keeps apart for testing, bool ``(n_rows,)``
    groups, time : columns of ``n_rows``, or None
    notes : on columns of a table of labels that are not used
    said : sentences on what was made of the source
    left_out : names without a picture, and pictures without an answer
    certain : see `annvil.data.readers.labels.Certain`
    """

    pictures: Sequence[Entry] = ()
    rows: IntArray
    answers: tuple[RawColumn, ...]
    testing: NDArray[np.bool_]
    groups: RawColumn | None = None
    time: RawColumn | None = None
    notes: tuple[ColumnNote, ...] = ()
    said: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    certain: Certain = ""

    def take(self, rows: IntArray) -> Self:
        """The rows asked for."""
        return replace(
            self,
            rows=self.rows[rows],
            answers=tuple(column.take(rows) for column in self.answers),
            testing=self.testing[rows],
            groups=None if self.groups is None else self.groups.take(rows),
            time=None if self.time is None else self.time.take(rows),
        )


@dataclass(frozen=True, kw_only=True)
class Found(Named):
    """The same with the pictures decoded into ``store``; ``name``, ``path`` and ``n_bytes`` are of the source."""

    name: str
    path: Path | None = None
    n_bytes: int
    store: Store


def joined(parts: Sequence[Named]) -> Named | None:
    """Rows of several tables of the same columns, in their order; None where a column is of another kind in one."""
    entries = {entry.place: entry for part in parts for entry in part.pictures}
    pictures = sorted(entries.values(), key=lambda entry: entry.name)
    at = {entry.place: row for row, entry in enumerate(pictures)}
    columns = [_end_to_end(column) for column in zip(*(part.answers for part in parts), strict=True)]
    groups, time = (
        None if all(one is None for one in of) else _end_to_end([one for one in of if one is not None])
        for of in ([part.groups for part in parts], [part.time for part in parts])
    )
    answers = tuple(column for column in columns if column is not None)
    if len(answers) < len(columns):
        return None
    places = [np.array([at[entry.place] for entry in part.pictures], dtype=np.int64) for part in parts]
    return replace(
        parts[0],
        pictures=pictures,
        rows=np.concatenate([place[part.rows] for place, part in zip(places, parts, strict=True)]),
        answers=answers,
        testing=np.concatenate([part.testing for part in parts]),
        groups=groups,
        time=time,
        said=tuple(dict.fromkeys(one for part in parts for one in part.said)),
        left_out=tuple(one for part in parts for one in part.left_out),
    )


def _end_to_end(columns: Sequence[RawColumn]) -> RawColumn | None:
    if len({column.storage for column in columns}) > 1:
        return None
    levels = tuple(dict.fromkeys(level for column in columns for level in column.levels))
    number = {level: code for code, level in enumerate(levels)}
    values = [
        np.array([*(number[level] for level in column.levels), -1], dtype=np.int32)[column.values]
        if column.levels
        else column.values
        for column in columns
    ]
    return replace(columns[0], values=np.concatenate(values), levels=levels)


def answer_columns(y: Any) -> tuple[RawColumn, ...]:
    """Answers in memory as columns: one, or one per label where rows have several of 0 and 1."""
    array = y
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        return (column_from_values("label", list(y)),)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return (column_from_array("label", array),)
    if array.ndim != 2:
        raise DataError(f"Answers are one value a picture, or 0 and 1 (n, labels); got {array.shape}.")
    ones = np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
    if ones:  # one label each, written as a row of zeros with a one
        return (column_from_array("label", array.argmax(axis=1)),)
    return tuple(column_from_array(f"label {k + 1}", array[:, k]) for k in range(array.shape[1]))
