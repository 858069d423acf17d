"""Boosted trees on lags: one model for all steps, the step a column, which predicts the difference to the last season.

Trees cannot go beyond the values they were shown; a difference to the last season, in swings of the window, can be the
same on any level, so that trends go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from annvil.kinds.forecasts.contenders.columns_used import Role
from annvil.kinds.forecasts.contenders.map_contender import MapContender, Rows, in_views, view_of
from annvil.kinds.forecasts.contenders.maps import View, columns
from annvil.kinds.forecasts.form import ForecastForm
from annvil.kinds.forecasts.histories import Histories
from annvil.models.contract import Family, Traits
from annvil.models.jobs import Context, Json
from annvil.models.members import BaseMember
from annvil.models.selection import Candidate
from annvil.models.sklearn_private import baseline_of, raw_scores, rounds_of
from annvil.models.trees_growth import GROWTHS, grow_trees
from annvil.models.trees_onnx import forest_of, write_forest
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray, IntArray

MOST_LAGS, MOST_SEASONS = 16, 4
"""Last values that trees see, and values at the same place of earlier seasons (assumed)."""

MOST_PAIRS = 60_000
"""Origins times steps to learn from (assumed: a few seconds); of more, origins at equal distances."""


def shown_places(form: ForecastForm) -> IntArray:
    """Places in the window that are shown for each step ``(horizon, n)``: the last values, and those at the same place
    of the last seasons, the latest first among these."""
    lags = np.arange(form.window - min(MOST_LAGS, form.window), form.window)
    n = min(MOST_SEASONS, form.window // form.season) if form.season > 1 else 0
    steps = np.arange(form.horizon)
    same = [form.window - (k + 1) * form.season + steps % form.season for k in range(n)]
    return np.stack([np.concatenate([lags, [row[step] for row in same]]) for step in steps]).astype(np.int64)


def known_places(form: ForecastForm) -> IntArray:
    """Places in the window at which columns known ahead are shown for each step ``(horizon, n)``: where the same place
    of the last seasons lies (without a season, the last values), since a campaign there moved what is repeated."""
    return shown_places(form)[:, -MOST_SEASONS:]


def base_places(form: ForecastForm) -> IntArray:
    """Place in the window of what is repeated at each step ``(horizon,)``: the last season, or the last value."""
    if form.season > 1 and form.window >= form.season:
        return np.asarray(form.window - form.season + np.arange(form.horizon) % form.season)
    return np.full(form.horizon, form.window - 1)


@dataclass(frozen=True)
class LaggedTreesMember(BaseMember):
    """Trees on the places of the window that `shown_places` names, the columns beside it, and the step."""

    form: ForecastForm
    view: View
    model: Any

    def predict(self, inputs: Histories) -> FloatArray:
        """Float64 ``(n_rows, horizon)``."""
        found = np.empty((inputs.n_rows, self.form.horizon))
        for rows, part in inputs.blocks(self.form.horizon * (MOST_LAGS + 32)):
            features, base, _ = features_of(part, self.view)
            swing = self.view.moves(self.view.seen(part.windows()), self.form.season)
            moved = raw_scores(self.model, features).reshape(part.n_rows, self.form.horizon)
            found[rows] = self.view.back(base + swing * moved)
        return found

    def write(self, graph: Graph, *raw: Value) -> Value:
        """The same: all steps of all rows are rows of one ensemble."""
        form, named = self.form, self.form.named(raw)
        seen = self.view.write_seen(graph, named["history"])
        swing, moves = self.view.write_units(graph, seen, form), self.view.write_moves(graph, seen, form)
        away = graph.op("Div", graph.op("Sub", seen, self.view.write_centre(graph, seen, form.window)), swing)
        parts = [graph.op("Gather", away, graph.constant(shown_places(form)), axis=1)]
        if "known" in named:
            parts.append(columns(graph, named["known"], form.window, form.window + form.horizon))
            shown = graph.op("Gather", named["known"], graph.constant(known_places(form)), axis=1)
            n = known_places(form).shape[1] * sum(one.width for one in form.known)
            parts.append(graph.op("Reshape", shown, graph.constant([-1, form.horizon, n], "int64")))
        ones = graph.constant(np.ones((1, form.horizon, 1)))
        for name in ("phase", "statics"):
            if name in named:
                wide = graph.op("Unsqueeze", named[name], graph.constant([1], "int64"))
                parts.append(graph.op("Mul", wide, ones))
        last = graph.op("Unsqueeze", columns(graph, away, form.window - 1, form.window), graph.constant([1], "int64"))
        steps = graph.constant(np.arange(form.horizon, dtype=np.float64)[None, :, None])
        parts.append(graph.op("Add", graph.op("Mul", last, graph.constant(0.0)), steps))
        together = graph.op("Concat", *parts, axis=2)
        n = shown_places(form).shape[1] + _n_beside(form)
        flat = graph.cast(graph.op("Reshape", together, graph.constant([-1, n], "int64")), "float32")
        forest = forest_of(rounds_of(self.model), [0])
        sums = graph.cast(write_forest(graph, flat, forest, 1), "float64")
        sums = graph.op("Add", sums, graph.constant(float(baseline_of(self.model)[0])))
        moved = graph.op("Reshape", sums, graph.constant([-1, form.horizon], "int64"))
        base = graph.op("Gather", seen, graph.constant(base_places(form)), axis=1)
        return self.view.write_back(graph, graph.op("Add", base, graph.op("Mul", moves, moved)))

    @property
    def n_parameters(self) -> int:
        """Thresholds and leaf values."""
        return forest_of(rounds_of(self.model), [0]).n_parameters

    def describe_preparation(self) -> tuple[str, ...]:
        """What trees see."""
        said = ["Logarithms of the values are taken."] if self.view.log_from is not None else []
        return (*said, "Trees predict the difference to the last season, in swings of the window.")


def features_of(inputs: Histories, view: View) -> tuple[np.ndarray[Any, Any], FloatArray, FloatArray]:
    """Features float32 ``(n_rows × horizon, n)``, what is repeated ``(n_rows, horizon)``, swings ``(n_rows, 1)``."""
    form = inputs.form
    seen = view.seen(inputs.windows())
    swing = view.units(seen, form.season)
    away = (seen - view.centres(seen)) / swing
    parts = [away[:, shown_places(form)]]
    if form.known:
        known = inputs.known()
        parts += [known[:, form.window :], known[:, known_places(form)].reshape(len(seen), form.horizon, -1)]
    for beside in (inputs.phases(), inputs.store.statics[inputs.series]):
        if beside.shape[1]:
            parts.append(np.repeat(beside[:, None], form.horizon, axis=1))
    steps = np.broadcast_to(np.arange(form.horizon, dtype=np.float64)[None, :, None], (len(seen), form.horizon, 1))
    together = np.concatenate([*parts, steps], axis=2)
    return together.reshape(-1, together.shape[2]).astype(np.float32), seen[:, base_places(form)], swing


def _n_beside(form: ForecastForm) -> int:
    n_known = (1 + int(known_places(form).shape[1])) * sum(one.width for one in form.known)
    return n_known + sum(one.width for one in form.statics) + form.n_phases + 1


class LaggedTrees(MapContender):
    """Histogram gradient boosting, 100 rounds."""

    name, title = "boosted-trees", "Boosted trees on past values"
    family: Family = "trees"
    traits = Traits()
    uses: tuple[Role, ...] = ("known", "statics")

    def seconds(self, n_rows: int, form: ForecastForm) -> float:
        """So many pairs at most are learnt from; all are predicted."""
        pairs = n_rows * form.horizon
        return super().seconds(n_rows, form) + 0.2 + 5e-5 * min(pairs, MOST_PAIRS) + 2e-6 * pairs

    def candidates(self, rows: Rows, log_from: float | None) -> Iterator[Candidate]:
        """On values and on logarithms."""
        return in_views(log_from, GROWTHS[0].describe(), {})

    def make(self, rows: Rows, configuration: Mapping[str, Json]) -> LaggedTreesMember:
        form = rows.inputs.form
        view = view_of(configuration, "last")
        stride = max(1, -(-len(rows.y) * form.horizon // MOST_PAIRS))
        chosen = np.arange(len(rows.y) - 1, -1, -stride)[::-1]
        features, base, swing = features_of(rows.inputs.take(chosen), view)
        answers = ((view.seen(rows.y[chosen]) - base) / swing).ravel()
        nothing = features[:0], answers[:0]
        model = grow_trees(GROWTHS[0], 1.0, 0, (features, answers), nothing, None, Context().begin())
        return LaggedTreesMember(form, view, model)
