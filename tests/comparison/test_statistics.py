"""The correlated t-test against baycomp, scipy and hand calculation."""

from __future__ import annotations

import math

import baycomp
import numpy as np
import pytest
from scipy import stats

from annvil.comparison.statistics import (
    ROWS_COUNT,
    ROWS_SHARE,
    correlated_posterior,
    jackknife_variance,
    region_probabilities,
    rows_that_would_tell,
)
from annvil.text.quantities import round_up


@pytest.mark.parametrize(("folds", "repeats"), [(5, 1), (5, 5), (10, 1), (10, 10), (3, 2)])
@pytest.mark.parametrize("worth", [0.001, 0.01, 0.1])
def test_agrees_with_baycomp(folds: int, repeats: int, worth: float) -> None:
    rng = np.random.default_rng(folds * repeats)
    for _ in range(20):
        second = rng.uniform(0.6, 0.9, size=folds * repeats)
        first = second + rng.normal(rng.normal() * 0.02, 0.02, size=second.size)
        ours = correlated_posterior((first - second).tolist(), overlap=1 / folds, worth=worth)
        theirs = baycomp.two_on_single(second, first, rope=worth, runs=repeats)  # left: `second` is better
        assert ours is not None
        assert (ours.p_second, ours.p_equal, ours.p_first) == pytest.approx(theirs, abs=1e-9)


def test_a_hand_calculation() -> None:
    # d = 1, 2, 3: mean 2, s2 1; n_test/n_train = 1/2, so scale = sqrt(1/3 + 1/2) and t = 2 / 0.91287 = 2.19089.
    posterior = correlated_posterior([1.0, 2.0, 3.0], overlap=10 / 30, worth=0.5)
    assert posterior is not None
    assert posterior.scale == pytest.approx(math.sqrt(5 / 6))
    assert posterior.df == 2
    # For two degrees of freedom the distribution function is 1/2 + t / (2 sqrt(2 + t^2)).
    t = 2 / math.sqrt(5 / 6)
    assert posterior.corrected_p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    t = 1.5 / math.sqrt(5 / 6)
    assert posterior.p_first == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)))


def test_interval_and_p_value_agree_with_scipy() -> None:
    d = np.random.default_rng(0).normal(0.01, 0.02, size=25)
    posterior = correlated_posterior(d.tolist(), overlap=0.2, worth=0.01)
    assert posterior is not None
    scale = math.sqrt((1 / 25 + 0.25) * d.var(ddof=1))
    assert (posterior.low, posterior.high) == pytest.approx(stats.t.interval(0.95, 24, d.mean(), scale), abs=1e-12)
    assert posterior.corrected_p == pytest.approx(2 * stats.t.sf(abs(d.mean() / scale), 24), abs=1e-12)


@pytest.mark.parametrize(
    ("difference", "expected", "p_value"),
    [(0.0, (0, 1, 0), 1.0), (0.01, (0, 1, 0), 0.0), (0.02, (1, 0, 0), 0.0), (-0.02, (0, 0, 1), 0.0)],
)
def test_no_variance_leaves_a_point(difference: float, expected: tuple[int, int, int], p_value: float) -> None:
    posterior = correlated_posterior([difference] * 5, overlap=0.2, worth=0.01)
    assert posterior is not None
    assert (posterior.p_first, posterior.p_equal, posterior.p_second) == expected
    assert posterior.low == posterior.high == pytest.approx(difference)
    assert posterior.corrected_p == p_value


def test_the_variance_between_rows_is_pooled_with_that_between_folds() -> None:
    d, rows = [0.01, 0.02, 0.06], 0.0004
    posterior = correlated_posterior(d, overlap=1 / 3, worth=0.01, row_variance=rows)
    assert posterior is not None
    variance = (2 * np.var(d, ddof=1) + ROWS_COUNT * ROWS_SHARE * rows) / (2 + ROWS_COUNT)
    assert posterior.df == 2 + ROWS_COUNT
    assert posterior.scale == pytest.approx(math.sqrt((1 / 3 + 1 / 2) * variance))
    assert posterior.mean == pytest.approx(0.03)


def test_what_rows_say_makes_few_folds_surer_only_where_they_vary_little() -> None:
    d = [0.03, 0.04, 0.05]
    alone = correlated_posterior(d, overlap=1 / 3, worth=0.01)
    calm, wild = (correlated_posterior(d, overlap=1 / 3, worth=0.01, row_variance=v) for v in (1e-4, 1e-2))
    assert alone is not None
    assert calm is not None
    assert wild is not None
    assert wild.p_first < alone.p_first < calm.p_first
    lucky = correlated_posterior([0.03, 0.03, 0.03], overlap=1 / 3, worth=0.01, row_variance=1e-3)
    assert lucky is not None
    assert lucky.p_first < 0.95  # three folds that agree by chance are no certainty any more


@pytest.mark.parametrize("n_rows", [100, 2_000])
def test_the_jackknife_finds_the_variance_of_a_mean(n_rows: int) -> None:
    found = []
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=n_rows)
        parts = np.arange(n_rows) % 20
        found.append(jackknife_variance([values[parts != k].mean() for k in range(20)]))
    assert np.mean(found) == pytest.approx(1 / n_rows, rel=0.1)


def test_too_few_folds_say_nothing() -> None:
    assert correlated_posterior([], overlap=0.2, worth=0.01) is None
    assert correlated_posterior([0.3], overlap=0.2, worth=0.01) is None


def test_swapping_the_sides_swaps_the_answer() -> None:
    d = [0.01, 0.03, -0.01, 0.02, 0.02]
    one = correlated_posterior(d, overlap=0.2, worth=0.01)
    two = correlated_posterior([-x for x in d], overlap=0.2, worth=0.01)
    assert one is not None
    assert two is not None
    assert (one.p_first, one.p_equal) == pytest.approx((two.p_second, two.p_equal))
    assert one.corrected_p == pytest.approx(two.corrected_p)


def test_rows_that_would_tell_reach_the_confidence_and_fewer_do_not() -> None:
    posterior = correlated_posterior([0.05, -0.01, 0.04, 0.02, 0.02], overlap=0.2, worth=0.01)
    assert posterior is not None
    rows = rows_that_would_tell(posterior, 100)
    assert rows is not None
    assert rows > 100

    def best(n: float) -> float:
        return max(region_probabilities(posterior.mean, posterior.scale / math.sqrt(n / 100), posterior.df, 0.01))

    assert best(rows) >= 0.95 > best(rows * 0.9)


def test_a_difference_on_the_border_is_never_told() -> None:
    posterior = correlated_posterior([0.03, -0.01, 0.02, 0.0], overlap=0.2, worth=0.01)
    assert posterior is not None
    assert posterior.mean == pytest.approx(posterior.worth)
    assert rows_that_would_tell(posterior, 100) is None
    # Curves that part by two more points would settle it.
    assert rows_that_would_tell(posterior, 100, gap_change=lambda factor: 0.02 * math.log2(factor)) is not None


def test_nothing_more_is_needed_when_it_is_told() -> None:
    posterior = correlated_posterior([0.05, 0.051, 0.049], overlap=0.2, worth=0.01)
    assert posterior is not None
    assert rows_that_would_tell(posterior, 100) == 100


def test_rounding_up_keeps_two_digits() -> None:
    assert [round_up(x) for x in (7.2, 99.5, 3412.5, 120_001)] == [8, 100, 3500, 130_000]
