"""The scikit-learn estimators: their contract, frames, repeatability."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator, estimator_checks_generator

from annvil.errors import RequestError
from annvil.models.estimators import MLPClassifier, MLPRegressor, TabMClassifier, TabMRegressor

UNLIKE = {"check_sample_weight_equivalence_on_dense_data": "a repeated row is dealt to other folds than a weighted one"}
"""As of scikit-learn's own MLPs, whose solvers meet rows in a random order."""

ALL = [MLPClassifier, MLPRegressor, TabMClassifier, TabMRegressor]
CLASSIFIERS, REGRESSORS = ALL[::2], ALL[1::2]
LITTLE = {"max_epochs": 12, "n_folds": 2, "random_state": 0}

every_estimator = pytest.mark.parametrize("kind", ALL)


def made_rows(kind, n_rows=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 4))
    score = X[:, 0] * X[:, 1]
    y = score if kind in REGRESSORS else np.where(score > 0, "same", "other")
    return X, y


def frame_of(X, text, make):
    columns = {f"number {i}": column for i, column in enumerate(X.T)}
    return make({**columns, "colour": text})


def test_the_contract_of_regressors():
    """What scikit-learn asks of regressors alone; `test_the_contract_of_scikit_learn` has the rest."""
    checks = list(estimator_checks_generator(TabMRegressor(max_epochs=8, n_folds=2)))
    of_regressors = [(estimator, check) for estimator, check in checks if "regress" in check.func.__name__]
    assert len(of_regressors) >= 5
    for estimator, check in of_regressors:
        check(estimator)


@pytest.mark.parametrize(
    "kind",
    [
        MLPClassifier,
        *(pytest.param(kind, marks=[pytest.mark.slow]) for kind in (MLPRegressor, TabMClassifier, TabMRegressor)),
    ],
)
def test_the_contract_of_scikit_learn(kind):
    # The networks are small here; `test_the_contract_at_defaults` leaves everything as it is.
    results = check_estimator(kind(max_epochs=8, n_folds=2), on_skip=None, expected_failed_checks=UNLIKE)
    assert {result["status"] for result in results if result["check_name"] not in UNLIKE} <= {"passed", "skipped"}
    needless = {"check_array_api_input", "check_classifiers_multilabel_output_format_decision_function"}
    assert {r["check_name"] for r in results if r["status"] == "skipped"} <= needless
    assert {result["check_name"] for result in results if result["expected_to_fail"]} == {*UNLIKE}


@pytest.mark.parametrize("kind", [MLPClassifier, TabMClassifier])
def test_sample_weights_count(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(160, 2))
    lies = rng.random(160) < 0.5
    truth = X[:, 0] > 0
    y = np.where(lies, ~truth, truth).astype(int)

    def fitted(rows=slice(None), **more):
        return kind(max_epochs=8, n_folds=2, random_state=0).fit(X[rows], y[rows], **more).predict_proba(X)

    light = fitted(sample_weight=np.where(lies, 0.01, 1.0))
    assert np.mean(light.argmax(axis=1) == truth) > 0.9
    np.testing.assert_array_equal(fitted(sample_weight=np.where(lies, 0.0, 3.0)), fitted(~lies))
    np.testing.assert_array_equal(fitted(sample_weight=np.full(160, 2.0)), fitted())
    with pytest.raises(ValueError, match="at least one non-zero"):
        fitted(sample_weight=np.zeros(160))
    with pytest.raises(ValueError, match="Negative values"):
        fitted(sample_weight=-np.ones(160))


@pytest.mark.slow
@every_estimator
def test_the_contract_at_defaults(kind):
    check_estimator(kind(), on_skip=None, expected_failed_checks=UNLIKE)


@every_estimator
def test_clone_and_fit_give_equal_bytes(kind):
    X, y = made_rows(kind)
    one = kind(**LITTLE).fit(X, y)
    other = clone(one).fit(X, y)
    name = "predict" if kind in REGRESSORS else "predict_proba"
    assert getattr(one, name)(X).tobytes() == getattr(other, name)(X).tobytes()
    different = clone(one).set_params(random_state=1).fit(X, y)
    assert getattr(one, name)(X).tobytes() != getattr(different, name)(X).tobytes()


@every_estimator
def test_a_pickled_estimator_predicts_the_same(kind):
    X, y = made_rows(kind)
    fitted = kind(**LITTLE).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))


def test_what_a_line_cannot_learn_is_learnt():
    X, y = made_rows(MLPClassifier, n_rows=600)
    later, truth = made_rows(MLPClassifier, n_rows=400, seed=1)
    network = MLPClassifier(max_epochs=32, n_folds=2, random_state=0).fit(X, y)
    assert network.score(later, truth) > 0.9
    assert LogisticRegression().fit(X, y).score(later, truth) < 0.6


def test_probabilities_follow_the_classes():
    X, y = made_rows(MLPClassifier)
    fitted = MLPClassifier(**LITTLE).fit(X, y)
    assert fitted.classes_.tolist() == ["other", "same"]
    found = fitted.predict_proba(X)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-12)
    assert (fitted.predict(X) == fitted.classes_[found.argmax(axis=1)]).all()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_frames_may_hold_categories_and_holes(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(150, 2))
    text = rng.choice(["red", "green", "blue"], size=150)
    y = (text == "red").astype(int)
    X[::7, 0] = np.nan
    fitted = MLPClassifier(max_epochs=40, n_folds=2, random_state=0).fit(frame_of(X, text, make), y)
    assert fitted.feature_names_in_.tolist() == ["number 0", "number 1", "colour"]
    assert fitted.score(frame_of(X, text, make), y) == 1.0
    unseen = frame_of(X[:3], ["mauve", None, "red"], make)
    assert np.isfinite(fitted.predict_proba(unseen)).all()
    with pytest.raises(ValueError, match="now missing:\n- colour"):
        fitted.predict(make({"number 0": X[:, 0], "number 1": X[:, 1], "color": text}))


def test_one_class_and_one_row_are_refused_in_words():
    X, _ = made_rows(MLPClassifier)
    with pytest.raises(RequestError, match=r"MLPClassifier needs at least 2 classes; y has 1 class, 'a'\."):
        MLPClassifier().fit(X, ["a"] * len(X))
    with pytest.raises(RequestError, match=r"MLPRegressor needs at least 2 samples .* got 1 sample\."):
        MLPRegressor().fit(X[:1], [1.0])


@pytest.mark.parametrize(
    ("argument", "value"), [("n_folds", 1), ("n_candidates", 0), ("max_epochs", 0), ("batch_size", 2.5)]
)
def test_arguments_are_checked_when_fitting(argument, value):
    X, y = made_rows(MLPClassifier)
    with pytest.raises(RequestError, match=f"{argument} must be a whole number of at least"):
        MLPClassifier(**{argument: value}).fit(X, y)


def test_sparse_rows_are_refused():
    X, y = made_rows(MLPClassifier)
    with pytest.raises(TypeError, match="dense"):
        MLPClassifier().fit(scipy.sparse.csr_array(X), y)


def test_arguments_reach_the_networks():
    X, y = made_rows(MLPRegressor)
    fitted = MLPRegressor((8, 6), learning_rate=0.03, **LITTLE).fit(X, y)
    network = fitted.fitted_.members[0].networks[0]
    assert [layer.out_features for layer in network.layers] == [8, 6, 1]
    assert fitted.fitted_.configuration["learning_rate"] == 0.03
    assert "layers of 8, 6" in fitted.fitted_.summary


def test_a_time_budget_ends_training_early():
    X, y = made_rows(MLPRegressor, n_rows=2000)
    fitted = MLPRegressor(time_budget=0.3, max_epochs=10_000, n_folds=2).fit(X, y)
    assert len(fitted.fitted_.history["train_loss"]) < 10_000


@pytest.mark.slow
def test_a_grid_search_finds_the_same_on_two_processes():
    X, y = made_rows(MLPClassifier)
    grid = {"learning_rate": [0.001, 0.02]}
    scores = [
        GridSearchCV(MLPClassifier(**LITTLE), grid, cv=3, n_jobs=n_jobs).fit(X, y).cv_results_["mean_test_score"]
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_several_labels_at_once(kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    y = (X + 0.2 * rng.normal(size=X.shape) > [0.0, 0.5, 1.0]).astype(int)
    network = kind(max_epochs=24, n_folds=2, random_state=0).fit(X[:200], y[:200])
    probabilities = network.predict_proba(X[200:])
    assert probabilities.shape == (100, 3)
    np.testing.assert_array_equal(network.predict(X[200:]), probabilities >= 0.5)
    assert (network.predict(X[200:]) == y[200:]).mean() > 0.85
    assert network.score(X[200:], y[200:]) == (network.predict(X[200:]) == y[200:]).all(axis=1).mean()
    assert network.classes_.tolist() == [0, 1, 2]
    with pytest.raises(RequestError, match="0 and 1 for each label"):
        kind(**LITTLE).fit(X, np.where(y, 2, 5))
