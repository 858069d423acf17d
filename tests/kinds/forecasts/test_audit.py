"""The audit of series to forecast: what is planted is found, and nothing is found in what is plain."""

import numpy as np
import pytest

from annvil import read
from annvil.kinds.forecasts.audit import audit_forecasts

STEPS, SERIES, HORIZON = 120, 6, 6


def plain(seed=0):
    rng = np.random.default_rng(seed)
    return 60 + 10 * np.sin(2 * np.pi * np.arange(STEPS) / 6) + rng.normal(size=(SERIES, STEPS)) * 3


def found(values, **columns):
    n, steps = values.shape
    table = {"item": np.repeat(np.arange(n), steps).astype(str).tolist(), "y": values.ravel()}
    data = read(table | columns, target="y", series="item", horizon=HORIZON, season=6, known=list(columns))
    return {one.kind: one for one in audit_forecasts(data)}


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_found_in_plain_series(seed):
    rng = np.random.default_rng(seed)
    assert found(plain(seed), price=rng.random(SERIES * STEPS)) == {}
    walks = 1000 + np.cumsum(rng.normal(size=(SERIES, STEPS)), axis=1)
    assert set(found(walks)) <= {"drift"}  # a walk may well leave its past


def _constant(y):
    y[2] = 5.0


def _zeros(y):
    y[1:3] = np.where(np.random.default_rng(1).random((2, STEPS)) < 0.6, 0.0, y[1:3])


def _negative(y):
    y[0, 7] = -4.0


def _shift(y):
    y[4, -HORIZON:] += 60


def _trend(y):
    y[3] += 2.0 * np.arange(STEPS)


@pytest.mark.parametrize(
    ("plant", "kind", "severity", "says"),
    [
        (_constant, "constant series", "warning", "never changes in 1 of 6 series"),
        (_zeros, "many zeros", "warning", "are 0 in 2 of 6 series"),
        (_negative, "negative values", "info", "1 value of 'y' of 720 lie below 0, the lowest at -4"),
        (_shift, "level shift", "warning", "The last 6 steps of 'y' lie on another level"),
        (_trend, "drift", "info", "The last quarter of 1 of 6 series"),
    ],
)
def test_what_is_planted_in_the_series_is_found(plant, kind, severity, says):
    values = plain()
    plant(values)
    findings = found(values)
    assert set(findings) == {kind}
    assert findings[kind].severity == severity
    assert says in findings[kind].what
    assert "Such as" in findings[kind].which or kind == "negative values"


@pytest.mark.parametrize("factor", [1.0, -0.5, 1000.0])
@pytest.mark.parametrize("offset", [0.0, 7.0])
def test_a_column_that_is_the_target_is_a_leak(factor, offset):
    values = plain()
    leak = found(values, stock=factor * values.ravel() + offset)["a column gives the target away"]
    assert leak.severity == "serious"
    assert leak.columns == ("stock", "y")
    shifted = np.roll(values, 1, axis=1).ravel()  # the value before is known
    assert found(values, before=shifted) == {}


def test_short_series_and_few_horizons_are_told():
    values = plain()[:2]
    short = np.concatenate([np.repeat("long", STEPS), np.repeat("short", 5)]).tolist()
    table = {"item": short, "y": np.concatenate([values[0], values[1, :5]])}
    data = read(table, target="y", series="item", horizon=HORIZON, season=1)
    findings = {one.kind: one for one in audit_forecasts(data)}
    assert set(findings) == {"short series"}
    assert "'short'" in findings["short series"].which
    (few,) = audit_forecasts(read({"y": values[0, :44]}, target="y", horizon=HORIZON, season=6))
    assert "7 horizons of 6 steps" in few.what


def test_a_column_that_never_changed_is_told():
    constant = found(plain(), price=np.where(np.arange(SERIES * STEPS) % STEPS < STEPS, 3.0, 4.0))
    assert constant["columns that never change"].columns == ("price",)


def test_public_samples_are_plain():
    assert not list(audit_forecasts(read("sample:airline", horizon=12)))
