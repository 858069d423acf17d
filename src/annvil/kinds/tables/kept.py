"""Columns of a file as it writes them, to stand beside predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from annvil.data.readers.dates import date_text
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.opened import read_raw
from annvil.data.readers.raw import RawColumn


def kept_columns(data: str) -> Iterator[tuple[str, Iterable[Any]]]:
    """Name and values of every column."""
    raw = read_raw(data, Wanted(texts=read_raw(data).names))
    for column in raw.columns:
        yield column.name, _cells(column, raw.n_rows)


def _cells(column: RawColumn, n_rows: int) -> list[Any]:
    """The values of a column for a CSV file; a missing one is empty, and so are lists and records."""
    if column.storage == "nested":
        return [""] * n_rows
    if column.storage in ("text", "boolean"):
        texts = (*column.levels, "")
        return [texts[code] for code in column.values.tolist()]
    show: Callable[[float], Any] = date_text if column.storage == "date" else int if column.label == "int" else float
    return ["" if value != value else show(value) for value in column.values.tolist()]
