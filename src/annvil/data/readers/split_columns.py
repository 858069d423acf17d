"""A column that says which rows the source itself keeps apart for testing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.parts import part_of, split_of
from annvil.data.readers.raw import RawColumn
from annvil.text.quantities import plain_count

SPLIT_NAMES = ("split", "subset", "partition", "part", "set")


def split_column(columns: Sequence[RawColumn], *besides: str) -> RawColumn | None:
    """A column with a usual name all of whose values are usual names of parts."""
    for column in columns:
        usual = column.name.strip().lower() in SPLIT_NAMES and column.name not in besides
        if usual and column.storage == "text" and column.levels and all(map(split_of, column.levels)):
            return column
    return None


def kept_for_testing(split: RawColumn | None, n_rows: int) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which rows the column calls test, and sentences on it; none where it does so of all or of none."""
    none = np.zeros(n_rows, dtype=bool)
    if split is None:
        return none, ()
    is_test = np.array([*(split_of(level) == "test" for level in split.levels), False])
    testing = is_test[split.values]
    if testing.all() or not testing.any():
        return none, ()
    said = [f"{plain_count(int(testing.sum()), 'row')} that {split.name!r} calls test are kept apart."]
    if "validation" in map(part_of, split.levels):
        said.append("Rows for validation are learnt from: folds choose here.")
    return testing, tuple(said)
