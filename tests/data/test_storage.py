"""A data set kept on disk comes back as it was."""

import numpy as np
import pytest

from annvil.data.storage import load_dataset, save_dataset
from annvil.data.table import ColumnNote, Dataset, Source, table_from_columns
from annvil.errors import DataError
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


def test_damage_is_refused(tmp_path):
    path = tmp_path / "data.safetensors"
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(path)
    save_dataset(made(make_task("regression", "p"), np.zeros(3), None), path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(DataError, match="Fit again"):
        load_dataset(path)
