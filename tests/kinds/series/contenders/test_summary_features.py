"""Summary features: against NumPy and SciPy on each series by itself, and what they must not care about."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kurtosis, skew

from annvil.kinds.series.contenders.features import LAGS, PER_CHANNEL, SummaryFeatures
from annvil.kinds.series.reading.arrays import series_from_arrays


def walks(rng, lengths, n_channels=2):
    return [np.cumsum(rng.normal(size=(n_channels, n)), axis=1).astype(np.float32) for n in lengths]


def told(found):
    series = series_from_arrays(found)
    features = SummaryFeatures(series.form.channels)
    return [dict(zip(features.names, row, strict=True)) for row in features.of(series)]


def by_hand(x):
    """Of one channel, by other means than the module's."""
    x = x.astype(np.float64)
    z, step = (x - x.mean()) / x.std(), np.diff(x)
    change, place = np.diff(z), (np.arange(len(x)) + 0.5) / len(x)
    slope, level = np.polyfit(place - 0.5, z, 1)
    return {
        "mean": x.mean(),
        "deviation": x.std(),
        "smallest": x.min(),
        "largest": x.max(),
        "mean step": np.abs(step).mean(),
        "skewness": skew(x),
        "kurtosis": kurtosis(x, fisher=False),
        **{f"{q}% quantile": np.percentile(z, q) for q in (5, 25, 50, 75, 95)},
        "place of the largest": x.argmax() / len(x),
        "place of the smallest": x.argmin() / len(x),
        "slope": slope,
        "rest beside the slope": np.mean((z - level - slope * (place - 0.5)) ** 2),
        **{f"autocorrelation at {lag}": np.sum(z[:-lag] * z[lag:]) / len(x) if lag < len(x) else 0 for lag in LAGS},
        "crossings of the mean": np.mean(z[1:] * z[:-1] < 0),
        "turning points": np.sum(change[1:] * change[:-1] < 0) / len(change),
        "largest step up": max(change.max(), 0),
        "largest step down": min(change.min(), 0),
        "skewness of steps": np.mean(change**3),
        **{f"mean of part {k + 1} of 8": z[(place * 8).astype(int) == k].mean() for k in range(8)},
        **{f"deviation in quarter {k + 1}": z[(place * 4).astype(int) == k].std() for k in range(4)},
    }


@pytest.mark.parametrize("seed", range(5))
def test_they_are_what_numpy_and_scipy_find_in_each_series_alone(seed):
    rng = np.random.default_rng(seed)
    found = walks(rng, rng.integers(12, 70, 6))
    for row, values in zip(told(found), found, strict=True):
        for channel, x in enumerate(values, start=1):
            for name, value in by_hand(x).items():
                assert row[f"{name} of channel {channel}"] == pytest.approx(value, rel=1e-4, abs=1e-5), name
        assert row["correlation of channel 1 and channel 2"] == pytest.approx(np.corrcoef(values)[0, 1], abs=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_shape_does_not_care_for_level_and_unit_and_amplitude_is_told_beside_it(seed):
    rng = np.random.default_rng(seed)
    (values,) = walks(rng, [50], 1)
    plain, other = told([values, 40 * values + 300])
    assert list(plain) == list(other)
    amplitude = [f"{name} of value" for name in ("mean", "deviation", "smallest", "largest", "mean step")]
    for name in plain:
        if name not in amplitude:
            assert other[name] == pytest.approx(plain[name], abs=1e-3), name
    assert other["mean of value"] == pytest.approx(40 * plain["mean of value"] + 300, rel=1e-5)
    for name in ("deviation of value", "mean step of value"):
        assert other[name] == pytest.approx(40 * plain[name], rel=1e-5)


def test_a_wave_has_its_energy_where_its_period_is():
    at = np.arange(400)
    rows = told([np.sin(2 * np.pi * at / period)[None] for period in (3, 6, 12, 24, 48)])
    energies = [[value for name, value in row.items() if name.startswith("energy")] for row in rows]
    assert [int(np.argmax(row)) for row in energies] == [0, 1, 2, 3, 4]


def test_of_nothing_is_made_nothing_and_what_is_missing_stays_so():
    rows = told([np.zeros((1, 1)), np.full((1, 30), 0.1), np.full((1, 9), 1e30), np.full((1, 5), np.nan)])
    for row in rows[:3]:
        assert np.isfinite(list(row.values())).all()
        assert row["crossings of the mean of value"] == row["turning points of value"] == row["slope of value"] == 0
    assert np.isnan(list(rows[3].values())).all()
    assert len(rows[0]) == PER_CHANNEL <= 50
