"""Raw rows to predict become exactly the trained columns."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from tests.strategies import Case, columns_of_values

from annvil.data.table import Field, Table, table_from_columns
from annvil.errors import AnnvilError, DataError
from annvil.kinds.registry import read
from annvil.kinds.tables.conform import conform

SCHEMA = (
    Field("age", "number"),
    Field("sex", "category"),
    Field("smokes", "boolean"),
    Field("seen", "datetime", "day/month/year"),
    Field("weight", "number", "comma"),
)
ROW = {"age": 31, "sex": "f", "smokes": "Yes", "seen": "03/04/2020", "weight": "61,5"}


def values(table: Table) -> tuple[list[list[float]], list[list[str]]]:
    return table.numbers().tolist(), table.texts().tolist()


EXPECTED = ([[31.0, dt.datetime(2020, 4, 3, tzinfo=dt.UTC).timestamp(), 61.5]], [["f", "true"]])


@pytest.mark.parametrize(
    "source",
    [
        ROW,
        [ROW],
        {name: [value] for name, value in ROW.items()},
        pd.DataFrame([ROW]),
        pl.DataFrame([ROW]),
        np.array([list(ROW.values())], dtype=object),
        dict(reversed(ROW.items())),
        {**ROW, "age": "31", "smokes": True},
        {**ROW, "age": np.float32(31), "smokes": 1},
        pd.DataFrame([{**ROW, "age": "31", "smokes": 1.0}]),
    ],
)
def test_one_row_in_many_guises(source: Any) -> None:
    table, notices = conform(source, SCHEMA)
    assert values(table) == EXPECTED
    assert table.schema == SCHEMA
    assert notices == ()


@pytest.mark.parametrize("gap", [None, float("nan"), "", "NA", " ", "?", pd.NA])
def test_missing_values(gap: Any) -> None:
    row = dict.fromkeys(ROW, gap)
    for source in (row, [row, row], pd.DataFrame([row]), {name: [gap] for name in row}):
        table, _ = conform(source, SCHEMA)
        assert np.isnan(table.numbers()).all()
        assert set(table.texts().ravel()) == {""}


def test_declared_missing_values() -> None:
    row = {"age": -999, "sex": "k.A.", "smokes": "k.A.", "seen": "k.A.", "weight": "k.A."}
    for source in (row, [row, row], {**row, "age": -999.0}, {**row, "age": "-999.0"}):
        table, _ = conform(source, SCHEMA, missing=("-999", "k.A."))
        assert np.isnan(table.numbers()).all()
        assert set(table.texts().ravel()) == {""}


def test_extra_columns_are_ignored_with_a_notice() -> None:
    for source in ({**ROW, "name": "x"}, [{**ROW, "name": "x"}, {**ROW, "name": "y"}]):
        assert conform(source, SCHEMA)[1] == ("Ignored 1 column that the model does not use: 'name'.",)


def test_a_missing_or_renamed_column_is_refused_by_name() -> None:
    renamed = {("Age" if name == "age" else name): value for name, value in ROW.items()}
    for source in (renamed, [renamed, renamed]):
        with pytest.raises(
            DataError, match=r"The column 'age' is missing from the rows to predict. Did you mean 'Age'\?"
        ):
            conform(source, SCHEMA)


def test_a_value_of_the_wrong_kind_is_refused_with_column_and_row() -> None:
    with pytest.raises(DataError, match=r"Column 'age' of new.csv is 'old', which is not a number"):
        conform({**ROW, "age": "old"}, SCHEMA, where="new.csv")
    with pytest.raises(DataError, match=r"Column 'age' of new.csv has 1 value that is not a number \(row 2: 'old'\)"):
        conform([ROW, {**ROW, "age": "old"}], SCHEMA, where="new.csv")
    with pytest.raises(DataError, match="Column 'seen' of the rows to predict is 'soon', which is not a date"):
        conform({**ROW, "seen": "soon"}, SCHEMA)
    with pytest.raises(DataError, match=r"Column 'age' .* is inf"):
        conform({**ROW, "age": float("inf")}, SCHEMA)
    with pytest.raises(DataError, match=r"\(row 1\)"):
        conform([{**ROW, "age": float("inf")}, ROW], SCHEMA)
    with pytest.raises(DataError, match=r"Column 'sex' .* holds .\['f'\].; a category is one plain value"):
        conform({**ROW, "sex": ["f"]}, SCHEMA)
    with pytest.raises(DataError, match="holds dates where numbers are expected"):
        conform({**{n: [v] for n, v in ROW.items()}, "age": [dt.date(2020, 1, 1)]}, SCHEMA)


def test_an_array_of_another_width() -> None:
    with pytest.raises(DataError, match="An array of shape 2 × 3 does not fit the 5 columns"):
        conform(np.zeros((2, 3)), SCHEMA)


def test_no_rows() -> None:
    table, _ = conform({name: [] for name in ROW}, SCHEMA)
    assert table.n_rows == 0
    assert table.numbers().shape == (0, 3)


def test_a_category_trained_on_numbers_is_known_in_every_spelling() -> None:
    schema = (Field("zone", "category"),)
    for zone in (7, 7.0, "7", "07", "7.0", np.int8(7), " 7 "):
        assert conform({"zone": zone}, schema)[0].texts().tolist() == [["7"]]
        assert conform({"zone": [zone]}, schema)[0].texts().tolist() == [["7"]]


def test_the_style_of_training_decides_what_is_open() -> None:
    """A comma before three digits is a decimal comma if it was one in training, and else divides thousands."""
    for style, expected in (("comma", 1.234), ("", 1234.0)):
        schema = (Field("weight", "number", style),)
        assert conform({"weight": "1,234"}, schema)[0].numbers().item() == expected
        assert conform({"weight": ["1,234", "1,234"]}, schema)[0].numbers()[0].item() == expected


def test_one_row_is_quick() -> None:
    schema = tuple(Field(f"x{i}", "number" if i % 3 else "category") for i in range(15))
    row = {field.name: 1.5 if field.kind == "number" else "level" for field in schema}
    best = min(_seconds(row, schema) for _ in range(5))
    assert best < 400e-6  # measured 45 µs alone on a 2-core machine; the room for noise is wide


def _seconds(row: dict[str, Any], schema: tuple[Field, ...]) -> float:
    start = time.perf_counter()
    for _ in range(100):
        conform(row, schema)
    return (time.perf_counter() - start) / 100


def test_the_training_file_conforms_to_what_was_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["Zahl;Tag;Art;ja;y"]
    for i in range(60):
        tag = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.2021"
        lines.append(
            f"{i * 1.25:.2f};{tag};{rng.choice(['a', 'ä', '007', 'NA'])};{'JN'[i % 2]};{i % 2}".replace(".", ",", 1)
        )
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines).replace("J", "yes").replace("N", "no"), encoding="latin-1")
    data = read(path, target="y", kinds={"Zahl": "number"})
    table, _ = conform(path, data.inputs.schema)
    np.testing.assert_array_equal(table.numbers(), data.inputs.numbers())
    assert table.texts().tolist() == data.inputs.texts().tolist()


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(columns_of_values())
def test_row_by_row_equals_all_at_once(case: Case) -> None:
    """What was read at training comes back from the same values, as columns and as single rows."""
    try:
        data = read(case.as_dict(), target=case.target)
    except AnnvilError:
        return
    schema = data.inputs.schema
    table, _ = conform(case.as_dict(), schema)
    np.testing.assert_array_equal(table.numbers(), data.inputs.numbers())
    assert table.texts().tolist() == data.inputs.texts().tolist()
    for i in range(0, table.n_rows, 7):
        row = {name: values[i] for name, values in case.as_dict().items()}
        single, _ = conform(row, schema)
        np.testing.assert_allclose(single.numbers(), table.numbers()[i : i + 1], rtol=1e-12)
        assert single.texts().tolist() == table.texts()[i : i + 1].tolist()


def test_a_table_read_before_is_put_into_the_order_of_the_schema():
    table = table_from_columns([("colour", "category", ["red", None]), ("size", "number", [1.0, 2.0])])
    schema = (Field("size", "number"), Field("colour", "category"))
    conformed, notices = conform(table, schema)
    assert (conformed.schema, notices) == (schema, ())
    np.testing.assert_array_equal(conformed.numbers(), [[1.0], [2.0]])
    with pytest.raises(DataError, match="'size' as number, but the model learnt it as category"):
        conform(table, (Field("size", "category"),))
