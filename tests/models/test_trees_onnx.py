"""The tree node in onnxruntime against scikit-learn's own prediction."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import example, given, strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from annvil.models.sklearn_private import baseline_of, rounds_of
from annvil.models.trees_onnx import forest_of, round_down, write_forest
from annvil.onnx.builder import Graph


def run(forest, n_outputs, features):
    graph = Graph()
    graph.input("x", "float32", ["rows", features.shape[1]])
    model = graph.finish({"y": (write_forest(graph, "x", forest, n_outputs), "float32", ["rows", n_outputs])})
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"x": features})[0].astype(np.float64)


def features_with_holes(n_rows, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, 6)).astype(np.float32)
    features[:, 3] = np.round(features[:, 3])  # many ties at thresholds
    features[rng.uniform(size=features.shape) < 0.15] = np.nan
    return features


def fitted(make, n_rows=1500):
    features = features_with_holes(n_rows)
    score = np.nan_to_num(features[:, 0]) ** 2 + np.isnan(features[:, 1]) + np.nan_to_num(features[:, 3])
    with threadpool_limits(1):
        return make(score)(features, score)


def binary(score):
    return lambda x, s: HistGradientBoostingClassifier(max_iter=60, random_state=0).fit(x, s > 1)


def three(score):
    return lambda x, s: HistGradientBoostingClassifier(max_iter=40, random_state=0).fit(x, np.digitize(s, [0.5, 2]))


def number(score):
    return lambda x, s: HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(x, s)


@pytest.mark.parametrize("make", [binary, three, number])
def test_ten_thousand_rows_with_holes_agree(make):
    model = fitted(make)
    features = features_with_holes(10_000, seed=1)
    n_outputs = model.n_trees_per_iteration_
    raw = run(forest_of(rounds_of(model), range(n_outputs)), n_outputs, features) + baseline_of(model)
    with threadpool_limits(1):
        if make is number:
            np.testing.assert_allclose(raw[:, 0], model.predict(features), atol=2e-6)
            return
        truth = model.predict_proba(features)
    if n_outputs == 1:
        raw = np.hstack([np.zeros_like(raw), raw])
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), truth, atol=1e-6)


def test_trees_can_add_to_chosen_outputs():
    model = fitted(binary)
    features = features_with_holes(200, seed=2)
    forest = forest_of(rounds_of(model), [2])
    outputs = run(forest, 3, features)
    assert not outputs[:, :2].any()
    np.testing.assert_allclose(outputs[:, 2] + baseline_of(model)[0], model.decision_function(features), atol=1e-5)
    nodes = np.concatenate([nodes for (nodes,) in rounds_of(model)])
    assert forest.n_parameters == 2 * (nodes["is_leaf"] == 0).sum() + (nodes["is_leaf"] == 1).sum()


@example(0.0, float(np.finfo(np.float32).min))
@example(1e300, float(np.finfo(np.float32).max))
@given(st.floats(width=64, allow_nan=False), st.floats(width=32, allow_nan=False))
def test_rounding_down_never_changes_a_comparison(threshold, value):
    rounded = round_down(np.array([threshold]))[0]
    assert (np.float32(value) <= rounded) == (value <= threshold)
    near = np.float32(value)
    assert (near <= round_down(np.array([value]))[0]) == (value <= value)


def test_categorical_splits_are_refused():
    x = np.random.default_rng(0).integers(0, 5, size=(200, 1))
    with threadpool_limits(1):
        model = HistGradientBoostingRegressor(max_iter=3, categorical_features=[0]).fit(x, (x[:, 0] % 2).astype(float))
    with pytest.raises(ValueError, match="categorical"):
        forest_of(rounds_of(model), [0])
