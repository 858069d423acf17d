"""What every way of naming pictures ends in: pictures, and beside each row an answer and its roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.labels import Certain
from annvil.data.readers.raw import RawColumn
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
    certain : "folders" where answers are names of folders, which are classes whatever they read like; "codes" where
        they are an array, whose whole numbers from 0 on are; empty where a column is to be judged
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
            answers=tuple(taken(column, rows) for column in self.answers),
            testing=self.testing[rows],
            groups=None if self.groups is None else taken(self.groups, rows),
            time=None if self.time is None else taken(self.time, rows),
        )


@dataclass(frozen=True, kw_only=True)
class Found(Named):
    """The same with the pictures decoded into ``store``; ``name``, ``path`` and ``n_bytes`` are of the source."""

    name: str
    path: Path | None = None
    n_bytes: int
    store: Store


def taken(column: RawColumn, rows: IntArray) -> RawColumn:
    """A column's values for the rows asked for."""
    return replace(column, values=column.values[rows]) if len(column.values) else column
