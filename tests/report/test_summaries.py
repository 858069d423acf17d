"""Counting into cells and bins, against scikit-learn and published numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from annvil.report import summaries


def test_wilson_agrees_with_newcombe():
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, rows, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert summaries.wilson(hits, rows) == pytest.approx((low, high), abs=5e-5)
    assert summaries.wilson(0, 0) == (0.0, 1.0)


def test_confusion_counts_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y, decided = rng.integers(4, size=300), rng.integers(4, size=300)
    assert (summaries.confusion_counts(y, decided, 4) == confusion_matrix(y, decided)).all()
    assert summaries.confusion_counts(y, decided, 6).shape == (6, 6)


def test_reliability_agrees_with_scikit_learn():
    rng = np.random.default_rng(1)
    p = rng.uniform(size=500)
    y = (rng.uniform(size=500) < p**2).astype(int)
    observed, predicted = calibration_curve(y, p, n_bins=10, strategy="quantile")
    bins = summaries.reliability_bins(p, y)
    assert [b.predicted for b in bins] == pytest.approx(predicted, abs=2e-3)
    assert [b.observed for b in bins] == pytest.approx(observed, abs=0.021)
    assert sum(b.rows for b in bins) == 500


def test_few_or_equal_probabilities_make_few_bins():
    assert len(summaries.reliability_bins(np.full(100, 0.3), np.zeros(100))) == 1
    assert len(summaries.reliability_bins(np.linspace(0, 1, 20), np.zeros(20))) == 1
    two = summaries.reliability_bins(np.repeat([0.1, 0.9], 50), np.repeat([0, 1], 50))
    assert [(b.predicted, b.observed, b.rows) for b in two] == [
        (pytest.approx(0.1), 0.0, 50),
        (pytest.approx(0.9), 1.0, 50),
    ]


def test_rates_agree_with_scikit_learn():
    rng = np.random.default_rng(2)
    y, decided = rng.integers(2, size=200), rng.integers(2, size=200)
    found = {r.name: r.share for r in summaries.binary_rates(summaries.confusion_counts(y, decided, 2), "no", "yes")}
    assert found == {
        "Sensitivity": pytest.approx(recall_score(y, decided)),
        "Specificity": pytest.approx(recall_score(y, decided, pos_label=0)),
        "Positive predictive value": pytest.approx(precision_score(y, decided)),
        "Negative predictive value": pytest.approx(precision_score(y, decided, pos_label=0)),
    }


def test_rates_without_rows_are_left_out():
    never = summaries.binary_rates(np.array([[10, 0], [3, 0]]), "no", "yes")
    assert [rate.name for rate in never] == ["Sensitivity", "Specificity", "Negative predictive value"]


def test_frequent_confusions_come_first_and_none_is_invented():
    counts = np.array([[5, 2, 0], [0, 5, 4], [0, 0, 5]])
    assert summaries.frequent_confusions(counts, ["a", "b", "c"]) == [("b", "c", 4, 9), ("a", "b", 2, 7)]


def test_rows_are_thinned_evenly():
    assert summaries.spread_rows(5, 10).tolist() == [0, 1, 2, 3, 4]
    thinned = summaries.spread_rows(100_000, 1500)
    assert len(thinned) == 1500
    assert thinned[-1] == 99_999
