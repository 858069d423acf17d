"""Rows of the table that are about scores: who is right more often, and what order, history and more series give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from annvil.comparison.studies.uncertainty import (
    Estimate,
    between_trainings,
    gain,
    resampled,
    rows_to_reach,
    score_interval,
)
from annvil.comparison.studies.wording import Scale, many, seconds
from annvil.kinds.series.studies.findings import NOT_ASKED, Finding
from annvil.kinds.series.studies.measuring import Study
from annvil.kinds.series.studies.sides import BAG, GRU, MAIN, PLAIN, TCN
from annvil.plots.charts.panels import Line, Panel, Panels
from annvil.sections import Rows
from annvil.tasks.base import FloatArray
from annvil.text.phrases import outside
from annvil.text.quantities import times

Losses = Mapping[int, FloatArray]
"""Number of a training → losses ``(n_test,)``."""

LITTLE = 0.02
"""A gain whose interval ends below this is none that matters (assumed: two points, as in comparisons)."""

NEARLY = 1.25
"""Needs within a quarter of each other are called about the same (assumed)."""


def losses_of(study: Study, side: str, family: str) -> Losses:
    """Of the trainings that are there."""
    return {again: trial.loss for again, trial in study.trials(side, family).items()}


def gained(study: Study, first: Losses, second: Losses) -> Estimate:
    """How much better the second scores: over test series and trainings."""
    both = sorted(first.keys() & second.keys())
    one, other = ([losses[again] for again in both] for losses in (first, second))
    return gain(one, other, study.test.groups, between_trainings([one, other]))


def scored(losses: Losses) -> Estimate:
    """The mean score of some trainings with its 95% interval, by series and trainings."""
    some = list(losses.values())
    mean = np.mean(some, axis=0)
    found = score_interval(mean)
    if np.isin(some, (0.0, 1.0)).all():  # Wilson's interval, which knows that no mistake among few is no certainty
        n_wrong = round(float(mean.sum()))
        wilson = score_interval(np.repeat([1.0, 0.0], [n_wrong, len(mean) - n_wrong]))
        found = Estimate(found.value, min(found.value, wilson.low), max(found.value, wilson.high))
    if len(some) < 2:
        return found
    variance, _ = between_trainings([some])
    half = math.hypot(max(found.high - found.value, found.value - found.low), 2 * math.sqrt(variance / len(some)))
    low, high = found.value - half, found.value + half
    bounded = all((one <= 1).all() for one in some)  # shares; of a number's variance more may be lost than there is
    return Estimate(found.value, max(low, 0.0), min(high, 1.0)) if bounded else Estimate(found.value, low, high)


def accuracy(study: Study, scale: Scale) -> Finding:
    """Who is right more often at the same number of weights."""
    losses = {side: losses_of(study, side, "whole") for side in MAIN}
    against = gained(study, losses[TCN], losses[GRU])
    order = gained(study, losses[BAG], losses[GRU])
    n = study.test.n_rows
    at = scale.change(against)
    if not against.is_certain:
        sentence = f"On {n:,} test series feedback and convolution cannot be told apart ({at})."
    else:
        better, than = ("feedback", "convolution") if against.value > 0 else ("convolution", "feedback")
        sentence = f"On {n:,} test series {better} {scale.better} than {than}; feedback less convolution: {at}."
    sentence += (
        f" Knowing the order of the steps is worth {scale.change(order)} to feedback."
        if order.is_certain
        else f" Whether feedback gains anything by knowing the order cannot be told ({scale.change(order)})."
    )
    estimates = [scored(losses[side]) for side in MAIN]
    numbers = {side: asdict(one) for side, one in zip(MAIN, estimates, strict=True)}
    numbers |= {"against_convolution": asdict(against), "against_bag": asdict(order)}
    what = f"{outside(scale.name)} with about {study.sides[GRU].n_parameters:,} weights each"
    return Finding("accuracy", what, _three(map(scale.with_interval, estimates)), sentence, numbers)


def networks(study: Study, scale: Scale) -> Rows:
    """Every network that learnt from whole series."""
    rows = []
    for key, side in study.sides.items():
        trials = study.trials(key, "whole")
        if trials:
            score = scale.with_interval(scored(losses_of(study, key, "whole")))
            took = seconds(float(np.mean([trial.fit_seconds for trial in trials.values()])))
            rows.append((outside(PLAIN[key]), score, f"{side.n_parameters:,}", str(side.settings.width), took))
    return Rows(("Network", f"{outside(scale.name)} (95% interval)", "Weights", "Width", "Time to train"), tuple(rows))


def order_of_steps(study: Study, scale: Scale) -> Finding | None:
    """What is lost when the steps of all series stand in one other order."""
    pairs = {side: (losses_of(study, side, "shuffled"), losses_of(study, side, "whole")) for side in MAIN}
    worth = {side: gained(study, *pair) for side, pair in pairs.items() if pair[0]}
    if GRU not in worth:
        return None
    cells = [
        f"{scale.score(scored(whole).value)} in order, {scale.score(scored(shuffled).value)} shuffled: "
        f"{scale.change(lost(worth[side]))}"
        if side in worth
        else NOT_ASKED
        for side, (shuffled, whole) in pairs.items()
    ]
    said = [f"the {PLAIN[side]} {_loses(worth[side], scale)}" for side in (GRU, TCN) if side in worth]
    if BAG in worth:
        chance = f"changes by {scale.change(lost(worth[BAG]))}, which is chance"
        said.append(f"the bag of steps {chance if worth[BAG].is_certain else 'does not care, as it cannot'}")
    feedback = worth[GRU]
    if feedback.is_certain and feedback.value > 0:
        meaning = "Some of what feedback knows is which steps are neighbours."
    elif feedback.high <= LITTLE:
        meaning = "To feedback one fixed order is as good as another here."
    else:
        meaning = "What the order is worth to feedback would take more series, or more trainings, to tell."
    sentence = f"{outside(', '.join(said))}. {meaning}"
    numbers = {side: asdict(one) for side, one in worth.items()}
    return Finding("shuffled", "Steps shuffled, the same way in all series", _three(cells), sentence, numbers)


def lost(worth: Estimate) -> Estimate:
    """The same, seen from what is left."""
    return Estimate(-worth.value, -worth.high, -worth.low)


def _loses(worth: Estimate, scale: Scale) -> str:
    if not worth.is_certain:
        return "cannot be told to lose anything"
    if worth.value < 0:
        return f"gains {scale.difference(-worth.value, signed=False)}"
    return f"loses {scale.difference(worth.value, signed=False)}"


def history(study: Study, scale: Scale) -> tuple[Finding, Panels] | None:
    """The score when only the end of each series is shown, in training and in test."""
    shown = {
        side: [share for share in sorted(study.plan.shares) if losses_of(study, side, _last(share))]
        for side in (GRU, TCN)
    }
    shares = shown[GRU]
    if not shares:
        return None
    curves = {
        side: [scored(losses_of(study, side, family)) for family in (*map(_last, some), "whole")]
        for side, some in shown.items()
        if some
    }
    worth = [gained(study, losses_of(study, GRU, _last(share)), losses_of(study, GRU, "whole")) for share in shares]
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


def longer(study: Study, scale: Scale) -> Finding | None:
    """What a network that learnt from halves says of whole series, twice as long as any in its training."""
    cells, found = [], {}
    for side in (GRU, TCN):
        trials = study.trials(side, _last(0.5))
        if not trials:
            cells.append(NOT_ASKED)
            continue
        half = {again: trial.loss for again, trial in trials.items()}
        whole = {again: trial.longer_loss for again, trial in trials.items()}
        found[side] = gained(study, half, whole)
        cells.append(f"{scale.score(scored(half).value)} on halves, {scale.score(scored(whole).value)} on whole ones")
    if not found:
        return None
    said = [f"the {PLAIN[side]} is at {scale.change(one)}" for side, one in found.items()]
    worse = [PLAIN[side] for side, one in found.items() if one.is_certain and one.value < 0]
    meaning = (
        f"longer series than in training harm the {' and the '.join(worse)}"
        if worse
        else "series twice as long as in training do no harm that could be told"
    )
    sentence = f"{outside(meaning)}: {', '.join(said)} against its own score on halves."
    numbers = {side: asdict(one) for side, one in found.items()}
    three = (cells[0], cells[1], NOT_ASKED)
    return Finding("longer", "Series twice as long as in training", three, sentence, numbers)


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
    sentence = _needs(places, scale.score(float(scores[behind][-1])), (needed, low, high), PLAIN[slow], PLAIN[quick])
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


def _needs(sizes: Sequence[int], score: str, needs: tuple[float, float, float], slow: str, quick: str) -> str:
    needed, low, high = needs
    whole = sizes[-1]
    start = f"What the {slow} reaches with {whole:,} series ({score}), the {quick} reaches with"
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


def _last(share: float) -> str:
    return f"last-{round(1 / share)}"


def _three(cells: Iterator[str] | Sequence[str]) -> tuple[str, str, str]:
    one, other, third = cells
    return one, other, third
