"""Several labels at once, over the contenders for tables (those for pictures learn through them)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import onnxruntime as ort
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.explanation.permutation import importance
from annvil.kinds.tables.contenders import contenders_for_tables
from annvil.models.jobs import Context, Effort, Job, Shape
from annvil.models.linear_fits import fit_labels
from annvil.models.trees import MOST_LABELS, BoostedTrees
from annvil.onnx.builder import Graph
from annvil.onnx.validator import check_graph
from annvil.preparation import TreePreparation
from annvil.tasks.calibration import LabelScaling
from annvil.tasks.union import make_task

TASK = make_task("multilabel", "labels", ("a", "b", "c"))
CONTENDERS = {one.name: one for one in contenders_for_tables() if one.declines(Shape(240, 3, 0, 0, TASK)) is None}
LITTLE = Effort(candidates=2, scale=0.2)


@cache
def made(n_rows=240):
    """Labels of three kinds of rarity, each with a cause of its own."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, 3))
    y = (x + 0.3 * rng.normal(size=x.shape) > [0.0, 0.7, 1.3]).astype(np.int64)
    table = table_from_columns([(f"x{i}", "number", x[:, i]) for i in range(3)])
    return Dataset(table, y, TASK, np.arange(n_rows))


@cache
def fitted_on(name):
    rows = np.arange(200)
    inner = (Split(rows[:100], rows[100:]), Split(rows[100:], rows[:100]))
    (fitted,) = CONTENDERS[name].fit(made(), [Job("test", rows, inner, 0)], LITTLE, Context(threads=1))
    return fitted


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_learns_labels_and_ships_them(name):
    dataset, fitted = made(), fitted_on(name)
    outputs = fitted.predict(dataset.inputs)
    assert outputs.shape == (240, 3)
    assert outputs.min() >= 0
    assert outputs.max() <= 1
    assert np.ptp(outputs.sum(axis=1)) > 0.5 or name == "dummy"  # no shares of one whole
    unseen = np.arange(200, 240)
    losses = [TASK.row_losses(dataset.y[unseen], found[unseen]).mean() for found in (outputs, _of("dummy"))]
    assert losses[0] < 0.75 * losses[1] or name == "dummy"
    assert np.isfinite(fitted.out_of_fold).all()
    graph = Graph()
    numbers, texts = graph.input("numbers", "float64", ["rows", 3]), graph.input("texts", "string", ["rows", 0])
    model = graph.finish({"prediction": (fitted.write(graph, numbers, texts), "float64", ["rows", 3])})
    check_graph(model)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, dataset.inputs.feeds())[0], outputs, rtol=0, atol=1e-5)


def _of(name):
    return fitted_on(name).predict(made().inputs)


def test_the_dummy_by_hand():
    counts = made().y[:200].sum(axis=0)
    np.testing.assert_allclose(_of("dummy"), np.tile((counts + 1) / 202, (240, 1)))


def test_a_linear_fit_is_a_logistic_regression_for_each_label():
    dataset = made()
    features = dataset.inputs.numbers()
    fit, converged = fit_labels(features, dataset.y, 2.0)
    assert converged
    for k in range(3):
        model = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(features, dataset.y[:, k])
        np.testing.assert_allclose(fit.slopes[:, k], model.coef_[0], atol=1e-3)
        assert fit.intercepts[k] == pytest.approx(model.intercept_[0], abs=1e-3)


def test_a_label_on_no_training_row_is_unlikely_and_one_on_all_is_likely():
    features = made().inputs.numbers()
    y = np.stack([np.zeros(240), np.ones(240)], axis=1).astype(np.int64)
    fit, _ = fit_labels(features, y, 1.0)
    assert not fit.slopes.any()
    np.testing.assert_allclose(fit.intercepts, [-np.log(241), np.log(241)])


def test_neighbours_average_what_is_on_similar_rows():
    fitted, dataset = fitted_on("neighbours"), made()
    (member,) = fitted.members
    points = member.memory.points
    query = member.preparation.transform(dataset.inputs.take(np.array([220]))).numbers
    k = member.kernel.k
    distances, found = NearestNeighbors(n_neighbors=200).fit(points).kneighbors(query)
    bandwidth = 1.1 * distances[0, k - 1] ** 2 + member.memory.smallest
    weights = np.maximum(1 - distances[0] ** 2 / bandwidth, 0) ** member.kernel.power
    prior = (dataset.y[:200].sum(axis=0) + 1) / 202
    expected = (weights @ dataset.y[found[0]] + prior) / (weights.sum() + 1)
    np.testing.assert_allclose(member.predict(dataset.inputs.take(np.array([220])))[0], expected, rtol=1e-4)


def test_trees_sit_out_where_labels_are_many():
    shape = Shape(1000, 10, 0, 0, make_task("multilabel", "y", range(MOST_LABELS)))
    assert BoostedTrees().declines(shape) is None
    many = tuple(range(MOST_LABELS + 1))
    declined = BoostedTrees().declines(replace(shape, task=shape.task.replace(classes=many)))
    assert f"above {MOST_LABELS} labels at once" in declined
    assert BoostedTrees().declines(replace(shape, task=make_task("multiclass", "y", many))) is None


def test_row_losses_add_up_over_labels():
    outputs = np.array([[0.5, 0.25], [0.9, 0.0]])
    y = np.array([[1, 0], [0, 0]])
    np.testing.assert_allclose(TASK.row_losses(y, outputs), [-np.log(0.5) - np.log(0.75), -np.log(0.1)], atol=1e-12)


def test_every_label_finds_its_own_temperature():
    rng = np.random.default_rng(4)
    logits = rng.normal(size=(4000, 3)) * 2
    y = (rng.random(logits.shape) < 1 / (1 + np.exp(-logits))).astype(np.int64)
    shown = 1 / (1 + np.exp(-logits * [3.0, 1.0, 0.5]))
    found = TASK.calibrate(y, shown)
    assert isinstance(found, LabelScaling)
    assert found.scale[0] == pytest.approx(1 / 3, rel=0.08)
    assert found.scale[1] == pytest.approx(1.0, rel=0.08)
    assert found.scale[2] == pytest.approx(2.0, rel=0.08)
    true = TASK.row_losses(y, 1 / (1 + np.exp(-logits))).mean()
    assert TASK.row_losses(y, found.apply(shown)).mean() == pytest.approx(true, abs=0.01)
    graph = Graph()
    p = graph.input("p", "float64", ["rows", 3])
    model = graph.finish({"q": (found.write(graph, p), "float64", ["rows", 3])})
    check_graph(model)
    some = np.concatenate([shown[:50], [[0.0, 1.0, 0.5]]])
    np.testing.assert_allclose(ort.InferenceSession(model).run(None, {"p": some})[0], found.apply(some), atol=1e-9)


def test_a_correction_in_words():
    scaling = LabelScaling((0.5, 1.0, 2.0, 3.0))
    assert scaling.n_parameters == 3
    assert scaling.describe() == "Probabilities were made softer for 1 and sharper for 2 of 4 labels."
    np.testing.assert_allclose(scaling.apply(np.full((1, 4), 0.8)), [[2 / 3, 0.8, 16 / 17, 64 / 65]])
    assert np.isnan(scaling.apply(np.full((1, 4), np.nan))).all()


def test_no_label_asks_for_a_correction():
    rng = np.random.default_rng(5)
    p = rng.random((500, 3))
    y = (rng.random(p.shape) < p).astype(np.int64)
    assert TASK.calibrate(y, p) is None or TASK.calibrate(y, p).n_parameters <= 1
    assert TASK.calibrate(np.zeros_like(y), p) is None


def test_categories_with_many_levels_become_a_mean_of_every_label():
    rng = np.random.default_rng(1)
    city = rng.choice([f"city {i}" for i in range(12)], size=300)
    y = np.stack([city < "city 3", rng.random(300) < 0.3], axis=1).astype(np.int64)
    table = table_from_columns([("city", "category", city), ("x", "number", rng.normal(size=300))])
    task = make_task("multilabel", "labels", ("early", "chance"))
    preparation, train = TreePreparation.fit_transform(table, y=y, task=task, seed=0)
    assert preparation.names[-2:] == ("city (share of early)", "city (share of chance)")
    for k in range(2):
        alone = TreePreparation.fit_transform(table, y=y[:, k], task=make_task("binary", "y", (0, 1)), seed=0)
        np.testing.assert_array_equal(train.numbers[:, -2 + k], alone[1].numbers[:, -1])
        np.testing.assert_array_equal(
            preparation.transform(table).numbers[:, -2 + k], alone[0].transform(table).numbers[:, -1]
        )


def test_importance_of_columns_for_labels():
    dataset, fitted = made(), fitted_on("linear")
    metric = TASK.metrics[0]
    found = importance(
        fitted.predict, dataset.inputs, dataset.y, lambda y, outputs: metric.score(y, outputs), True, repeats=2
    )
    assert [one.column for one in found] != []
    assert min(one.mean for one in found) > 0.05
