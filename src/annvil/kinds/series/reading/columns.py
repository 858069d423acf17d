"""Columns of tables of series: which are there, which are channels, and what they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from annvil.data.dataset import ColumnNote, LeftOut
from annvil.data.readers.convert import read_numbers, refuse_infinite, refuse_odd
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.data.readers.samples import DEFAULT_TARGET
from annvil.errors import RequestError, did_you_mean
from annvil.options import ReadOptions
from annvil.tasks.base import FloatArray
from annvil.text.safe import some_names

ODD_TEXTS = 0.1
"""A column is one of numbers, to be mended, where no more of its different texts than this are none (assumed)."""


def check_names(raw: RawTable, **arguments: str | Sequence[str] | None) -> None:
    """Every column named in an argument is there, and none is named in two."""
    roles: dict[str, str] = {}
    for argument, value in arguments.items():
        for name in [value] if isinstance(value, str) else value or ():
            if name not in raw.names:
                hint = did_you_mean(name, raw.names) or f" Its columns are {some_names(raw.names, 12)}."
                raise RequestError(f"{raw.source.name} has no column {name!r} ({argument}).{hint}")
            if name in roles:
                raise RequestError(f"Column {name!r} cannot be both {roles[name]} and {argument}; name another.")
            roles[name] = argument


def targets_of(raw: RawTable, ask: ReadOptions, *, own: bool = False) -> list[str]:
    """Names of the columns with the answer; ``own``: the source has one of its own.

    Raises
    ------
    RequestError
        Where none is named.
    """
    wanted = [ask.target] if isinstance(ask.target, str) else list(ask.target or ())
    if wanted or own:
        return wanted or [name for name in raw.names if name == DEFAULT_TARGET]
    raise RequestError(
        f"Name the column of {raw.source.name} to predict as target (--target); its columns are "
        f"{some_names(raw.names, 12)}."
    )


def numbers_of(column: RawColumn, raw: RawTable, missing: Collection[str]) -> FloatArray | str:
    """The values of a channel, NaN where missing; or what else the column holds, so that it is none.

    Raises
    ------
    DataError
        Where it is one, but some values are no numbers or too large.
    """
    where = raw.source.name
    if column.storage == "nested":
        return "lists or records"
    if column.storage == "date":
        return "dates"
    parsed = read_numbers(column, missing=missing, habit=raw.habit)
    if len(parsed.odd) and len(parsed.odd) > ODD_TEXTS * len(column.levels):
        return "texts"
    refuse_odd(column, parsed, where, "a number", any_kind=False)
    refuse_infinite(column.name, parsed.values, where)
    return parsed.values


def note_of(column: RawColumn, kind: LeftOut | str, reason: str, *, used: bool = False) -> ColumnNote:
    """A note on a column of the source."""
    values = column.values
    gaps = np.isnan(values) if values.dtype.kind == "f" else values < 0
    n_unique = len(column.levels) or len(np.unique(values[~gaps]))
    return ColumnNote(column.name, kind, used, reason, int(gaps.sum()), column.about_unique or n_unique)


def refuse_meaningless(ask: ReadOptions, why: str, *names: str) -> None:
    """Raise where an option is given that means nothing here."""
    given: dict[str, Any] = {"columns": ask.columns, "drop": ask.drop, "kinds": ask.kinds}
    for name in names:
        if given[name]:
            raise RequestError(f"{why}, so {name} means nothing; leave it out.")
