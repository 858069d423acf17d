"""What every way of naming pictures ends in: decoded pictures, and beside each row an answer and its roles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.labels import Certain
from annvil.data.readers.raw import RawColumn
from annvil.kinds.pictures.images import LeftOut, Store
from annvil.tasks.base import IntArray

TRAINING = ("train", "training", "trn")
VALIDATION = ("val", "valid", "validation", "dev")
TESTING = ("test", "testing", "tst")


@dataclass(frozen=True)
class Found:
    """Rows that name pictures.

    Attributes
    ----------
    name, path, n_bytes : of the source
    certain : "folders" where answers are names of folders, which are classes whatever they read like; "codes" where
        they are an array, whose whole numbers from 0 on are; empty where a column is to be judged
    store : decoded pictures
    rows : the picture of each row, int64 ``(n_rows,)`` into the store
    answers : columns of the answer, each of ``n_rows``: one, or several 0/1 columns where labels are not exclusive
    testing : which rows the source keeps apart for testing, bool ``(n_rows,)``
    groups, time : columns of ``n_rows``, or None
    notes : on columns of a table of labels that are not used
    said : sentences on what was made of the source
    left_out : names without a picture, and pictures without an answer
    """

    name: str
    path: Path | None
    n_bytes: int
    store: Store
    rows: IntArray
    answers: tuple[RawColumn, ...]
    testing: NDArray[np.bool_]
    groups: RawColumn | None = None
    time: RawColumn | None = None
    notes: tuple[ColumnNote, ...] = ()
    said: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    certain: Certain = ""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.rows)

    def take(self, rows: IntArray) -> Found:
        """The rows asked for."""
        return replace(
            self,
            rows=self.rows[rows],
            answers=tuple(taken(column, rows) for column in self.answers),
            testing=self.testing[rows],
            groups=None if self.groups is None else taken(self.groups, rows),
            time=None if self.time is None else taken(self.time, rows),
        )


def taken(column: RawColumn, rows: IntArray) -> RawColumn:
    """A column's values for the rows asked for."""
    return replace(column, values=column.values[rows]) if len(column.values) else column


def split_of(name: str) -> str | None:
    """ "train" or "test" for the usual names of parts of a data set; validation counts to training."""
    name = name.strip().lower()
    if name in TRAINING or name in VALIDATION:
        return "train"
    return "test" if name in TESTING else None


def counted(n: int, one: str, many: str = "") -> str:
    """ "1 picture", "2 pictures"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
