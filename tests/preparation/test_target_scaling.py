from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from sklearn.preprocessing import StandardScaler

from annvil.onnx.builder import Graph
from annvil.preparation import TargetScaling


def test_it_is_the_standard_scaler():
    y = np.random.default_rng(0).normal(300, 40, 200)
    expected = StandardScaler().fit_transform(y[:, None])[:, 0]
    np.testing.assert_allclose(TargetScaling.fit(y).transform(y), expected, rtol=1e-5, atol=1e-6)


def test_the_way_back_ends_at_the_training_range():
    scaling = TargetScaling.fit(np.array([1.0, 2.0, 6.0]))
    np.testing.assert_allclose(scaling.inverse(scaling.transform(np.array([1.0, 2.0, 6.0]))), [1, 2, 6], rtol=1e-6)
    assert scaling.inverse(np.array([[-50.0], [50.0]])).tolist() == [[1.0], [6.0]]


@pytest.mark.parametrize("y", [[5.0, 5.0, 5.0], [5.0], [0.0, 0.0], [1e-320, 2e-320]])
def test_a_target_that_hardly_varies_is_returned(y):
    scaling = TargetScaling.fit(np.array(y))
    assert np.all(np.isfinite(scaling.transform(np.array(y))))
    np.testing.assert_allclose(scaling.inverse(np.zeros(1)), y[0], atol=1e-300)


def test_huge_targets_neither_overflow_nor_vanish():
    y = np.array([-1e300, 0.0, 1e300])
    scaling = TargetScaling.fit(y)
    np.testing.assert_allclose(scaling.transform(y), [-(1.5**0.5), 0, 1.5**0.5], rtol=1e-6)
    np.testing.assert_allclose(scaling.inverse(scaling.transform(y)), y, rtol=1e-6)


def test_the_graph_agrees():
    scaling = TargetScaling.fit(np.random.default_rng(0).normal(300, 40, 50))
    graph = Graph()
    value = graph.input("value", "float32", ["rows", 1])
    model = graph.finish({"out": (scaling.write(graph, value), "float64", ["rows", 1])})
    values = np.linspace(-9, 9, 40, dtype=np.float32)[:, None]
    (out,) = onnxruntime.InferenceSession(model).run(None, {"value": values})
    np.testing.assert_allclose(out, scaling.inverse(values), rtol=1e-12)


def test_it_speaks():
    assert TargetScaling.fit(np.array([1.0, 3.0])).describe() == (
        "Target: mean 2 to 0, standard deviation 1 to 1; predictions are held between 1 and 3, the range of the "
        "training data."
    )
