"""What Annvil asks of scikit-learn's private names still means what it meant; a release that changes it is red here."""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from annvil.models.sklearn_private import baseline_of, keep_rounds, raw_scores, rounds_of, stopping_when

X = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
NUMBER = X[:, 0] + X[:, 1] ** 2
CLASSES = np.digitize(NUMBER, [0.0, 1.0])


def regressor(**settings):
    return HistGradientBoostingRegressor(max_iter=12, random_state=0, **settings)


def test_the_version_is_one_of_those_that_are_allowed():
    assert (1, 9) <= tuple(map(int, version("scikit-learn").split(".")[:2])) < (1, 10)


def test_raw_scores_are_what_the_public_functions_say():
    model = regressor().fit(X, NUMBER)
    np.testing.assert_array_equal(raw_scores(model, X)[:, 0], model.predict(X))
    classifier = HistGradientBoostingClassifier(max_iter=5).fit(X, CLASSES)
    np.testing.assert_array_equal(raw_scores(classifier, X), classifier.decision_function(X))


def test_trees_and_baseline_sum_up_to_the_prediction():
    model = regressor().fit(X, NUMBER)
    assert baseline_of(model) == pytest.approx([NUMBER.mean()])
    total = np.full(len(X), baseline_of(model)[0])
    for (nodes,) in rounds_of(model):
        for row, values in enumerate(X):
            at = nodes[0]
            while not at["is_leaf"]:
                at = nodes[at["left" if values[at["feature_idx"]] <= at["num_threshold"] else "right"]]
            total[row] += at["value"]
    np.testing.assert_allclose(total, model.predict(X), atol=1e-9)


def test_kept_rounds_predict_as_a_shorter_training():
    model, stages = regressor().fit(X, NUMBER), list(regressor().fit(X, NUMBER).staged_predict(X))
    keep_rounds(model, 4)
    np.testing.assert_array_equal(model.predict(X), stages[3])


@pytest.mark.parametrize("rounds", [1, 5])
def test_growing_stops_after_the_round_that_is_over(rounds):  # asked once before the first round, then after each
    asked = []

    def is_over() -> bool:
        asked.append(None)
        return len(asked) > rounds

    model = regressor(early_stopping=True, n_iter_no_change=50)
    with stopping_when(model, is_over):
        model.fit(X, NUMBER)
    assert model.n_iter_ == len(asked) - 1 == rounds
    assert model.fit(X, NUMBER).n_iter_ == 12
