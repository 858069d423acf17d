"""A column that is named as the time: dates, or numbers in a unit of their own."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from annvil.data.readers.convert import Parsed, read_dates, read_numbers, refuse_odd
from annvil.data.readers.dates import number_seconds
from annvil.data.readers.raw import RawColumn
from annvil.errors import DataError
from annvil.tasks.targets import FloatArray

FIRST_IN_DIGITS = 190_001
"""January 1900 in digits: smaller numbers are counters, years or seconds."""


def read_moment_column(
    raw: RawColumn, missing: Collection[str], where: str, *, dated: bool = False, digits: bool = False
) -> tuple[Parsed, bool]:
    """The moments of all rows, and whether they are dates, in seconds since 1970 UTC; NaN where there is none.

    Parameters
    ----------
    dated : they are known to be dates
    digits : numbers may be dates, in digits (20210304, 202103) or since 1970; counters they are otherwise

    Raises
    ------
    DataError
        Where values are neither, naming the rows of the fewer ones.
    """
    if raw.storage == "nested":
        raise DataError(f"The time column {raw.name!r} of {where} holds lists or records; it needs dates or numbers.")
    parsed = read_numbers(raw, missing=missing)
    mostly_texts = 2 * len(parsed.odd) > len(raw.levels)
    dated = dated or raw.storage == "date" or mostly_texts or (digits and _are_dates(parsed.values))
    if dated:
        parsed = read_dates(raw, missing=missing)
    refuse_odd(raw, parsed, where, "a date or a number", any_kind=False)
    return parsed, dated


def _are_dates(numbers: FloatArray) -> bool:
    """Whether all numbers are dates, as those of no counter are."""
    distinct = np.unique(numbers[np.isfinite(numbers)])
    if len(distinct) < 2 or distinct[0] < FIRST_IN_DIGITS or not (distinct == np.floor(distinct)).all():
        return False
    return all(number_seconds(value) is not None for value in distinct.tolist())
