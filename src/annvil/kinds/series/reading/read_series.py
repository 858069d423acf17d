"""Anything that holds series and answers → `Dataset` of `Series`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.groups import are_copies, join, number_groups, read_groups, read_time
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.labels import read_answers
from annvil.data.readers.numpy_files import NUMPY_SUFFIXES
from annvil.data.readers.opened import Opened, read_raw
from annvil.data.readers.raw import RawTable
from annvil.data.readers.samples import HAND_STEPS
from annvil.errors import DataError, RequestError
from annvil.kinds.found import Progress
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.options import SeriesOptions
from annvil.kinds.series.reading.archive_files import is_archive, read_archive
from annvil.kinds.series.reading.array_sources import series_in_file, series_of_pair
from annvil.kinds.series.reading.file_per_series import read_folder
from annvil.kinds.series.reading.found import Found
from annvil.kinds.series.reading.long_tables import read_long
from annvil.kinds.series.reading.overlaps import recordings
from annvil.kinds.series.reading.wide_tables import read_wide
from annvil.kinds.series.series import Series, Store
from annvil.options import ReadOptions
from annvil.tasks.base import IntArray
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names

FEWEST_SERIES = 20
"""As `annvil.kinds.tables.reading.FEWEST_ROWS`."""


def read_series(opened: Opened, options: SeriesOptions, progress: Progress | None = None) -> Dataset[Series]:
    """The series and their answers.

    Raises
    ------
    DataError, RequestError
        With file, series and moment, and what to change.
    """
    return _finished(_found(opened, options, progress), opened.ask)


def _found(opened: Opened, options: SeriesOptions, progress: Progress | None) -> Found:
    source, ask, path = opened.source, opened.ask, opened.path
    if opened.is_sample and not (options.steps or options.series):
        return read_wide(opened.table, ask, HAND_STEPS, own=True)
    if options.steps:
        return read_wide(_table(opened, options), ask, options.steps, options.series)
    if options.series:
        return read_long(_table(opened, options), ask, options.series)
    if path is not None and path.suffix.lower() in NUMPY_SUFFIXES:
        return series_in_file(path, options.channels)
    if path is not None and is_archive(path):
        return read_archive(path)
    if path is not None and (path.is_dir() or path.suffix.lower() == ".zip"):
        return read_folder(path, ask, options.labels, progress)
    if isinstance(source, tuple) and len(source) == 2:
        return series_of_pair(*source, options.channels)
    raise RequestError(f"{source} cannot be read as series: name the column of the series (--series) or the steps.")


def _table(opened: Opened, options: SeriesOptions) -> RawTable:
    """The columns of a table; names of series stay texts even where they look like numbers."""
    ask = opened.ask
    targets = (ask.target,) if isinstance(ask.target, str) else ask.target or ()
    names = {name for name in (options.series, ask.groups) if name}
    return read_raw(opened.source, Wanted(whole={*targets, *([ask.time] if ask.time else [])}, texts=names))


def _finished(found: Found, ask: ReadOptions) -> Dataset[Series]:
    """Gaps in the target and the official test taken away; missing values filled, groups made."""
    where, missing = found.source.name, ask.missing
    _refuse_few(int((~found.testing).sum()), where)
    _refuse_empty(found, where)
    job, y, gaps = read_answers(found.answers, ask.task, missing=missing, certain=found.certain, where=where)
    if gaps.any() and not ask.drop_missing_target:
        lacking = some_names([found.names[row] for row in np.flatnonzero(gaps).tolist()], 5)
        raise DataError(
            f"The target {job.target!r} of {where} is missing for {plain_count(int(gaps.sum()), 'series', 'series')}: "
            f"{lacking}; fill it in, or leave those out with drop_missing_target=True (--drop-missing-target)."
        )
    kept = np.flatnonzero(~gaps)
    training, testing = kept[~found.testing[kept]], kept[found.testing[kept]]
    if gaps.any():
        _refuse_few(len(training), f"{where} without the series that lack a target")
    lengths = np.diff(found.starts)[training]
    form = SeriesForm(found.channels, int(lengths.min()), int(lengths.max()), missing=missing, **found.brought)
    store = Store.of(found.values, found.starts, form, found.names, found.said)
    store = replace(store, recordings=recordings(Series(store, np.arange(found.n))))
    series = Series(store, kept)
    named = read_groups(found.groups.take(kept), missing, where) if found.groups is not None else None
    whole: Dataset[Series] = Dataset(
        inputs=series,
        y=y[kept],
        task=job,
        groups=_groups(series, y[kept], named),
        grouped=named is not None,
        time=read_time(found.time.take(kept), missing, where)[0] if found.time is not None else None,
        notes=found.notes,
        source=replace(found.source, details=" ".join(filter(None, [found.source.details, *found.said]))),
    )
    if not len(testing):
        return whole
    place = {row: at for at, row in enumerate(kept.tolist())}
    at_test = np.array([place[row] for row in testing.tolist()], dtype=np.int64)
    at_training = np.array([place[row] for row in training.tolist()], dtype=np.int64)
    return replace(whole.take(at_training), official_test=whole.take(at_test))


def _groups(series: Series, y: NDArray[Any], named: IntArray | None) -> IntArray:
    """The group of every series: what the user named, joined wherever two groups hold the same series, or windows of
    one recording that overlap. Not where that would chain most of the series into one group: no split could be made."""
    keys = number_groups(np.array([series.store.digests[row] for row in series.index.tolist()]))
    groups = keys if are_copies(keys, y) else np.arange(series.n_rows)
    groups = groups if named is None else join(groups, named)
    joined = join(groups, recordings(series))
    return groups if 2 * np.bincount(joined).max() > len(joined) else joined


def _refuse_few(n: int, where: str) -> None:
    if n < FEWEST_SERIES:
        raise DataError(f"{where} has {n or 'no'} series; at least {FEWEST_SERIES} are needed to train and to test.")


def _refuse_empty(found: Found, where: str) -> None:
    """Raise where a channel has no value in any series, or a series none in any channel."""
    there = ~np.isnan(found.values)
    for name, any_value in zip(found.channels, np.any(there, axis=0).tolist(), strict=True):
        if not any_value:
            raise DataError(f"Channel {name!r} of {where} has no value in any series; leave it out.")
    some = np.add.reduceat(np.any(there, axis=1).astype(np.int64), found.starts[:-1])
    if not some.all():
        name = short_name(found.names[int(np.argmin(some))])
        raise DataError(f"Series {name!r} of {where} has no value in any channel; leave it out.")
