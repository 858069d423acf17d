"""Whole numbers that are codes: values that name something, such as postcodes, rather than count or measure it."""

from __future__ import annotations

import re

import numpy as np

from annvil.tasks.base import FloatArray

LARGEST = 2.0**53
"""Whole numbers below are exact in float64."""

FEW_VALUES = 8
"""So few values are told apart by numbers alone (measured with trees on german_credit, adult, titanic: no gain or a
loss from giving them as categories too)."""

FEW_UNNAMED = 20
"""The same for columns whose name does not say code: so few values may be chosen points of a scale (assumed)."""

ROWS_PER_VALUE = 5
"""Rows for each value on average, fewer teach nothing (assumed)."""

MOST_FILLED = 0.1
"""Codes leave gaps: this share at most of the whole numbers in their range occurs (assumed)."""

LEAST_SPIKED = 0.5
"""This share at least of the rows has a value that is commoner than both neighbours, by so many rows (assumed)."""

MOST_ROUND = 0.8
"""With more multiples of five it is a measure that people round (assumed)."""

_CODE_WORDS = {"code", "codes", "zip", "zipcode", "postcode", "postal", "plz", "id", "ids", "type", "category", "sku"}
_CODE_WORDS |= {"region", "district", "county", "country", "station", "store", "shop", "branch", "department", "dept"}
_CODE_WORDS |= {"product", "item", "brand", "vendor", "supplier", "seller", "channel", "browser"}


def is_code(name: str, values: FloatArray) -> bool:
    """Whether a column of numbers, float64 ``(n_rows,)`` with NaN for missing, looks like codes.

    All values must be whole, with `ROWS_PER_VALUE` rows each on average. Then one of two things decides:

    - the last word of the name says code (``zip_code``, ``storeId``, ``TrafficType``) and there are more than
      `FEW_VALUES` values, none below 0
    - the values do what counts, measures and grades do not: more than `FEW_UNNAMED` of them are met again and again
      while nearly all whole numbers between them never occur. The commonest value is left out of this, since it may
      mean "none". Dense values (ages, counts), a dense middle with a few values far off, and values that are mostly
      rounded to fives are no codes.

    Amounts that recur exactly (``capital_gain`` of the census) pass too: their values also mean more than their size.
    """
    present = values[~np.isnan(values)]
    if not len(present) or np.any(present != np.floor(present)) or np.abs(present).max() >= LARGEST:
        return False
    distinct, counts = np.unique(present, return_counts=True)
    if len(distinct) <= FEW_VALUES or len(present) < ROWS_PER_VALUE * len(distinct):
        return False
    words = name_words(name)
    if words and words[-1] in _CODE_WORDS and distinct[0] >= 0:
        return True
    apart = np.diff(distinct) > 1
    below = np.concatenate([[0], np.where(apart, 0, counts[:-1])])
    above = np.concatenate([np.where(apart, 0, counts[1:]), [0]])
    spikes = np.maximum(0, counts - np.maximum(below, above))
    others = np.arange(len(distinct)) != counts.argmax()
    n_others = int(counts[others].sum())
    return bool(
        len(distinct) > FEW_UNNAMED
        and n_others >= ROWS_PER_VALUE * others.sum()
        and len(distinct) - 1 <= MOST_FILLED * (distinct[-1] - distinct[0])
        and spikes[others].sum() >= LEAST_SPIKED * n_others
        and counts[others & (distinct % 5 == 0)].sum() <= MOST_ROUND * n_others
    )


def name_words(name: str) -> list[str]:
    """Words of a column name: ``customerID`` → customer, id; ``row_nr`` → row, nr."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)]
