"""Forecasts beside what came: fans of some held-out origins, the error at each step ahead, how often intervals hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from annvil.comparison.held_out import held_out_predictions
from annvil.kinds.forecasts.contenders.columns_used import ROLES, Role, columns_by_role
from annvil.kinds.forecasts.contenders.registry import contenders_for_forecasts
from annvil.kinds.forecasts.form import Spread
from annvil.kinds.forecasts.histories import Histories
from annvil.kinds.forecasts.sections.by_season import errors_by_season
from annvil.kinds.forecasts.spread import MEASURED, half_widths, measured_spread
from annvil.kinds.found import Found
from annvil.plots.charts.fan import Fan, error_by_step, fan
from annvil.plots.png import png
from annvil.sections import Picture, Rows, Section
from annvil.tasks.base import FloatArray
from annvil.tasks.forecast_metrics import SCALE, pinball
from annvil.text.phrases import listed
from annvil.text.quantities import digits

MOST_FANS = 3
MOST_SERIES = 8
"""Series whose errors are listed."""


def shown_forecasts(found: Found) -> Iterator[Section]:
    """Sections of the recommended model's held-out forecasts."""
    rows, outputs = held_out_predictions(found.comparison, found.store)
    inputs, y = found.dataset.inputs.take(rows), found.dataset.y[rows]
    scale = found.dataset.context[SCALE][rows]
    best = next(s for s in found.comparison.standings if s.contender == found.comparison.verdict.recommended)
    side = "network" if best.family == "network" else "simple"
    yield _fans(inputs, y, outputs, found.dataset.task.target, best.title, side)
    yield errors_by_step(inputs, y, outputs, scale, best.title, side)
    off, of_last = (np.abs((one - y) / scale[:, None]) for one in (outputs, inputs.windows(1)))
    by_season = errors_by_season(inputs, off, of_last)
    if by_season is not None:
        yield by_season
    if columns := columns_by_role(inputs.form):
        yield _columns(columns)


def _fans(inputs: Histories, y: FloatArray, outputs: FloatArray, target: str, title: str, side: str) -> Section:
    """The last origin, and some before it, of different series where there are several."""
    moments = inputs.moments
    latest = np.argsort(moments, kind="stable")[::-1].tolist()
    chosen = latest[:1]
    for row in latest:
        far = np.abs(moments[row] - moments[chosen]).min() >= inputs.form.horizon
        other = inputs.series[row] not in inputs.series[chosen]
        if other or (far and len(inputs.store.names) <= len(chosen)):
            chosen.append(row)
        if len(chosen) == MOST_FANS:
            break
    made = measured_spread(inputs, y, outputs)
    pictures = tuple(_picture(inputs.take(np.array([k])), y[k], outputs[k], made, target, side) for k in chosen)
    held = made.held
    sentences = [
        f"Forecasts of the recommended model ({title}) at origins that it had not learnt from.",
        "Bands are made to hold 80 and 95 of 100 values.",
        *(one.said for one in held),
    ]
    if not held:
        sentences.append("There are too few held-out origins to measure how often the intervals hold what comes.")
    spans = "; ".join(filter(None, [inputs.form.describe(), *inputs.store.said]))
    sentences.append(f"Models see {spans}.")
    return Section(
        "forecasts", "Forecasts and what came", tuple(sentences), pictures, _quantile_loss(made, inputs, y, outputs), 10
    )


def _picture(one: Histories, y: FloatArray, forecast: FloatArray, made: Spread, target: str, side: str) -> Picture:
    horizon = one.form.horizon
    shown = min(int(one.origin[0]), max(one.form.window, 2 * horizon))
    begin = int(one.store.starts[one.series[0]] + one.origin[0])
    halves = [half_widths(made, one, level)[0] for level in reversed(MEASURED)]
    bands = [((forecast - half).tolist(), (forecast + half).tolist()) for half in halves]
    history = one.store.values[begin - shown : begin].tolist()
    moment = int(one.moments[0])

    def named(step: int) -> str:
        return one.form.frequency.written(np.array([moment + 1 + step]))[0]

    series = f"{one.names()[0]}: " if len(one.store.names) > 1 else ""
    drawn = fan(Fan(history, forecast.tolist(), y.tolist(), side, bands), target, named)
    return Picture(png(drawn), f"{series}forecast from {named(0)} on", sized=True)


def _quantile_loss(made: Spread, inputs: Histories, y: FloatArray, outputs: FloatArray) -> tuple[Rows, ...]:
    """The quantile loss of the interval ends, against that of the forecast without intervals."""
    rows = []
    for level in MEASURED:
        half = half_widths(made, inputs, level)
        ends = np.stack([outputs - half, outputs + half], axis=-1)
        tails = np.array([(1 - level) / 2, (1 + level) / 2])
        alone = pinball(y, np.stack([outputs, outputs], axis=-1), tails)
        rows.append(
            (f"{level:.0%}", digits(float(2 * half.mean()), 3), digits(pinball(y, ends, tails), 3), digits(alone, 3))
        )
    return (Rows(("Interval", "Mean width", "Quantile loss", "Without interval"), tuple(rows)),)


def errors_by_step(
    inputs: Histories, y: FloatArray, outputs: FloatArray, scale: FloatArray, title: str, side: str
) -> Section:
    """Errors in units of ``scale (n,)`` by step, beside those of the last value, and by series."""
    last = np.repeat(inputs.windows(1), y.shape[1], axis=1)
    by_step = [np.abs((one - y) / scale[:, None]).mean(axis=0) for one in (outputs, last)]
    lines = [(title, side, by_step[0].tolist()), ("Last value", "dummy", by_step[1].tolist())]
    drawn = Picture(png(error_by_step(lines, "MASE")), "", sized=True)
    tables: list[Rows] = []
    if len(inputs.store.names) > 1:
        off = np.abs((outputs - y) / scale[:, None]).mean(axis=1)
        each = {code: float(off[inputs.series == code].mean()) for code in np.unique(inputs.series).tolist()}
        worst = sorted(each, key=lambda code: -each[code])[:MOST_SERIES]
        shown = tuple((str(inputs.store.names[code]), f"{each[code]:.3g}") for code in worst)
        tables.append(Rows(("Series with the largest errors", "MASE"), shown))
    first, end = by_step[0][0], by_step[0][-1]
    sentence = f"The first step is off by {first:.2f} of the error of repeating the last season, the last by {end:.2f}."
    return Section("error-by-step", "Error at each step ahead", (sentence,), (drawn,), tuple(tables), 11)


def _columns(columns: Mapping[Role, Sequence[str]]) -> Section:
    """Columns beside the target, and which models see them."""
    contenders = contenders_for_forecasts()
    rows = tuple(
        (listed(names, 12), ROLES[role], listed([one.title for one in contenders if role in one.uses], 12))
        for role, names in columns.items()
    )
    sentence = "Models that do not see a column forecast as if it were not there."
    return Section(
        "columns", "Columns beside the target", (sentence,), (), (Rows(("Columns", "", "Seen by"), rows),), 13
    )
