"""What was made of a column: kept with its values, or left out, each with the reason in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.data.dataset import ColumnNote, LeftOut
from annvil.data.readers.dates import date_text
from annvil.data.readers.raw import RawColumn
from annvil.data.readers.values import canonical_text
from annvil.data.table import Column, Kind


@dataclass(frozen=True)
class Judged:
    """A column with what was made of it; ``column`` is None where it is left out."""

    note: ColumnNote
    column: Column | None


def empty_or_constant(raw: RawColumn, column: Column, tokens: dict[str, int] | None = None) -> Judged | None:
    """The column left out because it tells nothing, or None. A single value with gaps is kept: the gaps may tell."""
    gaps = column.missing
    n_missing = int(gaps.sum())
    if n_missing == len(gaps):
        said = f" (only {', '.join(map(repr, list(tokens)[:3]))})" if tokens else ""
        return left_out(raw, "empty", f"no value in any row{said}", n_missing, 0)
    present = column.values[~gaps]
    if n_missing == 0 and bool(np.all(present == present[0])):
        return left_out(raw, "constant", "the same value in every row", 0, 1)
    return None


def examples_of(column: Column) -> tuple[str, ...]:
    """Up to three values as texts, in order of rows."""
    head = column.values[~column.missing][:200].tolist()
    distinct = list(dict.fromkeys(head))[:3]
    if column.field.is_text:
        return tuple(column.levels[code] for code in distinct)
    if column.kind == "datetime":
        return tuple(date_text(value) for value in distinct)
    return tuple(canonical_text(value) for value in distinct)


def kept(raw: RawColumn, column: Column, reason: str, tokens: dict[str, int] | None = None) -> Judged:
    n_missing = int(column.missing.sum())
    if tokens:
        reason += f"; {' and '.join(map(repr, list(tokens)[:3]))} read as missing"
    n_unique = len(column.levels) if column.field.is_text else len(np.unique(column.values[~column.missing]))
    note = ColumnNote(raw.name, column.kind, True, reason, n_missing, n_unique, examples_of(column))
    return Judged(note, column)


def left_out(
    raw: RawColumn,
    kind: LeftOut,
    reason: str,
    n_missing: int,
    n_unique: int,
    examples: tuple[str, ...] = (),
    *,
    keep: Kind | None = None,
) -> Judged:
    """The column with the reason why it is left out and, where it could be used, the kind to ask for."""
    if keep is not None:
        reason += f"; to keep it, ask for it: {asking(raw.name, keep)}"
    return Judged(ColumnNote(raw.name, kind, False, reason, n_missing, n_unique, tuple(examples)), None)


def asking(name: str, kind: Kind) -> str:
    return f"kinds={{{name!r}: {kind!r}}} (--as {name}={kind})"
