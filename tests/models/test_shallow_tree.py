"""A shallow tree finds a planted one, its rules say what it predicts, and the graph says the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.battery import fit_one, made_job, shipped

from annvil.data.dataset import Dataset
from annvil.data.table import table_from_columns
from annvil.kinds.tables.tiny import tiny, tiny_table
from annvil.models.jobs import Effort
from annvil.models.shallow_tree import ShallowTree
from annvil.tasks.union import make_task


def planted(n_rows: int = 400) -> Dataset:
    """Yes where age is above 50 and the colour is red or blue; a tenth of the ages of the others are missing."""
    rng = np.random.default_rng(1)
    age, colour = rng.integers(20, 80, n_rows).astype(float), rng.choice(["red", "blue", "green", "grey"], n_rows)
    y = ((age > 50) & np.isin(colour, ["red", "blue"])).astype(np.int64)
    age[(rng.random(n_rows) < 0.1) & (y == 0)] = np.nan
    table = table_from_columns([("age", "number", age), ("colour", "category", colour)])
    return Dataset(table, y, make_task("binary", "sick", ("no", "yes")), np.arange(n_rows))


def test_a_planted_tree_is_found_and_told_in_the_words_of_the_table() -> None:
    dataset = planted()
    fitted = fit_one(ShallowTree(), dataset, made_job(dataset), Effort(1))
    surest = max(fitted.rules(), key=lambda rule: rule.outputs[1])
    assert set(surest.conditions) == {"age > 50.5", "colour is 'blue' or 'red'"}
    assert surest.n_rows == dataset.y.sum()
    assert surest.outputs[1] > 0.95
    assert any("or missing" in one for rule in fitted.rules() for one in rule.conditions if "age" in one)


@pytest.mark.parametrize("asked", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("seed", range(4))
def test_rules_part_the_rows_and_say_what_is_predicted(asked: str, seed: int) -> None:
    dataset = tiny_table(asked, 120, seed)
    fitted = fit_one(ShallowTree(), dataset, made_job(dataset, seed=seed))
    rules, said = fitted.rules(), fitted.predict(dataset.inputs)
    assert 2 <= len(rules) <= 16
    assert sum(rule.n_rows for rule in rules) == dataset.n_rows
    for rule in rules:
        alike = [one for one in rules if np.allclose(one.outputs, rule.outputs)]
        assert np.isclose(said, rule.outputs).all(axis=1).sum() == sum(one.n_rows for one in alike)
        assert 1 <= len(rule.conditions) <= len(dataset.inputs.schema)
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), said, atol=1e-6)


def test_dates_and_columns_of_many_texts_are_told_as_they_are_written() -> None:
    rng = np.random.default_rng(0)
    n = 600
    days, town = rng.integers(10_000, 20_000, n), rng.choice([f"town {i:02}" for i in range(20)], n)
    good = np.isin(town, ["town 03", "town 07"])
    y = np.where(good, 10.0, np.where(days > 15_000, 5.0, 0.0))
    table = table_from_columns([("when", "datetime", days * 86_400.0), ("town", "category", town)])
    dataset = Dataset(table, y, make_task("regression", "y"), np.arange(n))
    rules = fit_one(ShallowTree(), dataset, made_job(dataset), Effort(1)).rules()
    told = [one for rule in rules for one in rule.conditions]
    assert "town is 'town 03' or 'town 07'" in told
    assert any(one.startswith("when > 2011-0") for one in told)


def test_of_several_labels_and_very_many_classes_it_sits_out() -> None:
    from annvil.models.jobs import Shape

    task: Any = make_task("multiclass", "y", tuple(f"c{i}" for i in range(50)))
    assert "50" not in str(ShallowTree().declines(Shape(500, 3, 0, 0, task)))
    assert ShallowTree().declines(Shape(500, 3, 0, 0, task)) is not None
    assert ShallowTree().declines(Shape(500, 3, 0, 0, tiny()["binary"].dataset.task)) is None
