"""`annvil.Forecaster`: on frames, dicts and arrays it goes on with what can be known, and refuses what cannot."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone

from annvil import Forecaster
from annvil.errors import AnnvilError, DataError, RequestError

STEPS, SEASON, HORIZON = 72, 6, 4


def rising(steps=STEPS, size=1.0):
    at = np.arange(steps)
    return size * (50 + at + 5 * np.tile([0.0, 2.0, 1.0, -1.0, -3.0, 1.0], -(-steps // 6))[:steps])


def sales(steps=STEPS, ahead=HORIZON):
    """Two shops by day; a campaign, known ahead, sells 30 more."""
    campaign = (np.random.default_rng(0).random((2, steps + ahead)) < 0.3).astype(float)
    days = pd.date_range("2024-01-01", periods=steps + ahead)
    parts = []
    for shop, size in ((0, 1.0), (1, 3.0)):
        sold = size * (rising(steps + ahead) + 30 * campaign[shop])
        truth = sold[steps:].copy()
        sold[steps:] = np.nan
        parts.append((pd.DataFrame({"day": days, "shop": f"s{shop}", "sold": sold, "campaign": campaign[shop]}), truth))
    return pd.concat([part for part, _ in parts], ignore_index=True), np.concatenate([truth for _, truth in parts])


@pytest.mark.parametrize("model", ["linear-map", "autoregression", "drift", "theta"])
def test_what_has_no_noise_is_continued(model):
    whole = rising(STEPS + HORIZON)
    found = Forecaster(model, season=SEASON).fit(whole[:STEPS], horizon=HORIZON).predict()
    np.testing.assert_allclose(found["predicted_value"], whole[STEPS:], rtol=0.02)
    assert found["step"].tolist() == list(range(STEPS, STEPS + HORIZON))
    assert (found["low_80"] <= found["predicted_value"]).all()
    assert (found["high_95"] >= found["high_80"]).all()


@pytest.mark.parametrize("library", [pd, pl, None], ids=["pandas", "polars", "dict"])
def test_a_frame_comes_back_as_it_came(library):
    frame, truth = sales()
    columns = {"target": "sold", "time": "day", "series": ["shop"], "known": "campaign", "horizon": HORIZON}
    given = {pd: frame, pl: pl.from_pandas(frame), None: {name: frame[name].tolist() for name in frame}}[library]
    reader = Forecaster("linear-map", season=SEASON).fit(given, **columns)
    found, again = reader.predict(), reader.predict(given, 2, intervals=[90])
    assert type(found) is ({pd: pd.DataFrame, pl: pl.DataFrame, None: dict}[library])
    np.testing.assert_allclose(np.asarray(found["predicted_sold"]), truth, rtol=0.12)  # a campaign is a third
    np.testing.assert_allclose(np.asarray(again["predicted_sold"])[:2], np.asarray(found["predicted_sold"])[:2])
    assert list(getattr(again, "columns", again)) == ["shop", "day", "predicted_sold", "low_90", "high_90"]
    days = np.asarray(found["day"]).astype("datetime64[D]")
    assert days[[0, HORIZON - 1]].tolist() == [d.date() for d in pd.to_datetime(["2024-03-13", "2024-03-16"])]


def test_a_score_is_that_of_the_last_steps():
    whole = rising(STEPS + HORIZON)
    reader = Forecaster("seasonal-naive", season=SEASON).fit(whole[:STEPS], horizon=HORIZON)
    assert reader.score(whole) == pytest.approx(-1.0)  # every season is 6 higher: as wrong as in its history
    assert Forecaster("drift", season=SEASON).fit(whole[:STEPS], horizon=HORIZON).score(whole) == pytest.approx(0.0)
    assert reader.score(whole, horizon=2) == pytest.approx(-1.0)


def test_how_often_intervals_held_is_kept_and_told():
    walk = 50 + np.cumsum(np.random.default_rng(0).normal(size=200))
    reader = Forecaster("drift", season=1).fit(walk, horizon=HORIZON)
    kept = reader.form_.spread.held
    assert [one.level for one in kept] == [0.8, 0.95]
    assert all(0 <= one.low <= one.share <= one.high <= 1 and one.n_blocks > 5 for one in kept)
    table = {"series": ["0"] * 200, "value": walk}
    notices = reader.form_.conform(table).notices
    assert [notice for notice in notices if notice.startswith("Intervals of")] == [one.said for one in kept]


def test_series_of_different_lengths():
    parts = [rising(STEPS), rising(40, 10.0)]
    found = Forecaster("drift", season=SEASON).fit(parts, horizon=2).predict()
    assert found["series"].tolist() == ["0", "0", "1", "1"]
    np.testing.assert_allclose(found["predicted_value"], [*rising(74)[-2:], *rising(42, 10.0)[-2:]])


def test_a_network_and_a_copy_of_it():
    reader = Forecaster("dense-network", season=SEASON, n_folds=1, training_length=0.01, random_state=0)
    found = reader.fit(rising(), horizon=HORIZON).predict()
    again = clone(reader).fit(rising(), horizon=HORIZON).predict()
    np.testing.assert_array_equal(found["predicted_value"], again["predicted_value"])


@pytest.mark.parametrize(
    ("settings", "given", "says"),
    [
        ({"model": "crystal-ball"}, {}, "model must be one of 'dummy'"),
        ({"n_folds": 0}, {}, "n_folds must be"),
        ({}, {"horizon": 0}, "horizon must be"),
        ({}, {"horizon": STEPS}, "at least"),
        ({}, {"target": "sold"}, "an array has no columns"),
        ({"season": 100}, {"horizon": 2}, "fewer than a season of 100"),
    ],
)
def test_what_is_refused(settings, given, says):
    with pytest.raises(AnnvilError, match=says):
        Forecaster(**{"model": "drift", **settings}).fit(rising(), **given)


def test_what_cannot_be_predicted_is_refused():
    frame, _ = sales(ahead=0)
    columns = {"target": "sold", "time": "day", "series": "shop", "known": ["campaign"], "horizon": HORIZON}
    reader = Forecaster("drift", season=SEASON).fit(frame, **columns)
    with pytest.raises(DataError, match="has 0 rows after its last value at 2024-03-12"):
        reader.predict()
    with pytest.raises(DataError, match="more than 4 steps"):
        reader.score(frame.iloc[:4])
    with pytest.raises(RequestError, match="forecasts 4 steps; 9 were asked for"):
        Forecaster("drift", season=SEASON).fit(rising(), horizon=HORIZON).predict(horizon=9)
