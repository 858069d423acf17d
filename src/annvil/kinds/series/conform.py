"""Series to predict, brought into the form of a model, however they come.

Values go the way they went in reading (`annvil.kinds.series.reading`), so that a model that learnt from a long table
takes a wide one, arrays and JSON as well: what is given says what it is, by its columns or its shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.numpy_files import NUMPY_SUFFIXES
from annvil.data.readers.opened import read_raw
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError, did_you_mean
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.archive_files import is_archive, read_archive
from annvil.kinds.series.reading.array_sources import arrays_to_predict
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.reading.columns import numbers_of
from annvil.kinds.series.reading.file_per_series import files_to_predict
from annvil.kinds.series.reading.found import end_to_end
from annvil.kinds.series.reading.long_tables import series_of_rows, steps_of
from annvil.kinds.series.reading.moments import read_moments
from annvil.kinds.series.reading.wide_tables import names_of_rows, values_of
from annvil.kinds.series.series import Series, Store
from annvil.text.phrases import listed
from annvil.text.quantities import number, plain_count
from annvil.text.safe import some_names

SERIES = "series"
"""The column that names the series in a long table for a model that learnt from none; predictions have it as well."""

FAR = 1.0
"""A value is out of range when it lies farther outside that of the training than the range is wide (assumed)."""


def conform_series(raw: Any, form: SeriesForm, where: str) -> tuple[Series, tuple[str, ...]]:
    """`Series` of that form, and what there is to say of them.

    Parameters
    ----------
    raw : `Series`; an array ``(n, channels, time)``, or ``(n, time)`` for one channel; a list of arrays
        ``(channels, time)``; one series or a list of them as mappings from channels to values; or a long or wide table
        in any of the ways of `annvil.fit`: a path, a frame, a mapping of columns, a list of rows

    Raises
    ------
    DataError
        Where a channel lacks, or values cannot be read.
    """
    said: tuple[str, ...] = ()
    if isinstance(raw, Series):
        series = _of_form(raw, form, where)
    elif (listed_channels := _channels_of(raw, form, where)) is not None:
        series = series_from_arrays(listed_channels, form)
    elif isinstance(raw, (str, Path)) and Path(raw).suffix.lower() in NUMPY_SUFFIXES:
        series = series_from_arrays(arrays_to_predict(Path(raw)), form)
    elif (files := _files(raw, form)) is not None:
        series, said = _from_files(files, form)
    elif isinstance(raw, (str, Path)) or _is_table(raw):
        wanted = Wanted(whole={form.time} if form.time else (), texts={form.series or SERIES})
        series, said = _from_table(read_raw(raw, wanted), form)
    else:
        series = series_from_arrays(raw, form)
    return series, (*said, *_notices(series, form))


def _of_form(series: Series, form: SeriesForm, where: str) -> Series:
    if series.form.channels != form.channels:
        has, needs = listed([*series.form.channels]), listed([*form.channels])
        raise DataError(f"The channels of {where} are {has}; the model needs {needs}.")
    return series


def _is_table(raw: Any) -> bool:
    """Whether this holds columns or rows with names."""
    if isinstance(raw, Mapping) or hasattr(raw, "columns") or hasattr(raw, "column_names"):
        return True
    return isinstance(raw, list) and bool(raw) and all(isinstance(one, Mapping) for one in raw)


def _channels_of(raw: Any, form: SeriesForm, where: str) -> list[Any] | None:
    """Series that are given as lists of values for every channel; None of anything else."""
    several = isinstance(raw, list) and bool(raw) and all(isinstance(one, Mapping) for one in raw)
    some: list[Mapping[str, Any]] = list(raw) if several else [raw] if isinstance(raw, Mapping) else []
    if not some or (not several and any(name not in form.channels and _is_list(some[0][name]) for name in some[0])):
        return None  # columns of a table
    if not any(_is_list(one.get(name)) for one in some for name in form.channels):
        return None
    return [_channels(one, form, place, where) for place, one in enumerate(some)]


def _is_list(values: Any) -> bool:
    return hasattr(values, "__len__") and not isinstance(values, (str, bytes, Mapping))


def _channels(one: Mapping[str, Any], form: SeriesForm, place: int, where: str) -> Any:
    lacking = [name for name in form.channels if name not in one]
    if lacking:
        has = some_names([*map(str, one)], 8)
        raise DataError(f"Series {place + 1} of {where} has no channel {lacking[0]!r}; it has {has}.")
    values = [one[name] for name in form.channels]
    lengths = [len(column) if _is_list(column) else 0 for column in values]
    if len(set(lengths)) > 1 or not lengths[0]:
        told = ", ".join(f"{name!r} {n}" for name, n in zip(form.channels, lengths, strict=True))
        raise DataError(f"Every channel of series {place + 1} of {where} needs a list of as many values; got {told}.")
    try:
        return np.array([[np.nan if v is None else float(v) for v in column] for column in values])
    except (TypeError, ValueError, OverflowError):
        raise DataError(f"Series {place + 1} of {where} holds values that are not numbers.") from None


def _from_table(raw: RawTable, form: SeriesForm) -> tuple[Series, tuple[str, ...]]:
    """Series of a long table, a wide one, or one with the steps of a single series."""
    names, where = {*raw.names}, raw.source.name
    if not raw.n_rows:
        raise DataError(f"{where} has no rows.")
    has_channels = names.issuperset(form.channels)
    if form.steps and names.issuperset(form.steps) and not (has_channels and form.series in names):
        values, lengths = values_of(raw, form.channels, form.steps, form.missing)
        called = names_of_rows(raw, form.series if form.series in names else None, form.missing)
        return _stored(values, lengths, form, called), ()
    if not has_channels:
        needed = form.steps or ((form.series, *form.channels) if form.series else form.channels)
        lacking = [name for name in needed if name not in names]
        hint = did_you_mean(lacking[0], raw.names)
        more = f" and {len(lacking) - 1} more" * (len(lacking) > 1)
        raise DataError(
            f"{where} has no column {lacking[0]!r}{more} that the model needs.{hint} "
            f"Its columns are {some_names(raw.names, 8)}."
        )
    if form.layout == "long" and not {form.series, form.time} & names:
        raise DataError(
            f"{where} has no column {form.series!r} that says which series each row belongs to; add it, or give one "
            "series as a list of values for every channel."
        )
    codes, called = np.zeros(raw.n_rows, dtype=np.int64), [where]
    said: tuple[str, ...] = ()
    named = form.series or SERIES
    if named in names.difference(form.channels):
        codes, called = series_of_rows(raw[named], form.missing, where)
    else:
        said = _as_one(raw, form, named)
    channels = []
    for name in form.channels:
        found = numbers_of(raw[name], raw, form.missing)
        if isinstance(found, str):
            raise DataError(f"Column {name!r} of {where} holds {found}; the model needs numbers.")
        channels.append(found)
    moments = None
    if form.time is not None and form.time in names:
        moments = read_moments(raw[form.time], form.missing, where, called, codes)
    elif form.time is not None:
        said = (*said, f"There is no column {form.time!r}: rows are taken in the order in which they come.")
    order = np.argsort(codes, kind="stable").astype(np.int64)
    made = steps_of(np.stack(channels, axis=1), codes, order, moments, called, where)
    return _stored(made.values, made.lengths, form, called), (*said, *_other_distance(made.every, form), *made.said)


def _as_one(raw: RawTable, form: SeriesForm, named: str) -> tuple[str, ...]:
    """What there is to say where all rows are the steps of one series.

    Raises
    ------
    DataError
        Where a column of different texts may well name several.
    """
    where = raw.source.name
    others = [one for one in raw.columns if one.name not in (*form.channels, form.time)]
    for column in others:
        if len(column.levels) > 1 and isinstance(numbers_of(column, raw, form.missing), str):
            raise DataError(
                f"Column {column.name!r} of {where} holds {len(column.levels):,} different texts. If it names the "
                f"series, call it {named!r}; else leave it out, and all rows are the steps of one series."
            )
    unused = some_names([one.name for one in others], 8)
    return (f"All rows of {where} are taken for the steps of one series; not used: {unused}.",) if others else ()


def _files(raw: Any, form: SeriesForm) -> Path | list[Path] | None:
    """Files with a series each, the folder or archive of them, or a file of an archive of series; None of others."""
    if isinstance(raw, (list, tuple)) and raw and all(isinstance(one, (str, Path)) for one in raw):
        return [Path(one) for one in raw]
    if not isinstance(raw, (str, Path)):
        return None
    path = Path(raw)
    if path.is_dir() or is_archive(path) or (form.layout == "files" and path.suffix.lower() == ".zip"):
        return path
    return [path] if form.layout == "files" else None


def _from_files(source: Path | list[Path], form: SeriesForm) -> tuple[Series, tuple[str, ...]]:
    if isinstance(source, Path) and is_archive(source):
        found = read_archive(source, answered=False)
    else:
        found = files_to_predict(source, form)
    every = found.brought.get("every")
    return _stored(found.values, np.diff(found.starts), form, found.names), (*_other_distance(every, form), *found.said)


def _other_distance(every: float | None, form: SeriesForm) -> tuple[str, ...]:
    if not form.every or not every or 0.95 < every / form.every < 1.05:
        return ()
    apart = f"Steps are {number(every)} apart, and {number(form.every)} in the training"
    return (f"{apart}: the model takes step for step, so bring them to the same distance.",)


def _stored(values: Any, lengths: Any, form: SeriesForm, names: Sequence[str]) -> Series:
    if values.shape[1] != form.n_channels:
        raise DataError(f"Series have {values.shape[1]} channels; the model needs {form.n_channels}.")
    return Series(Store.of(values, end_to_end(lengths), form, names), np.arange(len(lengths)))


def _notices(series: Series, form: SeriesForm) -> Iterator[str]:
    """Sentences where series are unlike those of the training."""
    lengths = series.lengths
    for bad, word, limit in (
        (lengths > form.longest, "longer", form.longest),
        (lengths < form.shortest, "shorter", form.shortest),
    ):
        if bad.any():
            yield (
                f"{_which(series, bad)} {word} than any in training ({limit:,} steps): the model takes any length, but "
                "has not been tested on this one."
            )
    if not form.low or not series.n_rows:
        return
    for place, name in enumerate(form.channels):
        low, high = form.low[place], form.high[place]
        reach = FAR * (high - low)
        column = series.store.values[:, place]
        outside = (column > high + reach) | (column < low - reach)
        starts = series.store.starts[:-1]
        far = np.add.reduceat(outside.astype(np.int64), starts)[series.index] > 0
        if far.any():
            yield (
                f"{_which(series, far)} far out of the range of the training in {name!r} ({number(low)} to "
                f"{number(high)}): do not rely on what the model says of {'it' if far.sum() == 1 else 'them'}."
            )


def _which(series: Series, bad: Any) -> str:
    rows = np.flatnonzero(bad)
    if len(rows) == 1:
        return f"Series {some_names(series.take(rows).names())} is"
    of = plain_count(len(rows), "series", "series")
    return f"{of} ({some_names(series.take(rows[:3]).names())}{', …' * (len(rows) > 3)}) are"
