"""Folds of bare arrays."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold, RepeatedKFold, StratifiedKFold

from annvil.errors import DataError, RequestError
from annvil.trainer.population.folds import make_folds

Y = np.arange(60) % 3 == 0


def test_every_row_is_judged_once_and_never_learnt_from_there():
    folds = make_folds(5, Y.astype(int), True, seed=1)
    assert len(folds) == 5
    np.testing.assert_array_equal(np.sort(np.concatenate([f.test for f in folds])), np.arange(60))
    for fold in folds:
        np.testing.assert_array_equal(np.sort(np.concatenate([fold.train, fold.test])), np.arange(60))


def test_classes_keep_their_proportion():
    for fold in make_folds(5, Y.astype(int), True):
        assert Y[fold.test].sum() == 4


def test_numbers_are_spread_evenly():
    y = np.arange(100.0) ** 2
    for fold in make_folds(5, y, False):
        deciles = np.sort(fold.test) // 10
        np.testing.assert_array_equal(np.bincount(deciles, minlength=10), 2)


def test_groups_stay_together():
    groups = np.array([f"patient {k // 4}" for k in range(60)])
    for fold in make_folds(4, Y.astype(int), True, groups):
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_several_targets_a_row_are_dealt_plainly():
    folds = make_folds(3, np.zeros((30, 2)), False)
    assert [len(f.test) for f in folds] == [10, 10, 10]
    assert [len(f.test) for f in make_folds(3, np.zeros((30, 7), dtype=int), True)] == [10, 10, 10]


def test_the_same_seed_makes_the_same_folds():
    one, same, other = (make_folds(3, Y.astype(int), True, seed=seed)[0].test for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_fold_numbers_of_the_rows():
    numbers = np.array([7, 7, 2, 2, -1])
    folds = make_folds(numbers, np.zeros(5), False)
    assert [f.test.tolist() for f in folds] == [[2, 3], [0, 1]]
    assert [f.train.tolist() for f in folds] == [[0, 1, 4], [2, 3, 4]]


@pytest.mark.parametrize("splitter", [StratifiedKFold(3), RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)])
def test_a_splitter_of_scikit_learn(splitter):
    folds = make_folds(splitter, Y.astype(int), True)
    for fold, (train, test) in zip(folds, splitter.split(np.zeros(60), Y), strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)


def test_a_splitter_gets_the_groups():
    groups = np.repeat(np.arange(12), 5)
    for fold in make_folds(GroupKFold(3), Y, True, groups):
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_pairs_of_rows():
    (fold,) = make_folds([(range(8), [8, 9])], np.zeros(10), False)
    assert fold.train.tolist() == list(range(8))
    assert fold.test.tolist() == [8, 9]


def test_a_fold_judged_on_what_it_learnt_is_refused():
    with pytest.raises(DataError, match="Fold 1 would be judged on rows that it learns from: rows 5 and 6"):
        make_folds([([0, 1], [2, 3]), ([4, 5, 6], [4, 5])], np.zeros(10), False)


def test_pairs_that_tear_a_group_apart_are_refused():
    with pytest.raises(DataError, match="Fold 0: group 1 is on both sides"):
        make_folds([([0, 1], [2, 3])], np.zeros(4), False, groups=[0, 1, 1, 2])


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (1, "at least 2 and at most the number of rows"),
        (11, "at most the number of rows"),
        ("five", "folds must be a number such as 5"),
        (0.2, "folds must be a number such as 5"),
        (True, "folds must be a number"),
        ([0, 1, 2], "folds must be a number such as 5, one whole fold number for each of the 10 rows"),
        ([0] * 10, "at least two folds"),
        ([([0], [10])], "must lie between 0 and 9"),
        ([([0], [])], "Fold 0 has no validation rows"),
        ([], "folds must be a number such as 5|not a single one"),
    ],
)
def test_what_cannot_be_folds(asked, sentence):
    with pytest.raises(RequestError, match=sentence):
        make_folds(asked, np.zeros(10), False)


def test_groups_must_fit_the_rows():
    with pytest.raises(RequestError, match="one group for each of the 10 rows"):
        make_folds(2, np.zeros(10), False, groups=[1, 2])
