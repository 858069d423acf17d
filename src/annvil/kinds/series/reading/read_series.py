"""A data set of series, whatever the source."""

from __future__ import annotations

from annvil.data.dataset import Dataset
from annvil.data.readers.opened import Opened
from annvil.errors import RequestError
from annvil.kinds.base import Progress
from annvil.kinds.series.options import SeriesOptions
from annvil.kinds.series.series import Series


def read_series(opened: Opened, options: SeriesOptions, progress: Progress | None = None) -> Dataset[Series]:
    """The series and their answers.

    Raises
    ------
    DataError, RequestError
        With file, series and moment, and what to change.
    """
    raise RequestError(f"{opened.source} cannot be read as series.")
