"""Tables in memory."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from annvil.data.readers.frames import table_from_arrays, table_from_frame, table_from_mapping, table_from_records
from annvil.data.readers.raw import column_from_values
from annvil.errors import DataError, RequestError


@pytest.mark.parametrize(
    ("values", "storage", "expected"),
    [
        ([1, 2, None], "number", [1, 2, np.nan]),
        ([1, 2.5, Decimal("3.5")], "number", [1, 2.5, 3.5]),
        ([True, False, None], "boolean", [1, 0, -1]),
        ([True, 2, 3], "number", [1, 2, 3]),
        (["a", None, " a ", ""], "text", [0, -1, 0, -1]),
        ([dt.date(1970, 1, 2), None], "date", [86400, np.nan]),
        ([dt.datetime(1970, 1, 1, 1, tzinfo=dt.UTC), float("nan")], "date", [3600, np.nan]),
        ([pd.Timestamp("1970-01-01 00:00:01"), pd.NaT], "date", [1, np.nan]),
        ([pd.NA, 1], "number", [np.nan, 1]),
        ([dt.timedelta(minutes=1), None], "number", [60, np.nan]),
        ([2**70, 1], "text", [0, 1]),  # of digits: float64 cannot hold them
        ([2.0**70, 1], "number", [2.0**70, 1]),
        ([np.inf, 2**70], "number", [np.inf, 2.0**70]),
        ([10**400, 1], "number", [np.inf, 1]),
        ([[1], [2]], "nested", []),
        ([1 + 2j, 3], "nested", []),
        ([1, "a", True], "text", [0, 1, 2]),
        ([None, None], "text", [-1, -1]),
    ],
)
def test_python_values(values: list[Any], storage: str, expected: list[float]) -> None:
    column = column_from_values("x", values)
    assert column.storage == storage
    np.testing.assert_array_equal(column.values, expected)


def test_mixed_values_get_canonical_texts() -> None:
    assert column_from_values("x", [3.0, "3", True, "a"]).levels == ("3", "true", "a")


def test_masked_arrays() -> None:
    raw = table_from_mapping({"a": np.ma.masked_array([1.0, 2.0], mask=[False, True])})
    np.testing.assert_array_equal(raw["a"].values, [1, np.nan])


@pytest.mark.parametrize(
    "dtype", ["int8", "uint64", "float16", "float32", "bool", "U3", "O", "datetime64[s]", "timedelta64[s]"]
)
def test_arrays_of_any_type(dtype: str) -> None:
    assert len(table_from_mapping({"a": np.zeros(3).astype(dtype)})["a"].values) == 3


def test_columns_of_different_length() -> None:
    with pytest.raises(DataError, match="'a' has 2, 'b' has 3"):
        table_from_mapping({"a": [1, 2], "b": [1, 2, 3]})


def test_a_value_instead_of_a_column() -> None:
    with pytest.raises(RequestError, match="Column 'a' of the dict of columns is one value"):
        table_from_mapping({"a": "abc"})


def test_series_of_other_libraries_in_a_dict() -> None:
    raw = table_from_mapping({"a": pd.Series([1, 2]), "b": pl.Series(["x", None])})
    assert raw["a"].values.tolist() == [1, 2]
    assert raw["b"].values.tolist() == [0, -1]


def test_records_may_lack_keys() -> None:
    raw = table_from_records([{"a": 1}, {"b": "x", "a": 2}])
    assert raw.names == ("a", "b")
    assert raw["b"].values.tolist() == [-1, 0]


def test_repeated_names_in_a_frame() -> None:
    frame = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(DataError, match="more than one column named 'a'"):
        table_from_frame(frame)


def test_numbers_as_names() -> None:
    assert table_from_frame(pd.DataFrame(np.eye(2))).names == ("0", "1")


@pytest.mark.parametrize("thing", [object(), 5, None, {1, 2}])
def test_things_that_are_no_table(thing: Any) -> None:
    with pytest.raises(RequestError, match="pass a path, a pandas, Polars or PyArrow frame"):
        table_from_frame(thing)


def test_arrays() -> None:
    raw = table_from_arrays(np.eye(3), [0, 1, 1])
    assert raw.names == ("x0", "x1", "x2", "target")
    with pytest.raises(DataError, match="X has 3 rows and y has 2"):
        table_from_arrays(np.eye(3), [0, 1])
    with pytest.raises(RequestError, match="X has 1 dimension"):
        table_from_arrays(np.zeros(3))


def test_nullable_types_of_pandas() -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None, 3], dtype="Int64"),
            "f": pd.array([1.5, None, 3], dtype="Float64"),
            "s": pd.array(["x", None, "y"], dtype="string"),
            "d": pd.array([dt.date(2020, 1, 1), None, None], dtype=object),
        }
    )
    raw = table_from_frame(frame)
    np.testing.assert_array_equal(raw["i"].values, [1, np.nan, 3])
    np.testing.assert_array_equal(raw["f"].values, [1.5, np.nan, 3])
    assert raw["s"].values.tolist() == [0, -1, 1]
    assert raw["d"].storage == "date"
    assert raw["i"].label == "int"


def test_integers_of_which_none_is_there_are_missing() -> None:
    for frame in (
        pd.DataFrame({"a": pd.array([None, None], dtype="Int64")}),
        pl.DataFrame({"a": [None, None]}, {"a": pl.Int8}),
    ):
        assert np.isnan(table_from_frame(frame)["a"].values).all()
