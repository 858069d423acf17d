"""What every way of naming clips ends in: files, and beside each row an answer and its roles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.labels import Certain
from annvil.data.readers.raw import RawColumn
from annvil.kinds.sound.clips import LeftOut
from annvil.kinds.sound.reading.listing import Entry
from annvil.tasks.base import IntArray


@dataclass(frozen=True, kw_only=True)
class Named:
    """Rows that name clips, whatever says so: a table, folders, a list of paths, arrays.

    Attributes
    ----------
    sounds : distinct files; none where clips are in memory
    rows : the file of each row, int64 ``(n_rows,)``
    answers : columns of the answer, each of ``n_rows``: one, or several 0/1 columns where labels are not exclusive
    testing : which rows the source keeps apart for testing, bool ``(n_rows,)``
    groups, time : columns of ``n_rows``, or None
    notes : on columns of a table of labels that are not used
    said : sentences on what was made of the source
    left_out : names without a file, and files without an answer
    certain : see `annvil.data.readers.labels.Certain`
    """

    sounds: Sequence[Entry] = ()
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
