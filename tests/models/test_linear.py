"""Linear fits against scikit-learn, and the whole contender on data where the answer is known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression, Ridge

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models import linear as linear_module, logistic_solvers
from annvil.models.jobs import Context, Effort, Job
from annvil.models.linear import PENALTIES, Linear
from annvil.models.linear_fits import RidgePath, fit_logistic
from annvil.models.logistic_solvers import lbfgs_logistic, newton_logistic
from annvil.system.processors import bounded_threads
from annvil.tasks.union import make_task


@pytest.mark.parametrize("shape", [(80, 5), (12, 40)])
@pytest.mark.parametrize("penalty", [0.01, 1.0, 300.0])
def test_the_ridge_path_is_ridge(shape, penalty):
    rng = np.random.default_rng(0)
    features = (rng.normal(size=shape) + 3).astype(np.float32)
    y = features[:, 0] - 2 * features[:, 1] + rng.normal(size=shape[0])
    found = RidgePath(features, y).coefficients(penalty)
    truth = Ridge(alpha=penalty).fit(features.astype(np.float64), y)
    np.testing.assert_allclose(found.slopes[:, 0], truth.coef_, atol=1e-8)
    np.testing.assert_allclose(found.intercepts[0], truth.intercept_, atol=1e-7)


def test_ridge_survives_columns_that_repeat_and_never_change():
    column = np.random.default_rng(0).normal(size=50).astype(np.float32)
    features = np.stack([column, column, np.ones(50, np.float32)], axis=1)
    found = RidgePath(features, 2.0 * column).coefficients(1e-3)
    np.testing.assert_allclose(found.slopes[:, 0], [1, 1, 0], atol=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_regression_is_logistic_regression(n_classes, weighted):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(150, 4)).astype(np.float32)
    y = rng.integers(0, n_classes, size=150) * (features[:, 0] > 0)
    weights = np.linspace(1, 3, n_classes) if weighted else None
    found, converged = fit_logistic(features, y, n_classes, 0.5, weights)
    assert converged
    sample_weight = None if weights is None else weights[y]
    truth = LogisticRegression(C=2.0, tol=1e-10, max_iter=1000).fit(features.astype(float), y, sample_weight)
    scores = features @ found.slopes + found.intercepts
    powers = np.exp(scores)
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), truth.predict_proba(features), atol=1e-5)


SOLVERS = [(newton_logistic, 2), (newton_logistic, 4), (lbfgs_logistic, 4)]
KINDS_OF_ROWS = ["separable", "twins", "wide", "noise", "scales"]
CREEPS = (lbfgs_logistic, 1e4, "scales")
"""Gets there in thousands of steps, which take 15 seconds: in the slow suite."""


@pytest.mark.parametrize(
    ("solve", "n_classes", "penalty", "which"),
    [
        pytest.param(solve, n, penalty, which, marks=[pytest.mark.slow] if (solve, penalty, which) == CREEPS else [])
        for which in KINDS_OF_ROWS
        for penalty in (1e-3, 1.0, 1e4)
        for solve, n in SOLVERS
    ],
)
def test_our_solvers_find_the_one_answer(monkeypatch, solve, n_classes, penalty, which):
    monkeypatch.setattr(logistic_solvers, "LBFGS_TOLERANCE", 1e-9)  # the answer, not only near it
    monkeypatch.setattr(logistic_solvers, "MOST_LBFGS_STEPS", 20_000)
    monkeypatch.setattr(logistic_solvers, "PART_VALUES", 40)  # several parts
    rng = np.random.default_rng(1)
    features = rng.normal(size=(24, 30 if which == "wide" else 6)).astype(np.float32)
    features[:, 1] = features[:, 0] if which == "twins" else features[:, 1]
    features[:, 2] = 1.0
    features *= np.geomspace(0.05, 20, features.shape[1]) if which == "scales" else 1.0
    noise = 0.0 if which == "separable" else rng.gumbel(size=(24, n_classes))
    y = np.argmax(features[:, :n_classes] * 3 + noise, axis=1)
    y[:n_classes] = np.arange(n_classes)
    weights = rng.uniform(0.5, 2.0, 24)
    with bounded_threads(1):  # as in a fit: two threads on so little wait for each other
        found, converged = solve(features, y, n_classes, penalty, weights)
    assert converged
    truth = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-10, max_iter=1000)
    truth.fit(features.astype(float), y, weights)
    scores = features @ found[:-1] + found[-1]
    scores = np.concatenate([np.zeros((24, 1)), scores], axis=1) if n_classes == 2 else scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    np.testing.assert_allclose(powers / powers.sum(axis=1, keepdims=True), truth.predict_proba(features), atol=1e-6)


def test_absent_classes_are_improbable_but_possible():
    features = np.random.default_rng(0).normal(size=(99, 2)).astype(np.float32)
    found, _ = fit_logistic(features, np.full(99, 1), 3, 1.0, None)
    powers = np.exp(found.intercepts)
    np.testing.assert_allclose(powers / powers.sum(), [0.01 / 1.02, 1 / 1.02, 0.01 / 1.02])
    found, _ = fit_logistic(features, np.arange(99) % 2 * 2, 3, 1.0, None)
    scores = features @ found.slopes + found.intercepts
    assert (scores[:, 1] < scores.max(axis=1) - 2).all()


def test_a_solver_that_does_not_converge_says_so_without_warning(monkeypatch):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(200, 30)).astype(np.float32)
    monkeypatch.setattr("annvil.models.linear_fits.NEWTON_PARAMETERS", 0)
    monkeypatch.setattr("annvil.models.linear_fits.MOST_STEPS", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, converged = fit_logistic(features, (features[:, 2] > 0).astype(int), 2, 1e-3, None)
    assert not converged


def jobs_of(y, folds, seed=0):
    fold = np.random.default_rng(seed).permutation(len(y)) % folds
    for k in range(folds):
        rows = np.flatnonzero(fold != k)
        inner = np.random.default_rng(k).permutation(len(rows)) % 5
        splits = tuple(Split(rows[inner != j], rows[inner == j]) for j in range(5))
        yield Job(f"fold {k}", rows, splits, 0), np.flatnonzero(fold == k)


def test_log_loss_on_breast_cancer_is_at_most_a_tenth():
    features, y = load_breast_cancer(return_X_y=True)
    table = table_from_columns([(f"x{i}", "number", column) for i, column in enumerate(features.T)])
    dataset = Dataset(table, y.astype(np.int64), make_task("binary", "y", (0, 1)), np.arange(len(y)))
    losses = []
    for job, test in jobs_of(y, 3):
        (fitted,) = Linear().fit(dataset, [job], Effort(candidates=len(PENALTIES)), Context(threads=1))
        losses.append(dataset.task.row_losses(y[test], fitted.predict(table.take(test))).mean())
    assert np.mean(losses) <= 0.10


def test_many_rows_search_on_a_part_and_say_so(monkeypatch):
    monkeypatch.setattr(linear_module, "SEARCH_ROWS", 50)
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    dataset = Dataset(
        table_from_columns([("x", "number", x)]),
        3 * x + rng.normal(size=300),
        make_task("regression", "y"),
        np.arange(300),
    )
    job, test = next(jobs_of(x, 3))
    (fitted,) = Linear().fit(dataset, [job], Effort(candidates=3), Context(threads=1))
    assert fitted.notes == ("The penalty was chosen on a sample of 50; the final fit uses all.",)
    assert fitted.members[0].n_parameters == 2
    assert np.corrcoef(fitted.predict(dataset.inputs.take(test))[:, 0], x[test])[0, 1] > 0.999
    assert np.isfinite(fitted.out_of_fold).all()


def test_a_rare_class_is_tried_with_weights():
    rng = np.random.default_rng(0)
    y = np.r_[np.zeros(190, np.int64), np.ones(10, np.int64)]
    dataset = Dataset(
        table_from_columns([("x", "number", rng.normal(size=200) + y)]),
        y,
        make_task("binary", "y", (0, 1)),
        np.arange(200),
    )
    job, _ = next(jobs_of(y, 3))
    (fitted,) = Linear().fit(dataset, [job], Effort(candidates=5), Context(threads=1))
    weighted = [entry["configuration"]["class_weighted"] for entry in fitted.tried]
    assert weighted == [False, False, False, True, False]
    scores = [entry["score"] for entry in fitted.tried]
    assert scores[3] < 1.2 * min(scores)  # calibration takes the weights out again
