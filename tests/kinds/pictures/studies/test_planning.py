"""What a budget buys: arithmetic."""

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.studies.planning import (
    CONVOLUTIONAL,
    DENSE,
    _seconds,
    curve_sizes,
    plan_study,
    transfer_sizes,
)
from annvil.tasks.union import make_task

TWO = {c.name: c for c in contenders_for_pictures() if c.name in (DENSE, CONVOLUTIONAL)}


def pictures(n, classes=10, side=28, channels=1, kind="multiclass"):
    y = np.arange(n) % classes
    task = make_task(kind, "digit", tuple(str(k) for k in range(classes)))
    if kind == "regression":
        y, task = y.astype(float), make_task(kind, "size")
    inputs = images_from_arrays(np.zeros((1, side, side, channels), np.uint8)).take(np.zeros(n, dtype=np.int64))
    return Dataset(inputs, y, task, np.arange(n))


def test_a_longer_budget_buys_more_pictures_and_longer_trainings():
    data = pictures(20_000)
    plans = [plan_study(data, TWO, {}, seconds, 0, "") for seconds in (60, 600, 6000)]
    assert [plan.n_used for plan in plans] == sorted(plan.n_used for plan in plans)
    assert plans[0].n_used < 20_000 == plans[-1].n_used
    assert plans[0].trainings == 2
    assert plans[-1].trainings == 3


def test_all_fits_together_fit_the_budget():
    data = pictures(4_000)
    plan = plan_study(data, TWO, {}, 300, 0, "")
    assert sum(_seconds(plan, data, one) for one in TWO.values()) <= 0.85 * 300 * 1.001


def test_large_pictures_are_averaged_before_the_shuffle():
    assert plan_study(pictures(500), TWO, {}, 60, 0, "").side == 1
    assert plan_study(pictures(500, side=64, channels=3), TWO, {}, 60, 0, "").side == 4


def test_a_network_that_is_too_large_for_the_budget_gives_way_to_a_smaller_one():
    chosen = {CONVOLUTIONAL: {"size": "deep", "epochs": 30}}
    data = pictures(4_000)
    assert plan_study(data, TWO, chosen, 300, 0, "").configurations == chosen
    assert plan_study(data, TWO, chosen, 60, 0, "").configurations[CONVOLUTIONAL]["size"] in ("medium", "small")


def test_the_race_decides_which_networks():
    chosen = {CONVOLUTIONAL: {"size": "small", "epochs": 3}}
    plan = plan_study(pictures(500), TWO, chosen, 60, 0, "")
    assert plan.configurations == chosen


def test_curves_halve_until_there_are_four_a_class():
    assert curve_sizes(pictures(1797), 1437, 5) == (44, 89, 179, 359, 718)
    assert curve_sizes(pictures(100), 80, 5) == (40,)
    assert curve_sizes(pictures(1797), 1437, 3) == (179, 359, 718)


@pytest.mark.parametrize(
    ("data", "sizes", "reason"),
    [
        (pictures(4_000), (10, 50, 200), ""),
        (pictures(900), (10, 50), ""),
        (pictures(100), (), "of one there are 8"),
        (pictures(900, classes=3), (), "there are 3 classes"),
        (pictures(900, kind="regression"), (), "do not have one class each"),
    ],
)
def test_transfer_needs_classes_and_pictures(data, sizes, reason):
    found, why = transfer_sizes(data, data.n_rows)
    assert found == sizes
    assert (reason in why) if reason else not why
