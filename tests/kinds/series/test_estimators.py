"""The estimators for series: scikit-learn's contract, on arrays of two and three axes and lists."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator

from annvil.errors import DataError, RequestError
from annvil.kinds.series.contenders import sequence_family
from annvil.kinds.series.estimators import NETWORKS, SequenceClassifier, SequenceRegressor

LITTLE: dict[str, Any] = {"n_folds": 2, "width": 8, "training_length": 0.1, "random_state": 0}


@pytest.fixture
def briefly(monkeypatch):
    """Trainings of ten steps, where nothing need be learnt."""
    monkeypatch.setattr(sequence_family, "FEWEST_STEPS", 10)
    monkeypatch.setattr(sequence_family, "STEPS", 10)


def waves(n: int = 80, seed: int = 0) -> tuple[Any, Any]:
    """Two channels of 30 steps: slow waves, or quick ones beside a line that rises."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    at = np.arange(30)
    X = np.sin((0.3 + 0.5 * y)[:, None] * at + rng.uniform(0, 6, (n, 1)))
    line = y[:, None] * np.linspace(0, 2, 30) + 0.3 * rng.normal(size=(n, 30))
    return np.stack([X, line], axis=1) + 0.1 * rng.normal(size=(n, 2, 30)), y


@pytest.mark.parametrize(
    "network", [*(pytest.param(one, marks=[pytest.mark.slow] * (one in ("lite", "lstm", "rnn"))) for one in NETWORKS)]
)
def test_waves_are_told_apart(network):
    X, y = waves()
    reader = SequenceClassifier(**LITTLE | {"network": network}).fit(X, np.where(y == 1, "quick", "slow"))
    later, truth = waves(seed=1)
    assert reader.classes_.tolist() == ["quick", "slow"]
    assert reader.predict_proba(later).sum(axis=1) == pytest.approx(1)
    assert reader.score(later, np.where(truth == 1, "quick", "slow")) > 0.85


def test_numbers_are_learnt():
    X, _ = waves(120)
    level = X[:, 1].mean(axis=1) * 10
    reader = SequenceRegressor(**LITTLE).fit(X[:90], level[:90])
    assert reader.score(X[90:], level[90:]) > 0.5


@pytest.mark.parametrize("kind", [SequenceClassifier, pytest.param(SequenceRegressor, marks=[pytest.mark.slow])])
def test_clone_and_pickle_give_the_same(kind, briefly):
    X, y = waves(40)
    one = kind(**LITTLE).fit(X, y)
    other = clone(one).fit(X, y)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(one)).predict(X), one.predict(X))
    with pytest.raises(NotFittedError):
        clone(one).predict(X)


def test_any_length_and_gaps(briefly):
    X, y = waves(40)
    some = [one[:, : 20 + row % 10] for row, one in enumerate(X)]
    some[3] = some[3].copy()
    some[3][0, 4:8] = np.nan
    reader = SequenceClassifier(**LITTLE).fit(some, y)
    assert reader.predict_proba([X[0][:, :1], np.tile(X[0], (1, 10))]).shape == (2, 2)
    together, alone = reader.predict_proba(some), [reader.predict_proba([one])[0] for one in some]
    np.testing.assert_allclose(together, alone, atol=1e-5)
    with pytest.raises(DataError, match="1 channels; the model needs 2"):
        reader.predict(X[:, :1])


@pytest.mark.slow
def test_several_labels(briefly):
    X, y = waves(40)
    both = np.stack([y, 1 - y], axis=1)
    assert SequenceClassifier(**LITTLE).fit(X, both).predict(X).shape == (40, 2)


@pytest.mark.slow
def test_weights_and_cross_validation(briefly):
    X, y = waves(40)
    weighted = SequenceClassifier(**LITTLE).fit(X, y, sample_weight=np.where(np.arange(40) < 30, 1.0, 0.0))
    alone = SequenceClassifier(**LITTLE).fit(X[:30], y[:30])
    np.testing.assert_array_equal(weighted.predict_proba(X), alone.predict_proba(X))
    assert len(cross_val_score(SequenceClassifier(**LITTLE), X, y, cv=2)) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"network": "transformer"}, "network must be one of 'tcn', 'lite', 'gru'"),
        ({"scaling": "rows"}, "scaling must be one of 'channel', 'series'"),
        ({"n_folds": 1}, "n_folds must be a whole number of at least 2"),
        ({"training_length": 0}, "training_length must be above 0"),
    ],
)
def test_arguments_are_refused(settings, said):
    with pytest.raises(RequestError, match=said):
        SequenceClassifier(**settings).fit(*waves(40))


def test_paths_are_refused():
    _, y = waves(40)
    with pytest.raises(RequestError, match="takes arrays, not paths"):
        SequenceClassifier().fit("series.csv", y)


CHECKS = (
    "check_estimator_tags_renamed", "check_valid_tag_types", "check_no_attributes_set_in_init",
    "check_fit_score_takes_y",
    "check_readonly_memmap_input", "check_fit1d", "check_fit2d_predict1d", "check_fit2d_1sample", "check_n_features_in",
    "check_estimator_sparse_array", "check_classifiers_one_label", "check_dict_unchanged",
    "check_classifiers_one_label_sample_weights", "check_classifiers_regression_target", "check_supervised_y_no_nan",
    "check_sample_weights_not_an_array", "check_n_features_in_after_fitting",
)  # fmt: skip
"""Of scikit-learn's own checks, those that fit once or twice; all of them take ten minutes."""


@pytest.mark.slow
def test_the_contract_of_scikit_learn(briefly):
    estimator = SequenceClassifier(n_folds=2, width=8, training_length=0.01)
    checks = [(one, check) for one, check in estimator_checks_generator(estimator) if check.func.__name__ in CHECKS]
    assert {check.func.__name__ for _, check in checks} == {*CHECKS}
    for one, check in checks:
        check(one)
