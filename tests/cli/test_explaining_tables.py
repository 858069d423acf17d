"""`annvil explain` of tables: rows and whole models as sentences, pages, CSV and JSON, and what is refused."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import numpy as np
import pytest

from annvil.bundle import Predictor, export, load, save
from annvil.bundle.effects import Axis, Check, Effect
from annvil.bundle.explanation import write_explanation
from annvil.bundle.manifest import EXPLANATION
from annvil.bundle.storage import add_parts
from annvil.data.splits import Split
from annvil.kinds.tables.explaining import explaining
from annvil.kinds.tables.tiny import tiny_table
from annvil.models.jobs import Context, Effort, Job
from annvil.models.linear import Linear

ROWS = (
    "length,price,when,colour,flag\n1.5,900,2020-01-02,red,true\n-1.2,2500,2019-05-06,<b>blue</b>,false\n0.1,,,green,\n"
)


def saved(folder, asked="binary"):
    dataset = tiny_table(asked)
    rows = np.arange(dataset.n_rows)
    job = Job("first", rows, (Split(rows[rows % 5 > 0], rows[rows % 5 == 0]),), seed=0)
    (fitted,) = Linear().fit(dataset, [job], Effort(), Context())
    form, task = dataset.inputs.form, dataset.task
    path = folder / "x" / "model"
    graph = export(fitted, form, task)
    save(path, graph, form=form, task=task, info={"title": "Linear model"}, beside=explaining(dataset, fitted))
    return path.parent


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "new.csv").write_text(ROWS)
    return tmp_path / "new.csv"


def test_rows_are_told_one_by_one(annvil, run, rows):
    result = annvil("explain", run, rows)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert [f"Row {n}. Predicted: " in said for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert "length = 1.5 (+" in said
    assert "Contributions are exact: the model is a sum of terms." in said


def test_a_page_a_table_and_json_hold_the_same(annvil, run, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    for ending in ("html", "csv", "json"):
        result = annvil("explain", run, rows, "-o", tmp_path / f"why.{ending}")
        assert result.exit_code == 0, result.output
    assert opened == [(tmp_path / "why.html").as_uri()]
    page = (tmp_path / "why.html").read_text()
    assert page.count('id="section-row-') == 3
    assert "<b>blue" not in page
    assert "&lt;b&gt;blue" in page
    lines = [*csv.DictReader(io.StringIO((tmp_path / "why.csv").read_text()))]
    plain = json.loads((tmp_path / "why.json").read_text())
    expected = load(run / "model").explain(rows)
    for place, (line, row) in enumerate(zip(lines, plain["rows"], strict=True)):
        adds = [float(line[f"contribution_{name}"]) for name in expected.features]
        assert float(line["base_value"]) + sum(adds) == pytest.approx(float(line["score"]))
        assert adds == pytest.approx([*row["contributions"].values()])
        assert adds == pytest.approx(expected.matrix[place].tolist())
        assert line["prediction"] == row["prediction"] == expected.prediction[place]


def test_some_rows_another_class_and_what_would_change_it(annvil, run, rows):
    told = annvil("explain", run, rows, "--rows", "2-3,2", "--label", "no", "--change", "length,colour", "--json")
    assert told.exit_code == 0, told.output
    plain = json.loads(told.stdout)
    assert [row["row"] for row in plain["rows"]] == [2, 3]
    assert {row["explained"] for row in plain["rows"]} == {"log-odds of 'no'"}
    for row in plain["rows"]:
        change = row["change"]
        assert change["wanted"] == repr("no" if row["prediction"] == "yes" else "yes")
        assert set(change["changes"]) <= {"length", "colour"}


def test_of_a_long_file_no_more_is_explained_than_is_looked_at(annvil, run, tmp_path, monkeypatch):
    head, *lines = ROWS.splitlines()
    (tmp_path / "long.csv").write_text("\n".join([head, *(lines * 40)]) + "\n")
    asked = []
    whole = Predictor.explain

    def explain(self, rows, *others):
        asked.append(rows.n_rows)
        return whole(self, rows, *others)

    monkeypatch.setattr(Predictor, "explain", explain)
    said = " ".join(annvil("explain", run, tmp_path / "long.csv").stdout.split())
    assert "Row 20. " in said
    assert "Row 21. " not in said
    assert "100 more rows are not told here: use --rows, or -o." in said
    assert asked == [1, 20]
    annvil("explain", run, tmp_path / "long.csv", "-o", tmp_path / "why.html", "--no-open")
    assert "Drawn are the first 50 of 120 rows." in (tmp_path / "why.html").read_text()
    assert asked == [1, 20, 1, 50]
    annvil("explain", run, tmp_path / "long.csv", "-o", tmp_path / "why.csv")
    assert len((tmp_path / "why.csv").read_text().splitlines()) == 121
    assert asked[-1] == 120


def test_a_number_is_wanted_as_a_bound(annvil, tmp_path, rows):
    run = saved(tmp_path, "regression")
    result = annvil("explain", run, rows, "--rows", "1", "--change", "price", "--wanted", ">= 1000")
    assert result.exit_code == 0, result.output
    assert "No change of these columns" in " ".join(result.stdout.split())


def test_the_whole_model_is_a_page(annvil, tmp_path):
    model = saved(tmp_path) / "model"
    nothing = annvil("explain", model)
    assert "was not measured" in " ".join(nothing.stdout.split())
    axis = Axis("length", "number", (0.0, 1.0, 2.0), density=(0.5, 0.5))
    effect = Effect((axis,), "log-odds of 'yes'", "exact", (-1.0, 0.0, 1.0), importance=1.0)
    failed = Check("stability", 0.2, 0.8, False, "Do not rely on the order: refits rank columns otherwise.")
    stored = load(model).explanation
    told = msgspec.structs.replace(stored, effects=(effect,), checks=(failed,), sentences=("Length drives it.",))
    add_parts(model, {EXPLANATION: write_explanation(told)})
    result = annvil("explain", model, "-o", tmp_path / "all.html", "--no-open")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert said == "Do not rely on the order: refits rank columns otherwise. Length drives it."
    page = (tmp_path / "all.html").read_text()
    assert "Length drives it." in page
    assert "Do not rely on the order: refits rank columns otherwise." in page
    assert "<svg" in page
    assert json.loads(annvil("explain", model, "--json").stdout)["effects"][0]["values"] == [-1.0, 0.0, 1.0]
    annvil("explain", model, "-o", tmp_path / "all.csv")
    assert (tmp_path / "all.csv").read_text().splitlines()[1] == "length,log-odds of 'yes',0.0,,-1.0,,"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("new.csv", "--change", "lenght"), "uses no column 'lenght'"),
        (("new.csv", "--wanted", "yes"), "--wanted goes with --change"),
        (("new.csv", "--change", ","), "Name at least one column"),
        (("--rows", "1"), "name what is to be explained"),
        (("new.csv", "--change", "length", "--wanted", "perhaps"), "knows no class 'perhaps'"),
        (("new.csv", "--class", "perhaps"), "knows no class 'perhaps'"),
        (("new.csv", "--method", "lime"), "No method of explaining is called 'lime'"),
        (("new.csv", "--method", "integrated-gradients"), "carries no gradients"),
        (("new.csv", "--rows", "4"), "which has 3 rows; the first is 1"),
        (("new.csv", "--rows", "0"), "which has 3 rows; the first is 1"),
        (("new.csv", "--rows", "2-1"), "such as 3, 1-20 or 1,4-6; got '2-1'"),
        (("new.csv", "--rows", "many"), "got 'many'"),
        (("new.csv", "-o", "why.png"), "Files that end in .html, .csv and .json are written"),
        (("new.csv", "-o", "new.csv"), "would be overwritten"),
        (("new.csv", "-o", "nowhere/why.html"), "There is no folder"),
        (("empty.csv",), "empty.csv"),
        (("header.csv",), "none"),
        (("part.csv",), "part.csv"),
        (("gone.csv",), "gone.csv"),
        (("--class", "yes"), "name what is to be explained"),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(annvil, run, rows, monkeypatch, options, message):
    monkeypatch.chdir(rows.parent)
    (rows.parent / "empty.csv").write_text("")
    (rows.parent / "header.csv").write_text(ROWS.splitlines()[0] + "\n")
    (rows.parent / "part.csv").write_text("length,price\n1,2\n")
    result = annvil("explain", run, *options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert rows.read_text() == ROWS
