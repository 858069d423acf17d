"""Histories to forecast from, brought into the form of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace as with_changes

from annvil.data.gaps import without_gaps
from annvil.data.readers.dates import parse_date
from annvil.data.readers.opened import read_raw
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError
from annvil.kinds.forecasts.form import Covariate, ForecastForm
from annvil.kinds.forecasts.histories import Histories, Store
from annvil.kinds.forecasts.reading.long_table import Long, column_of, read_covariate, read_rows, read_target
from annvil.kinds.forecasts.reading.origins import known_lengths, store_of
from annvil.kinds.forecasts.reading.regular import make_regular
from annvil.tasks.base import FloatArray


def conform_histories(raw: Any, form: ForecastForm, where: str) -> tuple[Histories, tuple[str, ...]]:
    """One origin for each series, at its last known value, and what there is to say.

    Parameters
    ----------
    raw : `Histories`; a path or frame with one row a step, of the columns that the model was trained on, with rows for
        the steps ahead (without target) where columns are known ahead; one series or a list of them as mappings with
        ``history``, ``start`` and covariates; or an array ``(n, steps)``

    Raises
    ------
    DataError
        Where a column lacks, time goes back, or values known ahead lack for a step.
    """
    if isinstance(raw, Histories):
        return raw, ()
    if isinstance(raw, Mapping) and "history" in raw:
        raw = [raw]
    if isinstance(raw, np.ndarray):
        raw = [{"history": row} for row in np.atleast_2d(raw)]
    if isinstance(raw, Sequence) and not isinstance(raw, str) and len(raw) and all("history" in one for one in raw):
        return _from_mappings(raw, form, where), ()

    table = read_raw(raw)
    store, said = store_of_table(table, form)
    return at_the_end(store, table.source.name), (*said, *(one.said for one in form.spread.held))


def store_of_table(raw: RawTable, form: ForecastForm) -> tuple[Store, tuple[str, ...]]:
    """The series of a table, and what there is to say of them."""
    where = raw.source.name
    names = form.targets or (form.target,)
    long = read_rows(raw, form.time, form.series, form.missing, dated=form.frequency.is_dated)
    if form.time is not None and long.dated != form.frequency.is_dated:
        raise DataError(
            f"The time column {form.time!r} of {where} does not hold what it did when the model was trained."
        )
    target = np.concatenate([read_target(raw, name, form.missing) for name in names])
    covariates: dict[str, FloatArray] = {}
    for one in (*form.known, *form.past, *form.statics):
        read = read_covariate(column_of(raw, one.name, "a column of the model"), form.missing, raw.habit, one)
        assert read is not None
        covariates[one.name] = read[1]
    _refuse_unknown_ahead(long, target, covariates, form, where)
    if len(names) > 1:
        n = raw.n_rows
        long = Long(np.repeat(np.arange(len(names)), n), names, np.tile(long.stamps, len(names)), long.dated, long.said)
        covariates = {name: np.tile(values, (len(names), 1)) for name, values in covariates.items()}
    regular = make_regular(long, target, covariates, where, frequency=form.frequency)
    return store_of(regular, form, regular.said), regular.said


def _refuse_unknown_ahead(
    long: Long, target: FloatArray, covariates: Mapping[str, FloatArray], form: ForecastForm, where: str
) -> None:
    """A step ahead whose row leaves out what should be known ahead must not be filled with what was before it."""
    for one in form.known:
        lost = np.flatnonzero(np.isnan(covariates[one.name]).any(axis=1) & np.isnan(target[: len(long.series)]))
        if len(lost):
            named = f", series {long.names[long.series[lost[0]]]!r}," if len(long.names) > 1 else ""
            raise DataError(
                f"Column {one.name!r} of {where}{named} is known ahead, but has no value in row {lost[0] + 1}; give it "
                f"for each of the {form.horizon} steps to forecast."
            )


def at_the_end(store: Store, where: str) -> Histories:
    """The last origin of each series; refused where what is known ahead ends before the horizon."""
    known, form = known_lengths(store), store.form
    if form.known:
        ahead = store.lengths - known
        short = np.flatnonzero(ahead < form.horizon)
        if len(short):
            code = int(short[0])
            named = f", series {store.names[code]!r}," if len(store.names) > 1 else ""
            names = ", ".join(repr(one.name) for one in form.known)
            last = form.frequency.written(store.first[code : code + 1] + known[code] - 1)[0]
            raise DataError(
                f"{where}{named} has {ahead[code]} rows after its last value at {last}; the model needs {names} "
                f"for each of the {form.horizon} steps to forecast: give rows without a target for them."
            )
    return Histories(store, np.arange(len(known)), known)


def _from_mappings(given: Sequence[Mapping[str, Any]], form: ForecastForm, where: str) -> Histories:
    """Series as JSON has them."""
    values: list[FloatArray] = []
    known: list[FloatArray] = []
    past: list[FloatArray] = []
    statics: list[FloatArray] = []
    first: list[int] = []
    for place, one in enumerate(given):
        name = f"Series {place + 1} of {where}"
        history = _numbers(one["history"], f"'history' of {name}")
        if not np.isfinite(history).any():
            raise DataError(f"{name} has no value in its history; a forecast needs one at least.")
        n, ahead = len(history), form.horizon
        filled = without_gaps(history)[0]
        values.append(np.append(filled, np.full(ahead, np.nan)))
        known.append(_cells(one, form.known, n + ahead, name))
        past.append(
            np.concatenate([_cells(one, form.past, n, name), np.zeros((ahead, sum(c.width for c in form.past)))])
        )
        statics.append(_cells({c.name: [one.get(c.name)] for c in form.statics}, form.statics, 1, name))
        first.append(_first(one.get("start"), form, name))
    lengths = [len(part) for part in values]
    store = Store(
        values=np.concatenate(values),
        starts=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        first=np.array(first, dtype=np.int64),
        names=[f"series {place + 1}" for place in range(len(given))],
        known=np.concatenate(known),
        past=np.concatenate(past),
        statics=np.concatenate(statics),
        form=with_changes(form),
    )
    return Histories(store, np.arange(len(given)), np.array(lengths) - form.horizon)


def _numbers(cells: Any, what: str) -> FloatArray:
    try:
        found = np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"The values of {what} are not numbers.") from None
    if found.ndim != 1 or not len(found) or np.isinf(found).any():
        raise DataError(f"{what} must be a list of finite numbers, oldest first; got {str(cells)[:60]}.")
    return found


def _cells(one: Mapping[str, Any], group: Sequence[Covariate], n: int, name: str) -> FloatArray:
    """Covariates of a series ``(n, width)``; a value that is missing is the one before it, or 0."""
    parts: list[FloatArray] = []
    for covariate in group:
        cells = one.get(covariate.name)
        if cells is None or len(cells) != n:
            got = "none" if cells is None else str(len(cells))
            raise DataError(f"{name} needs {n} values of {covariate.name!r}, one a step; it has {got}.")
        if covariate.levels:
            parts.append(np.array([[cell == level for level in covariate.levels] for cell in cells], dtype=np.float64))
        else:
            parts.append(np.nan_to_num(without_gaps(_numbers(cells, f"{covariate.name!r} of {name}"))[0])[:, None])
    return np.concatenate(parts, axis=1) if parts else np.empty((n, 0))


def _first(start: Any, form: ForecastForm, name: str) -> int:
    """The position of the moment at which a history begins."""
    if start is None and form.periods and form.frequency.is_dated:
        raise DataError(f"{name} needs 'start', the moment of its first value, by which the model knows the season.")
    if start is None:
        return 0
    stamp = parse_date(str(start)) if form.frequency.is_dated and not isinstance(start, int | float) else float(start)
    if stamp is None:
        raise DataError(
            f"'start' of {name} is {start!r}, which is no date; write it as 2024-01-31 or 2024-01-31 18:00."
        )
    return int(form.frequency.positions(np.array([stamp]))[0])
