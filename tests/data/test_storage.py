"""A data set kept on disk comes back as it was."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.data.storage import load_dataset, save_dataset
from annvil.data.table import table_from_columns
from annvil.errors import DataError
from annvil.kinds.pictures import images_from_arrays
from annvil.tasks.base import Task
from annvil.tasks.union import make_task


def made(task: Task, y: np.ndarray, time: np.ndarray | None) -> Dataset:
    columns = [("age", "number", [1.0, np.nan, 3.0]), ("sex", "category", ["f", None, "m – ü"])]
    note = ColumnNote("age", "number", True, "numbers", 1, 2, ("1", "3"))
    source = Source("x.csv", "/x.csv", "00", 12)
    return Dataset(table_from_columns(columns), y, task, np.array([0, 1, 1]), True, time, (note,), source)


@pytest.mark.parametrize(
    "dataset",
    [
        made(make_task("binary", "won", (False, True), "two values"), np.array([0, 1, 1]), None),
        made(make_task("multiclass", "kind", ("a", 2, 2.5)), np.array([0, 1, 2]), np.array([3.0, 1.0, 2.0])),
        made(make_task("regression", "price"), np.array([0.5, -1.0, 1e300]), None),
    ],
)
def test_round_trip(tmp_path, dataset):
    save_dataset(dataset, tmp_path / "data.safetensors")
    back = load_dataset(tmp_path / "data.safetensors")
    assert back.task == dataset.task
    assert [type(label) for label in back.task.classes] == [type(label) for label in dataset.task.classes]
    assert (back.notes, back.source, back.grouped) == (dataset.notes, dataset.source, dataset.grouped)
    assert back.inputs.schema == dataset.inputs.schema
    np.testing.assert_array_equal(back.inputs.numbers(), dataset.inputs.numbers())
    np.testing.assert_array_equal(back.inputs.texts(), dataset.inputs.texts())
    np.testing.assert_array_equal(back.y, dataset.y)
    assert back.y.dtype == dataset.y.dtype
    np.testing.assert_array_equal(back.groups, dataset.groups)
    assert (back.time is None) == (dataset.time is None)


def test_pictures_come_back(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
    images = images_from_arrays(pixels).take(np.array([4, 1, 2]))
    dataset = Dataset(images, np.arange(3), make_task("regression", "size"), np.arange(3))
    save_dataset(dataset, tmp_path / "data.safetensors")
    back = load_dataset(tmp_path / "data.safetensors").inputs
    assert (back.form, back.names(), back.digest()) == (images.form, images.names(), images.digest())
    np.testing.assert_array_equal(back.pixels(), pixels[[4, 1, 2]])


def test_what_means_no_value_comes_back(tmp_path):
    dataset = made(make_task("regression", "price"), np.zeros(3), None)
    dataset = replace(dataset, inputs=replace(dataset.inputs, missing=("n/k",)))
    save_dataset(dataset, tmp_path / "data.safetensors")
    assert load_dataset(tmp_path / "data.safetensors").inputs.form == dataset.inputs.form


KEPT = Path(__file__).parent / "kept"


def test_a_table_that_an_earlier_version_kept():
    """Its digest is that of the version that kept it, or a run could not be resumed."""
    said = json.loads((KEPT / "format-1.json").read_text(encoding="utf-8"))["table"]
    dataset = load_dataset(KEPT / "format-1-table.safetensors")
    assert dataset.inputs.digest() == said["digest"]
    assert dataset.inputs.missing == ("n/k",)
    assert [name for name, _ in dataset.inputs.form.columns] == ["weight", "city", "member", "joined"]
    np.testing.assert_array_equal(dataset.inputs.numbers(), np.array(said["numbers"], dtype=float))
    assert dataset.inputs.texts().tolist() == said["texts"]
    assert dataset.y.tolist() == said["y"]


def test_pictures_that_an_earlier_version_kept():
    said = json.loads((KEPT / "format-1.json").read_text(encoding="utf-8"))["pictures"]
    dataset = load_dataset(KEPT / "format-1-pictures.safetensors")
    assert dataset.inputs.digest() == said["digest"]
    assert dataset.inputs.names() == said["names"]
    assert dataset.inputs.pixels().tolist() == said["pixels"]
    assert dataset.y.tolist() == said["y"]


def test_damage_is_refused(tmp_path):
    path = tmp_path / "data.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(path)
    save_dataset(made(make_task("regression", "p"), np.zeros(3), None), path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="Fit again"):
        load_dataset(path)
