"""From curves of a model and of its refits to effects with bands, the most important first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import msgspec
import numpy as np

from annvil.bundle.effects import Axis, Effect
from annvil.explanation.permutation import STUDENT_975
from annvil.explanation.refits import FEWEST_REFITS
from annvil.tasks.base import FloatArray
from annvil.text.quantities import percent

IDLE = 0.01
"""Part of the importance of all together below which a term does nothing worth a look (assumed)."""

SHOWN = 0.1
"""Part of what a term does that its curve must show for the sign of the curve to mean something (assumed)."""

CERTAIN_ENOUGH = 0.5
"""Share of rows for which refits must agree about the sign of an effect that is to be relied on (assumed)."""


@dataclass(frozen=True)
class Curve:
    """What one term is along its axes and at the rows, each score's mean over the rows 0.

    ``values`` float64 ``(n_points, n_explained)``, with a last point for a missing value where the axis has rows that
    miss it; ``rows`` float64 ``(n_rows, n_explained)``; ``lines`` of single points, float64 ``(n_lines, n_points,
    n_explained)``, without that last one.
    """

    axes: tuple[Axis, ...]
    values: FloatArray
    rows: FloatArray
    lines: FloatArray | None = None
    total: FloatArray | None = None  # how far it moves each score where ``rows`` do not show all of it
    columns: tuple[str, ...] = ()  # of a projection
    features: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()


def effects_of(
    curves: Sequence[Curve], refits: Sequence[Sequence[Curve]], outputs: Sequence[str], *, exact: bool
) -> tuple[Effect, ...]:
    """One effect for each curve and score, the most important curve first.

    Parameters
    ----------
    curves, refits : those of the model, and the same of other models: their scatter makes the bands, Student's t times
        their standard deviation to either side of the model's own; with fewer than `FEWEST_REFITS` there are none
    outputs : names of the scores
    exact : whether the model is the sum of them
    """
    found: list[tuple[float, list[Effect]]] = []
    for place, curve in enumerate(curves):
        others = [one[place] for one in refits] if len(refits) >= FEWEST_REFITS else []
        effects = [_effect(curve, others, k, name, exact) for k, name in enumerate(outputs)]
        found.append((max(one.importance for one in effects), effects))
    found.sort(key=lambda one: -one[0])
    return tuple(effect for _, effects in found for effect in effects)


def importance(curve: Curve) -> FloatArray:
    """Standard deviation of what a term adds over the rows, to each score ``(n_explained,)``."""
    spread = curve.rows.std(axis=0)
    return np.asarray(spread if curve.total is None else np.maximum(spread, curve.total))


def _effect(curve: Curve, others: Sequence[Curve], k: int, output: str, exact: bool) -> Effect:
    values, rows = curve.values[:, k], curve.rows[:, k]
    n_points, axis = int(np.prod([len(one) for one in curve.axes])), curve.axes[0]
    method = "exact" if exact else "partial dependence" if axis.levels else "accumulated local effects"
    effect = Effect(
        axes=curve.axes,
        output=output,
        method=method,  # type: ignore[arg-type]  # one of the three
        values=tuple(values[:n_points].tolist()),
        missing=tuple(values[n_points:].tolist()),
        lines=() if curve.lines is None else tuple(tuple(line[:, k].tolist()) for line in curve.lines),
        importance=float(importance(curve)[k]),
        columns=curve.columns,
        features=curve.features,
        weights=curve.weights,
    )
    if not others:
        return effect
    half = _reach(len(others)) * np.std([one.values[:, k] for one in others], axis=0, ddof=1)
    at_rows = _reach(len(others)) * np.std([one.rows[:, k] for one in others], axis=0, ddof=1)
    told = rows.std() >= SHOWN * effect.importance  # else what it does is not on its axis
    certain = float(np.mean(np.abs(rows) > at_rows)) if told else None
    low, high = values - half, values + half
    return msgspec.structs.replace(
        effect,
        low=tuple(low[:n_points].tolist()),
        high=tuple(high[:n_points].tolist()),
        missing=(*effect.missing, *low[n_points:].tolist(), *high[n_points:].tolist()),
        certain=certain,
        mistrust="" if certain is None else _mistrust(certain),
    )


def _mistrust(certain: float) -> str:
    if certain >= CERTAIN_ENOUGH:
        return ""
    return f"Other draws of the same rows agree about its sign for only {percent(certain)} of the rows."


def _reach(n: int) -> float:
    """Half the width of a 95% interval in standard deviations of ``n`` refits."""
    return STUDENT_975.get(n - 1, 2.0)


def total_importance(effects: Sequence[Effect]) -> float:
    """That of all effects together, as if they were independent."""
    return sqrt(sum(one.importance**2 for one in effects))


def busy_effects(effects: Sequence[Effect], columns: Sequence[str]) -> tuple[list[Effect], tuple[str, ...]]:
    """Effects that are worth a look, and the columns that none of them rests on, in their order."""
    least = IDLE * total_importance(effects)
    busy = [one for one in effects if one.importance > least]
    used = {name for one in busy for name in columns_of(one)}
    return busy, tuple(name for name in columns if name not in used)


def columns_of(effect: Effect) -> tuple[str, ...]:
    """The columns that an effect looks at."""
    return effect.columns or tuple(axis.column for axis in effect.axes)
