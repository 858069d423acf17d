"""Rows of the table that are curves: the score against the history that is shown, and against the training series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from annvil.comparison.studies.uncertainty import Estimate, resampled, rows_to_reach
from annvil.comparison.studies.wording import Scale, many
from annvil.kinds.series.studies.findings import NOT_ASKED, Finding
from annvil.kinds.series.studies.measuring import Study
from annvil.kinds.series.studies.score_rows import LITTLE, gained, last_family, losses_of, lost, scored
from annvil.kinds.series.studies.sides import GRU, PLAIN, TCN
from annvil.plots.charts.panels import Line, Panel, Panels
from annvil.text.phrases import outside
from annvil.text.quantities import times

NEARLY = 1.25
"""Needs within a quarter of each other are called about the same (assumed)."""


def history(study: Study, scale: Scale) -> tuple[Finding, Panels] | None:
    """The score when only the end of each series is shown, in training and in test."""
    shown = {
        side: [share for share in sorted(study.plan.shares) if losses_of(study, side, last_family(share))]
        for side in (GRU, TCN)
    }
    shares = shown[GRU]
    if not shares:
        return None
    curves = {
        side: [scored(losses_of(study, side, family)) for family in (*map(last_family, some), "whole")]
        for side, some in shown.items()
        if some
    }
    worth = [
        gained(study, losses_of(study, GRU, last_family(share)), losses_of(study, GRU, "whole")) for share in shares
    ]
    enough = next(
        (share for share, one in zip(shares, worth, strict=True) if not (one.is_certain and one.value > 0)), None
    )
    n_steps = study.plan.n_steps
    if enough is None:
        one = worth[-1]
        sentence = (
            f"All of the history counts: with the last {shares[-1]:.0%} of it alone the GRU is at "
            f"{scale.change(lost(one))}."
        )
    else:
        last = f"the last {max(1, round(enough * n_steps)):,} of {n_steps:,} steps"
        before = worth[shares.index(enough)]
        sentence = (
            f"{outside(last)} are as good for the GRU as all: what lies before adds {scale.change(before)}."
            if before.high <= LITTLE
            else f"That what lies before {last} adds anything for the GRU cannot be told: {scale.change(before)}."
        )
    places = {side: [*some, 1.0] for side, some in shown.items()}
    cells = [
        ", ".join(
            f"{share:.3g}: {scale.score(one.value)}" for share, one in zip(places[side], curves[side], strict=True)
        )
        if side in curves
        else NOT_ASKED
        for side in (GRU, TCN)
    ]
    numbers: dict[str, Any] = {side: [asdict(one) for one in curve] for side, curve in curves.items()}
    numbers |= {"shares": places[GRU], "worth_of_the_rest": [asdict(one) for one in worth], "enough": enough}
    lines = tuple(_curve(PLAIN[side], n, places[side], curve, scale) for n, (side, curve) in enumerate(curves.items()))
    chart = Panels(
        "memory-length",
        "Score against how much of the history is shown",
        "Each network learnt from, and is judged on, the last part of each series alone; bands are 95% intervals.",
        (Panel(lines),),
        "share of the steps that is shown, from the end",
        scale.axis,
        log_x=True,
    )
    what = f"Memory length ({scale.name} by the share of the steps that is shown, from the end)"
    return Finding("history", what, (cells[0], cells[1], NOT_ASKED), sentence, numbers), chart


def data_needed(study: Study, scale: Scale) -> tuple[Finding, Panels] | None:
    """Learning curves of both, and how many series one needs for what the other reaches with all."""
    sizes = [n for n in study.plan.curve if all(losses_of(study, side, f"curve-{n}") for side in (GRU, TCN))]
    if not sizes:
        return None
    families = [*(f"curve-{n}" for n in sizes), "whole"]
    places = [*sizes, study.train.n_rows]
    curves = {side: [losses_of(study, side, family) for family in families] for side in (GRU, TCN)}
    means = [np.stack([np.mean(list(one.values()), axis=0) for one in curve]) for curve in curves.values()]
    scores = [1 - one.mean(axis=1) for one in means]
    behind = 0 if scores[0][-1] <= scores[1][-1] else 1
    slow, quick = ((GRU, TCN), (TCN, GRU))[behind]
    weights = resampled(study.test.groups, study.plan.seed)
    drawn = [1 - weights @ one.T for one in means]
    needs = [rows_to_reach(places, a, float(b[-1])) for a, b in zip(drawn[1 - behind], drawn[behind], strict=True)]
    needed = rows_to_reach(places, scores[1 - behind], float(scores[behind][-1]))
    low, high = (float(end) for end in np.quantile(needs, (0.025, 0.975), method="nearest"))
    own = rows_to_reach(places, scores[behind], float(scores[behind][-1]))
    score = scale.score(float(scores[behind][-1]))
    sentence = _needs(places, score, (needed, low, high), own, PLAIN[slow], PLAIN[quick])
    cells = [
        ", ".join(f"{n:,}: {scale.score(float(one))}" for n, one in zip(places, side, strict=True)) for side in scores
    ]
    numbers: dict[str, Any] = {side: one.tolist() for side, one in zip((GRU, TCN), scores, strict=True)}
    numbers |= {"sizes": places, "behind": slow, "series_the_other_needs": needed, "low": low}
    numbers |= {"high": None if math.isinf(high) else high}
    lines = tuple(
        _curve(PLAIN[side], n, [float(one) for one in places], [scored(one) for one in curves[side]], scale)
        for n, side in enumerate((GRU, TCN))
    )
    caption = "Smaller sets lie inside larger ones; all are judged on the same test series; bands are 95% intervals."
    chart = Panels(
        "data-needed", "Series needed by both", caption, (Panel(lines),), "training series", scale.axis, log_x=True
    )
    what = f"Series needed ({scale.name} by training series)"
    return Finding("data-needed", what, (cells[0], cells[1], NOT_ASKED), sentence, numbers), chart


def _needs(
    sizes: Sequence[int], score: str, needs: tuple[float, float, float], own: float, slow: str, quick: str
) -> str:
    """``own``: how many the slow one itself needs for its own score."""
    needed, low, high = needs
    whole = sizes[-1]
    start = f"What the {slow} reaches with {whole:,} series ({score}), the {quick} reaches with"
    if needed == own == 0.0:
        return f"Both reach with {sizes[0]:,} series or fewer what the {slow} reaches with {whole:,} ({score})."
    if needed == 0.0:
        return f"{start} {sizes[0]:,} or fewer."
    until = many(high) if math.isfinite(high) else f"more than {whole:,}"
    since = many(low) if low else f"fewer than {sizes[0]:,}"
    reached = f"{start} about {many(needed)} (95% interval {since} to {until})"
    if whole / needed < NEARLY or high >= whole:
        return f"{reached}: both need about as many, as far as can be told."
    return f"{reached}: the {slow} needs {times(whole / needed)} times the series."


def _curve(name: str, colour: int, places: Sequence[float], curve: Sequence[Estimate], scale: Scale) -> Line:
    unit = scale.unit
    values = ([unit * getattr(one, end) for one in curve] for end in ("value", "low", "high"))
    value, low, high = map(tuple, values)
    return Line(tuple(places), value, name, colour, low=low, high=high, marks=True)
