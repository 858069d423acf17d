"""JSON in the shapes in which programs write tables: each is the same table."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError

FRAME = pd.DataFrame({"a": [1.5, 2.5, np.nan, 4.0], "b": ["x", "y", "x", None], "c": [1, 2, 3, 4]})


def table(folder: Path, content: str) -> RawTable:
    path = folder / "t.json"
    path.write_text(content, encoding="utf-8")
    return read_file(path)


def check(raw: RawTable) -> None:
    assert raw.names == ("a", "b", "c")
    assert np.array_equal(raw["a"].values, FRAME["a"], equal_nan=True)
    assert [(*raw["b"].levels, None)[code] for code in raw["b"].values] == ["x", "y", "x", None]
    assert raw["c"].values.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("orient", ["columns", "index", "split", "records", "table"])
def test_every_orient_of_pandas(tmp_path: Path, orient: str, indent: int | None) -> None:
    written = FRAME.to_json(orient=orient, indent=indent)
    check(table(tmp_path, written))
    if orient != "table":
        named = FRAME.set_index(pd.Index(["r1", "r2", "r3", "r4"])).to_json(orient=orient, indent=indent)
        check(table(tmp_path, named))


def test_lines_and_lists_of_columns_and_wrapped_records(tmp_path: Path) -> None:
    check(table(tmp_path, FRAME.to_json(orient="records", lines=True)))
    columns = {name: [None if v != v else v for v in FRAME[name]] for name in FRAME}
    check(table(tmp_path, json.dumps(columns)))
    records = json.loads(FRAME.to_json(orient="records"))
    check(table(tmp_path, json.dumps({"rows": records}, indent=1)))


def test_one_record_is_one_row(tmp_path: Path) -> None:
    raw = table(tmp_path, '{"a": 1, "b": "x"}')
    assert (raw.n_rows, raw.names) == (1, ("a", "b"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": [1, 2], "b": [1]}', r"differ in length: 'a' has 2, 'b' has 1"),
        ('{"columns": ["a", "b"], "data": [[1, 2], [3]]}', "rows of another length than its 2 columns"),
        ("[[1, 2], [3]]", "rows of 1 and of 2 values"),  # rows of one length are a table without names
        ('{"a": 1}\n{"a": oops}', "Line 2 of t.json is not JSON"),
    ],
)
def test_what_is_no_table_is_said(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        table(tmp_path, content)


def test_many_columns_are_refused_before_types_are_inferred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from annvil.data.readers import json_tables

    monkeypatch.setattr(json_tables, "load", None)  # never reached
    lines = io.StringIO()
    for row in range(400):
        lines.write(json.dumps({f"k{row}.{i}": 1 for i in range(30)}) + "\n")
    with pytest.raises(DataError, match="has more than 10000 columns"):
        table(tmp_path, lines.getvalue())


def test_sparse_records_are_the_same_through_either_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from annvil.data.readers import json_tables

    records = [
        {f"n{row % 7}": row, "t": "ab"[row % 2], **({"f": row % 3 == 0} if row % 5 else {})} for row in range(60)
    ]
    text = "\n".join(map(json.dumps, records))
    by_duckdb = table(tmp_path, text)
    monkeypatch.setattr(json_tables, "MANY_KEYS", 0)
    plainly = table(tmp_path, text)
    assert sorted(plainly.names) == sorted(by_duckdb.names)
    for name in plainly.names:
        assert plainly[name].storage == by_duckdb[name].storage
        if plainly[name].storage == "number":
            assert np.array_equal(plainly[name].values, by_duckdb[name].values, equal_nan=True), name
