"""Accuracy on the official test parts of published sets, over seeds; margins below what was measured."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.splits import inner_splits
from annvil.kinds.series.contenders.features import SummaryFeatures
from annvil.kinds.series.contenders.kernel_models import hydra, minirocket
from annvil.kinds.series.contenders.neighbours import WarpedNeighbours
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.models.extra_trees import ExtraTrees
from annvil.models.jobs import Context, Effort, Job
from annvil.models.on_features import OnFeatures
from annvil.tasks.union import make_task

pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif("ANNVIL_DATA" not in os.environ, reason="ANNVIL_DATA does not point to the real data sets"),
]


def official(name):
    """Data set of all rows, and the rows of the training and of the test part."""
    data = Path(os.environ["ANNVIL_DATA"])
    split = next(one for one in json.loads((data / "catalogue.json").read_text())["datasets"] if one["name"] == name)
    rows = np.genfromtxt(data / "series" / f"{name}.csv", delimiter=",", skip_header=1)
    classes, y = np.unique(rows[:, 0], return_inverse=True)
    names = tuple(str(int(one)) for one in classes)
    task = make_task("binary" if len(names) == 2 else "multiclass", "label", names)
    parts = (np.arange(*split["split"][part]) for part in ("train", "test"))
    return Dataset(series_from_arrays(rows[:, None, 1:]), y, task, np.arange(len(y))), *parts


def accuracy(contender, name, seed, effort):
    dataset, train, test = official(name)
    job = Job("official", train, inner_splits(dataset, train, 5, seed), seed)
    (fitted,) = contender.fit(dataset, [job], effort, Context(threads=1))
    return np.mean(fitted.predict(dataset.inputs.take(test)).argmax(axis=1) == dataset.y[test])


FEW, ALL = Effort(3, scale=0.25, inner_folds=5), Effort(6, inner_folds=5)


@pytest.mark.parametrize(
    ("make", "name", "effort", "least"),
    [
        (hydra, "gun_point", ALL, 0.99),
        (hydra, "ecg_five_days", ALL, 0.995),
        (hydra, "swedish_leaf", ALL, 0.965),
        (minirocket, "gun_point", ALL, 0.98),
        (minirocket, "ecg_five_days", ALL, 0.99),
        (WarpedNeighbours, "gun_point", ALL, 0.9),
        (lambda: OnFeatures(ExtraTrees(), "t", "t", SummaryFeatures.choose), "gun_point", FEW, 0.95),
    ],
)
@pytest.mark.slow
def test_accuracy_is_that_of_the_papers(make, name, effort, least):
    found = [accuracy(make(), name, seed, effort) for seed in range(2)]
    assert min(found) >= least, found


def test_hydra_needs_23_series_and_a_second():
    assert accuracy(hydra(), "ecg_five_days", 0, FEW) >= 0.99
