"""Predictions as a file: right, in order, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest

from annvil.bundle import export, save
from annvil.data.table import Field, table_form
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task
from annvil.text.safe import harmless

HEADER = ["predicted_buys", "probability_no", "probability_yes"]


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def new(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text('id,city,age,note\n1,Oslo,30,"=cmd|calc"\n2,Rome,,+1\n3,,50.5,"a ""b"", c"\n')
    return path


def test_classes_and_probabilities_to_standard_output(annvil, saved_model, new):
    result = annvil("predict", saved_model, new)
    assert result.exit_code == 0, result.output
    header, *rows = table(result.stdout)
    assert header == HEADER
    assert [row[0] for row in rows] == ["yes", "no", "no"]
    assert [float(row[2]) for row in rows] == pytest.approx([0.9, 0.2, 0.2])
    assert "id" in result.stderr
    assert "note" in result.stderr
    assert "Ignored 2 columns" in result.stderr


@pytest.mark.parametrize("place", ["model", "."])
def test_a_run_and_its_model_are_the_same(annvil, saved_model, new, place):
    assert annvil("predict", saved_model / place, new).stdout == annvil("predict", saved_model, new).stdout


def test_into_a_file(annvil, saved_model, new, tmp_path):
    result = annvil("predict", saved_model, new, "-o", tmp_path / "out.csv")
    assert result.stdout == ""
    assert "3 predictions are in" in result.stderr
    assert (tmp_path / "out.csv").read_bytes().decode() == annvil("predict", saved_model, new).stdout


def test_keep_copies_the_columns_and_disarms_formulas(annvil, saved_model, new):
    header, *rows = table(annvil("predict", saved_model, new, "--keep").stdout)
    assert header == ["id", "city", "age", "note", *HEADER]
    assert [row[:4] for row in rows] == [
        ["1", "Oslo", "30", "'=cmd|calc"],
        ["2", "Rome", "", "+1"],
        ["3", "", "50.5", 'a "b", c'],
    ]


def test_keep_copies_typed_columns(annvil, saved_model, tmp_path):
    import datetime as dt

    import polars as pl

    frame = pl.DataFrame(
        {
            "age": [1.5, None],
            "city": ["Oslo", None],
            "when": [dt.date(2026, 3, 4), None],
            "n": [7, None],
            "ok": [True, None],
            "tags": [["a"], None],
        }
    )
    frame.write_parquet(tmp_path / "new.parquet")
    header, first, second = table(annvil("predict", saved_model, tmp_path / "new.parquet", "--keep").stdout)
    assert header[:6] == frame.columns
    assert first[:6] == ["1.5", "Oslo", "2026-03-04", "7", "true", ""]
    assert second[:6] == [""] * 6


def test_a_missing_column_is_named(annvil, saved_model, tmp_path):
    (tmp_path / "new.csv").write_text("Age,city\n1,Oslo\n")
    result = annvil("predict", saved_model, tmp_path / "new.csv")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "The column 'age' is missing from" in result.stderr


def test_no_model_there(annvil, tmp_path, new):
    result = annvil("predict", tmp_path / "nothing", new)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "There is no saved model at" in result.stderr


def test_numbers_have_no_probabilities_and_labels_are_disarmed(annvil, tmp_path):
    class Same:
        def write(self, graph: Graph, numbers: str, texts: str) -> str:
            return numbers

    (tmp_path / "new.csv").write_text("x,y\n0.25,0.75\n-3.5,4.5\n")
    one, two = (table_form([Field(name, "number") for name in names]) for names in ("x", "xy"))
    save(
        tmp_path / "number.zip",
        export(Same(), one, make_task("regression", "=z")),
        form=one,
        task=make_task("regression", "=z"),
    )
    assert table(annvil("predict", "number.zip", "new.csv").stdout) == [["predicted_=z"], ["0.25"], ["-3.5"]]
    task = make_task("binary", "z", ("=1+1", "@b"))
    save(tmp_path / "class.zip", export(Same(), two, task), form=two, task=task)
    header, *rows = table(annvil("predict", "class.zip", "new.csv").stdout)
    assert header == ["predicted_z", "probability_=1+1", "probability_@b"]
    assert [row[0] for row in rows] == ["'@b", "'@b"]


@pytest.mark.parametrize("text", ["=1", "+a", "-a", "@SUM(A1)", "\tx", "\r=1", "=HYPERLINK(0)", "-1+1", "+1e5x"])
def test_formulas_are_disarmed(text):
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("cell", ["", "a=b", "-1", "+4.5e-3", "-.5", -1, 2.5, None, True])
def test_everything_else_stays(cell):
    assert harmless(cell) == cell
