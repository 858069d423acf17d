"""From what was asked to a data set: read, and refused where it would only fail later."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from annvil.comparison.request import Listener
from annvil.data.table import Dataset, Inputs
from annvil.errors import RequestError
from annvil.kinds.pictures.reading.listing import TABLES
from annvil.kinds.tables.reading import read
from annvil.run.request import FitRequest

TOLD_AFTER = 1.0
"""Seconds between two words on how far decoding is (assumed): fewer are not worth a line, more would scroll."""


def read_as_asked(data: Any, request: FitRequest, listener: Listener, workers: int = 1) -> Dataset[Inputs]:
    """The data set of a request; the listener hears how far the decoding of pictures is.

    Raises
    ------
    DataError, RequestError
        As `annvil.data.read`.
    """
    dataset: Dataset[Inputs] = read(
        data,
        target=request.target,
        groups=request.groups,
        time=request.time,
        columns=request.columns,
        drop=request.drop,
        kinds=request.kinds,
        task=request.task,
        missing=request.missing,
        drop_missing_target=request.drop_missing_target,
        size=request.size,
        workers=workers,
        progress=_Decoding(listener),
    )
    return dataset


class _Decoding:
    """Passes on how many pictures are decoded: every tenth of them, where a tenth takes a second."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._told = time.monotonic()
        self._tenths = 0

    def __call__(self, done: int, n: int) -> None:
        now = time.monotonic()
        tenths = 10 * done // max(n, 1)
        if tenths > self._tenths and now - self._told >= TOLD_AFTER:
            self._told, self._tenths = now, tenths
            self._listener.stage(f"Decoding pictures: {done:,} of {n:,}")


def check_request(request: FitRequest, dataset: Dataset[Inputs]) -> None:
    """Refuse, before anything is written, what would only fail later.

    Raises
    ------
    RequestError
        With what to change.
    """

    if request.size is not None and not _holds_pictures(dataset):
        raise RequestError(f"size is the side of pictures, and {dataset.source.name} is a table; leave it out.")
    metric = dataset.task.metric(request.metric or None)
    worth = request.worth
    if worth is not None and not (isinstance(worth, int | float) and 0 < worth < float("inf")):
        raise RequestError(f"worth must be a positive number in units of the metric; got {worth!r}.")
    if worth is not None and metric.greater_is_better and worth >= 1:
        raise RequestError(
            f"worth is in units of the metric, and {metric.title} is at most 1: {worth:g} would be {100 * worth:g} "
            f"points. For {worth:g} points, say {worth / 100:g}."
        )
    if not (isinstance(request.seed, int) and 0 <= request.seed < 2**32):
        raise RequestError(f"seed must be a whole number from 0 to 4294967295; got {request.seed!r}.")


def _holds_pictures(dataset: Dataset[Inputs]) -> bool:
    return dataset.inputs.form.kind == "pictures"


def lasting(data: str | Path) -> str:
    """The path so that it is found from any folder; a sample keeps its name."""
    return str(data) if str(data).startswith("sample:") else str(Path(data).absolute())


def lasting_groups(groups: str | Path | None) -> str | None:
    """The name of a column as it is; the path of a table of groups, which pictures may have, as `lasting` does."""
    if groups is not None and Path(groups).suffix.lower() in TABLES and Path(groups).is_file():
        return lasting(groups)
    return None if groups is None else str(groups)
