"""Tables with one row a step: a column names the series, another the moment, the others are channels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.convert import as_category, category_field
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.data.readers.split_columns import kept_for_testing, split_column
from annvil.data.readers.values import canonical_text
from annvil.errors import DataError, RequestError, name_rows
from annvil.kinds.series.reading.columns import check_names, note_of, numbers_of, targets_of
from annvil.kinds.series.reading.found import Found, end_to_end
from annvil.kinds.series.reading.moments import TIME_NAMES, Moments, read_moments, without_summer_time
from annvil.kinds.series.reading.regular import Regular, regular
from annvil.kinds.series.series import Values
from annvil.options import ReadOptions
from annvil.tasks.base import IntArray
from annvil.text.phrases import quoted
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names


def read_long(raw: RawTable, ask: ReadOptions, series: str) -> Found:
    """Series from the rows of a table; ``series`` is the column that names the series of each.

    Raises
    ------
    DataError, RequestError
        With file, series and moment, and what to change.
    """
    where = raw.source.name
    targets = targets_of(raw, ask)
    roles = {"target": targets, "series": series, "groups": ask.groups, "time": ask.time}
    check_names(raw, **roles)
    check_names(raw, columns=ask.columns)
    check_names(raw, drop=ask.drop)
    codes, names = series_of_rows(raw[series], ask.missing, where)
    used = {
        name: role for role, named in roles.items() for name in ([named] if isinstance(named, str) else named or ())
    }
    split = split_column(raw.columns, *used)
    if split is not None:
        used[split.name] = "split"
    channels, notes = _channels(raw, used, ask)
    time, channels, said = _time(raw, ask, channels, codes)
    if time is not None:
        used.setdefault(time, "time")
        notes = [note_of(raw[time], "role", "the time") if note.name == time else note for note in notes]
    order = np.argsort(codes, kind="stable").astype(np.int64)
    moments = None if time is None else read_moments(raw[time], ask.missing, where, names, codes)
    once = [_once_a_series(raw[name], used[name], codes, order, names, moments, where) for name in used if name != time]
    by_name = {column.name: column for column in once}
    testing, told = kept_for_testing(None if split is None else by_name[split.name], len(names))
    if not channels:
        raise DataError(
            f"{where} has no column of numbers beside {some_names([*used])}: there is nothing to learn from."
        )
    made = steps_of(np.stack(list(channels.values()), axis=1), codes, order, moments, names, where)
    return Found(
        values=made.values,
        starts=end_to_end(made.lengths),
        channels=tuple(channels),
        names=names,
        answers=tuple(by_name[name] for name in targets),
        testing=testing,
        groups=by_name[ask.groups] if ask.groups else None,
        brought={"layout": "long", "series": series, "time": time, "every": made.every},
        notes=tuple(notes),
        said=(*said, *told, *made.said),
        source=raw.source,
    )


def series_of_rows(raw: RawColumn, missing: Collection[str], where: str) -> tuple[IntArray, list[str]]:
    """The series of each row, int64 ``(n_rows,)`` in order of first appearance, and what each series is called."""
    if raw.storage == "nested":
        raise DataError(f"The series column {raw.name!r} of {where} holds lists or records; it needs a name a row.")
    column = as_category(raw, category_field(raw), missing=missing)
    gaps = np.flatnonzero(column.values < 0)
    if len(gaps):
        raise DataError(
            f"The series column {raw.name!r} of {where} is empty in {name_rows(gaps[:5].tolist(), len(gaps))}; every "
            "step belongs to a series."
        )
    used, first, codes = np.unique(column.values, return_index=True, return_inverse=True)
    rank = np.argsort(first, kind="stable")
    place = np.empty(len(used), dtype=np.int64)
    place[rank] = np.arange(len(used))
    return place[codes.reshape(-1)], [column.levels[code] for code in used[rank].tolist()]


def steps_of(
    values: NDArray[np.float64],
    codes: IntArray,
    order: IntArray,
    moments: Moments | None,
    names: list[str],
    where: str,
    *,
    rows: IntArray | None = None,
) -> Regular:
    """Values of rows ``(n_rows, channels)`` as series on a regular grid; ``order`` sorts rows by their series, and
    ``rows`` are their numbers in messages, where these are others."""
    in_order: Values = values[order].astype(np.float32)
    if moments is None:
        return Regular(in_order, np.bincount(codes, minlength=len(names)).astype(np.int64), None, ())
    sorted_codes = codes[order]
    moments, n = without_summer_time(replace(moments, values=moments.values[order]), sorted_codes)
    made = regular(in_order, sorted_codes, moments, names, order if rows is None else rows[order], where)
    clocks = f"{plain_count(n, 'change', 'changes')} to or from summer time in {moments.name!r} are undone."
    return replace(made, said=(clocks, *made.said)) if n else made


def _channels(
    raw: RawTable, used: Mapping[str, str], ask: ReadOptions
) -> tuple[dict[str, NDArray[np.float64]], list[ColumnNote]]:
    """Values of each channel by name, and a note on every column."""
    channels: dict[str, NDArray[np.float64]] = {}
    notes: list[ColumnNote] = []
    for column in raw.columns:
        kind = ask.kinds.get(column.name, "number")
        if column.name in used:
            notes.append(note_of(column, "role", f"the {used[column.name]}"))
        elif column.name in ask.drop or (ask.columns is not None and column.name not in ask.columns):
            notes.append(note_of(column, "dropped", "dropped as asked"))
        elif kind != "number":
            raise RequestError(f"Channels of series are numbers; {column.name!r} cannot be read as {kind} (--as).")
        else:
            asked = column.name in ask.kinds or ask.columns is not None
            found = numbers_of(column, raw, ask.missing)
            counts = "" if isinstance(found, str) else _counts_rows(found)
            if isinstance(found, str) and asked:
                raise RequestError(
                    f"Column {column.name!r} of {raw.source.name} holds {found}; a channel of series holds numbers."
                )
            if isinstance(found, str):
                notes.append(note_of(column, "text", f"{found}, which are no channel"))
            elif counts and not asked:
                notes.append(note_of(column, "identifier", counts))
            elif np.isnan(found).all():
                notes.append(note_of(column, "empty", "no value in any row"))
                if asked:
                    raise DataError(f"Channel {column.name!r} of {raw.source.name} has no value in any series.")
            else:
                channels[column.name] = found
                notes.append(note_of(column, "channel", "a channel", used=True))
    return channels, notes


def grows(values: NDArray[np.float64]) -> bool:
    """Whether every value is larger than the one before."""
    return len(values) > 1 and bool((np.diff(values) > 0).all())


def _counts_rows(values: NDArray[np.float64]) -> str:
    return "it counts the rows" if len(values) > 2 and (np.diff(values) == 1).all() else ""


def _time(
    raw: RawTable, ask: ReadOptions, channels: dict[str, NDArray[np.float64]], codes: IntArray
) -> tuple[str | None, dict[str, NDArray[np.float64]], tuple[str, ...]]:
    """The column of moments, and the channels without it: the one asked for, or one of a usual name that grows within
    every series."""
    if ask.time is not None:
        return ask.time, channels, ()
    order = np.argsort(codes, kind="stable")
    within = codes[order][1:] == codes[order][:-1]
    for column in raw.columns:
        if column.name.strip().lower() not in TIME_NAMES or column.name in ask.drop:
            continue
        values = channels.get(column.name)
        if values is None and column.storage == "date":
            values = column.values
        if values is not None and within.any() and (np.diff(values[order])[within] > 0).all():
            rest = {name: found for name, found in channels.items() if name != column.name}
            return column.name, rest, (f"{column.name!r} grows within every series and is taken for the time.",)
    return None, channels, ()


def _once_a_series(
    column: RawColumn,
    role: str,
    codes: IntArray,
    order: IntArray,
    names: Sequence[str],
    moments: Moments | None,
    where: str,
) -> RawColumn:
    """The value of each series in a column that must not change within one; gaps beside a value count as it.

    Raises
    ------
    DataError
        Naming series, values and moments.
    """
    if column.storage == "nested" or len(column.values) < len(codes):
        raise DataError(f"Column {column.name!r} of {where}, the {role}, must hold one plain value for every series.")
    if column.values.dtype.kind == "f":
        distinct, keys = np.unique(column.values, return_inverse=True)
        keys = np.where(np.isnan(column.values), -1, keys.reshape(-1))
        texts = [canonical_text(float(value)) for value in distinct]
    else:
        keys, texts = column.values.astype(np.int64), [*column.levels]
    in_order = keys[order]
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    rows = np.where(in_order < 0, len(codes), np.arange(len(codes)))
    first = np.minimum.reduceat(rows, starts)
    first = np.where(first == len(codes), starts, first)
    said = np.repeat(in_order[first], np.diff(np.append(starts, len(codes))))
    changed = np.flatnonzero((in_order >= 0) & (in_order != said))
    if len(changed):
        one, two = int(order[first[codes[order[changed[0]]]]]), int(order[changed[0]])
        at = [
            f"at {moments.text(row)} (row {row + 1})" if moments is not None else f"in row {row + 1}"
            for row in (one, two)
        ]
        raise DataError(
            f"{where}: series {short_name(names[codes[two]])!r} has two values of {column.name!r}, the {role}: "
            f"{quoted(texts[keys[one]])} {at[0]} and {quoted(texts[keys[two]])} {at[1]}; it must be the same "
            "throughout a series. Give each stretch with one value a name of its own."
        )
    return column.take(order[first])
