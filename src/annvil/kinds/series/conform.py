"""Series to predict, brought into the form of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from annvil.errors import DataError
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.series import Series


def conform_series(raw: Any, form: SeriesForm, where: str) -> tuple[Series, tuple[str, ...]]:
    """`Series` of that form, and what there is to say of them.

    Parameters
    ----------
    raw : `Series`; an array ``(n, channels, time)``, or ``(n, time)`` for one channel; a list of arrays
        ``(channels, time)``; or one series or a list of them as mappings from channels to values

    Raises
    ------
    DataError
        Where a channel lacks, or values cannot be read.
    """
    if isinstance(raw, Series):
        return raw, ()
    if isinstance(raw, Mapping):
        raw = [raw]
    if isinstance(raw, Sequence) and raw and isinstance(raw[0], Mapping):
        raw = [_channels(one, form, place, where) for place, one in enumerate(raw)]
    return series_from_arrays(raw, form), ()


def _channels(one: Mapping[str, Any], form: SeriesForm, place: int, where: str) -> list[Any]:
    lacking = [name for name in form.channels if name not in one]
    if lacking:
        raise DataError(f"Series {place + 1} of {where} has no channel {lacking[0]!r}; it has {', '.join(one)}.")
    lengths = {name: len(one[name]) for name in form.channels}
    if len(set(lengths.values())) > 1:
        raise DataError(f"The channels of series {place + 1} of {where} differ in length: {lengths}.")
    return [np.array([np.nan if value is None else value for value in one[name]]) for name in form.channels]
