"""Frequencies against pandas' calendar, by its own names."""

import numpy as np
import pandas as pd
import pytest

from annvil.data.frequency import find_frequency

NAMES = ["s", "15min", "h", "6h", "D", "W-TUE", "B", "MS", "ME", "QS", "QE", "YS", "YE", "2MS"]


def seconds(index):
    return index.values.astype("datetime64[s]").astype(np.int64).astype(float)


@pytest.mark.parametrize("begin", ["2019-01-31 00:00", "2020-02-01 06:30"])
@pytest.mark.parametrize("name", NAMES)
def test_stamps_come_back_and_go_on_as_pandas_has_them(name, begin):
    stamps = seconds(pd.date_range(begin, periods=60, freq=name))
    known = stamps[:40]
    found = find_frequency(known, np.array([0, 40]), dated=True)
    positions = found.positions(known)
    np.testing.assert_array_equal(np.diff(positions), 1)
    np.testing.assert_allclose(found.stamps(positions), known)
    np.testing.assert_allclose(found.stamps(positions[-1] + np.arange(1, 21)), stamps[40:])


@pytest.mark.parametrize("name", NAMES)
def test_gaps_do_not_hide_it(name):
    stamps = np.delete(seconds(pd.date_range("2019-03-01", periods=60, freq=name)), [5, 6, 20, 41])
    found = find_frequency(stamps, np.array([0, len(stamps)]), dated=True)
    assert np.diff(found.positions(stamps)).max() == 3
    assert found.lie_on_it(stamps).all()


def test_no_frequency_is_none():
    stamps = np.cumsum(np.random.default_rng(0).exponential(1e5, size=50))
    assert find_frequency(stamps, np.array([0, 50]), dated=True) is None
    assert find_frequency(np.arange(0, 30, 0.5), np.array([0, 60]), dated=False).every == 0.5
