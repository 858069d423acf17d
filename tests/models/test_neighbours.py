"""The kernel average against a calculation by hand."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.models.jobs import Shape
from annvil.models.neighbours import MOST_COLUMNS, MOST_ROWS, REACH, Kernel, Memory, Neighbours
from annvil.tasks.union import make_task

BINARY = make_task("binary", "y", (0, 1))

LINE = np.array([[0.0], [1.0], [2.0], [4.0]], dtype=np.float32)


def test_a_value_by_hand():
    memory = Memory(LINE, np.array([[10.0], [20.0], [30.0], [40.0]]), None)
    (found,) = memory.outputs(np.array([[0.5]], dtype=np.float32), [Kernel(3, 1)])
    bandwidth = REACH * 1.5**2
    near, far = 1 - 0.25 / bandwidth, 1 - 2.25 / bandwidth
    assert found[0, 0] == pytest.approx((10 * near + 20 * near + 30 * far) / (2 * near + far), rel=1e-6)


def test_probabilities_by_hand():
    prior = np.array([0.25, 0.75])
    memory = Memory(LINE, np.array([[1.0, 0], [0, 1], [0, 1], [1, 0]]), prior)
    (found,) = memory.outputs(np.array([[0.0]], dtype=np.float32), [Kernel(2, 3)])
    first, second = 1.0, (1 - 1 / REACH) ** 3
    expected = np.array([first + 0.25, second + 0.75]) / (first + second + 1)
    np.testing.assert_allclose(found[0], expected, rtol=1e-6)


def test_rows_in_a_tie_count_alike():
    points = np.array([[0.0], [1.0], [-1.0], [1.0], [9.0]], dtype=np.float32)
    memory = Memory(points, np.array([[0.0], [1.0], [2.0], [3.0], [100.0]]), None)
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0]):
        shuffled = Memory(points[order], memory.answers[order], None)
        (found,) = shuffled.outputs(np.zeros((1, 1), np.float32), [Kernel(2, 1)])
        weight = 1 - 1 / REACH
        assert found[0, 0] == pytest.approx((0 + 6 * weight) / (1 + 3 * weight), rel=1e-6)


def test_identical_rows_have_a_bandwidth():
    memory = Memory(np.ones((5, 2), np.float32), np.arange(5.0)[:, None], None)
    (found,) = memory.outputs(np.ones((1, 2), np.float32), [Kernel(3, 1)])
    assert found[0, 0] == pytest.approx(2.0)


def test_more_neighbours_than_rows_and_many_kernels_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    memory = Memory(rng.normal(size=(6, 2)).astype(np.float32), rng.normal(size=(6, 1)), None)
    queries = rng.normal(size=(9, 2)).astype(np.float32)
    kernels = [Kernel(100, 1), Kernel(2, 3)]
    together = memory.outputs(queries, kernels)
    monkeypatch.setattr("annvil.models.neighbours.BLOCK", 12)  # two queries at a time
    for kernel, outputs in zip(kernels, together, strict=True):
        np.testing.assert_allclose(memory.outputs(queries, [kernel])[0], outputs, rtol=1e-12)


def test_large_data_are_declined():
    assert Neighbours().declines(Shape(MOST_ROWS, 5, 0, 0, BINARY)) is None
    assert "more than 20,000" in Neighbours().declines(Shape(MOST_ROWS + 1, 5, 0, 0, BINARY))
    assert "200 prepared columns" in Neighbours().declines(Shape(100, MOST_COLUMNS, 1, 1, BINARY))
