"""What columns add up to is what the score gained; of sums and products it is what one computes by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.attribution.integrated_gradients import HALVINGS, PIECES, integrated_gradients

RNG = np.random.default_rng(0)
ROWS, START = RNG.normal(size=(7, 3)), RNG.normal(size=3)


def along(score, gradient, rows=ROWS, start=START, calls=None):
    """Slopes and scores of functions ``(n, d)`` → ``(n,)`` and ``(n, d)``, one explained score."""

    def slopes(which, shares):
        if calls is not None:
            calls.append(len(which))
        step = rows[which] - start
        at = start + shares[:, None] * step
        return (gradient(at) * step)[:, :, None], score(at)[:, None]

    return slopes


def test_a_linear_score_is_split_as_its_weights_say():
    weights, calls = np.array([2.0, -1.0, 0.0]), []
    found = integrated_gradients(along(lambda x: x @ weights + 5, lambda x: x * 0 + weights, calls=calls), len(ROWS))
    np.testing.assert_allclose(found.contributions[:, :, 0], weights * (ROWS - START), atol=1e-12)
    np.testing.assert_allclose(found.base, START @ weights + 5)
    assert found.missing.max() < 1e-12
    assert sum(calls) == len(ROWS) * PIECES * 10  # nothing is halved without need


def test_a_product_is_split_as_its_integral():
    found = integrated_gradients(
        along(lambda x: x[:, 0] * x[:, 1], lambda x: np.stack([x[:, 1], x[:, 0], 0 * x[:, 0]], 1)), len(ROWS)
    )
    step, middle = ROWS - START, (ROWS + START) / 2
    expected = np.stack([step[:, 0] * middle[:, 1], step[:, 1] * middle[:, 0], np.zeros(len(ROWS))], axis=1)
    np.testing.assert_allclose(found.contributions[:, :, 0], expected, atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 200), st.floats(0.1, 30))
def test_networks_of_bends_are_complete(seed, n_units, steepness):
    rng = np.random.default_rng(seed)
    w, b, v = steepness * rng.normal(size=(3, n_units)), rng.normal(size=n_units), rng.normal(size=n_units)
    found = integrated_gradients(
        along(lambda x: np.maximum(x @ w + b, 0) @ v, lambda x: ((x @ w + b > 0) * v) @ w.T), len(ROWS)
    )
    gained = np.abs(found.scores - found.base).max()
    assert found.missing.max() <= 1e-3 * gained


def test_a_step_ends_and_says_what_is_missing():
    calls = []
    found = integrated_gradients(along(lambda x: (x[:, 0] > 0) * 1.0, lambda x: 0 * x, calls=calls), len(ROWS))
    crossed = (ROWS[:, 0] > 0) != (START[0] > 0)
    np.testing.assert_allclose(found.missing[:, 0], crossed * 1.0)
    assert len(calls) == HALVINGS + 1


@pytest.mark.parametrize("n_rows", [1, 1200])
def test_many_rows_are_those_of_one(n_rows):
    rows = np.repeat(ROWS[:1], n_rows, axis=0)
    found = integrated_gradients(along(lambda x: np.tanh(x).sum(1), lambda x: 1 / np.cosh(x) ** 2, rows), n_rows)
    one = integrated_gradients(along(lambda x: np.tanh(x).sum(1), lambda x: 1 / np.cosh(x) ** 2), 1)
    np.testing.assert_allclose(found.contributions, np.repeat(one.contributions, n_rows, axis=0), atol=1e-9)
