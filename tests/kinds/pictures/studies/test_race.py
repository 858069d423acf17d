"""The rows that every fit gets, from what a race kept."""

from types import SimpleNamespace

import numpy as np
import pytest

from annvil.comparison import Store
from annvil.comparison.results import Cost, FoldResult
from annvil.comparison.store import ShippedCost
from annvil.data.dataset import Dataset
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.studies.race_rows import measure_the_race
from annvil.tasks.union import make_task

N = 200
TASK = make_task("multiclass", "digit", ("a", "b", "c"))


def dataset():
    y = np.arange(N) % 3
    return Dataset(images_from_arrays(np.zeros((N, 8, 8), np.uint8)), y, TASK, np.arange(N))


def found(comparison, store):
    return SimpleNamespace(dataset=dataset(), comparison=comparison, store=store)


@pytest.fixture
def race(tmp_path):
    """Two folds of both networks, told in different orders of rows; the dense one is wrong on 40, the other on 4."""
    store, folds = Store(tmp_path), []
    for name, wrong in (("pixels-dense", 40), ("convolutional", 4)):
        for fold in range(2):
            rows = np.random.default_rng(len(name) + fold).permutation(np.arange(fold, N, 2))
            decided = np.where(rows < wrong, (dataset().y[rows] + 1) % 3, dataset().y[rows])
            result = FoldResult(
                contender=name,
                job=f"repeat-0-fold-{fold}",
                repeat=0,
                fold=fold,
                n_train=100,
                n_test=100,
                scores={},
                inner_score=0.0,
                configuration={},
                summary="a network",
                tried=(),
                fit_seconds=1.0 if name == "pixels-dense" else 3.0,
                core_seconds=1.0,
                n_parameters=1000,
                history={"train_loss": (1.0, 0.5)},
            )
            store.keep_result(result, rows, np.eye(3)[decided])
            folds.append(result)
        cost = Cost(1.0, 1.0, 1, 1000, latency_ms_p50=0.1, rows_per_second=1e4, peak_memory_mb=20.0)
        store.keep_cost(name, ShippedCost(cost, 0.0))
    return SimpleNamespace(folds=tuple(folds), standings=()), store


def test_held_out_pictures_of_all_folds_are_compared_one_by_one(race):
    comparison, store = race
    rows = measure_the_race(found(comparison, store), "annvil compare here")
    assert rows["accuracy"].numbers["gain"]["value"] == pytest.approx(36 / 200)
    assert "On all 200 held-out pictures the convolutional network is right more often: +18.0 points" in (
        rows["accuracy"].sentence
    )
    assert rows["training-time"].sentence == "The convolutional network takes 3.0 times as long to train."
    assert rows["memory"].sentence.startswith("Coarse")
    assert rows.remarks[-1].endswith("annvil compare here")
    (section,) = rows.sections()
    assert section.tables[0].rows[0][0] == "Accuracy (95% interval)"


def test_a_race_without_one_of_them_says_so(race):
    comparison, store = race
    alone = SimpleNamespace(
        folds=tuple(fold for fold in comparison.folds if fold.contender == "convolutional"),
        standings=(SimpleNamespace(contender="pixels-dense", reason="The budget is too short."),),
    )
    (section,) = measure_the_race(found(alone, store), "annvil compare here").sections()
    why, how = section.sentences
    assert why.startswith("The comparison has no results of the dense network (The budget is too short), so the two")
    assert how == "To measure it: annvil compare here"
    assert section.tables == ()
