"""The closed-form linear map of lags: ridge regression of all steps ahead on the last values, in one decomposition.

Shared by all series, each relative to its own last or mean value and swing ("instance normalisation"); as accurate as
transformers on long horizons (Zeng et al. 2023, "Are transformers effective for time series forecasting?"; Toner and
Darlow 2024, "An analysis of linear time series forecasting models", for the closed form). Departure: where a season is
known the map may begin from "the last season again" instead of from zero, so that few origins are enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annvil.kinds.forecasts.contenders.columns_used import Role
from annvil.kinds.forecasts.contenders.map_contender import MapContender, Rows, view_of
from annvil.kinds.forecasts.contenders.maps import Centre, MapMember, View, map_of, n_sides, side_values, swings
from annvil.kinds.forecasts.contenders.naive import repeat_season
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.models.jobs import Json
from annvil.models.selection import Candidate
from annvil.tasks.base import FloatArray

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Weights of the squared norm, in parts of the mean square of a lag (assumed)."""

MOST_SCREENED = 8_000
"""Origins by which lengths and penalties are chosen (assumed): the maps themselves learn from all."""

FEWEST_SCREENED = 8
"""Origins whose answers are known before those that judge; with fewer nothing is chosen (assumed)."""

FEW_LAGS = (1, 2, 4, 7, 14)

FREE = 1e-9
"""Penalty of the constant."""


@dataclass
class Moments:
    """Products of lags, of what is known beside them, and of answers, all relative to centre and swing of their row.

    ``xx`` is ``(n, n)``, ``xy`` ``(n, horizon)``, with ``n`` lags, side values and a constant; ``n_rows`` are in it.
    """

    xx: FloatArray
    xy: FloatArray
    n_lags: int
    n_rows: int

    @classmethod
    def of(cls, rows: Rows, view: View, length: int) -> Moments:
        """Of rows whose history holds ``length`` values, or of all where there are too few of them."""
        full = np.flatnonzero(rows.inputs.origin >= length)
        if len(full) < max(8, 0.2 * len(rows.y)):
            full = np.arange(len(rows.y))
        inputs, y = rows.inputs.take(full), rows.y[full]
        total: list[Any] = [0.0, 0.0]
        for part, block in inputs.blocks():
            features, answers = normalised(block, y[part], view, length)
            total = [total[0] + features.T @ features, total[1] + features.T @ answers]
        return cls(total[0], total[1], length, len(full))

    def solve(self, penalty: float, start: FloatArray | None) -> FloatArray:
        """Weights ``(n, horizon)`` that are as near to ``start`` (of the lags) as the penalty asks."""
        sizes = np.full(len(self.xx), np.trace(self.xx[: self.n_lags, : self.n_lags]) / self.n_lags)
        sizes[self.n_lags :] = np.diag(self.xx)[self.n_lags :]
        ridge = penalty * np.where(sizes > 0, sizes, 1.0)
        ridge[-1] = FREE * self.n_rows
        begin = np.zeros_like(self.xy)
        if start is not None:
            begin[: self.n_lags] = start
        matrix = self.xx + np.diag(ridge + 1e-12 * self.n_rows)
        return np.asarray(begin + np.linalg.solve(matrix, self.xy - self.xx @ begin))


def normalised(inputs: Histories, y: FloatArray, view: View, length: int) -> tuple[FloatArray, FloatArray]:
    """Features (lags, side values, one) and answers, relative to centre and swing of their row."""
    seen = view.seen(inputs.windows())
    used = seen[:, seen.shape[1] - length :]
    centre, swing = view.centres(used), view.units(seen, inputs.form.season)
    sides = side_values(inputs)
    features = np.concatenate([(used - centre) / swing, sides, np.ones((len(seen), 1))], axis=1)
    return features, (view.seen(y) - centre) / swing


class LinearMap(MapContender):
    """Ridge regression of the horizon on lags, phases of long periods, columns known ahead and statics."""

    name, title = "linear-map", "Linear map of past values"
    traits = replace(MapContender.traits, central=True)
    uses: tuple[Role, ...] = ("known", "statics")

    def seconds(self, n_rows: int, form: ForecastForm) -> float:
        """Products of lags and what is beside them, of all rows once and of those that are screened eight times."""
        n = form.window + n_sides(form) + form.horizon
        return super().seconds(n_rows, form) + 2e-10 * n**2 * (n_rows + 8 * min(n_rows, MOST_SCREENED))

    def lengths(self, rows: Rows) -> list[int]:
        """Lags that are tried."""
        form = rows.inputs.form
        season = max(form.season, 1)
        wanted = [form.window, form.window // 2, 2 * season, season + 1, 14 if season < 7 else 0]
        return [n for n in dict.fromkeys(wanted) if 1 < n <= form.window]

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        """Views, lengths, penalties and where the map begins: the best of them on a later part of the rows, one for
        values and one for logarithms, since errors of these cannot be compared without going back. Of rows too few for
        that there is one: logarithms that no holdout has judged may run away on a long horizon."""
        return iter(screened(self, rows, None if are_few(rows) else log_from))

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> MapMember:
        form, length = rows.inputs.form, int(configuration["length"])
        view = view_of(configuration, configuration["centre"])
        moments = Moments.of(rows, view, length)
        start = first_guess(rows, length) if configuration["seasonal"] else None
        weights = moments.solve(float(configuration["penalty"]), start)
        return MapMember(form, view, weights[:length], weights[length:-1], weights[-1])


class Autoregression(LinearMap):
    """Few lags beside waves of the season and of longer periods: autoregression with Fourier terms, each step ahead on
    its own."""

    name, title = "autoregression", "Autoregression with waves"
    traits = MapContender.traits

    def lengths(self, rows: Rows) -> list[int]:
        """A handful of lags at most."""
        return [n for n in FEW_LAGS if n <= rows.inputs.form.window]


def first_guess(rows: Rows, length: int) -> FloatArray | None:
    """The map that repeats the last season; None where there is no season in that many lags."""
    form = rows.inputs.form
    if form.season < 2 or length < form.season:
        return None
    return map_of(lambda history: repeat_season(history, form.season, form.horizon), length)


def screened(contender: LinearMap, rows: Rows, log_from: float | None) -> list[Candidate]:
    """The best candidate on values and, where all are positive, on logarithms, by one holdout: the last fifth of
    the rows in time."""
    if len(rows.y) > MOST_SCREENED:
        some = np.linspace(0, len(rows.y) - 1, MOST_SCREENED).astype(np.int64)
        rows = Rows(rows.inputs.take(some), rows.y[some])
    form = rows.inputs.form
    early, late = _divided(rows)
    guessed = are_few(rows)
    train, test = (Rows(rows.inputs.take(np.flatnonzero(part)), rows.y[part]) for part in (early, late))
    few = rows.inputs.take(np.unique(np.linspace(0, len(rows.y) - 1, 200).astype(np.int64))).windows()
    found: list[Candidate] = []
    for start in [None] if log_from is None else [None, log_from]:
        unit = None
        centres: tuple[Centre, ...] = ("last", "mean")
        if len(rows.inputs.store.names) == 1:  # of one size: a level of its own, to which it returns, can be learnt
            unit = float(swings(View(start).seen(few), form.season).mean())
            centres = ("last", "mean", "none")
        if guessed:
            best = _guess(contender, rows, View(start, "last", unit))
        else:
            tried = [one for centre in centres for one in _tried(contender, train, test, View(start, centre, unit))]
            _, best = min(tried, key=lambda one: one[0])
        found.append(Candidate(best, _words(best)))
    return found


def _divided(rows: Rows) -> tuple[Any, Any]:
    """Which rows learn and which judge: what is judged begins when the answers of the others are known."""
    moments = rows.inputs.moments
    edge = np.quantile(moments, 0.8)
    return moments + rows.inputs.form.horizon <= edge, moments > edge


def are_few(rows: Rows) -> bool:
    """Whether nothing can be chosen by a holdout that leaves the horizon out."""
    early, late = _divided(rows)
    return bool(early.sum() < FEWEST_SCREENED or late.sum() < 2)


def _guess(contender: LinearMap, rows: Rows, view: View) -> dict[str, Any]:
    """Of so few rows that nothing can be left out between learning and judging: near the last season again."""
    length = max(contender.lengths(rows))
    seasonal = first_guess(rows, length) is not None
    return _configuration(length, PENALTIES[-1], view, seasonal=seasonal)


def _tried(contender: LinearMap, train: Rows, test: Rows, view: View) -> Iterator[tuple[float, dict[str, Any]]]:
    """Loss and configuration of each length, penalty and beginning, from the moments of both parts alone."""
    for length in contender.lengths(train):
        learnt, judged = Moments.of(train, view, length), Moments.of(test, view, length)
        guess = first_guess(train, length)
        for start in (None, guess) if guess is not None else (None,):
            for penalty in PENALTIES:
                weights = learnt.solve(penalty, start)
                loss = float(np.sum(weights * (judged.xx @ weights - 2 * judged.xy))) / judged.n_rows
                yield loss, _configuration(length, penalty, view, seasonal=start is not None)


def _configuration(length: int, penalty: float, view: View, *, seasonal: bool) -> dict[str, Any]:
    return {
        "length": length,
        "penalty": penalty,
        "centre": view.centre,
        "seasonal": seasonal,
        "log_from": view.log_from,
        "unit": view.unit,
    }


def _words(configuration: Mapping[str, Json]) -> str:
    relative = {"last": " relative to the last one", "mean": " relative to their mean", "none": ""}
    words = f"{configuration['length']} past values{relative[configuration['centre']]}"
    words += f", penalty {configuration['penalty']:g}"
    words += ", beginning from the last season" if configuration["seasonal"] else ""
    return words + (", logarithms" if configuration["log_from"] is not None else "")
