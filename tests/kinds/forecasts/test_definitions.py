"""Written-out definitions beside the code: smoothing, seasons, columns on the grid, errors of each step."""

import numpy as np
import pytest

import annvil
from annvil.data.dataset import Source
from annvil.kinds.forecasts.contenders.smoothing import Smoothing
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.reading.origins import dataset_of
from annvil.kinds.forecasts.reading.seasons import find_seasons
from annvil.kinds.forecasts.sections.forecasts import errors_by_step
from annvil.kinds.forecasts.tiny import made_store


@pytest.mark.parametrize("damping", [1.0, 0.8])
def test_smoothing_is_the_state_space_model_of_hyndman(damping):
    """ETS(A, Ad, A) in its error-correction form (Hyndman et al. 2008, table 2.1), from the same initial states."""
    alpha, beta, gamma = 0.3, 0.2, 0.15
    y = 20 + np.random.default_rng(0).normal(size=24).cumsum()
    method = Smoothing(alpha, beta, damping, gamma)
    (level,), (slope,), (season,) = method._begin(y[None], 4)
    season = [*season]  # of the last four moments, the oldest first
    for value in y:
        error = value - (level + damping * slope + season[0])
        level, slope = level + damping * slope + alpha * error, damping * slope + alpha * beta * error
        season = [*season[1:], season[0] + gamma * error]
    reach = np.cumsum(damping ** np.arange(1, 7))
    expected = level + slope * reach + np.array([season[k % 4] for k in range(6)])
    np.testing.assert_allclose(method.forecast(y[None], 4, 6)[0], expected)


@pytest.mark.parametrize("period", [4, 7, 12, 24])
def test_a_season_is_found_at_its_period_and_is_certain(period):
    """A pattern without noise is like itself after its period and after no other."""
    pattern = np.random.default_rng(period).normal(size=period)
    values = np.tile(pattern, 12)[: 11 * period + 3] + 0.01 * np.arange(11 * period + 3)
    season, _, strength = find_seasons([values], [float(p) for p in (4, 7, 12, 24)])
    assert season == period
    assert strength == pytest.approx(1.0)


def test_a_year_of_days_is_no_season_and_is_told_of():
    days = np.arange(900)
    values = 10 + 5 * np.sin(2 * np.pi * days / 365.25) + np.random.default_rng(0).normal(size=900)
    stamps = [str(np.datetime64("2020-01-01") + int(day)) for day in days]
    data = annvil.read({"day": stamps, "y": values.tolist()}, target="y", time="day", horizon=7)
    assert data.inputs.form.season == 1
    assert data.inputs.form.periods == (365.25,)
    assert "no season of up to 200 steps was found; periods of about 365.2 steps" in data.source.details


def test_a_missing_column_beside_the_target_is_taken_from_its_own_series():
    """What was before it, else what comes after it, else 0: never a value of the series above or below."""
    n = 30
    cells = {"a": [None] * n, "b": [None, None, 5.0, None, *[7.0] * (n - 4)], "c": [9.0] * n}
    table = {
        "s": [name for name in cells for _ in range(n)],
        "y": [float(step + k) for k in range(3) for step in range(n)],
        "p": [cell for column in cells.values() for cell in column],
    }
    store = annvil.read(table, target="y", series="s", horizon=2, season=1).inputs.store
    expected = [0.0] * n + [5.0, 5.0, 5.0, 5.0] + [7.0] * (n - 4) + [9.0] * n
    np.testing.assert_array_equal(store.past[:, 0], expected)


def test_the_error_of_each_step_and_series_is_told_where_it_is():
    values = [np.arange(40.0), 100 + np.arange(40.0)]
    inputs = dataset_of(made_store(ForecastForm("y", 3, 4, 1), values), Source("made", None, "", 0)).inputs
    y = inputs.answers()
    off = np.array([1.0, 2.0, 6.0]) * np.where(inputs.series == 1, 3.0, 1.0)[:, None]
    section = errors_by_step(inputs, y, y + off, np.full(len(y), 2.0), "A model", "simple")
    assert section.sentences == (
        "The first step is off by 1.00 of the error of repeating the last season, the last by 6.00.",
    )
    names = inputs.store.names
    assert section.tables[0].rows == ((names[1], "4.5"), (names[0], "1.5"))
