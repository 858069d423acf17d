"""Exponential smoothing and Theta, their parameters chosen at training and the same for all series: linear maps then.

Statistical packages choose parameters for each series and each origin again. Here they are chosen on the training
origins, by the error of all steps ahead, so that a saved graph needs no search; what that costs or gains is measured in
``benchmarks/forecasts.py``. Initial states are linear in the first seasons of the window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from annvil.kinds.forecasts.contenders.map_contender import MapContender, Rows, in_views, view_of
from annvil.kinds.forecasts.contenders.maps import MapMember, map_of, swings
from annvil.kinds.forecasts.form import ForecastForm
from annvil.models.jobs import Json
from annvil.models.selection import Candidate
from annvil.tasks.base import FloatArray

MOST_ROWS = 400
"""Training origins by which parameters are chosen, at equal distances (assumed)."""

GRIDS: Mapping[str, Sequence[float]] = {
    "level": (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 0.97),
    "trend": (0.0, 0.02, 0.05, 0.1, 0.2),
    "season": (0.0, 0.05, 0.1, 0.2, 0.4, 0.7),
    "damping": (0.8, 0.9, 0.95, 0.98, 1.0),
    "theta": (1.0, 1.5, 2.0, 3.0, 5.0),
}
"""Parameters that are tried, one after the other and twice."""

SWEEPS = 2


@dataclass(frozen=True)
class Smoothing:
    """Additive exponential smoothing (Hyndman et al. 2008, "Forecasting with exponential smoothing"): ETS(A, ·, ·).

    ``trend`` and ``season`` are None where the model has none; without ``damping`` below 1 the trend goes on.
    """

    level: float = 0.35
    trend: float | None = None
    damping: float = 1.0
    season: float | None = None

    @property
    def free(self) -> tuple[str, ...]:
        """Parameters that it has."""
        trend = () if self.trend is None else ("trend", "damping")
        return ("level", *trend, *(() if self.season is None else ("season",)))

    @property
    def n_parameters(self) -> int:
        """Parameters and kinds of initial states."""
        return 2 + 2 * (self.trend is not None) + (self.damping < 1) + 2 * (self.season is not None)

    def describe(self) -> str:
        """``"ETS(A, Ad, A)"``."""
        trend = "N" if self.trend is None else "A" if self.damping == 1 else "Ad"
        return f"ETS(A, {trend}, {'N' if self.season is None else 'A'})"

    def forecast(self, history: FloatArray, season: int, horizon: int) -> FloatArray:
        """``(n, steps)`` → ``(n, horizon)``, linear in the history."""
        level, slope, cycle = self._begin(history, season)
        for step in range(history.shape[1]):
            place = step % cycle.shape[1]
            value = history[:, step] - cycle[:, place]
            ahead = level + self.damping * slope
            found = ahead + self.level * (value - ahead)
            if self.trend is not None:
                slope = self.damping * slope + self.trend * (found - level - self.damping * slope)
            if self.season is not None:
                cycle[:, place] += self.season * (history[:, step] - ahead - cycle[:, place])
            level = found
        steps = np.arange(1, horizon + 1)
        reach = np.cumsum(self.damping**steps)
        places = (history.shape[1] + steps - 1) % cycle.shape[1]
        return np.asarray(level[:, None] + slope[:, None] * reach + cycle[:, places])

    def _begin(self, history: FloatArray, season: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Level and slope before the first step, and the season ``(n, season)``, from the first two seasons."""
        n = min(season if season > 1 else 4, history.shape[1] // 2) or 1
        one, two = history[:, :n].mean(axis=1), history[:, n : 2 * n].mean(axis=1)
        slope = (two - one) / n if self.trend is not None and history.shape[1] >= 2 * n else 0 * one
        level = one - slope * (n + 1) / 2
        if self.season is None:
            return level, slope, np.zeros((len(history), 1))
        line = level[:, None] + slope[:, None] * np.arange(1, 2 * season + 1)
        both = (history[:, : 2 * season] - line).reshape(len(history), 2, season).mean(axis=1)
        return level, slope, both - both.mean(axis=1, keepdims=True)


@dataclass(frozen=True)
class Theta:
    """The Theta method (Assimakopoulos and Nikolopoulos 2000) with its parameter chosen (Fiorucci et al. 2016).

    The season is taken away by classical decomposition of the window; ``theta`` says how much the smoothed line counts
    beside the straight one: 1 is smoothing alone, 2 the original method.
    """

    level: float = 0.35
    theta: float = 2.0
    free: ClassVar[tuple[str, ...]] = ("level", "theta")

    def describe(self) -> str:
        """For people."""
        return f"Theta {self.theta:g}, smoothing {self.level:g}"

    def forecast(self, history: FloatArray, season: int, horizon: int) -> FloatArray:
        """``(n, steps)`` → ``(n, horizon)``, linear in the history."""
        n = history.shape[1]
        cycle = seasonal_part(history, season)
        plain = history - cycle[:, np.arange(n) % cycle.shape[1]]
        steps = np.arange(n) - (n - 1) / 2
        slope = plain @ steps / max(float(steps @ steps), 1.0)
        line = plain.mean(axis=1, keepdims=True) + slope[:, None] * steps
        bent = self.theta * plain + (1 - self.theta) * line
        level = bent[:, 0]
        for step in range(1, n):
            level = level + self.level * (bent[:, step] - level)
        ahead = np.arange(1, horizon + 1)
        straight = line[:, -1:] + slope[:, None] * ahead
        share = 1 / self.theta
        found = share * level[:, None] + (1 - share) * straight
        return np.asarray(found + cycle[:, (n + ahead - 1) % cycle.shape[1]])


def seasonal_part(history: FloatArray, season: int) -> FloatArray:
    """Mean distance of each place in the season from a centred moving mean ``(n, season)``; 0 without two seasons."""
    n = history.shape[1]
    if season < 2 or n < 2 * season:
        return np.zeros((len(history), 1))
    weights = np.ones(season) if season % 2 else np.concatenate([[0.5], np.ones(season - 1), [0.5]])
    weights = weights / weights.sum()
    width = len(weights)
    windows = np.lib.stride_tricks.sliding_window_view(history, width, axis=1)
    away = history[:, width // 2 : width // 2 + windows.shape[1]] - windows @ weights
    places = (np.arange(away.shape[1]) + width // 2) % season
    cycle = np.stack([away[:, places == place].mean(axis=1) for place in range(season)], axis=1)
    return np.asarray(cycle - cycle.mean(axis=1, keepdims=True))


class SmoothingContender(MapContender):
    """Candidates are values and logarithms; parameters are chosen in `make`."""

    words: str

    def seconds(self, n_rows: int, form: ForecastForm) -> float:
        """Some 300 parameters tried: the method on unit vectors of the window, and its map on some of the rows."""
        tried = 300 * (4e-7 * form.window**2 + 2e-10 * min(n_rows, MOST_ROWS) * form.window * form.horizon)
        return super().seconds(n_rows, form) + tried

    def begins(self, season: int, window: int) -> Sequence[Any]:
        """Models to begin from, each with the parameters that it has."""
        raise NotImplementedError

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        """On values and on logarithms."""
        return in_views(log_from, self.words, {})

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> MapMember:
        form = rows.inputs.form
        view = view_of(configuration, "none")
        season = form.season if form.window >= 2 * form.season else 1
        chosen = np.unique(np.linspace(0, len(rows.y) - 1, MOST_ROWS).astype(np.int64))
        windows = view.seen(rows.inputs.take(chosen).windows())
        swing = swings(windows, form.season)
        answers = view.seen(rows.y[chosen])

        def weights(model: Any) -> FloatArray:
            return map_of(lambda history: model.forecast(history, season, form.horizon), form.window)

        def loss(model: Any) -> float:
            return float(np.mean(((windows @ weights(model) - answers) / swing) ** 2))

        found = [_settled(model, loss) for model in self.begins(season, form.window)]
        best = min(found, key=lambda one: self.criterion(one[0], one[1], len(chosen)))[0]
        return MapMember(form, replace(view, centre="none"), weights(best), said=best.describe())

    def criterion(self, model: Any, loss: float, n: int) -> float:
        """By which one of several models is chosen."""
        return loss

    def summary(self, member: Any, best: Candidate) -> str:
        """The model with its parameters."""
        logs = " of logarithms" if member.view.log_from is not None else ""
        return f"{member.said}{logs}"


def _settled(model: Any, loss: Callable[[Any], float]) -> tuple[Any, float]:
    """The model with each parameter that it has as its grid is best, one after the other."""
    best = loss(model)
    for _ in range(SWEEPS):
        for name, grid in GRIDS.items():
            if name not in model.free:
                continue
            for value in grid:
                tried = replace(model, **{name: value})
                if tried != model and (found := loss(tried)) < best:
                    model, best = tried, found
    return model, best


class ExponentialSmoothing(SmoothingContender):
    """ETS with and without trend and season, chosen by AICc."""

    name, title = "exponential-smoothing", "Exponential smoothing"
    words = "exponential smoothing"

    def begins(self, season: int, window: int) -> Sequence[Smoothing]:
        seasons = (None, 0.1) if season > 1 else (None,)
        return [Smoothing(0.35, trend, 0.95 if trend else 1.0, each) for trend in (None, 0.05) for each in seasons]

    def criterion(self, model: Smoothing, loss: float, n: int) -> float:
        """AICc (Hurvich and Tsai 1989), of the mean squared error over the steps ahead."""
        k = model.n_parameters
        return n * math.log(max(loss, 1e-300)) + 2 * k + 2 * k * (k + 1) / max(n - k - 1, 1)


class ThetaContender(SmoothingContender):
    """The Theta method."""

    name, title = "theta", "Theta method"
    words = "Theta method"

    def begins(self, season: int, window: int) -> Sequence[Theta]:
        return [Theta()]
