"""Which rows belong together."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.data.groups import are_copies, join, make_groups, number_groups, read_groups, row_keys
from annvil.data.readers.frames import column_from_any
from annvil.data.table import table_from_columns
from annvil.errors import DataError


def test_identical_rows_share_a_key() -> None:
    table = table_from_columns(
        [
            ("a", "number", [1.0, 1.0, np.nan, np.nan, 0.0, -0.0, 1.0]),
            ("b", "category", ["x", "x", "x", "x", None, None, "y"]),
        ]
    )
    assert row_keys(table).tolist() == [0, 0, 1, 1, 2, 2, 3]


def test_keys_agree_with_python_on_many_rows() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 30, 5000).astype(float), rng.choice(["x", "y", "z"], 5000)
    keys = row_keys(table_from_columns([("a", "number", a), ("b", "category", b.tolist())]))
    expected = number_groups(np.array([f"{x}|{y}" for x, y in zip(a, b, strict=True)]))
    np.testing.assert_array_equal(keys, expected)


def test_copies_share_the_answer_and_look_alikes_do_not() -> None:
    keys = np.repeat(np.arange(50), 2)
    same = np.repeat(np.arange(50) % 2, 2)
    assert are_copies(keys, same)
    assert not are_copies(keys, np.arange(100) % 2)
    assert are_copies(np.arange(100), np.arange(100) % 2)  # nothing repeats
    assert not are_copies(np.arange(100) % 8, np.arange(100) % 8)  # eight combinations are a coarse table


def test_copies_are_grouped() -> None:
    values = np.concatenate([np.arange(40.0), np.arange(10.0)])
    table = table_from_columns([("a", "number", values)])
    y = (values % 2).astype(np.int64)
    groups = make_groups(table, y, None)
    assert groups[40:].tolist() == list(range(10))
    assert len(np.unique(groups)) == 40


def test_groups_that_share_a_copy_are_joined() -> None:
    values = np.arange(40.0)
    values[5] = values[30]
    table = table_from_columns([("a", "number", values)])
    named = np.arange(40) // 4
    groups = make_groups(table, np.zeros(40, dtype=np.int64), named)
    assert groups[5] == groups[30]
    assert len(np.unique(groups)) == 9


@pytest.mark.parametrize("size", [2, 3, 5, 8])
@pytest.mark.parametrize("period", [30, 37, 50, 77])
def test_copies_never_chain_most_groups_into_one(size, period):
    """Rows that come again in other groups: 80 rows in groups of ``size``, equal after ``period`` rows."""
    values = np.arange(80.0) % period
    table, named = table_from_columns([("a", "number", values)]), np.arange(80) // size
    groups = make_groups(table, (values % 2).astype(np.int64), named)
    kept = [np.unique(groups[named == one]).size for one in np.unique(named)]
    assert set(kept) == {1}
    assert np.bincount(groups).max() <= 40


def test_join_is_the_finest_common_grouping() -> None:
    first, second = np.array([0, 0, 1, 1, 2, 3]), np.array([0, 1, 1, 2, 3, 4])
    assert join(first, second).tolist() == [0, 0, 0, 0, 1, 2]


def test_rows_without_a_group_stand_alone() -> None:
    assert read_groups(column_from_any("p", ["a", None, "a", "b", None]), (), "t.csv").tolist() == [0, 1, 0, 2, 3]
    with pytest.raises(DataError, match="same value in every row"):
        read_groups(column_from_any("p", ["a"] * 5), (), "t.csv")
