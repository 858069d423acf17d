"""Coefficients are the planted ones with the intervals of least squares; rules are those of the tree."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.splits import inner_splits
from annvil.data.table import table_from_columns
from annvil.kinds.tables.sections.written_out import REFITS, changes_of, coefficients_table, written_out
from annvil.kinds.tables.tiny import tiny_table
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Effort, Job
from annvil.models.linear import Linear
from annvil.models.members import Fitted
from annvil.models.neighbours import Neighbours
from annvil.models.shallow_tree import ShallowTree
from annvil.tasks.union import make_task


def fit(contender: Contender, dataset: Dataset, effort: Effort | None = None) -> Fitted:
    rows = np.arange(dataset.n_rows)
    job = Job("final", rows, inner_splits(dataset, rows, 1, 0), 0)
    (fitted,) = contender.fit(dataset, [job], effort or Effort(8), Context())
    return fitted


def planted(seed: int, task: str, n: int = 400) -> Dataset:
    rng = np.random.default_rng(seed)
    age, income = rng.normal(50, 10, n), rng.normal(40_000, 8_000, n)
    colour = rng.choice(["blue", "red", "green"], n, p=[0.5, 0.3, 0.2])
    score = 0.3 * age - income / 10_000 + 2.0 * (colour == "red")
    columns = [("age", "number", age), ("income", "number", income), ("colour", "category", colour)]
    rows = np.arange(n)
    if task == "regression":
        return Dataset(table_from_columns(columns), score + rng.normal(size=n), make_task(task, "weight"), rows)
    y = (rng.random(n) < 1 / (1 + np.exp(-(score - score.mean())))).astype(np.int64)
    return Dataset(table_from_columns(columns), y, make_task(task, "sick", ("no", "yes")), rows)


def told(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    (section,) = written_out(dataset, Linear(), fit(Linear(), dataset), 60.0, "shipped", "Linear model", 1)
    assert section.key == "shipped-coefficients"
    assert f"{REFITS} models" in section.sentences[1]
    return {line[0]: line[1:] for line in section.tables[0].rows}


def ends(cell: str) -> list[float]:
    return [float(one.strip("[],").replace("−", "-").replace("+", "")) for one in cell.split(" ")]


@pytest.mark.parametrize("seed", [0, 1])
def test_coefficients_and_intervals_are_those_of_least_squares(seed: int) -> None:
    dataset = planted(seed, "regression")
    found = told(dataset)
    assert set(found) == {"age + 1", "income + 1000", "colour: 'red' instead of 'blue'", "colour: 'green' instead of 'blue'"}  # fmt: skip  # noqa: E501
    age, income, colour = (one.values for one in dataset.inputs.columns)
    levels = dataset.inputs.columns[2].levels
    X = np.stack([np.ones(len(age)), age, income, colour == levels.index("red"), colour == levels.index("green")], 1)
    beta, residuals, *_ = np.linalg.lstsq(X, dataset.y, rcond=None)
    errors = np.sqrt(np.diag(np.linalg.inv(X.T @ X)) * residuals[0] / (len(age) - 5))
    for name, place, step in (
        ("age + 1", 1, 1.0),
        ("income + 1000", 2, 1000.0),
        ("colour: 'red' instead of 'blue'", 3, 1.0),
    ):
        mean, low, high = ends(found[name][0])
        assert mean == pytest.approx(step * beta[place], abs=0.3 * step * errors[place])
        assert (high - low) / 2 == pytest.approx(1.96 * step * errors[place], rel=0.35)


def test_of_two_classes_they_are_odds() -> None:
    found = told(planted(0, "binary"))
    mean, low, high = ends(found["age + 1"][0])
    assert low < np.exp(0.3) < high
    assert 1 < low < mean < high
    (red,) = [ends(cells[0]) for name, cells in found.items() if "'red'" in name]
    assert red[1] < np.exp(2.0) < red[2]


def test_without_time_there_are_no_intervals_and_that_is_said() -> None:
    dataset = tiny_table("multiclass")
    (section,) = written_out(dataset, Linear(), fit(Linear(), dataset), 0.0, "shipped", "Linear model", 1)
    assert section.sentences[-1].startswith("There was no time")
    assert not any("[" in cell for line in section.tables[0].rows for cell in line)
    assert section.tables[0].header[1:] == ("odds of 'low' times", "odds of 'middle' times", "odds of 'high' times")


@pytest.mark.parametrize("asked", ["binary", "multiclass", "regression"])
def test_every_change_is_what_the_sum_says(asked: str) -> None:
    dataset = tiny_table(asked)
    fitted = fit(Linear(), dataset)
    additive = fitted.additive()
    assert additive is not None
    changes = changes_of(dataset, fitted.job.rows)
    assert {change.column for change in changes} == {"length", "price", "when", "colour", "flag"}
    for change in changes:
        difference = additive.scores(change.after) - additive.scores(change.before)
        np.testing.assert_allclose(change.of(additive), difference.mean(axis=0), atol=1e-9)
    assert len(coefficients_table(dataset.task, additive, [], changes).rows) == len(changes)


def test_rules_are_written_out_and_other_models_are_not() -> None:
    dataset = tiny_table("binary", 200)
    tree = fit(ShallowTree(), dataset)
    (section,) = written_out(dataset, ShallowTree(), tree, 60.0, "readable", "Shallow tree", 2)
    lines = section.tables[0].rows
    assert len(lines) == len(tree.rules())
    assert sum(int(line[2]) for line in lines) == 200
    shares = [float(line[1].split("%")[0].removeprefix("more than ").removeprefix("less than ")) for line in lines]
    assert shares == sorted(shares, reverse=True)
    assert list(written_out(dataset, Neighbours(), fit(Neighbours(), dataset), 60.0, "a", "b", 1)) == []
