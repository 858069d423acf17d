"""Target means: scikit-learn's, never of the row itself."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import TargetEncoder

from annvil.data.table import table_from_columns
from annvil.preparation import TreePreparation
from annvil.tasks.union import make_task

RNG = np.random.default_rng(0)
CITIES = [f"city {int(k)}" for k in RNG.integers(0, 12, 300)]


def cities(values):
    return table_from_columns([("city", "category", values)])


def test_two_classes_are_scikit_learns_encoding(task):
    y = RNG.integers(0, 2, 300)
    fitted, prepared = TreePreparation.fit_transform(cities(CITIES), y=y, task=task, seed=3)
    X = np.array(CITIES, dtype=object)[:, None]
    encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=3))
    np.testing.assert_allclose(prepared.numbers, encoder.fit_transform(X, y), rtol=1e-6)
    new = ["city 1", "city 11", "never seen", None]
    expected = encoder.transform(np.array(new, dtype=object)[:, None])
    np.testing.assert_allclose(fitted.transform(cities(new)).numbers, expected, rtol=1e-6)
    assert fitted.names == ("city (share of yes)",)


def test_several_classes_have_a_column_each():
    y = RNG.integers(0, 3, 300)
    task = make_task("multiclass", "t", ("a", "b", "c", "absent"))
    fitted, prepared = TreePreparation.fit_transform(cities(CITIES), y=y, task=task)
    X = np.array(CITIES, dtype=object)[:, None]
    encoder = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0))
    np.testing.assert_allclose(prepared.numbers, encoder.fit_transform(X, y), rtol=1e-6)
    np.testing.assert_allclose(fitted.transform(cities(CITIES)).numbers, encoder.transform(X), rtol=1e-6)
    assert fitted.names == ("city (share of a)", "city (share of b)", "city (share of c)")


def test_huge_targets_fit_into_float32():
    y = 1e200 * RNG.normal(size=300)
    task = make_task("regression", "t")
    _, prepared = TreePreparation.fit_transform(cities(CITIES), y=y, task=task)
    _, same = TreePreparation.fit_transform(cities(CITIES), y=y / 1e200, task=task)
    np.testing.assert_allclose(prepared.numbers, same.numbers, rtol=1e-4, atol=1e-6)
    assert np.abs(prepared.numbers).max() < 3


def test_training_rows_do_not_know_their_own_answers(task):
    """Every level occurs once: what a row is given comes from other rows, which never saw it."""
    y = np.arange(200) % 2
    _, prepared = TreePreparation.fit_transform(cities([f"id {k}" for k in range(200)]), y=y, task=task)
    np.testing.assert_allclose(prepared.numbers[:, 0], 0.5)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.zeros(12, dtype=np.int64), make_task("binary", "t", ("no", "yes"))),
        (np.array([1] + [0] * 11), make_task("binary", "t", ("no", "yes"))),
        (np.array([2] * 6 + [0] * 6), make_task("multiclass", "t", ("a", "b", "c"))),
        (np.array([2, 1] + [0] * 10), make_task("multiclass", "t", ("a", "b", "c"))),
        (np.full(12, 3.5), make_task("regression", "t")),
    ],
)
def test_rare_classes_and_constant_targets_are_survived(y, task, assert_graph_agrees):
    table = cities([f"city {k}" for k in range(12)])
    fitted, prepared = TreePreparation.fit_transform(table, y=y, task=task)
    assert np.all(np.isfinite(prepared.numbers))
    assert_graph_agrees(fitted, cities(["city 3", "city 99"]))


def test_the_seed_deals_the_rows(task):
    y = RNG.integers(0, 2, 300)
    first, again, other = (
        TreePreparation.fit_transform(cities(CITIES), y=y, task=task, seed=seed)[1].numbers for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_other_columns_are_the_same_for_training_and_new_rows(training_rows, answers, task):
    rows = training_rows()
    fitted, prepared = TreePreparation.fit_transform(rows, y=answers(rows), task=task)
    assert fitted.names[-1] == "city (share of yes)"
    np.testing.assert_array_equal(prepared.numbers[:, :-1], fitted.transform(rows).numbers[:, :-1])
    assert fitted.n_continuous == 9  # four numbers, and a date as days, year, month, weekday and hour


def test_it_asks_for_the_target_when_it_needs_it():
    assert TreePreparation.fit(cities(["a", "b", "c"])).names == ("city = a", "city = b", "city = c")
    with pytest.raises(AssertionError, match="need the target"):
        TreePreparation.fit(cities(CITIES))
