"""Intervals against other libraries and against simulation."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from annvil.comparison.studies.uncertainty import between_trainings, gain, resampled, rows_to_reach, score_interval


@pytest.mark.parametrize(("wrong", "n"), [(0, 20), (3, 50), (49, 50), (120, 1000)])
def test_the_interval_of_an_accuracy_is_wilsons(wrong, n):
    losses = np.repeat([1.0, 0.0], [wrong, n - wrong])
    found, expected = score_interval(losses), binomtest(n - wrong, n).proportion_ci(method="wilson")
    assert (found.value, found.low, found.high) == pytest.approx((1 - wrong / n, expected.low, expected.high), abs=1e-6)


def test_a_gain_is_the_first_mean_loss_minus_the_second():
    first, second = np.array([1.0, 1, 0, 1, 0, 0]), np.array([0.0, 1, 0, 0, 0, 1])
    found = gain([first], [second], np.arange(6))
    assert found.value == pytest.approx(1 / 6)
    assert found.low < 0 < found.high
    assert not found.is_certain


def test_no_disagreement_at_all_is_not_certainty():
    same = np.zeros(100)
    found = gain([same], [same], np.arange(100))
    assert found.value == 0
    assert found.low < 0 < found.high


def test_copies_of_one_picture_count_as_one():
    random = np.random.default_rng(0)
    first, second = random.random(50), random.random(50)
    once = gain([first], [second], np.arange(50))
    copied = gain([np.repeat(first, 4)], [np.repeat(second, 4)], np.repeat(np.arange(50), 4))
    assert copied.high - copied.low == pytest.approx(once.high - once.low, rel=0.02)


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Two equal networks whose trainings differ: by pictures alone the interval would miss far more often."""
    random = np.random.default_rng(1)
    missed = without = 0
    for _ in range(400):
        hard = random.random(300) < 0.1

        def side(hard=hard):
            return [
                (random.random(300) < (0.5 * hard + 0.02 + random.normal(0, 0.012))).astype(float) for _ in range(3)
            ]

        first, second = side(), side()
        found = gain(first, second, np.arange(300), between_trainings([first, second]))
        missed += not found.low <= 0 <= found.high
        without += gain(first, second, np.arange(300)).is_certain
    assert missed <= 0.06 * 400
    assert without > missed


def test_variance_between_trainings_is_pooled():
    sides = [[np.array([0.0, 1.0]), np.array([1.0, 1.0])], [np.array([0.0, 0.0])]]
    assert between_trainings(sides) == (pytest.approx(0.125), 1)
    assert between_trainings([[np.zeros(3)]]) == (0.0, 0)


def test_resamples_weigh_groups_as_wholes():
    weights = resampled(np.array([7, 7, 3, 5]), 0, 50)
    assert weights.shape == (50, 4)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_pictures_to_reach_a_score_are_read_off_the_curve():
    sizes, scores = (100, 200, 400), np.array([0.5, 0.7, 0.9])
    assert rows_to_reach(sizes, scores, 0.8) == pytest.approx(math.sqrt(200 * 400))
    assert rows_to_reach(sizes, scores, 0.4) == 0
    assert math.isinf(rows_to_reach(sizes, scores, 0.95))
    assert rows_to_reach(sizes, np.array([0.5, 0.45, 0.9]), 0.5) == 0
