"""The dummy, by hand."""

from __future__ import annotations

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models.dummy import Dummy
from annvil.models.jobs import Context, Effort, Job
from annvil.tasks.union import make_task

ROWS = np.arange(6)
JOB = Job("j", ROWS, (Split(ROWS[3:], ROWS[:3]), Split(ROWS[:3], ROWS[3:])), 0)


def fitted_to(task, y):
    dataset = Dataset(table_from_columns([("x", "number", np.zeros(6))]), np.asarray(y), task, ROWS)
    (fitted,) = Dummy().fit(dataset, [JOB], Effort(), Context())
    return fitted, fitted.predict(dataset.inputs.take(np.array([0, 1])))


def test_class_frequencies_plus_one():
    fitted, outputs = fitted_to(make_task("multiclass", "y", ("a", "b", "c")), [0, 0, 0, 1, 1, 0])
    np.testing.assert_allclose(outputs, [[5 / 9, 3 / 9, 1 / 9]] * 2)
    np.testing.assert_allclose(fitted.out_of_fold[0], [2 / 6, 3 / 6, 1 / 6])
    np.testing.assert_allclose(fitted.out_of_fold[5], [4 / 6, 1 / 6, 1 / 6])
    assert fitted.summary == "class frequencies"


def test_the_mean():
    fitted, outputs = fitted_to(make_task("regression", "y"), [1.0, 2, 3, 4, 5, 12])
    np.testing.assert_allclose(outputs, [[4.5]] * 2)
    np.testing.assert_allclose(fitted.out_of_fold[:, 0], [7, 7, 7, 2, 2, 2])
