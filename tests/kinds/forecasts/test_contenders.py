"""Linear maps against the methods that they stand for, worked by hand, and intervals where the errors are known."""

import numpy as np
import pytest

from annvil.data.dataset import Source
from annvil.kinds.forecasts.contenders.linear_map import LinearMap
from annvil.kinds.forecasts.contenders.map_contender import Rows
from annvil.kinds.forecasts.contenders.maps import map_of
from annvil.kinds.forecasts.contenders.naive import mean_of_seasons, repeat_season
from annvil.kinds.forecasts.contenders.smoothing import Smoothing, Theta
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.reading.origins import dataset_of
from annvil.kinds.forecasts.spread import coverage, half_widths, spread_of, weighted_quantiles
from annvil.kinds.forecasts.tiny import made_store

SOURCE = Source("made", None, "", 0)


def test_the_last_season_and_the_mean_of_two_by_hand():
    history = np.array([[1.0, 2.0, 3.0, 5.0, 6.0, 7.0]])
    np.testing.assert_array_equal(repeat_season(history, 3, 5), [[5, 6, 7, 5, 6]])
    np.testing.assert_array_equal(mean_of_seasons(history, 3, 4, 2), [[3, 4, 5, 3]])


def test_simple_smoothing_by_hand():
    """Level 2 (the mean of 1 and 3) before the first step; then a half of each error."""
    history = np.array([[1.0, 3.0, 2.0, 4.0]])
    level = 2.0
    for value in history[0]:
        level += 0.5 * (value - level)
    found = Smoothing(level=0.5).forecast(history, 1, 3)
    np.testing.assert_allclose(found, [[level] * 3])


@pytest.mark.parametrize("damping", [1.0, 0.9])
@pytest.mark.parametrize("model", ["line", "season"])
def test_smoothing_goes_on_with_what_has_no_noise(model, damping):
    """A line with a season is continued exactly, whatever the parameters, where the trend is not damped."""
    at = np.arange(24.0)
    season = np.tile([3.0, -1.0, -2.0, 0.0], 7) if model == "season" else np.zeros(28)
    line = (2.0 if damping == 1 else 0.0) * np.arange(28.0) + 5
    whole = (line + season)[None]
    one = Smoothing(0.3, 0.2, damping, 0.1)
    np.testing.assert_allclose(one.forecast(whole[:, : len(at)], 4, 4), whole[:, 24:], atol=1e-9)


def test_theta_is_half_of_smoothing_and_half_of_the_line():
    rng = np.random.default_rng(0)
    history = rng.normal(size=(3, 20)).cumsum(axis=1)
    at = np.arange(20)
    slope, start = np.polyfit(at, history.T, 1)
    line = start[:, None] + slope[:, None] * np.arange(26)
    bent = 2 * history - line[:, :20]
    level = bent[:, 0]
    for step in range(1, 20):
        level = 0.4 * bent[:, step] + 0.6 * level
    expected = 0.5 * level[:, None] + 0.5 * line[:, 20:]
    np.testing.assert_allclose(Theta(0.4, 2.0).forecast(history, 1, 6), expected)


@pytest.mark.parametrize(
    "method",
    [Smoothing(0.3), Smoothing(0.3, 0.1, 0.9, 0.2), Theta(0.5, 2.0), Theta(0.9, 5.0)],
    ids=["SES", "damped season", "Theta", "bent Theta"],
)
def test_a_map_is_the_method(method):
    history = np.random.default_rng(1).normal(size=(5, 24)).cumsum(axis=1)
    weights = map_of(lambda values: method.forecast(values, 4, 6), 24)
    np.testing.assert_allclose(history @ weights, method.forecast(history, 4, 6), atol=1e-9)
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)  # constants are continued


def test_the_linear_map_finds_an_autoregression_that_was_planted():
    rng = np.random.default_rng(0)
    values = np.zeros(600)
    for step in range(2, 600):
        values[step] = 1.2 * values[step - 1] - 0.5 * values[step - 2] + rng.normal()
    data = dataset_of(made_store(ForecastForm("y", 2, 8, 1), [values + 30]), SOURCE)
    rows = Rows(data.inputs, data.y)
    chosen = {"length": 8, "penalty": 1e-6, "centre": "none", "unit": 1.0, "seasonal": False, "log_from": None}
    member = LinearMap().make(rows, chosen)
    np.testing.assert_allclose(member.weights[-2:, 0], [-0.5, 1.2], atol=0.12)


def test_quantiles_of_few_errors_are_widened_as_students_are():
    """Tables: t of 9 degrees is 0.703, 1.383 and 2.262 where the normal is 0.674, 1.282 and 1.960."""
    values = np.arange(1.0, 10.0)
    found = weighted_quantiles(values, np.ones(9), (0.5, 0.8, 0.95), 9)
    np.testing.assert_allclose(found, [5 * 0.703 / 0.674, 8 * 1.383 / 1.282, 9 * 2.262 / 1.960], rtol=2e-3)
    four = weighted_quantiles(values[:4], np.ones(4), (0.6, 0.75, 0.8), 4)  # three quarters lie at 3 or below
    np.testing.assert_allclose(four, [3 * 0.941 / 0.842, 3 * 1.344 / 1.150, 4 * 1.533 / 1.282], rtol=2e-3)


@pytest.mark.parametrize(("kind", "n_horizons"), [("walk", 6), ("noise", 12)])
def test_intervals_hold_what_they_say_on_few_overlapping_origins(kind, n_horizons):
    held = {0.8: [], 0.95: []}
    for seed in range(15):
        values = np.random.default_rng(seed).normal(size=40 + 8 * (n_horizons + 1))
        store = made_store(ForecastForm("y", 8, 16, 1), [100 + (np.cumsum(values) if kind == "walk" else values)])
        data = dataset_of(store, SOURCE)
        rows = np.flatnonzero(data.inputs.origin >= 40)
        inputs, y = data.inputs.take(rows), data.y[rows]
        outputs = np.repeat(inputs.windows()[:, -1:], 8, axis=1)
        for level, shares in held.items():
            shares.append(coverage(inputs, y, outputs, level)[0].share)
    assert 0.74 < np.mean(held[0.8]) < 0.9
    assert np.mean(held[0.95]) > 0.92


def test_intervals_hold_what_they_say_where_errors_are_alike():
    rng = np.random.default_rng(0)
    inputs = dataset_of(made_store(ForecastForm("y", 3, 8, 1), [rng.normal(size=1500)]), SOURCE).inputs
    y = rng.normal(size=(inputs.n_rows, 3)) * [1, 2, 3]
    outputs = np.zeros_like(y)
    made = spread_of(inputs, y, outputs)
    half = half_widths(made, inputs, 0.8)
    np.testing.assert_allclose(half.mean(axis=0), 1.2816 * np.array([1, 2, 3]), rtol=0.1)
    (held,) = coverage(inputs, y, outputs, 0.8)
    assert held.low < 0.8 < held.high
    assert abs(held.share - 0.8) < 0.03


def test_coverage_asks_intervals_only_of_what_came_after_all_that_made_them():
    """Errors are ten times as large in every block of a horizon: nothing known before a block holds what it brings, and
    an answer of an earlier origin that reaches into it would."""
    inputs = dataset_of(made_store(ForecastForm("y", 4, 8, 1), [np.arange(120.0)]), SOURCE).inputs
    first, last = int(inputs.moments.min()), int(inputs.moments.max())
    begin = first + (last - first) // 3
    block = (inputs.moments[:, None] + np.arange(4) - begin) // 4
    outputs = 10.0**block
    (held,) = coverage(inputs, np.zeros_like(outputs), outputs, 0.8)
    assert held.share == 0
    assert held.n_blocks > 10
