"""Planted leaks are found; clean tables stay quiet."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.leakage import error_of, find_leaks, sample_rows
from annvil.data.table import Table, table_from_columns
from annvil.kinds.registry import read
from annvil.tasks.union import make_task

Plant = Callable[[np.random.Generator, np.ndarray, bool], tuple[str, Any]]


def noisy_copy(rng: np.random.Generator, y: np.ndarray, regression: bool) -> tuple[str, Any]:
    """The answer, scaled and shifted, with a little noise."""
    scale = y.std() if regression else 1.0
    return "number", rng.choice([-3.0, 0.1, 40.0]) * (y + rng.normal(size=len(y)) * scale * rng.uniform(0, 0.1)) + 7


def bent_copy(rng: np.random.Generator, y: np.ndarray, regression: bool) -> tuple[str, Any]:
    """A monotone function of the answer."""
    z = (y - y.mean()) / (y.std() or 1)
    return "number", np.exp(z) if rng.random() < 0.5 else np.arctan(3 * z)


def recoded(rng: np.random.Generator, y: np.ndarray, regression: bool) -> tuple[str, Any]:
    """The answer as categories under other names, half a per cent of them wrong; for numbers, in 60 steps."""
    codes = np.digitize(y, np.quantile(y, np.linspace(0, 1, 61)[1:-1])) if regression else y.astype(int)
    names = np.array([f"code {i}" for i in rng.permutation(int(codes.max()) + 1)])
    wrong = rng.random(len(y)) < 0.005
    codes = np.where(wrong, rng.integers(0, codes.max() + 1, len(y)), codes)
    return "category", names[codes].tolist()


def filled_in_later(rng: np.random.Generator, y: np.ndarray, regression: bool) -> tuple[str, Any]:
    """Missing for the first class alone, and for further classes their number; for numbers, a copy with gaps."""
    if regression:
        return "number", np.where(rng.random(len(y)) < 0.02, np.nan, y)
    return "number", np.where(y == 0, np.nan, y * (y.max() > 1) + rng.normal(size=len(y)) * 0.1)


PLANTS: list[Plant] = [noisy_copy, bent_copy, recoded, filled_in_later]


def with_column(data: Dataset, kind: Any, values: Any) -> Dataset:
    extra = table_from_columns([("planted", kind, values)]).columns
    return replace(data, inputs=Table((*data.inputs.columns, *extra), data.n_rows))


def made_table(rng: np.random.Generator, regression: bool, most_rows: int = 3000) -> Dataset:
    """A table of ordinary difficulty: linear and interacting columns, noise, categories."""
    n, d = int(rng.integers(150, most_rows)), int(rng.integers(3, 15))
    X = rng.normal(size=(n, d))
    signal = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n) * rng.uniform(0.5, 2)
    columns: list[Any] = [(f"x{i}", "number", X[:, i]) for i in range(d)]
    columns.append(("c", "category", rng.choice(["a", "b", "c"], n).tolist()))
    if regression:
        y, task = np.exp(signal) if rng.random() < 0.3 else signal, make_task("regression", "y")
    else:
        k = int(rng.integers(2, 5))
        shares = np.cumsum(rng.dirichlet(np.full(k, 5.0)))[:-1]
        y = np.digitize(signal, np.quantile(signal, shares))
        task = make_task("binary" if k == 2 else "multiclass", "y", tuple(range(k)))
    return Dataset(table_from_columns(columns), y, task, np.arange(n))


def plant_and_find(seed: int, most_rows: int = 3000) -> tuple[bool, bool]:
    """Whether the planted column is found, and whether an innocent one is suspected before planting."""
    rng = np.random.default_rng(seed)
    regression = bool(seed % 2)
    data = made_table(rng, regression, most_rows)
    plant = PLANTS[seed // 2 % len(PLANTS)]
    leaky = with_column(data, *plant(rng, data.y, regression))
    return "planted" in {s.column for s in find_leaks(leaky, seed)}, bool(find_leaks(data, seed))


def test_planted_leaks_are_found() -> None:
    outcomes = [plant_and_find(seed, 800) for seed in range(8)]  # every plant, in classes and in values
    assert sum(found for found, _ in outcomes) == 8
    assert sum(alarm for _, alarm in outcomes) == 0


@pytest.mark.slow
def test_95_of_100_planted_leaks_are_found() -> None:
    outcomes = [plant_and_find(1000 + seed) for seed in range(100)]
    missed = [seed for seed, (found, _) in enumerate(outcomes) if not found]
    assert len(missed) <= 5, missed
    assert sum(alarm for _, alarm in outcomes) <= 2


def test_two_leaks_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(0)
    data = made_table(rng, regression=False, most_rows=800)
    twice = with_column(data, "number", data.y * 3.0 + rng.normal(size=data.n_rows) * 0.05)
    extra = table_from_columns([("again", "category", [f"k{v}" for v in data.y])]).columns
    twice = replace(twice, inputs=Table((*twice.inputs.columns, *extra), data.n_rows))
    assert {suspect.column for suspect in find_leaks(twice)} == {"planted", "again"}


@pytest.mark.parametrize("name", ["iris", "wine", "breast-cancer", "digits", "diabetes"])
def test_easy_tables_are_not_leaks(name: str) -> None:
    assert find_leaks(read(f"sample:{name}")) == ()


@pytest.mark.parametrize("n_groups", [1, 2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_few_groups_are_halved_without_a_warning(n_groups: int, seed: int) -> None:
    data = made_table(np.random.default_rng(seed), regression=False, most_rows=200)
    data = replace(with_column(data, "number", data.y + 0.0), groups=np.arange(data.n_rows) % n_groups)
    assert bool(find_leaks(data, seed)) == (n_groups > 1)


def test_the_same_seed_finds_the_same() -> None:
    data = with_column(made_table(np.random.default_rng(3), False, 800), "number", np.arange(0.0))
    data = replace(data, inputs=Table(data.inputs.columns[:-1], data.n_rows))
    leaky = with_column(data, "number", data.y + np.random.default_rng(1).normal(size=data.n_rows) * 0.2)
    assert find_leaks(leaky, 5) == find_leaks(leaky, 5)


def test_error_agrees_with_scikit_learn() -> None:
    from sklearn.metrics import r2_score, roc_auc_score

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    guess = rng.normal(size=300).round(1) + y
    table = table_from_columns([("x", "number", guess)])
    binary = Dataset(table, y, make_task("binary", "y", (0, 1)), np.arange(300))
    assert error_of(binary, np.stack([-guess, guess], axis=1)) == pytest.approx(2 - 2 * roc_auc_score(y, guess))
    values = rng.normal(size=300)
    close = values + rng.normal(size=300) * 0.1
    number = Dataset(table, values, make_task("regression", "y"), np.arange(300))
    assert error_of(number, close[:, None]) <= 1 - r2_score(values, close) + 1e-12


TARGETS = {
    "abalone": "rings",
    "adult": "income",
    "bike_hour": "cnt",
    "california_housing": "median_house_value",
    "compas": "two_year_recid",
    "credit_default": "default",
    "diamonds": "price",
    "electricity": "class",
    "german_credit": "class",
    "heart_cleveland": "disease",
    "kin8nm": "distance",
    "mushroom": "class",
    "online_shoppers": "Revenue",
    "pima_diabetes": "diabetes",
    "telco_churn": "Churn",
    "titanic": "Survived",
    "wine_quality": "quality",
}


QUICK = {"pima_diabetes", "titanic", "wine_quality", "mushroom"}
"""A few of each kind of task, for the default suite."""


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in TARGETS]
)
def test_public_tables(name: str) -> None:
    """Clean as they are; four plants in each, of which at most one may escape."""
    folder = os.environ.get("ANNVIL_DATA")
    if not folder:
        pytest.skip("ANNVIL_DATA is not set")
    data = read(Path(folder) / "tables" / f"{name}.csv", target=TARGETS[name])
    assert find_leaks(data) == ()
    rng = np.random.default_rng(0)
    regression = not data.task.predicts_probabilities
    found = [
        "planted" in {s.column for s in find_leaks(with_column(data, *plant(rng, data.y, regression)))}
        for plant in PLANTS
    ]
    assert sum(found) >= 3, found


def test_a_sample_of_rows_with_several_labels_has_the_rare_ones():
    y = np.zeros((5000, 3), dtype=np.int64)
    y[:20, 0] = y[10:30, 1] = y[40:, 2] = 1
    inputs = table_from_columns([("x", "number", np.arange(5000.0))])
    labels = make_task("multilabel", "y", ("a", "b", "c"))
    rows = sample_rows(Dataset(inputs, y, labels, np.arange(5000)), most=100, seed=0)
    assert set(range(30)) <= set(rows.tolist())
    assert rows.max() < 5000
