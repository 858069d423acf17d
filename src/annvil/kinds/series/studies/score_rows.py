"""Rows of the table that are about scores: who is right more often, and what order, history and more series give."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np

from annvil.comparison.studies.uncertainty import (
    Estimate,
    between_trainings,
    gain,
    score_interval,
)
from annvil.comparison.studies.wording import Scale, seconds
from annvil.kinds.series.studies.findings import NOT_ASKED, Finding
from annvil.kinds.series.studies.measuring import Study
from annvil.kinds.series.studies.sides import BAG, GRU, MAIN, PLAIN, TCN
from annvil.sections import Rows
from annvil.tasks.base import FloatArray
from annvil.text.phrases import outside

Losses = Mapping[int, FloatArray]
"""Number of a training → losses ``(n_test,)``."""

LITTLE = 0.02
"""A gain whose interval ends below this is none that matters (assumed: two points, as in comparisons)."""


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


def longer(study: Study, scale: Scale) -> Finding | None:
    """What a network that learnt from halves says of whole series, twice as long as any in its training."""
    cells, found = [], {}
    for side in (GRU, TCN):
        trials = study.trials(side, last_family(0.5))
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


def last_family(share: float) -> str:
    """The family of the trainings on that part of the steps."""
    return f"last-{round(1 / share)}"


def _three(cells: Iterator[str] | Sequence[str]) -> tuple[str, str, str]:
    one, other, third = cells
    return one, other, third
