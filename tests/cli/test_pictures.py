"""Pictures on the command line: what is told of them, and predictions with their names."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from annvil.bundle import export, save
from annvil.cli.progress import data_described
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.reading.decoded import decoded
from annvil.kinds.pictures.reading.listing import list_folder
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.onnx.builder import Graph, Value
from annvil.tasks.union import make_task


class Brightness:
    """p(light) is the mean of the pixels, in parts of 255."""

    def write(self, graph: Graph, pixels: Value) -> Value:
        flat = graph.op("Reshape", graph.cast(pixels, "float32"), graph.constant(np.array([0, -1])))
        light = graph.op("ReduceMean", flat, graph.constant(np.array([1])), keepdims=1)
        light = graph.op("Div", light, graph.constant(np.float32(255)))
        return graph.concat([graph.op("Sub", graph.constant(np.float32(1)), light), light])


@pytest.fixture
def model(tmp_path):
    form = images_from_arrays(np.zeros((1, 8, 8), dtype=np.uint8)).form
    task = make_task("binary", "label", ("dark", "light"))
    save(tmp_path / "runs" / "x" / "model", export(Brightness(), form, task), form=form, task=task, info={})
    return tmp_path / "runs" / "x"


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "new"
    folder.mkdir()
    for name, value in (("a", 51), ("b", 204), ("=c", 255)):
        Image.fromarray(np.full((8, 8), value, dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


def told(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_pictures_one_by_one(annvil, model, pictures):
    result = annvil("predict", model / "model", pictures / "b.png", pictures / "a.png")
    assert result.exit_code == 0, result.output
    header, *rows = told(result.stdout)
    assert header == ["picture", "predicted_label", "probability_dark", "probability_light"]
    assert [row[:2] for row in rows] == [[str(pictures / "b.png"), "light"], [str(pictures / "a.png"), "dark"]]
    assert [float(row[3]) for row in rows] == pytest.approx([0.8, 0.2])


def test_several_labels_are_written_with_bars(annvil, pictures, tmp_path):
    form = images_from_arrays(np.zeros((1, 8, 8), dtype=np.uint8)).form
    for target, header in (("what is there", "predicted_what is there"), ("dark, light", "predicted_labels")):
        task, path = make_task("multilabel", target, ("dark", "light")), tmp_path / header
        info = {"threshold": (0.19, 0.5)}
        save(path, export(Brightness(), form, task), form=form, task=task, info=info)
        result = annvil("predict", path, pictures)
        assert result.exit_code == 0, result.output
        first, *rows = told(result.stdout)
        assert first == ["picture", header, "probability_dark", "probability_light"]
        assert [row[1] for row in rows] == ["light", "dark", "dark|light"]  # =c, a, b


def test_a_folder_of_pictures(annvil, model, pictures, tmp_path):
    result = annvil("predict", model, pictures, "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    assert "3 predictions are in" in result.stderr
    rows = told((tmp_path / "out.csv").read_text())[1:]
    assert [row[:2] for row in rows] == [["'=c.png", "light"], ["a.png", "dark"], ["b.png", "light"]]


def test_refusals_are_sentences(annvil, model, pictures, tmp_path, saved_model):
    (tmp_path / "new.csv").write_text("age,city\n1,Oslo\n")
    for words, message in (
        ((model, pictures / "none.png"), "There is no file"),
        ((model, pictures / "a.png", "--keep"), "Leave out --keep"),
        ((saved_model, tmp_path / "new.csv", tmp_path / "new.csv"), "one file at a time"),
        ((model, pictures / "a.png", pictures / "b.png", "-o", pictures / "b.png"), "would be overwritten"),
    ):
        result = annvil("predict", *words)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert "Traceback" not in result.output


@pytest.mark.parametrize("several", [False, True])
def test_what_was_read_is_told(several):
    X = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)
    labels = np.tile([[0, 1, 1], [1, 1, 0], [1, 0, 1], [0, 0, 0]], (10, 1))
    dataset = read_images((X, labels if several else np.tile([0, 1], 20)))
    out = Console(file=io.StringIO(), width=120)
    out.print(data_described(dataset, ()))
    text = out.file.getvalue()
    assert "40 of 8 × 8 colour" in text
    assert ("3 labels: label 1 (20)" if several else "2 classes: 0 (20) and 1 (20)") in text


@pytest.mark.parametrize(
    ("kind", "message"),
    [("empty", "photos"), ("one class", "photos"), ("a label on no picture", "is never there; leave it out")],
)
def test_bad_sources_end_with_a_sentence(annvil, tmp_path, kind, message):
    source = tmp_path / "photos"
    source.mkdir()
    if kind == "one class":
        Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(source / "a.png")
    if kind == "a label on no picture":
        source = tmp_path / "labels.npz"
        X = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
        np.savez(source, X=X, y=np.tile([[0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]], (10, 1)))
    result = annvil("fit", source, "--out", tmp_path / "runs", "--budget", "10s")
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    assert message in result.stderr
    assert "mistake of ours" not in result.output
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("how", ["folder", "files"])
def test_a_broken_picture_is_named_and_the_others_are_predicted(annvil, model, pictures, how):
    (pictures / "b.png").write_bytes(b"")
    named = [pictures] if how == "folder" else sorted(pictures.iterdir())
    result = annvil("predict", model, *named)
    assert result.exit_code == 0, result.output
    assert [row[1] for row in told(result.stdout)[1:]] == ["light", "dark"]
    assert "b.png is empty (0 bytes)" in result.stderr


def test_the_cache_is_listed_and_emptied(annvil, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "kept"))
    assert "Nothing is kept" in annvil("cache").stdout
    decoded(list_folder(pictures))
    folder = tmp_path / "kept" / "annvil" / "images"
    assert folder.stat().st_mode & 0o777 == 0o700
    (entry,) = folder.iterdir()
    n_bytes = sum(file.stat().st_size for file in entry.iterdir())
    said = json.loads(annvil("cache", "--json").stdout)
    assert said["entries"] == [{"path": str(entry), "bytes": n_bytes}]
    assert str(entry) in annvil("cache").stdout
    assert annvil("cache", "--clear").stdout.startswith("Deleted ")
    assert not entry.exists()
