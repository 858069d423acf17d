"""What a form of tables says of itself holds for what it takes."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from annvil.data.table import Field, table_from_columns
from annvil.kinds.tables.form import TableForm
from annvil.onnx.builder import Graph

FORM = TableForm(
    (
        Field("age", "number"),
        Field("weight", "number", "comma"),
        Field("city", "category"),
        Field("smokes", "boolean"),
        Field("seen", "datetime", "day/month/year"),
    ),
    ("n/k",),
)
SCHEMA = Draft202012Validator(FORM.json_schema())

ROWS = st.fixed_dictionaries(
    {
        "age": st.none() | st.floats(-1e30, 1e30) | st.integers(-(10**30), 10**30),
        "weight": st.none() | st.floats(-1e30, 1e30) | st.integers(-5, 5),
        "city": st.none() | st.text() | st.floats(allow_nan=False) | st.booleans(),
        "smokes": st.none() | st.booleans() | st.sampled_from(["yes", "no", "perhaps"]),
        "seen": st.none() | st.datetimes().map(lambda moment: moment.isoformat(timespec="seconds")),
    },
    optional={"extra": st.text()},
)


def test_the_schema_is_one():
    Draft202012Validator.check_schema(FORM.json_schema())


@settings(max_examples=200, deadline=None)
@given(ROWS)
def test_what_the_schema_allows_is_taken(row: dict[str, Any]):
    if not SCHEMA.is_valid(json.loads(json.dumps(row))):
        assert row["seen"] is not None  # the last days of months, which the schema leaves to `conform`
        assert int(row["seen"][8:10]) > 28
        return
    table = FORM.conform(row).inputs
    assert table.n_rows == 1
    assert [math.isnan(value) for value in table.numbers()[0]] == [
        row[name] is None for name in ("age", "weight", "seen")
    ]


def test_rows_of_a_table_satisfy_its_schema():
    table = table_from_columns(
        [("age", "number", [1.5, np.nan]), ("city", "category", ["Oslo", None]), ("smokes", "boolean", ["true", None])]
    )
    schema = Draft202012Validator(table.form.json_schema())
    for row in range(2):
        assert schema.is_valid(json.loads(json.dumps(table.raw_row(row))))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", "old"),
        ("age", [1]),
        ("age", 1e31),
        ("city", ["Oslo"]),
        ("smokes", {}),
        ("seen", "soon"),
        ("seen", "2020-13-01"),
        ("seen", "2020-01-01T25:00"),
    ],
)
def test_what_the_schema_refuses(name, value):
    row = {"age": 1, "weight": 1, "city": "Oslo", "smokes": True, "seen": "2020-01-01"}
    assert SCHEMA.is_valid(row)
    assert not SCHEMA.is_valid({**row, name: value})
    del row[name]
    assert not SCHEMA.is_valid(row)


def test_the_inputs_of_a_graph_follow_from_the_columns():
    graph = Graph()
    assert FORM.enter(graph) == ("numbers", "texts")
    numbers, texts = FORM.graph_inputs()
    assert (numbers.shape, texts.shape) == ((3,), (2,))
    feeds = FORM.conform({"age": 1, "weight": 2, "city": "x", "smokes": True, "seen": None}).inputs.feeds()
    assert [feeds[spec.name].shape for spec in (numbers, texts)] == [(1, 3), (1, 2)]


def test_two_columns_of_one_name_are_inconsistent():
    assert TableForm((Field("a", "number"), Field("a", "category"))).check() == "two of its columns have the same name"
    assert FORM.check() is None


def test_the_inputs_keep_the_form():
    for rows in ({"age": 1, "weight": 2, "city": "x", "smokes": True, "seen": None},):
        assert FORM.conform(rows).inputs.form == FORM
        assert FORM.conform([rows, rows]).inputs.form == FORM
