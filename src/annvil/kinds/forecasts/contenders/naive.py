"""What anybody would say first: the last value, the last season, the mean of some, the line through the window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from annvil.kinds.forecasts.contenders.map_contender import MapContender, Rows, in_views, view_of
from annvil.kinds.forecasts.contenders.maps import MapMember, View, map_of
from annvil.models.contract import Family
from annvil.models.jobs import Json, Rung, Shape
from annvil.models.selection import Candidate
from annvil.tasks.base import FloatArray

SEASONS = (2, 3, 4, 7)
"""Seasons whose mean is tried, as many as the window holds."""


def repeat_season(history: FloatArray, season: int, horizon: int) -> FloatArray:
    """The last season again and again ``(n, horizon)``."""
    return history[:, history.shape[1] - season + np.arange(horizon) % season]


def mean_of_seasons(history: FloatArray, season: int, horizon: int, n: int) -> FloatArray:
    """The mean of the last ``n`` seasons, again and again."""
    parts = history[:, history.shape[1] - n * season :].reshape(len(history), n, season)
    return repeat_season(np.asarray(parts.mean(axis=1)), season, horizon)


class LastValue(MapContender):
    """The dummy: the last value, for every step."""

    name, title = "dummy", "Last value"
    family: Family = "dummy"

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        yield Candidate({}, "the last value")

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """One rung: there is nothing to choose by more inner folds."""
        return super().ladder(shape)[:1]

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> MapMember:
        form = rows.inputs.form
        return MapMember(form, View(centre="none"), np.ones((1, form.horizon)))


class SeasonalNaive(MapContender):
    """The last season again, or the mean of the last few."""

    name, title = "seasonal-naive", "Last seasons"

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        """The last season, and means of as many as the window holds; without a season, means of the last values."""
        form = rows.inputs.form
        yield Candidate({"seasons": 1}, "the last season again" if form.season > 1 else "the last value")
        for n in SEASONS if form.season > 1 else (2, 4, 8, 16, 32):
            if n * form.season <= form.window:
                what = "seasons" if form.season > 1 else "values"
                yield Candidate({"seasons": n}, f"the mean of the last {n} {what}")

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> MapMember:
        form, n = rows.inputs.form, int(configuration["seasons"])
        season = min(form.season, form.window)
        weights = map_of(lambda history: mean_of_seasons(history, season, form.horizon, n), n * season)
        return MapMember(form, View(centre="none"), weights)


class Drift(MapContender):
    """The last value or season, moved on by the slope of the window."""

    name, title = "drift", "Drift"

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        """With and without the season, on values and on logarithms."""
        if rows.inputs.form.season > 1 and rows.inputs.form.window >= 2 * rows.inputs.form.season:
            yield from in_views(log_from, "the last season and the slope between seasons", {"seasonal": True})
        yield from in_views(log_from, "the last value and the slope of the window", {"seasonal": False})

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> MapMember:
        form = rows.inputs.form
        seasonal = bool(configuration["seasonal"])

        def forecast(history: FloatArray) -> FloatArray:
            steps = np.arange(1, form.horizon + 1)
            if not seasonal:
                slope = (history[:, -1] - history[:, 0]) / max(1, history.shape[1] - 1)
                return np.asarray(history[:, -1:] + slope[:, None] * steps)
            k = form.window // form.season
            parts = history[:, history.shape[1] - k * form.season :].reshape(len(history), k, form.season).mean(axis=2)
            slope = (parts[:, -1] - parts[:, 0]) / (k - 1)
            ahead = (steps - 1) // form.season + 1
            return np.asarray(repeat_season(history, form.season, form.horizon) + slope[:, None] * ahead)

        return MapMember(form, view_of(configuration, "none"), map_of(forecast, form.window))
