"""From a table to series: what is found out, what is filled and told, and what is refused with its stamp."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import annvil
from annvil.errors import DataError, RequestError
from annvil.kinds.forecasts.predict_table import ForecastPredictOptions, forecast_columns
from annvil.kinds.registry import audit


def hourly(n=24 * 20, begin="2024-03-20", zone=None):
    at = pd.date_range(begin, periods=n, freq="h", tz=zone)
    at = at.tz_localize(None) if zone else at
    value = 10 + 3 * np.sin(2 * np.pi * np.arange(n) / 24) + np.random.default_rng(0).normal(scale=0.3, size=n)
    return pd.DataFrame({"when": at.strftime("%Y-%m-%d %H:%M"), "kwh": value})


def read(frame, **options):
    return annvil.read(frame, **{"target": "kwh", "time": "when", "horizon": 24, **options})


def test_frequency_season_and_origins_of_one_series():
    data = read(hourly())
    form = data.inputs.form
    assert (form.season, form.frequency.describe(), form.horizon) == (24, "hourly", 24)
    assert data.y.shape == (data.n_rows, 24)
    assert "a season of 24 steps was found" in data.source.details
    values = hourly()["kwh"].to_numpy()
    row = data.n_rows - 1
    origin = data.inputs.origin[row]
    np.testing.assert_array_equal(data.y[row], values[origin : origin + 24])
    np.testing.assert_array_equal(data.inputs.windows()[row], values[origin - form.window : origin])
    assert list(audit(data)) == []


def test_gaps_are_filled_by_the_line_and_told():
    frame = hourly()
    frame = frame.drop(index=[100, 101, 102])
    data = read(frame)
    values = data.inputs.store.values
    np.testing.assert_allclose(values[99:104], np.linspace(values[99], values[103], 5))
    assert "3 missing values filled" in data.source.details


def test_gaps_of_other_columns_are_told():
    price = np.where(np.arange(480) % 100 < 3, np.nan, 2.0)
    details = read(hourly().assign(price=price), known=["price"]).source.details
    assert "15 missing values of 'price' filled by the one before" in details


def test_daylight_saving_is_no_fault():
    """In spring an hour lacks, in autumn one comes twice: as clocks on the wall have it."""
    spring = read(hourly(zone="Europe/Berlin"))
    assert "1 missing value filled" in spring.source.details
    autumn = read(hourly(begin="2024-10-20", zone="Europe/Berlin"))
    assert "1 step that came twice because clocks were set back" in autumn.source.details
    assert np.isfinite(autumn.inputs.store.values).all()


STAMPS = pd.date_range("2023-12-20", periods=60)
WRITTEN = {
    "20231220": STAMPS.strftime("%Y%m%d").astype(int),
    "202312": pd.date_range("2019-12-01", periods=60, freq="MS").strftime("%Y%m").astype(int),
    "seconds": STAMPS.as_unit("s").astype("int64"),
    "milliseconds": STAMPS.as_unit("ms").astype("int64"),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_dates_as_numbers_are_steps_of_the_calendar(written):
    """A model that learnt from them takes few of them, too: two days of a month may be a counter to whoever does not
    know it."""
    frame = pd.DataFrame({"when": WRITTEN[written], "kwh": np.arange(60.0)})
    data = read(frame, horizon=3, season=1)
    form = data.inputs.form
    assert form.frequency.describe() == ("monthly" if written == "202312" else "daily")
    assert data.inputs.store.lengths.tolist() == [60]
    new = form.conform(frame[:2]).inputs
    np.testing.assert_array_equal(new.store.first, data.inputs.store.first)


def test_the_only_column_of_dates_is_the_time():
    """Else a table of two series, one below the other, would be one series."""
    frame = hourly()
    data = read(frame, time=None)
    assert data.inputs.form.time == "when"
    assert "'when' is taken for the time" in data.source.details
    with pytest.raises(DataError, match=r"Time goes back .* \(--series\)"):
        read(pd.concat([frame, frame]), time=None)
    assert "rows are the steps, in their order" in read(frame[["kwh"]], time=None).source.details


def test_moments_with_an_offset_are_told_to_be_in_utc():
    frame = hourly()
    frame["when"] = frame["when"] + "+02:00"
    data = read(frame)
    assert "moments are in UTC" in data.source.details
    assert data.inputs.form.frequency.written(data.inputs.moments[:1])[0].endswith(":00")


def test_many_series_with_columns_known_ahead_past_and_static():
    rng = np.random.default_rng(0)
    days = pd.date_range("2023-01-01", periods=120).strftime("%Y-%m-%d")
    frames = [
        pd.DataFrame(
            {
                "day": days,
                "store": store,
                "item": item,
                "price": rng.choice([1.0, 2.0], 120),
                "holiday": rng.choice(["none", "easter"], 120),
                "visitors": rng.poisson(50, 120),
                "size": {"north": "big", "south": "small"}[store],
                "units": 20 + 5 * np.sin(2 * np.pi * np.arange(120) / 7) + rng.normal(size=120),
            }
        )
        for store in ("north", "south")
        for item in ("a", "b")
    ]
    options = {"target": "units", "time": "day", "horizon": 7, "series": "store,item", "known": ["price", "holiday"]}
    data = annvil.read(pd.concat(frames), **options)
    form = data.inputs.form
    assert data.inputs.store.names == ("north · a", "north · b", "south · a", "south · b")
    assert [one.name for one in form.known] == ["price", "holiday"]
    assert [one.name for one in form.past] == ["visitors"]
    assert [(one.name, one.levels) for one in form.statics] == [("size", ("big", "small"))]
    assert form.season == 7
    shapes = {name: values.shape for name, values in data.inputs.take(slice(0, 5)).feeds().items()}
    assert shapes["known"] == (5, form.window + 7, 3)
    assert shapes["statics"] == (5, 2)
    first = data.inputs.take(np.array([0]))
    written = dict(forecast_columns(np.zeros((1, 7)), first, ForecastPredictOptions()))
    assert [*written] == ["store", "item", "day", "predicted_units"]
    assert (written["store"], written["item"]) == (["north"] * 7, ["a"] * 7)
    mixed = replace(first, store=replace(first.store, names=["north · a · b", *first.store.names[1:]]))
    assert next(forecast_columns(np.zeros((1, 7)), mixed, ForecastPredictOptions()))[0] == "store · item"
    back = form.conform(data.inputs.raw_row(3)).inputs
    for name, values in data.inputs.take(np.array([3])).feeds().items():
        np.testing.assert_allclose(back.feeds()[name], values)


def changed(frame, row, **cells):
    frame = frame.copy()
    for name, value in cells.items():
        frame.loc[row, name] = value
    return frame


BAD = [
    (changed(hourly(), 60, when="2024-03-19 05:00"), {}, DataError, "Time goes back in .*: 2024-03-19 05:00:00"),
    (changed(hourly(), 60, when="2024-03-22 11:00"), {}, DataError, "more than one row for 2024-03-22 11:00:00"),
    (hourly().iloc[:20], {}, DataError, "at least 33 are needed. Ask for a shorter horizon"),
    (hourly(), {"known": ["price"]}, RequestError, "no column 'price'"),
    (hourly(), {"horizon": -1}, RequestError, "--horizon"),
    (hourly(), {"frequency": "often"}, RequestError, "--frequency 'often' is not known"),
    (hourly(), {"groups": "when"}, RequestError, "--groups does not go with forecasts"),
    (
        hourly(30),
        {"horizon": 2, "season": 40},
        DataError,
        "30 steps up to 2024-03-21 05:00:00, fewer than a season of 40",
    ),
    (hourly().assign(kwh=np.nan), {}, DataError, "The target 'kwh' of .* (holds no number|has no value)"),
    (
        hourly().assign(when=pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(480) ** 1.5, unit="h")),
        {},
        DataError,
        "have no frequency: most often .* comes after",
    ),
]


@pytest.mark.parametrize(("frame", "options", "error", "said"), BAD, ids=[said[:30] for *_, said in BAD])
def test_bad_input_is_one_sentence_with_its_stamp(frame, options, error, said):
    with pytest.raises(error, match=said):
        read(frame, **options)


def test_what_is_known_ahead_must_be_given_ahead():
    frame = hourly().assign(price=np.arange(480) % 5)
    form = read(frame, known=["price"]).inputs.form
    with pytest.raises(
        DataError, match=r"has 0 rows after its last value at 2024-04-08 23:00:00; the model needs 'price'"
    ):
        form.conform(frame)
    ahead = hourly(24 * 21).assign(price=np.arange(24 * 21) % 5)
    ahead.loc[480:, "kwh"] = np.nan
    inputs = form.conform(ahead).inputs
    assert inputs.origin.tolist() == [480]
    np.testing.assert_array_equal(inputs.known()[0, -24:, 0], np.arange(480, 504) % 5)
    with pytest.raises(DataError, match=r"'price' of .* is known ahead, but has no value in row 491"):
        form.conform(changed(ahead, 490, price=np.nan))
