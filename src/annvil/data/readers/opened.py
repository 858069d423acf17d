"""A source that several kinds of data look at before one takes it: what is expensive to open is opened once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import NOTHING_SPECIAL, read_file
from annvil.data.readers.frames import (
    column_from_any,
    table_from_arrays,
    table_from_frame,
    table_from_mapping,
    table_from_records,
    target_column,
)
from annvil.data.readers.raw import RawTable, refuse_repeated_names, table_in_memory
from annvil.data.readers.samples import PREFIX, sample_table
from annvil.errors import DataError, RequestError
from annvil.options import ReadOptions
from annvil.text.safe import composed


@dataclass(frozen=True)
class Opened:
    """What the user named as data, and what was asked of it.

    ``given`` are options of some kinds of data, by name, as they were given: one alone may say what the source is.
    """

    source: Any
    ask: ReadOptions
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sample(self) -> bool:
        """Whether it is ``"sample:NAME"``."""
        return isinstance(self.source, str | os.PathLike) and str(self.source).startswith(PREFIX)

    @property
    def path(self) -> Path | None:
        """Where it lies, or None for a sample and for what is in memory."""
        return Path(self.source) if isinstance(self.source, str | os.PathLike) and not self.is_sample else None

    @cached_property
    def table(self) -> RawTable:
        """The columns of a source that is a table, read once whoever asks.

        Raises
        ------
        RequestError, DataError
            Where it is none that can be read.
        """
        ask = self.ask
        targets = (ask.target,) if isinstance(ask.target, str) else ask.target or ()
        texts = {name for name, kind in ask.kinds.items() if kind in ("category", "boolean")}
        wanted = Wanted(
            whole={*ask.kinds, *targets, *([ask.time] if ask.time else [])},
            texts=texts | ({ask.groups} if ask.groups else set()),
        )
        return read_raw(self.source, wanted)


def read_raw(source: Any, wanted: Wanted = NOTHING_SPECIAL) -> RawTable:
    """The columns of any source, nothing decided about them yet; see `annvil.read` for what a source may be."""
    table = _read_raw(source, wanted)
    if "".join(table.names).isascii():
        return table
    columns = tuple(replace(column, name=composed(column.name)) for column in table.columns)
    refuse_repeated_names([column.name for column in columns], table.source.name)
    return replace(table, columns=columns)


def _read_raw(source: Any, wanted: Wanted) -> RawTable:
    if isinstance(source, (str, os.PathLike)):
        if str(source).startswith(PREFIX):
            return sample_table(str(source))
        return read_file(Path(source), wanted)
    if isinstance(source, Mapping):
        return table_from_mapping(source)
    if isinstance(source, tuple) and len(source) == 2:
        return _from_pair(*source)
    if isinstance(source, list) and source and all(isinstance(row, Mapping) for row in source):
        return table_from_records(source)
    if isinstance(source, np.ndarray):
        return table_from_arrays(source)
    return table_from_frame(source)


def _from_pair(X: Any, y: Any) -> RawTable:
    """``(X, y)``, where X may also be a frame."""
    if isinstance(X, np.ndarray) or not (hasattr(X, "columns") or hasattr(X, "column_names")):
        return table_from_arrays(X, y)
    inputs, y = table_from_frame(X), target_column(y)
    if len(y) != inputs.n_rows:
        raise DataError(f"X has {inputs.n_rows} rows and y has {len(y)}; they must be equal.")
    if "target" in inputs.names:
        raise RequestError("X has a column named 'target' already, the name that y would get; rename that column.")
    return table_in_memory([*inputs.columns, column_from_any("target", y)], inputs.n_rows, inputs.source.name)
