"""Spline curves: against what they are defined by, and against scikit-learn's spline on a planted function."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer
from tests.battery import fit_one, made_job, shipped

from annvil.data.dataset import Dataset
from annvil.data.table import table_from_columns
from annvil.models.jobs import Effort
from annvil.models.spline_additive import SplineAdditive
from annvil.preparation.splines import KNOTS, curves_of
from annvil.tasks.union import make_task


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=60), st.integers(0, 40))
def test_curves_are_centred_apart_from_the_line_and_from_each_other(values: list[float], zeros: int) -> None:
    known = np.array(values + [0.0] * zeros)
    found = curves_of(known)
    if found is None:
        return
    at, curves = found
    assert 3 <= len(at) <= KNOTS
    assert curves.shape == (len(at), len(at) - 2)
    assert np.isfinite(curves).all()
    distinct, counts = np.unique(known, return_counts=True)
    below = np.cumsum(counts / len(known) + 1 / len(distinct)) / 2
    levels = np.linspace(0, 1, KNOTS)
    share = (
        np.array([np.sum(distinct[np.minimum(np.searchsorted(below, levels), len(distinct) - 1)] == one) for one in at])
        / KNOTS
    )
    line = (at - np.average(at, weights=share)) / np.abs(at).max()
    np.testing.assert_allclose(share @ curves, 0, atol=1e-7)
    line = line / max(np.sqrt(share @ line**2), 1e-300)
    np.testing.assert_allclose((share * line) @ curves, 0, atol=1e-5)
    sizes = share @ curves**2
    assert (np.diff(sizes) <= 1e-9).all()  # the rougher, the smaller
    assert sizes.max() <= 1 + 1e-9
    gram = (curves * share[:, None]).T @ curves
    np.testing.assert_allclose(gram, np.diag(sizes), atol=1e-7)


@pytest.mark.parametrize("name", ["sine", "step", "hockey stick"])
def test_a_planted_curve_is_found_as_by_scikit_learn(name: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-3, 3, 1500)
    truth = {"sine": np.sin(2 * x), "step": (x > 0.5).astype(float), "hockey stick": np.maximum(x, 0)}[name]
    y = truth + 0.3 * rng.standard_normal(len(x))
    dataset = Dataset(table_from_columns([("x", "number", x)]), y, make_task("regression", "y"), np.arange(len(x)))
    fitted = fit_one(SplineAdditive(), dataset, made_job(dataset), Effort(8))
    ours = np.mean((fitted.predict(dataset.inputs)[:, 0] - truth) ** 2)
    spline = SplineTransformer(KNOTS, degree=1, knots="quantile")
    theirs = make_pipeline(spline, Ridge(0.1)).fit(x[:, None], y).predict(x[:, None])
    assert ours <= 1.3 * np.mean((theirs - truth) ** 2) + 1e-4
    np.testing.assert_allclose(shipped(fitted, dataset.inputs), fitted.predict(dataset.inputs), atol=1e-6)


def test_of_a_column_that_is_mostly_zero_the_rest_has_knots_too() -> None:
    rng = np.random.default_rng(0)
    at, _ = curves_of(np.where(rng.random(1000) < 0.95, 0.0, rng.uniform(1, 100, 1000)))  # type: ignore[misc]
    assert len(at) >= KNOTS // 2
