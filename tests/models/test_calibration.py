"""Calibration against generating truths, a brute-force optimum and onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.onnx.builder import Graph
from annvil.tasks.calibration import SMALLEST, VectorScaling
from annvil.tasks.union import make_task

BINARY = make_task("binary", "y", ("no", "yes"))
THREE = make_task("multiclass", "y", ("a", "b", "c"))
NUMBER = make_task("regression", "y")


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(rng, probabilities):
    return np.array([rng.choice(len(p), p=p) for p in probabilities])


def log_loss(y, p):
    return -np.log(np.clip(p[np.arange(len(y)), y], SMALLEST, 1)).mean()


@pytest.mark.parametrize("task", [BINARY, THREE])
def test_a_known_temperature_is_found(task):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, task.n_outputs)) * 1.5
    y = drawn(rng, softmax(logits))
    found = task.calibrate(y, softmax(3 * logits))
    assert found is not None
    assert found.scale == pytest.approx(1 / 3, rel=0.08)
    assert not any(found.bias)
    assert log_loss(y, found.apply(softmax(3 * logits))) == pytest.approx(log_loss(y, softmax(logits)), abs=0.003)


def test_the_scale_is_the_best_of_a_fine_grid():
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(500, 3)) * 2
    y = drawn(rng, softmax(logits * 0.4))
    p = softmax(logits)
    found = THREE.calibrate(y, p)
    grid = np.exp(np.linspace(np.log(0.1), np.log(10), 4001))
    cost = [500 * log_loss(y, softmax(np.log(p) * s)) + 0.5 * (np.log(s) / 0.5) ** 2 for s in grid]
    assert found.scale == pytest.approx(grid[np.argmin(cost)], rel=2e-3)


def test_class_weights_are_undone():
    rng = np.random.default_rng(2)
    logits = rng.normal(size=(6000, 2))
    logits[:, 1] -= 3
    y = drawn(rng, softmax(logits))
    weighted = softmax(logits + np.array([0, 3]))
    plain = BINARY.calibrate(y, weighted)
    found = BINARY.calibrate(y, weighted, class_weighted=True)
    assert found.bias[1] - found.bias[0] == pytest.approx(-3, abs=0.25)
    assert log_loss(y, found.apply(weighted)) < log_loss(y, weighted if plain is None else plain.apply(weighted)) - 0.05
    assert found.apply(weighted)[:, 1].mean() == pytest.approx((y == 1).mean(), abs=0.005)


@pytest.mark.parametrize("class_weighted", [False, True])
@pytest.mark.parametrize("n_rows", [30, 60, 300])
def test_never_worse_and_quiet_where_nothing_is_wrong(n_rows, class_weighted):
    corrected = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        p = softmax(rng.normal(size=(n_rows, 3)))
        y = drawn(rng, p)
        found = THREE.calibrate(y, p, class_weighted=class_weighted)
        if found is not None:
            corrected += 1
            assert log_loss(y, found.apply(p)) < log_loss(y, p)
    assert corrected <= 8  # Akaike's criterion errs in 16% of single parameters


def test_certain_and_wrong_predictions_are_softened_not_exploded():
    p = np.tile([[1.0, 0.0]], (100, 1))
    y = np.r_[np.zeros(90, int), np.ones(10, int)]
    found = BINARY.calibrate(y, p)
    assert np.isfinite(found.apply(p)).all()
    assert log_loss(y, found.apply(p)) < 0.5 * log_loss(y, p)


def test_where_nothing_can_be_learnt_there_is_no_calibration():
    p = np.full((100, 2), 0.5)
    assert NUMBER.calibrate(np.zeros(100), np.zeros((100, 1))) is None
    assert BINARY.calibrate(np.zeros(100, int), p) is None
    assert BINARY.calibrate(np.arange(20) % 2, p[:20]) is None
    untested = np.vstack([p, np.full((50, 2), np.nan)])
    assert BINARY.calibrate(np.arange(150) % 2, untested) is None


def test_rows_without_prediction_stay_without():
    found = VectorScaling(0.5, (0.1, -0.1)).apply(np.array([[0.2, 0.8], [np.nan, np.nan]]))
    assert np.isnan(found[1]).all()
    assert found[0].sum() == pytest.approx(1)


@pytest.mark.parametrize("bias", [(0.0, 0.0, 0.0), (0.5, -1.0, 0.5)])
def test_the_graph_computes_the_same(bias):
    import onnxruntime as ort

    scaling = VectorScaling(0.7, bias)
    graph = Graph()
    graph.input("p", "float64", ["rows", 3])
    model = graph.finish({"q": (scaling.write(graph, "p"), "float64", ["rows", 3])})
    p = np.vstack([np.random.default_rng(0).dirichlet(np.ones(3), size=200), [[1.0, 0.0, 0.0]]])
    (shipped,) = ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"p": p})
    np.testing.assert_allclose(shipped, scaling.apply(p), atol=1e-12)
    assert "sharper" not in scaling.describe()
