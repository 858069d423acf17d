"""Numbers that span magnitudes: when they are taken to, and trees that learn them on their logarithm."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st
from scipy import stats

from annvil.bundle import Predictor, export
from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models.jobs import Context, Effort, Job
from annvil.models.logarithm import Powers, spans_magnitudes
from annvil.models.trees import BoostedTrees
from annvil.preparation.skewness import skewness
from annvil.tasks.union import make_task


@given(st.integers(0, 200), st.floats(0.01, 3.0))
def test_skewness_is_scipys(seed: int, deviation: float) -> None:
    values = np.exp(deviation * np.random.default_rng(seed).normal(size=150))
    assert skewness(values) == pytest.approx(stats.skew(values))


def prices(n_rows: int = 600, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Products: every column multiplies; a few are a thousand times the usual."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, 3))
    y = np.exp(9 + 1.2 * X[:, 0] + 0.7 * X[:, 1] + 0.4 * X[:, 2] + 0.1 * random.normal(size=n_rows))
    return {f"x{k}": X[:, k] for k in range(3)}, y


@pytest.mark.parametrize(
    ("changed", "spans"),
    [
        (lambda y: y, True),
        (lambda y: y * 1e-6, True),  # of any unit
        (np.log, False),  # no tail
        (lambda y: y - y.min(), False),  # one is 0
        (lambda y: -y, False),
        (lambda y: y[:99], False),  # too few to tell
        (lambda y: np.exp(y / 1e4), False),  # the logarithm has a tail, too
        (np.ones_like, False),
    ],
)
def test_what_spans_magnitudes(changed, spans) -> None:
    with np.errstate(over="ignore", invalid="ignore"):
        assert spans_magnitudes(changed(prices()[1])) == spans


def fitted_on(y: np.ndarray, columns: dict[str, np.ndarray], **effort):
    dataset = Dataset(
        table_from_columns((name, "number", x) for name, x in columns.items()),
        y,
        make_task("regression", "price"),
        np.arange(len(y)),
    )
    job = Job("fit", np.arange(400), (Split(np.arange(300), np.arange(300, 400)),), 0)
    return dataset, next(BoostedTrees().fit(dataset, [job], Effort(scale=0.25, **effort), Context()))


def test_trees_learn_prices_on_their_logarithm_and_the_graph_says_the_same() -> None:
    columns, y = prices()
    dataset, fitted = fitted_on(y, columns)
    assert fitted.configuration["logarithm"]
    assert "on the logarithm of the target" in fitted.summary
    plain = {**fitted.configuration, "logarithm": False}
    _, raw = fitted_on(y, columns, configuration=plain)
    rest = dataset.inputs.take(np.arange(400, 600))
    errors = [np.abs(np.log(np.maximum(one.predict(rest)[:, 0], 1.0) / y[400:])).mean() for one in (fitted, raw)]
    assert errors[0] < 0.7 * errors[1]
    graph = export(fitted, dataset.inputs.form, dataset.task)
    found = Predictor.from_graph(graph, dataset.inputs.form, dataset.task).raw(rest)
    np.testing.assert_allclose(found, fitted.predict(rest), rtol=1e-5)


def test_both_compete_where_there_are_two_candidates() -> None:
    columns, y = prices()
    _, fitted = fitted_on(y, columns, candidates=2)
    assert sorted(one["configuration"]["logarithm"] for one in fitted.tried) == [False, True]
    _, ordinary = fitted_on(np.log(y), columns, candidates=2)
    assert not any(one["configuration"]["logarithm"] for one in ordinary.tried)


def test_a_configuration_of_other_rows_meets_a_number_that_has_no_logarithm() -> None:
    columns, y = prices()
    y[[5, 350]] = 0.0
    _, chosen = fitted_on(y, columns)
    asked = {**chosen.configuration, "logarithm": True}
    _, fitted = fitted_on(y, columns, configuration=asked)
    assert np.isfinite(fitted.out_of_fold[300:400]).all()


def test_the_factor_makes_up_for_the_mean() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=(20_000, 1))
    y = np.exp(scores[:, 0] + 0.5 * random.normal(size=20_000))
    link = Powers.smeared(y, np.exp(scores))
    assert link.factor == pytest.approx(np.exp(0.5**2 / 2), rel=0.02)
    assert link.apply(scores).mean() == pytest.approx(y.mean(), rel=0.05)
    np.testing.assert_allclose(link.tensor(torch.from_numpy(scores)).numpy(), link.apply(scores))
    assert Powers.smeared(y[:0], np.empty((0, 1))).factor == 1.0
