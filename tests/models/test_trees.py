"""Growing trees: stopped where validation says, in pieces as in one go, and never worse than the defaults."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models import trees_growth as growth_module
from annvil.models.jobs import Context, Effort, Job, Shape
from annvil.models.trees import QUICK, BoostedTrees
from annvil.models.trees_growth import GROWTHS, Growth, grow_trees
from annvil.tasks.union import make_task

SMALL = Growth(0.1, 7, 5, 0.0, 0.5)


def rows_of(n_rows, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, 4)).astype(np.float32)
    return features, (features[:, 0] * features[:, 1] + 0.5 * rng.normal(size=n_rows) > 0).astype(np.int64)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def test_growth_ends_where_the_stopping_rows_are_predicted_best():
    held = rows_of(150, 1)
    model = grow_trees(SMALL, 1.0, 0, rows_of(150, 0), held, None, Context().begin())
    losses = -model.validation_score_
    assert model.n_iter_ == max(1, np.argmin(losses))
    assert len(losses) == model.n_iter_ + 1 + growth_module.PATIENCE
    chosen = model.predict_proba(held[0])[np.arange(150), held[1]]
    assert -np.log(chosen).mean() == pytest.approx(losses.min())


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_growth_ends_at_the_deadline_with_what_there_is(kind):
    (x, y), (x_held, y_held) = rows_of(200, 0), rows_of(100, 1)
    if kind == "values":
        y, y_held = x[:, 0].astype(np.float64), x_held[:, 0].astype(np.float64)
    running = Context(-1.0).begin()
    model = grow_trees(SMALL, 1.0, 0, (x, y), (x_held, y_held), None, running)
    assert model.n_iter_ == 1
    assert running.cut_short
    assert np.isfinite(model.predict(x_held)).all()
    running = Context().begin()
    assert grow_trees(SMALL, 1.0, 0, (x, y), (x_held, y_held), None, running).n_iter_ > 1
    assert not running.cut_short


def test_shorter_growth_takes_bigger_steps():
    rates = [
        grow_trees(SMALL, scale, 0, rows_of(60, 0), rows_of(60, 1), None, Context().begin()).learning_rate
        for scale in (1.0, 0.5, 0.25, 0.01)
    ]
    assert rates == [0.1, 0.1, 0.2, 0.3]


def test_many_classes_get_fewer_rounds_and_bigger_steps():
    x, _ = rows_of(200, 0)
    y = np.arange(200) % 20
    model = grow_trees(SMALL, 0.1, 0, (x, y), (x, y), None, Context().begin())
    assert model.max_iter == round(0.1 * growth_module.MOST_TREES / 20)
    assert model.learning_rate == growth_module.LARGEST_RATE


def test_without_rows_to_stop_on_growth_is_blind_but_ends():
    x, y = rows_of(60, 0)
    model = grow_trees(SMALL, 0.1, 0, (x, y), (x[:0], y[:0]), None, Context().begin())
    assert model.n_iter_ == 10


def test_the_bag_is_not_worse_than_the_defaults():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6))
    score = x[:, 0] + x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.5 * rng.normal(size=400)
    table = table_from_columns([(f"x{i}", "number", column) for i, column in enumerate(x.T)])
    train, test = np.arange(300), np.arange(300, 400)
    inner = tuple(Split(train[train % 5 != k], train[train % 5 == k]) for k in range(5))
    for task, y in [
        (make_task("regression", "y"), score),
        (make_task("binary", "y", (0, 1)), (score > 0).astype(np.int64)),
    ]:
        dataset = Dataset(table, y, task, np.arange(400))
        job = Job("j", train, inner, 0)
        (fitted,) = BoostedTrees().fit(dataset, [job], Effort(scale=0.3), Context(threads=1))
        found = task.row_losses(y[test], fitted.predict(table.take(test))).mean()
        if task.predicts_probabilities:
            model = HistGradientBoostingClassifier(random_state=0).fit(x[train], y[train])
            default = task.row_losses(y[test], model.predict_proba(x[test])).mean()
        else:
            model = HistGradientBoostingRegressor(random_state=0).fit(x[train], y[train])
            default = task.row_losses(y[test], model.predict(x[test])[:, None]).mean()
        assert found < default
        assert fitted.n_parameters == sum(member.n_parameters for member in fitted.members)
        assert fitted.summary.endswith("rounds")


def test_small_steps_come_first_then_a_bag_candidates_and_room_for_more_rounds():
    def ladder(n_rows):
        rungs = BoostedTrees().ladder(Shape(n_rows, 20, 5, 60, make_task("binary", "y", (0, 1))))
        return [(e.rows, e.candidates, e.inner_folds, e.scale) for e in (rung.effort for rung in rungs)]

    one = [(None, 1, 1, QUICK), (None, 1, 1, 1.0), (None, 1, 5, 1.0)]
    whole = [*one, (None, 2, 5, 1.0), (None, 4, 5, 2.0), (None, len(GROWTHS), 5, 3.0)]
    assert ladder(5_000) == whole
    assert ladder(300_000) == [(20_000, 1, 1, QUICK), (100_000, 1, 1, QUICK), *whole]


@pytest.mark.realdata
@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), [("titanic", "Survived"), ("concrete", "strength"), ("adult", "income")])
def test_real_tables_are_not_worse_than_the_defaults_by_more_than_the_spread(name, target):
    folder = os.environ.get("ANNVIL_DATA")
    if folder is None:
        pytest.skip("ANNVIL_DATA is not set")
    from annvil.data.splits import inner_splits, outer_splits
    from annvil.kinds.registry import read
    from annvil.preparation import TreePreparation

    dataset = read(Path(folder) / "tables" / f"{name}.csv", target=target)
    dataset = dataset.take(np.sort(np.random.default_rng(0).permutation(dataset.n_rows)[:1200]))
    (splits,) = outer_splits(dataset, 3, 1, 0)
    gains = []
    for outer in splits:
        inner = tuple(Split(rows.train, rows.test) for rows in inner_splits(dataset, outer.train, 5, 0))
        job = Job("j", outer.train, inner, 0)
        (fitted,) = BoostedTrees().fit(dataset, [job], Effort(candidates=3), Context(threads=1))
        y = dataset.y[outer.train]
        preparation, train = TreePreparation.fit_transform(dataset.inputs.take(outer.train), y=y, task=dataset.task)
        rows, truth = dataset.inputs.take(outer.test), dataset.y[outer.test]
        prepared = preparation.transform(rows).numbers
        if dataset.task.predicts_probabilities:
            outputs = HistGradientBoostingClassifier(random_state=0).fit(train.numbers, y).predict_proba(prepared)
        else:
            model = HistGradientBoostingRegressor(random_state=0).fit(train.numbers, y)
            outputs = model.predict(prepared)[:, None]
        default = dataset.task.row_losses(truth, outputs).mean()
        gains.append(default - dataset.task.row_losses(truth, fitted.predict(rows)).mean())
    assert np.mean(gains) > -np.std(gains)
