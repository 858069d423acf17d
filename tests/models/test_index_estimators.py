"""`IndexClassifier` and `IndexRegressor`: scikit-learn's contract, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.utils.estimator_checks import check_estimator

from annvil import IndexClassifier, IndexRegressor
from annvil.errors import RequestError

UNLIKE = {"check_sample_weight_equivalence_on_dense_data": "a repeated row is dealt to other folds than a weighted one"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [IndexClassifier, IndexRegressor])
def test_the_contract_of_scikit_learn(kind: type) -> None:
    results = check_estimator(kind(n_candidates=1, max_epochs=3), on_skip=None, expected_failed_checks=UNLIKE)
    assert {result["status"] for result in results if result["check_name"] not in UNLIKE} <= {"passed", "skipped"}


def test_frames_classes_and_weights() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"a": random.normal(size=150), "b": random.normal(size=150), "c": random.choice(["x", "y"], 150)}
    )
    y = np.where(frame["a"] - frame["b"] + 2 * (frame["c"] == "x") > 1, "yes", "no")
    model = IndexClassifier(n_candidates=1, max_epochs=20, random_state=0).fit(frame, y, np.linspace(0.5, 1.5, 150))
    assert model.score(frame, y) > 0.9
    assert model.predict_proba(frame).shape == (150, 2)
    np.testing.assert_allclose(
        model.projections_.T @ model.projections_, np.eye(model.projections_.shape[1]), atol=1e-9
    )


def test_what_it_refuses() -> None:
    random = np.random.default_rng(0)
    with pytest.raises(RequestError, match="learns one class a row"):
        IndexClassifier().fit(random.normal(size=(20, 2)), random.integers(0, 2, (20, 2)))
    with pytest.raises(RequestError, match="X has none"):
        IndexRegressor().fit(pd.DataFrame({"c": ["x", "y"] * 10}), np.arange(20.0))
    with pytest.raises(RequestError, match="n_candidates must be a whole number of at least 1"):
        IndexRegressor(n_candidates=0).fit(random.normal(size=(20, 2)), np.arange(20.0))
