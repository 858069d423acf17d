"""Files that are not what their name or first line says: read as what they are, or refused in words that say it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annvil import read
from annvil.data.dataset import Dataset
from annvil.errors import DataError, RequestError

N = 60
ROWS = [(i * 0.37, "abc"[i % 3], i % 2) for i in range(N)]
RECORDS = [{"x": x, "c": c, "y": y} for x, c, y in ROWS]
TABLE = "x,c,y\n" + "".join(f"{x:.2f},{c},{y}\n" for x, c, y in ROWS)


def file(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def is_the_table(data: Dataset) -> bool:
    x, c = data.inputs.columns
    return x.values.round(2).tolist() == [round(x, 2) for x, _, _ in ROWS] and list(c.texts()) == [
        c for _, c, _ in ROWS
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.xlsx", TABLE),
        ("a.xls", TABLE.replace(",", "\t")),  # as business programs export
        ("a.csv.gz", TABLE),  # unpacked by a browser
        ("a.csv.xz", TABLE),
        ("a.csv.zst", TABLE),
        ("a.csv", gzip.compress(TABLE.encode())),
        ("a.csv", json.dumps(RECORDS)),
        ("a.txt", "\n".join(map(json.dumps, RECORDS))),
        ("a.csv", "\ufeff\ufeff" + TABLE),
        ("a.csv", TABLE + ",,\n" * 5),  # rows that Excel leaves behind
        ("a.csv", TABLE.replace("\n", ",\n").replace(",\n", "\n", 1)),  # a sign ends each line but the first
        ("a.json", json.dumps({"meta": {"n": N}, "data": RECORDS})),
        ("a.json", json.dumps({"count": N, "next": None, "results": RECORDS})),
        ("a.json", json.dumps({"response": {"rows": RECORDS}})),
        ("a.json", json.dumps({"type": "F", "features": [{"type": "Feature", "properties": r} for r in RECORDS]})),
        ("a.json", json.dumps([["x", "c", "y"], *ROWS])),
        ("a.jsonl", "\n".join(json.dumps(row) for row in [["x", "c", "y"], *ROWS])),
        ("a.json", json.dumps([{**r, "x": str(r["x"]) if i % 2 else r["x"]} for i, r in enumerate(RECORDS)])),
    ],
)
def test_the_table_in_them_is_read(name: str, content: str | bytes, tmp_path: Path) -> None:
    assert is_the_table(read(file(tmp_path, name, content), target="y"))


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.csv", "<!DOCTYPE html><html><body></body></html>", "web page"),
        ("a.xls", "<html><table><tr><td>1</td></tr></table></html>", "web page"),
        ("a.csv", "%PDF-1.7\n" + "x" * 99, "PDF"),
        ("a.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n", "git lfs pull"),
        ("a.csv", "@relation r\n@attribute x numeric\n@data\n1\n", "ARFF"),
        ("a.csv", TABLE.encode().replace(b",a,", ",Zürich,".encode()) + b"1.5,Z\xfcrich,1\n", "line 62 holds bytes"),
        ("a.json", json.dumps([[1, 2], [3]] * 20), "rows of 1 and of 2 values"),
    ],
)
def test_what_else_they_are_is_said(name: str, content: str | bytes, what: str, tmp_path: Path) -> None:
    with pytest.raises((DataError, RequestError), match=what):
        read(file(tmp_path, name, content), target="y")


def test_names_of_rows_that_have_no_name(tmp_path: Path) -> None:
    """As R's ``write.table(sep = ",")`` gives them."""
    lines = TABLE.splitlines()
    content = "\n".join([lines[0], *(f"{i},{line}" for i, line in enumerate(lines[1:], 1))]) + "\n"
    data = read(file(tmp_path, "a.csv", content), target="y")
    assert data.notes[0].name == "row number"
    assert is_the_table(data)


def _nulls(path: Path) -> Any:
    pq.write_table(pa.table({"n": pa.nulls(N), "x": [r[0] for r in ROWS], "y": [r[2] for r in ROWS]}), path)
    return path


def _json_nulls(path: Path) -> Any:
    path.write_text(json.dumps([{**r, "n": None} for r in RECORDS]))
    return path


@pytest.mark.parametrize(("make", "name"), [(_nulls, "a.parquet"), (_json_nulls, "a.json")])
def test_a_column_without_any_value_is_called_empty(make: Callable[[Path], Any], name: str, tmp_path: Path) -> None:
    notes = {note.name: note for note in read(make(tmp_path / name), target="y").notes}
    assert notes["n"].kind == "empty"


def test_views_of_texts_in_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    texts = pa.array([c for _, c, _ in ROWS], pa.string_view())
    spans = pa.array([i * 60_000 for i in range(N)], pa.duration("ms"))
    pq.write_table(pa.table({"x": [r[0] for r in ROWS], "c": texts, "y": [r[2] for r in ROWS], "s": spans}), path)
    _, c, s = read(path, target="y").inputs.columns
    assert list(c.texts()) == [c for _, c, _ in ROWS]
    assert s.values.tolist() == [60.0 * i for i in range(N)]


def test_texts_written_as_formulas(tmp_path: Path) -> None:
    lines = [f'{x:.2f};="{1 + i % 9:05d}";{y}\n' for i, (x, _, y) in enumerate(ROWS)]
    data = read(file(tmp_path, "a.csv", "x;c;y\n" + "".join(lines)), target="y", kinds={"c": "category"})
    assert data.inputs.columns[1].levels == tuple(f"{i:05d}" for i in range(1, 10))


def test_a_target_named_by_a_fraction() -> None:
    import pandas as pd

    frame = pd.DataFrame({0.5: [r[0] for r in ROWS], 1.5: [r[2] for r in ROWS]})
    assert read(frame, target=1.5).task.target == "1.5"
