"""The model at work: the same answers from one row and from many, from one thread and from many."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest

from annvil.bundle import InputNotice, Predictor, export, load, save
from annvil.bundle.predictor import BLOCK_ROWS
from annvil.data.table import Field, table_form, table_from_columns
from annvil.errors import BundleError, DataError, RequestError
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task


@pytest.fixture
def model(saved) -> Predictor:
    return load(saved)


class Twice:
    """Predicts twice the first number, for regression."""

    def write(self, graph: Graph, numbers: str, texts: str) -> str:
        return graph.op("Mul", graph.columns(numbers, [0]), graph.constant(2.0))


def regression() -> Predictor:
    form, task = table_form([Field("x", "number")]), make_task("regression", "y")
    return Predictor.from_graph(export(Twice(), form, task), form, task)


def numbers(values):
    return table_from_columns([("x", "number", values)])


ROW = {"age": 50, "city": "Bergen", "income": None}


@pytest.mark.parametrize(
    "rows",
    [
        ROW,
        [ROW],
        {"income": [None], "city": ["Bergen"], "age": [50]},
        pd.DataFrame([ROW]),
        pl.DataFrame([ROW]).select("income", "age", "city"),
        np.array([["50", "Bergen", ""]], dtype=object),
    ],
    ids=["dict", "list of dicts", "dict of columns", "pandas", "polars in another order", "array"],
)
def test_rows_may_come_in_any_form(model, rows):
    expected = 1 / (1 + np.exp(-(0.1 * 50 - 0.5 - 2)))
    np.testing.assert_allclose(model.predict_proba(rows), [[1 - expected, expected]], atol=1e-12)
    assert model.predict(rows).tolist() == ["yes"]


def test_rows_may_come_from_a_file(model, tmp_path):
    (tmp_path / "new.csv").write_text("city,income,age\nBergen,1,50\n,2,\n")
    assert model.predict(str(tmp_path / "new.csv")).tolist() == ["yes", "yes"]


def test_a_missing_column_is_refused_by_name(model):
    with pytest.raises(DataError, match=r"column 'age' is missing from.*Did you mean 'Age'"):
        model.predict({"Age": 50, "city": "Oslo", "income": 1})


def test_further_columns_are_ignored_aloud(model):
    with pytest.warns(InputNotice, match="'shoe'") as caught:
        labels = model.predict({**ROW, "shoe": 44})
    assert labels.tolist() == ["yes"]
    assert caught[0].filename == __file__  # the notice points at the caller, not into Annvil
    conformed = model.conform({**ROW, "shoe": 44})
    assert (conformed.inputs.n_rows, len(conformed.notices)) == (1, 1)


def test_texts_declared_missing_are_missing_in_new_rows(tmp_path, example):
    model = load(example.save(tmp_path / "model", form=table_form(example.form.fields, ["n/k"])))
    np.testing.assert_array_equal(model.predict_proba({**ROW, "age": "n/k"}), model.predict_proba({**ROW, "age": None}))


def test_the_style_of_numbers_comes_back(tmp_path, example):
    form = table_form([Field("age", "number", "comma"), *example.form.fields[1:]])
    model = load(example.save(tmp_path / "model", form=form))
    assert model.form == form
    np.testing.assert_array_equal(
        model.predict_proba({**ROW, "age": "50,5"}), model.predict_proba({**ROW, "age": 50.5})
    )


def test_one_row_takes_less_than_a_millisecond(example):
    """Fifteen columns through a small model, Python call included; 0.04 ms measured on a busy core."""
    fields = (
        *example.form.fields,
        *(Field(f"x{j}", "number") for j in range(8)),
        *(Field(f"c{j}", "category") for j in range(4)),
    )
    form = table_form(fields)
    model = Predictor.from_graph(export(example.model, form, example.task), form, example.task)
    row = {field.name: "text" if field.is_text else 1.5 for field in fields}
    seconds = []
    for _ in range(300):
        started = time.perf_counter()
        model.predict(row)
        seconds.append(time.perf_counter() - started)
    assert np.median(seconds) < 0.001


def test_labels_are_what_the_user_wrote(model, example):
    labels = model.decide(model.raw(example.rows))
    assert labels.tolist() == ["yes" if p > 0.5 else "no" for p in example.expected[:, 1]]


def test_the_threshold_of_the_manifest_decides(tmp_path, example):
    model = load(example.save(tmp_path / "model", info={"threshold": 0.73}))
    outputs = np.array([[0.27, 0.73], [0.28, 0.72], [0.0, 1.0]])
    assert model.decide(outputs).tolist() == ["yes", "no", "yes"]


def test_several_labels_are_said_each_from_its_own_threshold(tmp_path, example):
    task = make_task("multilabel", "bought", ("bread", "milk"))
    info = {"threshold": (0.2, 0.6)}
    model = load(save(tmp_path / "model", example.graph, form=example.form, task=task, info=info))
    outputs = np.array([[0.2, 0.6], [0.19, 0.59], [0.9, 0.1]])
    assert model.decide(outputs).tolist() == [[1, 1], [0, 0], [1, 0]]
    half = Predictor.from_graph(example.graph, example.form, task)
    assert half.decide(outputs).tolist() == [[0, 1], [0, 1], [1, 0]]
    assert half.predict(example.rows).tolist() == (example.expected >= 0.5).astype(int).tolist()


@pytest.mark.parametrize(
    ("classes", "dtype"),
    [
        ((False, True), np.bool_),
        ((3, 7), np.int64),
        ((0.5, 1.5), np.float64),
        (("a", "b"), np.str_),
        ((1, "b"), object),
    ],
)
def test_labels_keep_their_type(example, classes, dtype):
    model = Predictor.from_graph(example.graph, example.form, make_task("binary", "buys", classes))
    labels = model.decide(np.array([[1.0, 0.0], [0.0, 1.0]]))
    assert np.issubdtype(labels.dtype, dtype)
    assert tuple(labels.tolist()) == classes


def test_numbers_are_numbers():
    model = regression()
    predicted = model.decide(model.raw(numbers([1.5, -2.0])))
    assert predicted.dtype == np.float64
    assert predicted.tolist() == [3.0, -4.0]


def test_a_number_has_no_probabilities():
    with pytest.raises(RequestError, match="predicts the number 'y'"):
        regression().predict_proba({"x": [1.0]})


def test_no_rows_give_no_predictions(model, example):
    outputs = model.raw(example.rows.take(slice(0, 0)))
    assert outputs.shape == (0, 2)
    assert model.decide(outputs).shape == (0,)


def test_rows_one_by_one_are_rows_together(model, example):
    together = model.raw(example.rows)
    for row in range(example.rows.n_rows):
        np.testing.assert_allclose(model.raw(example.rows.take(slice(row, row + 1)))[0], together[row], atol=1e-12)


@pytest.mark.parametrize("n_rows", [BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS + 17])
def test_blocks_are_put_together_in_order(n_rows):
    values = np.random.default_rng(0).normal(size=n_rows)
    np.testing.assert_array_equal(regression().raw(numbers(values))[:, 0], 2 * values)


def test_threads_do_not_disturb_each_other(model, example):
    def work(number: int) -> bool:
        row = number % example.rows.n_rows
        outputs = model.raw(example.rows.take(slice(row, row + 1)))
        return bool(np.array_equal(outputs[0], expected[row]))

    expected = model.raw(example.rows)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(2000)))


def test_a_graph_that_fails_while_predicting_is_an_error_of_the_bundle(example):
    class Outside:
        """Looks up ages in a list that is too short."""

        def write(self, graph: Graph, numbers: str, texts: str) -> str:
            age = graph.cast(graph.columns(numbers, [0]), "int64")
            found = graph.op("Gather", graph.constant([1.0, 2.0]), age)
            return graph.concat([found, found])

    with pytest.raises(BundleError, match="failed on 5 rows"):
        Predictor.from_graph(export(Outside(), example.form, example.task), example.form, example.task).raw(
            example.rows
        )


def test_predicting_imports_no_training_library_and_unpickles_nothing(tmp_path, example):
    """In a fresh interpreter: loading and predicting stay within onnxruntime, NumPy, narwhals, msgspec and Annvil."""
    example.save(tmp_path / "model")
    code = f"""
import sys
unpickled = []
sys.addaudithook(lambda event, arguments: unpickled.append(event) if event == "pickle.find_class" else None)
import annvil.bundle
model = annvil.bundle.load({str(tmp_path / "model")!r})
row = {{"age": 50, "city": "Oslo", "income": 1.0}}
assert model.predict(row).shape == (1,)
assert model.predict_proba([row, row]).shape == (2, 2)
heavy = {{"torch", "sklearn", "scipy", "onnx", "joblib", "cloudpickle", "pandas", "polars", "pyarrow", "duckdb",
          "typer", "rich", "jinja2", "safetensors"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert not unpickled
"""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


def test_no_file_of_a_bundle_holds_a_pickle(tmp_path, example):
    """No part, at no offset, is a stream that an unpickler would follow to an import."""
    import pickletools

    path = example.save(tmp_path / "model")
    for part in path.iterdir():
        content = part.read_bytes()
        assert not content.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))
        for start in range(len(content)):
            names = []
            try:
                names.extend(opcode.name for opcode, _, _ in pickletools.genops(content[start : start + 200]))
            except ValueError:
                continue  # no pickle from here
            assert not {"GLOBAL", "STACK_GLOBAL", "INST"} & set(names)
