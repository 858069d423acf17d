"""The classic sins of splitting, by name: groups or time on both sides, classes lost, seeds forgotten."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.comparison.data_problem import DataProblem
from annvil.data.dataset import Dataset
from annvil.data.splits import Split, inner_splits, nested_subset, outer_splits
from annvil.data.table import table_from_columns
from annvil.errors import DataError
from annvil.tasks.union import make_task


def dataset(
    y: np.ndarray, *, groups: np.ndarray | None = None, moments: np.ndarray | None = None, regression: bool = False
) -> Dataset:
    n = len(y)
    task = make_task("regression", "y") if regression else make_task("multiclass", "y", tuple(range(int(y.max()) + 1)))
    table = table_from_columns([("x", "number", np.arange(n))])
    groups = np.arange(n) if groups is None else groups
    return Dataset(table, y.astype(float) if regression else y, task, groups, time=moments)


@st.composite
def datasets(draw: st.DrawFn, *, with_time: bool = False) -> Dataset:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(30, 120))
    n_classes = draw(st.integers(2, 5))
    regression = draw(st.booleans())
    y = rng.normal(size=n) if regression else rng.choice(n_classes, n, p=rng.dirichlet(np.ones(n_classes)))
    shape = draw(st.sampled_from(["rows", "pairs", "large", "one huge"]))
    groups = {
        "rows": np.arange(n),
        "pairs": np.arange(n) // 2,
        "large": rng.integers(0, 12, n),
        "one huge": np.where(np.arange(n) < n // 2, 0, np.arange(n)),
    }[shape]
    moments = rng.integers(0, 40, n).astype(float) if with_time else None
    return dataset(y, groups=groups, moments=moments, regression=regression)


def check(rows: Split, data: Dataset) -> None:
    assert len(rows.train)
    assert len(rows.test)
    assert not set(rows.train.tolist()) & set(rows.test.tolist())
    assert not set(data.groups[rows.train]) & set(data.groups[rows.test])
    assert np.all(np.diff(rows.train) > 0)
    assert np.all(np.diff(rows.test) > 0)


@settings(deadline=None, max_examples=60)
@given(datasets(), st.integers(2, 6), st.integers(0, 5))
def test_folds_cover_every_row_once_and_keep_groups_whole(data: Dataset, folds: int, seed: int) -> None:
    repeats = outer_splits(data, folds, 2, seed)
    assert len(repeats) == 2
    for splits in repeats:
        assert len(splits) == folds
        for rows in splits:
            check(rows, data)
            assert len(rows.train) + len(rows.test) == data.n_rows
        tested = np.concatenate([rows.test for rows in splits])
        np.testing.assert_array_equal(np.sort(tested), np.arange(data.n_rows))


@settings(deadline=None, max_examples=60)
@given(datasets(with_time=True), st.integers(2, 5), st.integers(0, 5))
def test_time_never_runs_backwards(data: Dataset, folds: int, seed: int) -> None:
    assert data.time is not None
    try:
        (splits,) = outer_splits(data, folds, 3, seed)
    except DataError:
        return
    for rows in splits:
        check(rows, data)
        assert data.time[rows.train].max() < data.time[rows.test].min()
    for earlier, later in pairwise(splits):
        assert data.time[earlier.test].max() < data.time[later.test].min()
    try:
        (holdout,) = inner_splits(data, splits[-1].train, 1, seed)
    except DataError:
        return
    assert data.time[holdout.train].max() < data.time[holdout.test].min()


@settings(deadline=None, max_examples=40)
@given(datasets(), st.integers(0, 5))
def test_inner_splits_stay_inside_their_rows(data: Dataset, seed: int) -> None:
    rows = outer_splits(data, 2, 1, seed)[0][0].train
    folds = inner_splits(data, rows, 3, seed)
    (holdout,) = inner_splits(data, rows, 1, seed)
    whole = len(np.unique(data.groups[rows])) > 1  # a single group is divided by its rows
    for split in (*folds, holdout):
        check(split, data if whole else replace(data, groups=np.arange(data.n_rows)))
        assert set(split.train) | set(split.test) == set(rows)
    np.testing.assert_array_equal(np.sort(np.concatenate([split.test for split in folds])), rows)


@settings(deadline=None, max_examples=40)
@given(datasets(), st.integers(0, 5))
def test_subsets_are_nested_and_keep_groups_whole(data: Dataset, seed: int) -> None:
    rows = np.arange(data.n_rows)
    largest = np.bincount(data.groups).max()
    previous: set[int] = set()
    for n in (5, 10, 20, data.n_rows - 1, data.n_rows):
        subset = nested_subset(data, rows, n, seed)
        assert previous <= set(subset.tolist())
        assert len(subset) <= max(n, largest)
        inside = np.isin(data.groups, data.groups[subset])
        assert inside.sum() == len(subset)
        previous = set(subset.tolist())
    assert len(previous) == data.n_rows


def test_the_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    data = dataset(np.arange(100) % 3)
    first, again, other = (outer_splits(data, 5, 2, seed) for seed in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x.test, y.test)
    assert any(not np.array_equal(x.test, y.test) for x, y in zip(first[0], other[0], strict=True))
    assert any(not np.array_equal(x.test, y.test) for x, y in zip(first[0], first[1], strict=True))


def test_classes_keep_their_shares() -> None:
    y = np.repeat([0, 1, 2], [60, 30, 13])
    for rows in outer_splits(dataset(y), 5, 1, 0)[0]:
        counts = np.bincount(y[rows.test], minlength=3)
        assert counts[0] == 12
        assert counts[1] == 6
        assert counts[2] in (2, 3)
        assert len(rows.test) in (20, 21)


def test_shares_agree_with_scikit_learn() -> None:
    from sklearn.model_selection import StratifiedKFold

    y = np.random.default_rng(0).choice(4, 500, p=[0.5, 0.3, 0.15, 0.05])
    theirs = [np.bincount(y[test], minlength=4) for _, test in StratifiedKFold(5).split(y, y)]
    ours = [np.bincount(y[rows.test], minlength=4) for rows in outer_splits(dataset(y), 5, 1, 0)[0]]
    for a, b in zip(np.sort(theirs, axis=0), np.sort(ours, axis=0), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_class_of_two_rows_is_never_wholly_in_one_test_fold() -> None:
    y = np.array([0] * 48 + [1] * 2)
    for rows in outer_splits(dataset(y), 5, 1, 0)[0]:
        assert y[rows.train].sum() >= 1


def test_regression_folds_have_alike_targets() -> None:
    y = np.random.default_rng(0).lognormal(size=500)
    medians = [np.median(y[rows.test]) for rows in outer_splits(dataset(y, regression=True), 5, 1, 0)[0]]
    assert np.ptp(medians) < 0.1


def test_large_groups_are_balanced() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), rng.integers(5, 40, 40))
    y = (groups % 4 == 0).astype(np.int64)
    splits = outer_splits(dataset(y, groups=groups), 5, 1, 0)[0]
    sizes = np.array([len(rows.test) for rows in splits])
    shares = np.array([y[rows.test].mean() for rows in splits])
    assert sizes.max() < 1.5 * sizes.min()
    assert np.ptp(shares) < 0.15


def test_fewer_groups_than_folds() -> None:
    data = dataset(np.arange(40) % 2, groups=np.arange(40) % 3)
    with pytest.raises(DataError, match=r"5 folds need at least 5 groups .*; there are 3 groups"):
        outer_splits(data, 5, 1, 0)


def test_fewer_moments_than_folds() -> None:
    data = dataset(np.arange(40) % 2, moments=(np.arange(40) % 3).astype(float))
    with pytest.raises(DataError, match="5 folds by time need at least 6 different moments; there are 3"):
        outer_splits(data, 5, 1, 0)


@pytest.mark.parametrize("inner", [1, 3, 5])
@pytest.mark.parametrize("k", [2, 3, 4, 5, 6, 7, 12, 24, 36])
@pytest.mark.parametrize("role", ["groups", "moments"])
def test_few_groups_and_few_moments_are_divided_all_the_same(role: str, k: int, inner: int) -> None:
    rows = np.arange(120)
    whose = rows % k if role == "groups" else (rows * k // 120).astype(float)
    data = replace(dataset(rows % 2, **{role: whose}), grouped=role == "groups")
    folds = DataProblem(data).most_folds(5)
    (outer,) = outer_splits(data, folds, 1, 0)
    assert folds == len(outer) == (min(5, k) if role == "groups" else min(5, max(1, (k - 1) // 2)))
    for split in outer:
        check(split, data)
        chosen = inner_splits(data, split.train, inner, 0)
        assert 1 <= len(chosen) <= inner
        for within in chosen:
            assert {*within.train, *within.test} <= {*split.train}
            if len(np.unique(whose[split.train])) > 1:
                check(within, data)
                assert role == "groups" or whose[within.train].max() < whose[within.test].min()
            else:
                assert len(within.train) > len(within.test) > 0


def test_groups_in_every_period() -> None:
    data = dataset(np.arange(40) % 2, groups=np.arange(40) % 2, moments=np.arange(40.0))
    with pytest.raises(DataError, match="choose either groups or time"):
        outer_splits(data, 5, 1, 0)


def test_rows_of_one_moment_stay_together() -> None:
    moments = np.repeat([1.0, 2.0, 3.0], [5, 50, 5])
    (splits,) = outer_splits(dataset(np.arange(60) % 2, moments=moments), 2, 1, 0)
    assert [len(rows.test) for rows in splits] == [50, 5]


def test_a_subset_by_time_is_the_latest() -> None:
    moments = np.random.default_rng(0).permutation(50).astype(float)
    subset = nested_subset(dataset(np.arange(50) % 2, moments=moments), np.arange(50), 10, 0)
    assert sorted(moments[subset]) == list(range(40, 50))


def test_a_small_subset_holds_every_class() -> None:
    y = np.repeat([0, 1, 2], [900, 90, 10])
    subset = nested_subset(dataset(y), np.arange(1000), 10, 0)
    assert set(y[subset]) == {0, 1, 2}
    assert (y[nested_subset(dataset(y), np.arange(1000), 500, 0)] == 2).sum() == 5


def test_a_million_rows_are_split_quickly() -> None:
    data = dataset(np.random.default_rng(0).integers(0, 3, 1_000_000))
    start = time.perf_counter()
    outer_splits(data, 5, 1, 0)
    assert time.perf_counter() - start < 5  # measured 0.4 s
