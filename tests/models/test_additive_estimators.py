"""Additive networks as scikit-learn estimators: their contract, directions, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import check_estimator

from annvil.errors import RequestError
from annvil.models.additive_estimators import AdditiveClassifier, AdditiveRegressor

UNLIKE = {"check_sample_weight_equivalence_on_dense_data": "a repeated row is dealt to other folds than a weighted one"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AdditiveClassifier, AdditiveRegressor])
def test_the_contract_of_scikit_learn(kind):
    little = kind(max_epochs=16, n_folds=2, n_candidates=1)
    results = check_estimator(little, on_skip=None, expected_failed_checks=UNLIKE)
    assert {result["status"] for result in results if result["check_name"] not in UNLIKE} <= {"passed", "skipped"}


def test_frames_pairs_and_directions():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 200))
    X = pd.DataFrame({"x": x, "z": z, "colour": rng.choice(["red", "blue"], 200)})
    y = np.sin(2 * x) + x + z * (X["colour"] == "red")
    found = AdditiveRegressor(monotone={"x": 1}, n_candidates=1, n_folds=2, max_epochs=20, random_state=0).fit(X, y)
    assert found.score(X, y) > 0.5
    many = X.iloc[:1].loc[[0] * 500].assign(x=np.linspace(-3, 3, 500))
    assert np.diff(found.predict(many)).min() >= -1e-12
    terms = [term.columns for term in found.fitted_.additive().terms]
    assert ("x",) in terms
    assert not any("x" in columns for columns in terms if len(columns) > 1)


@pytest.mark.parametrize(
    ("monotone", "words"),
    [
        ({"ag": 1}, "monotone names 'ag', which is no column of X. Did you mean 'age'"),
        ({"colour": 1}, "monotone names 'colour', a category"),
        ({"age": 2}, "monotone of 'age' must be 1 .rising. or -1 .falling.; got 2"),
    ],
)
def test_directions_that_cannot_be_kept_are_refused(monotone, words):
    X = pd.DataFrame({"age": [1.0, 2.0, 3.0, 4.0], "colour": ["a", "b", "a", "b"]})
    with pytest.raises(RequestError, match=words):
        AdditiveClassifier(monotone=monotone).fit(X, [0, 1, 0, 1])
    with pytest.raises(RequestError, match="monotone needs a number or two classes; y has 3 classes"):
        AdditiveClassifier(monotone={"age": 1}).fit(X, [0, 1, 2, 1])
