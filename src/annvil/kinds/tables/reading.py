"""Anything that holds a table → `Dataset`: kinds, task and roles inferred, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from annvil.data.dataset import ColumnNote, Dataset, LeftOut
from annvil.data.groups import make_groups, read_groups, read_time
from annvil.data.readers.frames import LABEL_COLUMN
from annvil.data.readers.labels import MULTILABEL, read_answers
from annvil.data.readers.opened import Opened
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.data.readers.samples import DEFAULT_TARGET
from annvil.data.readers.target import read_target, refuse_gaps, words_of_gaps
from annvil.data.table import Column, Kind, Table
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.tables.inference import check_kind, judge
from annvil.text.phrases import listed, quoted

FEWEST_ROWS = 20
"""Fewer rows cannot be divided into folds inside folds (assumed: 5 outer folds of 4 rows)."""


def read_table(opened: Opened, *, monotone: Sequence[str] = ()) -> Dataset:
    """A data set of a `Table`; ``monotone`` names columns that were given a direction, which must exist.

    Raises
    ------
    RequestError
        Where an argument names something that does not exist.
    DataError
        Where the data cannot be used as it is; the message names column and rows.
    """
    ask, raw = opened.ask, opened.table
    target, groups, time, columns, drop, kinds = ask.target, ask.groups, ask.time, ask.columns, ask.drop, ask.kinds
    task, missing, drop_missing_target = ask.task, ask.missing, ask.drop_missing_target
    where = raw.source.name
    wanted = [target] if isinstance(target, str) else list(target or ())
    wanted = wanted or _target_names(opened, raw)
    named = {"columns": columns, "drop": drop, "kinds": kinds, "monotone": monotone}
    _check_names(raw, target=wanted, groups=groups, time=time, **named)
    asked = {name: check_kind(name, kind) for name, kind in kinds.items()}
    _refuse_few(raw.n_rows, where)
    answers = [raw[name] for name in wanted]
    habit = raw.habit
    if len(wanted) > 1 or task == MULTILABEL:
        job, y, gaps = read_answers(answers, task, missing=missing, where=where)
    else:
        job, y, gaps = read_target(answers[0], task, missing=missing, habit=habit, where=where)
    if not drop_missing_target:
        refuse_gaps(gaps, job.target, where, words_of_gaps(answers[0], gaps) if len(answers) == 1 else ())
    roles = (
        dict.fromkeys(wanted, "the target")
        | ({groups: "the groups"} if groups else {})
        | ({time: "the time"} if time else {})
    )
    made, notes = _inputs(raw, roles, columns, drop, asked, missing, where)
    grouping = read_groups(raw[groups], missing, where) if groups else None
    moments = read_time(raw[time], missing, where)[0] if time else None
    keep = np.flatnonzero(~gaps)
    inputs = Table(tuple(made), raw.n_rows, missing)
    if len(keep) < raw.n_rows:
        _refuse_few(len(keep), f"{where} without the rows that lack a target")
        inputs, y = inputs.take(keep), y[keep]
        grouping = None if grouping is None else grouping[keep]
        moments = None if moments is None else moments[keep]
    return Dataset(
        inputs=inputs,
        y=y,
        task=job,
        groups=make_groups(inputs, y, grouping),
        grouped=groups is not None,
        time=moments,
        notes=tuple(notes),
        source=raw.source,
    )


def _target_names(opened: Opened, raw: RawTable) -> list[str]:
    """Of data that have a target of their own: arrays, where a matrix y is a column for each label, and samples."""
    in_memory = isinstance(opened.source, tuple)
    if in_memory and DEFAULT_TARGET not in raw.names:
        return [name for name in raw.names if name.startswith(LABEL_COLUMN)]
    if in_memory or opened.is_sample:
        return [DEFAULT_TARGET]
    raise RequestError(
        f"Name the column of {raw.source.name} to predict as target (--target); its columns are {_list(raw.names)}."
    )


def _list(names: Sequence[str], most: int = 12) -> str:
    return listed([quoted(name) for name in names], most)


def _check_names(raw: RawTable, **arguments: Any) -> None:
    """Every column named in an argument exists, and none has two roles."""
    known = set(raw.names)
    for argument, value in arguments.items():
        for name in [value] if isinstance(value, str) else list(value or ()):
            if name not in known:
                hint = did_you_mean(name, raw.names) or f" Its columns are {_list(raw.names)}."
                raise RequestError(
                    f"{raw.source.name} has no column {quoted(name)} ({argument}).{hint}{_no_header(raw)}"
                )
    roles = [*arguments["target"], *(arguments[role] for role in ("groups", "time") if arguments[role])]
    if len(set(roles)) < len(roles):
        raise RequestError(f"target, groups and time must be different columns; got {_list(roles)}.")


def _no_header(raw: RawTable) -> str:
    """A hint where the names look like values."""
    numbers = sum(name.replace(".", "", 1).lstrip("-").isdigit() and "." in name for name in raw.names)
    return " The first line reads like values, not names: is the header missing?" if numbers else ""


def _refuse_few(n_rows: int, where: str) -> None:
    if n_rows < FEWEST_ROWS:
        rows = "no rows below its header" if n_rows == 0 else f"{n_rows} row{'s' * (n_rows > 1)}"
        raise DataError(f"{where} has {rows}; at least {FEWEST_ROWS} are needed to train and to test.")


def _inputs(
    raw: RawTable,
    roles: Mapping[str, str],
    columns: Sequence[str] | None,
    drop: Sequence[str],
    asked: Mapping[str, Kind],
    missing: Sequence[str],
    where: str,
) -> tuple[list[Column], list[ColumnNote]]:
    """Columns to learn from, and a note on every column of the source in its order."""
    made: list[Column] = []
    notes: list[ColumnNote] = []
    seen: dict[bytes, str] = {}
    for column in raw.columns:
        if column.name in roles:
            notes.append(_note(column, "role", roles[column.name]))
        elif column.name in drop or (columns is not None and column.name not in columns):
            notes.append(
                _note(
                    column, "dropped", "dropped as asked" if column.name in drop else "not among the columns asked for"
                )
            )
        else:
            judged = judge(column, asked=asked.get(column.name), missing=missing, habit=raw.habit, where=where)
            note, values = judged.note, judged.column
            if values is not None:
                same = seen.setdefault(_content(values), column.name)
                if same != column.name:
                    note = replace(
                        note, kind="duplicate", used=False, reason=f"the same values as {same!r} in every row"
                    )
                else:
                    made.append(values)
            notes.append(note)
    if not made:
        reasons = "; ".join(f"{note.name!r}: {note.reason}" for note in notes[:5] if note.kind != "role")
        raise DataError(f"{where} has no column to learn from ({reasons or 'the target is its only column'}).")
    return made, notes


def _note(column: RawColumn, kind: LeftOut, reason: str) -> ColumnNote:
    if column.storage in ("number", "date"):
        n_missing = int(np.isnan(column.values).sum())
    else:
        n_missing = int((column.values < 0).sum())
    n_unique = len(column.levels) if column.levels else len(np.unique(column.values[~np.isnan(column.values)]))
    return ColumnNote(column.name, kind, False, reason, n_missing, column.about_unique or n_unique)


def _content(column: Column) -> bytes:
    """A short key that equal columns share: the values themselves, hashed."""
    from hashlib import blake2b

    values = column.values if column.field.is_text else column.values + 0.0
    digest = blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16)
    digest.update(repr((column.field.is_text, column.levels)).encode())
    return digest.digest()
