"""Saving and loading give back the same model and the same words, whole or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from annvil.bundle import Info, load, load_weights, save
from annvil.bundle.migrations import FORMAT_VERSION
from annvil.data.table import table_form
from annvil.errors import BundleError, MachineError, RequestError
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task


def test_a_saved_model_says_what_the_hand_calculation_says(saved, example):
    np.testing.assert_allclose(load(saved).raw(example.rows), example.expected, atol=1e-12)


def test_the_words_come_back(saved, example):
    manifest = load(saved).manifest
    assert manifest.form == example.form
    assert manifest.task == example.task
    info = manifest.info
    assert (info.contender, info.title, info.summary) == ("linear", "Logistic regression", "weight decay 0.1")
    assert info.preparation == ("Missing ages became 30.",)
    assert info.data.n_rows == 500
    assert info.scores == {"roc_auc": 0.91, "log_loss": 0.3}
    assert info.spreads == {"roc_auc": 0.02, "log_loss": None}  # JSON has no NaN
    assert {"numpy", "onnxruntime", "torch"} <= set(info.versions)


def test_weights_come_back(saved, example):
    weights = load_weights(saved)
    assert weights.keys() == example.weights.keys()
    for name, array in example.weights.items():
        np.testing.assert_array_equal(weights[name], array)
        assert weights[name].dtype == array.dtype


def test_weights_may_be_left_out(tmp_path, example):
    path = example.save(tmp_path / "model", weights=None)
    assert sorted(file.name for file in path.iterdir()) == ["manifest.json", "model.onnx"]
    assert load_weights(path) == {}
    np.testing.assert_allclose(load(path).raw(example.rows), example.expected, atol=1e-12)


@pytest.mark.parametrize(
    ("kind", "classes"),
    [
        ("binary", (False, True)),
        ("multiclass", (1, 2, 3)),
        ("multiclass", ("a", "", "ü")),
        ("multiclass", (1, 2.5, "x", True)),
        ("regression", ()),
    ],
)
def test_labels_keep_value_and_type(tmp_path, kind, classes):
    task = make_task(kind, "y", classes)
    path = save(tmp_path / "model", _constant_graph(task.n_outputs), form=table_form([]), task=task)
    back = load(path).task
    assert back == task
    assert [type(label) for label in back.classes] == [type(label) for label in classes]


def test_the_same_model_gives_the_same_bytes(tmp_path, example):
    first, second = example.save(tmp_path / "a.zip"), example.save(tmp_path / "b.zip")
    assert first.read_bytes() == second.read_bytes()


def test_saving_again_replaces(saved, example):
    example.save(saved, info={"title": "another"}, weights=None)
    assert load(saved).manifest.info.title == "another"
    assert load_weights(saved) == {}
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_a_folder_of_other_things_is_never_replaced(tmp_path, example):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RequestError, match="nothing is overwritten"):
        example.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_full_disk_leaves_the_older_model(saved, example, monkeypatch):
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match=r"No space left.*Free some space"):
        example.save(saved, info={"title": "another"})
    monkeypatch.undo()
    assert load(saved).manifest.info.title == "Logistic regression"
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_a_graph_that_could_not_be_loaded_is_not_saved(tmp_path, example):
    graph = Graph()
    numbers = graph.input("numbers", "float64", ["rows", 2])
    graph.input("texts", "string", ["rows", 1])
    content = graph.finish({"prediction": (graph.op("Det", numbers), "float64", ["rows", 2])})
    with pytest.raises(BundleError, match="'Det'"):
        example.save(tmp_path / "model", graph=content)
    assert list(tmp_path.iterdir()) == []


def test_unknown_words_are_refused(tmp_path, example):
    with pytest.raises(Exception, match="sumary"):
        example.save(tmp_path / "model", info={"sumary": "misspelt"})


def test_info_may_be_given_as_it_is(tmp_path, example):
    assert load(example.save(tmp_path / "model", info=Info(threshold=0.25))).manifest.info.threshold == 0.25


def test_permissions_are_those_of_any_new_folder(tmp_path, example):
    plain = tmp_path / "plain"
    plain.mkdir()
    assert example.save(tmp_path / "model").stat().st_mode == plain.stat().st_mode


def test_a_path_in_a_folder_that_does_not_exist_yet(tmp_path: Path, example):
    assert load(example.save(tmp_path / "runs" / "one" / "model")).task == example.task


@pytest.mark.parametrize("version", [1])
def test_models_of_earlier_formats_say_the_same(version, example):
    """A file of every format that was ever released, kept as it was written."""
    path = Path(__file__).parent / "data" / f"format-{version}.zip"
    model = load(path)
    assert model.manifest.format_version == FORMAT_VERSION  # brought forward
    np.testing.assert_allclose(model.raw(example.rows), example.expected, atol=1e-6)
    np.testing.assert_array_equal(load_weights(path)["step"], 7)


def _constant_graph(n_outputs: int) -> bytes:
    """The same outputs for every row; neither input has a column."""
    graph = Graph()
    numbers = graph.input("numbers", "float64", ["rows", 0])
    graph.input("texts", "string", ["rows", 0])
    rows = graph.op("Shape", numbers, start=0, end=1)
    shape = graph.op("Concat", rows, graph.constant(np.array([n_outputs])), axis=0)
    outputs = graph.op("Expand", graph.constant(np.full((1, n_outputs), 1 / n_outputs)), shape)
    return graph.finish({"prediction": (outputs, "float64", ["rows", n_outputs])})
