"""Errors by season: the place that was made worst is named as the calendar names it."""

from dataclasses import replace

import numpy as np
import pytest
from msgspec.structs import replace as with_changes

from annvil.data.dataset import Source
from annvil.data.frequency import DAY, Frequency
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.reading.origins import dataset_of
from annvil.kinds.forecasts.sections.by_season import errors_by_season
from annvil.kinds.forecasts.tiny import made_store


def origins(frequency, season, start):
    """Origins of a series that begins at that date."""
    form = with_changes(ForecastForm("y", 3, 2 * season, season), frequency=frequency)
    store = made_store(form, [np.random.default_rng(0).random(6 * season)])
    begin = frequency.positions(np.array([np.datetime64(start, "s").astype(np.int64)]).astype(float))
    return dataset_of(replace(store, first=begin), Source("made", None, "", 0)).inputs


@pytest.mark.parametrize(
    ("frequency", "season", "bad", "what", "named"),
    [
        (Frequency("month"), 12, lambda at: at.astype("datetime64[M]").astype(int) % 12 == 6, "Month", "Jul"),
        (Frequency("second", DAY), 7, lambda at: (at.astype("datetime64[D]").astype(int) + 3) % 7 == 2, "Day", "Wed"),
        (
            Frequency("second", 3600.0),
            24,
            lambda at: at.astype("datetime64[h]").astype(int) % 24 == 18,
            "Time",
            "18:00",
        ),
        (Frequency("second", 10 * DAY), 3, lambda at: at.astype("datetime64[D]").astype(int) % 30 == 10, "Place", "2"),
        (Frequency("workday"), 5, lambda at: (at.astype("datetime64[D]").astype(int) + 3) % 7 == 4, "Day", "Fri"),
        (Frequency("month", 3.0), 4, lambda at: at.astype("datetime64[M]").astype(int) % 12 == 3, "Month", "Apr"),
    ],
    ids=["months", "weekdays", "hours", "tenths", "workdays", "quarters"],
)
def test_the_worst_place_is_named(frequency, season, bad, what, named):
    inputs = origins(frequency, season, "2021-01-01")
    moments = inputs.moments[:, None] + np.arange(1, 4)
    stamps = frequency.stamps(moments.ravel()).astype(np.int64).astype("datetime64[s]")
    off = 1.0 + 4.0 * bad(stamps).reshape(moments.shape)
    section = errors_by_season(inputs, off, np.ones_like(off))
    assert f"By {what.lower()}, the error is largest for {named} (5.00)" in section.sentences[0]
    (table,) = section.tables
    assert len(table.rows) == season
    assert {row[0]: row[1] for row in table.rows}[named] == "5"
    assert table.rows[0][0] in ("Jan", "Mon", "00:00", "1")


def test_without_a_season_or_all_of_it_nothing_is_said():
    inputs = origins(Frequency("month"), 12, "2021-01-01")
    few = inputs.take(np.arange(2))
    assert errors_by_season(few, np.ones((2, 3)), np.ones((2, 3))) is None
    assert errors_by_season(origins(Frequency("month"), 1, "2021-01-01"), np.ones((1, 3)), np.ones((1, 3))) is None
