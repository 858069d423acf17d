"""From what was asked to a data set: read, and refused where it would only fail later."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from annvil.comparison.request import Listener
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.data.plugins import kind_named
from annvil.data.readers.opened import Opened
from annvil.data.storage import load_dataset
from annvil.errors import DataError, RequestError
from annvil.kinds.base import Kind
from annvil.kinds.registry import holder, kind_of, name_of, options_for
from annvil.options import FitOptions
from annvil.run.folder import RunFolder
from annvil.run.request import FitRequest

TOLD_AFTER = 1.0
"""Seconds between two words on how far decoding is (assumed): fewer are not worth a line, more would scroll."""


def kind_again(folder: RunFolder, request: FitRequest) -> Kind:
    """The kind of a run's data, of which no more is read than that takes.

    Raises
    ------
    DataError, RequestError
        When they are gone.
    """
    kind: Kind
    if request.kind:
        kind = kind_named(request.kind)
    elif request.data is None:
        kind = holder(load_dataset(folder.data))
    else:
        kind = kind_of(Opened(request.data, request.asked, request.given))
    return kind


def read_again(kind: Kind, folder: RunFolder, request: FitRequest, listener: Listener) -> Dataset[Inputs]:
    """The data of a run as its fit read them.

    Raises
    ------
    DataError, RequestError
        When they are gone, or no longer what they were.
    """
    if request.data is None:
        return load_dataset(folder.data)
    options = kept_options(kind, request, name_of(request.data))
    return kind.read(Opened(request.data, request.asked, request.given), options, Decoding(kind.words.rows, listener))


def kept_options(kind: Kind, request: FitRequest, where: str) -> Any:
    """The kind's options as a run keeps them.

    Raises
    ------
    DataError
        When the run was asked for something that this version does not know.
    """
    try:
        return options_for(kind, request.given, where)
    except TypeError as error:
        raise DataError(f"request.json of this run asks for more than this version of annvil knows: {error}") from None


class Decoding:
    """Passes on how many things are decoded: every tenth of them, where a tenth takes a second.

    ``check(seconds, done, n)``, with the seconds since decoding began, may end it.
    """

    def __init__(self, rows: str, listener: Listener, check: Callable[[float, int, int], None] | None = None) -> None:
        self._rows = rows
        self._listener = listener
        self._check = check
        self._began = self._told = time.monotonic()
        self._tenths = 0

    def __call__(self, done: int, n: int) -> None:
        now = time.monotonic()
        if self._check is not None:
            self._check(now - self._began, done, n)
        tenths = 10 * done // max(n, 1)
        if tenths > self._tenths and now - self._told >= TOLD_AFTER:
            self._told, self._tenths = now, tenths
            self._listener.stage(f"Decoding {self._rows}: {done:,} of {n:,}")


def check_request(asked: FitOptions, dataset: Dataset[Inputs]) -> None:
    """Refuse, before anything is written, what would only fail later.

    Raises
    ------
    RequestError
        With what to change.
    """
    metric = dataset.task.metric(asked.metric or None)
    worth = asked.worth
    if worth is not None and not (isinstance(worth, int | float) and 0 < worth < float("inf")):
        raise RequestError(f"worth must be a positive number in units of the metric; got {worth!r}.")
    if worth is not None and metric.greater_is_better and worth >= 1:
        raise RequestError(
            f"worth is in units of the metric, and {metric.title} is at most 1: {worth:g} would be {100 * worth:g} "
            f"points. For {worth:g} points, say {worth / 100:g}."
        )
    if not (isinstance(asked.seed, int) and 0 <= asked.seed < 2**32):
        raise RequestError(f"seed must be a whole number from 0 to 4294967295; got {asked.seed!r}.")
