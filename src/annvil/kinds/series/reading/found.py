"""What every way of bringing series ends in: their values, and beside each an answer and its roles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote, Source
from annvil.data.readers.labels import Certain
from annvil.data.readers.raw import RawColumn
from annvil.kinds.series.series import Values
from annvil.tasks.base import IntArray


@dataclass(frozen=True, kw_only=True)
class Found:
    """Series of one source, one behind the other.

    Attributes
    ----------
    values : float32 ``(steps of all series, channels)``, NaN where a value is missing
    starts : int64 ``(n + 1,)``, see `annvil.kinds.series.series.Store`
    channels : names of the values of a step
    names : of each series
    answers : columns of the answer, each of ``n``: one, or several of 0 and 1 where a series may have several labels
    testing : which series the source keeps apart for testing, bool ``(n,)``
    groups, time : columns of ``n``, or None
    brought : how they came, fields of `annvil.kinds.series.form.SeriesForm` beside channels and lengths
    notes : on columns of a table
    said : sentences on what was made of the source
    certain : see `annvil.data.readers.labels.Certain`
    """

    values: Values
    starts: IntArray
    channels: tuple[str, ...]
    names: list[str]
    answers: tuple[RawColumn, ...]
    testing: NDArray[np.bool_]
    groups: RawColumn | None = None
    time: RawColumn | None = None
    brought: dict[str, Any] = field(default_factory=dict)
    notes: tuple[ColumnNote, ...] = ()
    said: tuple[str, ...] = ()
    source: Source
    certain: Certain = ""

    @property
    def n(self) -> int:
        """Number of series."""
        return len(self.starts) - 1


def end_to_end(lengths: IntArray) -> IntArray:
    """Where series of these lengths begin, one behind the other, and where the last ends: int64 ``(n + 1,)``."""
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def without_padding(values: Values) -> tuple[Values, IntArray]:
    """Steps of series of equal length ``(n, steps, channels)``, one behind the other without those at their ends at
    which no channel has a value, and how many each has, int64 ``(n,)``: so series of different lengths are written into
    one array. A series without any value keeps one step."""
    there: NDArray[np.bool_] = np.any(~np.isnan(values), axis=2)
    steps = there.shape[1]
    lengths = np.where(there.any(axis=1), steps - np.argmax(there[:, ::-1], axis=1), 1).astype(np.int64)
    return values[np.arange(steps) < lengths[:, None]], lengths
