"""Which rows belong together, and in which order they happened."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.convert import as_category, category_field
from annvil.data.readers.moment_columns import read_moment_column
from annvil.data.readers.raw import RawColumn
from annvil.data.table import Column, Field, Table
from annvil.errors import DataError, name_rows
from annvil.tasks.base import FloatArray, IntArray

FEWEST_GROUPS = 20
"""With fewer distinct rows than this, repeats are what a coarse table looks like, not copies (assumed)."""


def row_keys(table: Table) -> IntArray:
    """Equal numbers for identical rows, int64 ``(n_rows,)``, numbered in order of first appearance.

    Rows are told apart by a 64-bit hash; two of a million different rows share one with probability 3e-8, and would
    then only be kept on one side of a split.
    """
    hashes = np.zeros(table.n_rows, dtype=np.uint64)
    for column in table.columns:
        values = column.values if column.field.is_text else _bits(column.values)
        hashes = _mix(hashes ^ _mix(values.astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)))
    return number_groups(hashes)


def _bits(values: FloatArray) -> NDArray[np.int64]:
    return (np.where(np.isnan(values), np.nan, values) + 0.0).view(np.int64)  # one NaN; -0.0 + 0.0 is 0.0


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele et al. 2014): every bit of the input moves every bit of the output."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def number_groups(labels: NDArray[np.generic]) -> IntArray:
    """Labels as numbers 0, 1, … in order of first appearance, int64; a row of a matrix is one label."""
    axis = 0 if labels.ndim > 1 else None
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True, axis=axis)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    return np.asarray(rank[np.reshape(inverse, -1)])  # NumPy 2.0 shapes it like the matrix


def are_copies(keys: IntArray, y: NDArray[np.generic]) -> bool:
    """Whether identical input rows are copies of one case rather than different cases that look alike.

    Copies share the answer too. Where most of the repeated rows stand beside an equal row with *another* answer, or
    there are fewer than `FEWEST_GROUPS` distinct rows, the columns are simply coarse (sex, class, age group): then such
    rows are ordinary repeated observations, and keeping them together would test every model on combinations never
    seen.
    """
    counts = np.bincount(keys)
    if len(counts) < FEWEST_GROUPS:
        return False
    repeated = counts[keys] > 1
    if not repeated.any():
        return True
    codes = number_groups(y)
    n_codes = int(codes.max()) + 1
    answers = np.bincount(np.unique(keys * n_codes + codes) // n_codes)  # different ones of each key
    return bool(2 * np.sum(answers[keys] > 1) <= repeated.sum())


def make_groups(inputs: Table, y: NDArray[np.generic], named: IntArray | None) -> IntArray:
    """The group of every row, int64: what the user named, joined wherever two groups hold copies of one row.

    Not where that would chain most rows into one group: then equal rows are what different cases look like, and no
    split could be made.
    """
    keys = row_keys(inputs)
    copies = are_copies(keys, y)
    if named is None:
        return keys if copies else np.arange(inputs.n_rows)
    if not copies or len(np.unique(keys)) == inputs.n_rows:
        return named
    joined = join(named, keys)
    most = np.bincount(joined).max()
    return named if 2 * most > len(named) and most > np.bincount(number_groups(named)).max() else joined


def join(first: IntArray, second: IntArray) -> IntArray:
    """The finest groups that keep together what either numbering keeps together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n_first, n_second = int(first.max()) + 1, int(second.max()) + 1
    links = coo_array((np.ones(len(first), dtype=bool), (first, second + n_first)), shape=(n_first + n_second,) * 2)
    _, component = connected_components(links, directed=False)
    return number_groups(component[first])


def read_groups(raw: RawColumn, missing: Collection[str], where: str) -> IntArray:
    """Group numbers from the column that the user named; a row without a value is a group of its own."""
    if raw.storage == "nested":
        raise DataError(
            f"The groups column {raw.name!r} of {where} holds lists or records; it needs one value per row."
        )
    column = as_category(raw, category_field(raw), missing=missing)
    codes = column.values.astype(np.int64)
    gaps = codes < 0
    codes[gaps] = len(column.levels) + np.arange(gaps.sum())
    groups = number_groups(codes)
    if len(codes) and groups.max() == 0:
        raise DataError(
            f"The groups column {raw.name!r} of {where} has the same value in every row, so no split can be made."
        )
    return groups


def read_time(raw: RawColumn, missing: Collection[str], where: str) -> tuple[FloatArray, Column]:
    """The time of every row, float64, from dates or numbers, and the column as an input could use it."""
    parsed, is_date = read_moment_column(raw, missing, where)
    gaps = np.flatnonzero(~np.isfinite(parsed.values))
    if len(gaps):
        raise DataError(
            f"The time column {raw.name!r} of {where} has no usable value in "
            f"{name_rows(gaps[:5].tolist(), len(gaps))}; every row needs its time."
        )
    if len(np.unique(parsed.values)) < 2:
        raise DataError(
            f"The time column {raw.name!r} of {where} has the same value in every row, so nothing comes later."
        )
    return parsed.values, Column(Field(raw.name, "datetime" if is_date else "number", parsed.style), parsed.values)
