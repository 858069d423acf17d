"""Columns that are named by numbers, and y in the shapes that people have it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import annvil
from annvil.data.table import Field
from annvil.errors import RequestError
from annvil.kinds.tables.conform import conform

X = np.random.default_rng(0).normal(size=60)
Y = (X > 0).astype(int)
NUMBERED = pd.DataFrame(np.c_[X, X**2, Y])
SCHEMA = (Field("0", "number"), Field("1", "number"))


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"target": 2}, ("0", "1")),
        ({"target": np.int64(2)}, ("0", "1")),
        ({"target": "2", "drop": [0]}, ("1",)),
        ({"target": 2, "columns": [0]}, ("0",)),
        ({"target": 2, "kinds": {0: "number"}}, ("0", "1")),
    ],
)
def test_numbers_name_columns(options: dict[str, Any], names: tuple[str, ...]) -> None:
    data = annvil.read(NUMBERED, **options)
    assert (data.inputs.names, data.task.target) == (names, "2")


@pytest.mark.parametrize(
    "rows",
    [
        {0: 1.0, 1: 2.0},
        [{0: 1.0, 1: 2.0}],
        {0: [1.0], 1: [2.0]},
        NUMBERED[[0, 1]].assign().iloc[:1] * 0 + [1.0, 2.0],
        pd.Series([1.0, 2.0], index=[0, 1]),
        pd.Series({"0": 1.0, "1": 2.0}),
    ],
)
def test_rows_with_numbered_columns(rows: Any) -> None:
    table, _ = conform(rows, SCHEMA)
    assert [column.values.tolist() for column in table.columns] == [[1.0], [2.0]]


@pytest.mark.parametrize(
    "y",
    [
        Y,
        Y.reshape(-1, 1),
        Y.tolist(),
        [[int(v)] for v in Y],
        tuple(Y.tolist()),
        pd.Series(Y),
        pd.Index(Y),
        pd.DataFrame({"label": Y}),
        pl.Series(Y),
        pl.DataFrame({"label": Y}),
        pa.array(Y),
        pa.table({"label": Y}),
    ],
    ids=lambda y: f"{type(y).__module__.split('.')[0]}.{type(y).__name__}{getattr(y, 'shape', '')}",
)
@pytest.mark.parametrize("inputs", [X.reshape(-1, 1), pd.DataFrame({"x": X})], ids=["array", "frame"])
def test_y_in_every_shape_is_the_same_target(inputs: Any, y: Any) -> None:
    data = annvil.read((inputs, y))
    assert data.task.kind == "binary"
    assert list(data.task.classes) == [0, 1]
    assert data.y.tolist() == Y.tolist()


@pytest.mark.parametrize("inputs", [X.reshape(-1, 1), pd.DataFrame({"x": X})], ids=["array", "frame"])
@pytest.mark.parametrize(
    ("y", "told"),
    [
        (dict(enumerate(Y.tolist())), "y is a dict"),
        (pd.DataFrame({"a": Y, "b": 1 - Y}), "y has 2 columns \\('a', 'b'\\)"),
        (pl.DataFrame({"a": Y, "b": 1 - Y}), "y has 2 columns"),
    ],
)
def test_y_that_is_no_target_is_refused(inputs: Any, y: Any, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        annvil.read((inputs, y))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ((1, 2), [1, 2]),
        ((9, 10), [9, 10]),
        ((0.5, 1.0), [0.5, 1.0]),
        ((False, True), [False, True]),
        (("9", "10"), ["10", "9"]),
    ],
)
def test_labels_out_of_categories_come_back_as_they_were(labels: tuple[Any, Any], classes: list[Any]) -> None:
    made = pd.Categorical([labels[v] for v in Y])
    for source in (pd.DataFrame({"x": X, "y": made}), pd.DataFrame({"x": X, "y": pd.Series(made)})):
        data = annvil.read(source, target="y")
        assert sorted(data.task.classes, key=str) == sorted(classes, key=str)
        assert {type(label) for label in data.task.classes} == {type(label) for label in labels}
        assert [data.task.classes[code] for code in data.y] == [labels[v] for v in Y]
