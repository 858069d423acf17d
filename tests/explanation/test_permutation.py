"""Importance against models whose answer is known."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score

from annvil.data.table import Table, table_from_columns
from annvil.explanation.permutation import FEWEST_ROWS, STUDENT_975, importance


def mean_squared_error(y, outputs):
    return float(np.mean((y - outputs[:, 0]) ** 2))


def roc_auc(y, outputs):
    return float(roc_auc_score(y, outputs[:, 1]))


def table(numbers: np.ndarray) -> Table:
    return table_from_columns([(f"x{j}", "number", numbers[:, j]) for j in range(numbers.shape[1])])


def linear(*weights: float):
    return lambda inputs: (inputs.numbers() @ np.array(weights))[:, None]


def test_a_linear_model_loses_twice_the_variance_of_its_term():
    # Shuffling column j replaces b·x by b·x' with x' independent of x: the error grows by 2 b² Var(x).
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3)) * [1.0, 2.0, 1.0]
    y = x @ [3.0, 1.0, 0.0] + rng.normal(size=2000)
    found = importance(linear(3.0, 1.0, 0.0), table(x), y, mean_squared_error, False, seed=1)
    assert [one.column for one in found] == ["x0", "x1", "x2"]
    for one, truth in zip(found, [2 * 9 * 1, 2 * 1 * 4, 0.0], strict=True):
        assert one.low <= truth <= one.high
        assert one.mean == pytest.approx(truth, rel=0.1)
    assert (found[2].low, found[2].mean, found[2].high) == (0.0, 0.0, 0.0)


def test_the_interval_holds_the_truth_about_95_times_in_100():
    held = 0
    for repetition in range(200):
        rng = np.random.default_rng(repetition)
        x = rng.normal(size=(300, 1))
        y = 2 * x[:, 0] + rng.normal(size=300)
        (one,) = importance(linear(2.0), table(x), y, mean_squared_error, False, repeats=5, seed=repetition)
        held += one.low <= 2 * 4 <= one.high
    assert 180 <= held <= 198


def test_shuffling_the_only_signal_leaves_a_coin_toss():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=400)
    inputs = table(np.column_stack([rng.normal(size=400), y + rng.uniform(-0.4, 0.4, size=400)]))

    def predict(table):
        p = 1 / (1 + np.exp(-9 * (table.numbers()[:, 1] - 0.5)))
        return np.column_stack([1 - p, p])

    first, second = importance(predict, inputs, y, roc_auc, True, seed=0)
    assert (first.column, second.column) == ("x1", "x0")
    assert first.low <= 0.5 <= first.high
    assert second.mean == 0.0


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(300, 3))
    y = (x @ [1.5, -0.7, 0.0] + rng.logistic(size=300) > 0).astype(np.int64)

    def probabilities(numbers):
        p = 1 / (1 + np.exp(-numbers @ [1.5, -0.7, 0.1]))
        return np.column_stack([1 - p, p])

    class Known(BaseEstimator):
        def fit(self, X, y):
            return self

    def brier(y, outputs):
        return -float(np.mean((y - outputs[:, 1]) ** 2))

    theirs = permutation_importance(
        Known(), x, y, scoring=lambda _, X, y: brier(y, probabilities(X)), n_repeats=300, random_state=0
    )
    ours = importance(lambda t: probabilities(t.numbers()), table(x), y, brier, True, repeats=100, seed=0)
    by_name = {one.column: one.mean for one in ours}
    for j in range(3):
        assert by_name[f"x{j}"] == pytest.approx(theirs.importances_mean[j], abs=0.003)


def test_twins_share_their_importance():
    # The docstring's caveat as a number: half the weight on each twin is a quarter of the loss.
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    y = 2 * a
    alone = importance(linear(2.0), table(a[:, None]), y, mean_squared_error, False, seed=0)
    twins = importance(linear(1.0, 1.0), table(np.column_stack([a, a])), y, mean_squared_error, False, seed=0)
    assert twins[0].mean == pytest.approx(alone[0].mean / 4, rel=0.05)


def test_categories_and_missing_values_are_shuffled_as_they_are():
    sex = ["f", "m", None, "m"] * 25
    y = np.array([1, 0, 0, 0] * 25)
    inputs = table_from_columns([("sex", "category", sex)])

    def predict(table):
        p = (table.texts()[:, 0] == "f").astype(float)
        return np.column_stack([1 - p, p])

    (one,) = importance(predict, inputs, y, roc_auc, True, seed=0)
    assert one.low <= 0.5 <= one.high


def test_copies_of_rows_do_not_make_the_interval_narrow():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 1))
    y = x[:, 0] + rng.normal(size=60)
    width = {}
    for name, copies, grouped in (("once", 1, False), ("copies", 16, False), ("grouped", 16, True)):
        groups = np.repeat(np.arange(60), copies) if grouped else None
        (one,) = importance(
            linear(1.0), table(np.repeat(x, copies, axis=0)), np.repeat(y, copies), mean_squared_error, False,
            seed=0, groups=groups,
        )  # fmt: skip
        width[name] = one.high - one.low
    assert width["copies"] < 0.5 * width["once"]
    assert width["grouped"] > 0.6 * width["once"]


def test_repeats_exactly_and_depends_on_the_seed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 2))
    ask = (linear(1.0, 2.0), table(x), x[:, 0], mean_squared_error, False)
    assert importance(*ask, seed=4) == importance(*ask, seed=4)
    assert importance(*ask, seed=4) != importance(*ask, seed=5)


def test_the_cap_keeps_rare_classes_in_proportion():
    y = np.array([1] * 40 + [0] * 3960)
    seen = []

    def score(y, outputs):
        seen.append((len(y), int(y.sum())))
        return 0.0

    importance(linear(1.0), table(np.zeros((4000, 1))), y, score, True, repeats=1, rows_cap=400)
    assert seen[0] == (400, 4)


def test_stops_when_asked_and_returns_what_is_measured():
    x = np.random.default_rng(0).normal(size=(50, 4))
    for allowed in (0, 3, 6):
        asked = count()
        found = importance(
            linear(1, 1, 1, 1), table(x), x[:, 0], mean_squared_error, False,
            should_stop=lambda asked=asked, allowed=allowed: next(asked) >= allowed,
        )  # fmt: skip
        assert len(found) == min(allowed, 4)


def test_too_few_rows_or_an_undefined_score_give_no_importance():
    x = np.zeros((FEWEST_ROWS - 1, 1))
    assert importance(linear(1.0), table(x), x[:, 0], mean_squared_error, False) == ()

    def undefined(y, outputs):
        raise ValueError("only one class")

    x = np.zeros((30, 1))
    assert importance(linear(1.0), table(x), x[:, 0], undefined, True) == ()


def test_a_class_of_two_rows_still_has_an_interval():
    rng = np.random.default_rng(0)
    y = np.array([1, 1] + [0] * 38)

    def predict(table):
        p = 1 / (1 + np.exp(-table.numbers()[:, 0]))
        return np.column_stack([1 - p, p])

    def score(y, outputs):
        if len(set(y)) < 2:
            raise ValueError("only one class")
        return roc_auc(y, outputs)

    (one,) = importance(predict, table((y + rng.normal(size=40))[:, None]), y, score, True, seed=0)
    assert one.low < one.mean < one.high


def test_student_points_agree_with_scipy():
    from scipy.stats import t

    for df, point in STUDENT_975.items():
        assert point == pytest.approx(t.ppf(0.975, df), abs=6e-4)
