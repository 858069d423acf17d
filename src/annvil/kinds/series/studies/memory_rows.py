"""Rows of the table about what recurrence is and costs: gradients by lag, weights and time by length, streaming."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from annvil.comparison.studies.uncertainty import Estimate
from annvil.comparison.studies.wording import count, seconds
from annvil.kinds.series.contenders.temporal_networks import TemporalSettings
from annvil.kinds.series.studies.findings import Finding
from annvil.kinds.series.studies.measuring import Study
from annvil.kinds.series.studies.sides import CELLS, GRU, MAIN, PLAIN, TCN
from annvil.networks.temporal import KERNEL
from annvil.plots.charts.panels import Line, Panel, Panels
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed
from annvil.text.quantities import digits, times

FADES, GROWS = 0.1, 10.0
"""Parts that are left of a gradient, or that it has become, from which it vanishes or explodes (assumed)."""

NEARLY = 1.25
"""Costs within a quarter of each other are called about the same (assumed: clocks of busy machines)."""

SAME = 1e-5
"""Largest difference up to which a stream says the same as the whole (as asked of a bundle's stream)."""


def over_trainings(values: Sequence[float]) -> Estimate:
    """Mean and 95% interval by Student's t; without a second training there is none, and both ends are infinite."""
    from scipy.special import stdtrit

    n, mean = len(values), float(np.mean(values))
    if n < 2:
        return Estimate(mean, -math.inf, math.inf)
    half = float(stdtrit(n - 1, 0.975)) * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Estimate(mean, mean - half, mean + half)


def gradients(study: Study) -> tuple[Finding, Panels] | None:
    """How much of a gradient is left of the earliest step in the last state, for each kind of cell."""
    found, lines, said = {}, [], []
    for place, cell in enumerate(CELLS):
        trials = list(study.trials(cell, "whole").values())
        trials = [trial for trial in trials if trial.reach]
        if not trials:
            continue
        logs = np.log([trial.reach for trial in trials])
        found[cell] = over_trainings(logs[:, -1].tolist())
        lags = np.arange(logs.shape[1], dtype=np.float64) * trials[0].patch
        lines.append(_by_lag(PLAIN[cell], place, lags, logs))
        said.append(f"{PLAIN[cell]}: {_left(found[cell])}")
    if GRU not in found:
        return None
    lag = int(lags[-1])
    fate = _fate(found)
    sentence = f"Of what the last step gets, so much reaches {lag:,} steps back: {listed(said)}. On this length {fate}."
    settings = study.sides[TCN].settings
    assert isinstance(settings, TemporalSettings)
    sees = 1 + (KERNEL - 1) * (2**settings.layers - 1)
    cells = ("; ".join(said), f"sees {sees:,} steps back from each step", "one step at a time")
    numbers = {cell: _numbers(one) | {"lag": lag} for cell, one in found.items()}
    chart = Panels(
        "gradients-by-lag",
        "How far back gradients reach",
        "Norm of the gradient of the last state by each input, the nearest being 1: mean over test series; the band "
        "reaches from the lowest training to the highest.",
        (Panel(tuple(lines)),),
        "steps back",
        "norm of the gradient",
        log_y=True,
    )
    return Finding("gradients", "How far back gradients reach", cells, sentence, numbers), chart


def _fate(left: Mapping[str, Estimate]) -> str:
    """Of which cells gradients vanish or explode, as sure as several trainings make it."""
    fates: dict[str, list[str]] = {}
    for cell, one in left.items():
        low, high = (one.low, one.high) if math.isfinite(one.low) else (one.value, one.value)
        if high < math.log(FADES):
            fate = "vanish"
        elif low > math.log(GROWS):
            fate = "explode"
        elif low >= math.log(FADES) and high <= math.log(GROWS):
            fate = "neither vanish nor explode"
        else:
            fate = "differ too much between trainings to tell"
        fates.setdefault(fate, []).append(f"the {PLAIN[cell]}")
    parts = [f"{fate} in {listed(cells)}" for fate, cells in fates.items()]
    return f"gradients {', '.join(parts)}"


def _by_lag(name: str, colour: int, lags: FloatArray, logs: FloatArray) -> Line:
    norms = np.exp(logs)
    low, high = (norms.min(axis=0), norms.max(axis=0)) if len(logs) > 1 else (norms[0, :0], norms[0, :0])
    mean, lowest, highest = (tuple(one.tolist()) for one in (np.exp(logs.mean(axis=0)), low, high))
    return Line(tuple(lags.tolist()), mean, name, colour, low=lowest, high=highest)


def _numbers(one: Estimate) -> dict[str, Any]:
    """JSON-able: no interval where there is one training."""
    return {name: value if math.isfinite(value) else None for name, value in asdict(one).items()}


def _left(log: Estimate) -> str:
    if math.isinf(log.low):
        return _part(log.value)
    return f"{_part(log.value)} ({_part(log.low)} to {_part(log.high)})"


def _part(log: float) -> str:
    """``"3.4%"``, ``"2.1 times"``; what is next to nothing, or beyond all measure, by a bound."""
    if log >= math.log(2):
        return f"{digits(math.exp(log))} times" if log < math.log(1e6) else "over a million times"
    return f"{digits(100 * math.exp(log))}%" if log > math.log(1e-6) else "below 0.0001%"


def weights_and_time(study: Study) -> tuple[Finding, Panels] | None:
    """Weights do not grow with the length; how the time of a prediction does."""
    cells, grown, lines, numbers = [], {}, [], {}
    for place, side in enumerate(MAIN):
        trials = [trial for trial in study.trials(side, "whole").values() if trial.seconds]
        if not trials:
            return None
        lengths = sorted(trials[0].seconds)
        taken = np.array([[trial.seconds[n] for n in lengths] for trial in trials])  # (trainings, lengths, repeats)
        logs = np.log(np.median(taken, axis=0))
        slopes = [float(np.polyfit(np.log(lengths), one, 1)[0]) for one in np.log(taken.mean(axis=0)).T]
        grown[side] = over_trainings([2**slope for slope in slopes])
        usual = np.exp(np.median(logs, axis=1))
        at = int(np.argmin(np.abs(np.array(lengths) - study.plan.n_steps)))
        fits = over_trainings([trial.fit_seconds for trial in trials])
        cells.append(
            f"{count(trials[0].n_parameters)} weights; trained in {seconds(fits.value)}; "
            f"{seconds(float(usual[at]))} a series, {_factor(grown[side])} when twice as long"
        )
        numbers[side] = {"weights": trials[0].n_parameters, "lengths": lengths, "seconds": usual.tolist()}
        numbers[side] |= {"growth": _numbers(grown[side]), "fit_seconds": fits.value}
        milliseconds = tuple(float(1000 * one) for one in usual)
        lines.append(Line(tuple(map(float, lengths)), milliseconds, PLAIN[side], place, marks=True))
    feedback, convolution = grown[GRU], grown[TCN]
    sentence = (
        "None of them needs more weights for longer series. When series become twice as long, a prediction takes "
        f"{_factor(feedback)} the time by feedback and {_factor(convolution)} by convolution"
    )
    slower = numbers[GRU]["fit_seconds"] / max(numbers[TCN]["fit_seconds"], 1e-9)
    who, ratio = ("feedback", slower) if slower > 1 else ("convolution", 1 / slower)
    sentence += f"; here {who} took {times(ratio)} times as long to train."
    chart = Panels(
        "time-by-length", "Time by length", "Of one series, in batches of 16, in PyTorch on one thread.",
        (Panel(tuple(lines)),), "steps of a series", "milliseconds to predict it", log_x=True, log_y=True,
    )  # fmt: skip
    three = (cells[0], cells[1], cells[2])
    return Finding("weights-and-time", "Weights and time against length", three, sentence, numbers), chart


def _factor(growth: Estimate) -> str:
    return f"{growth.value:.2f} times ({growth.low:.2f} to {growth.high:.2f})"


def streaming(study: Study) -> Finding | None:
    """Whether the state carried along says the same as the whole series, and what one more step costs."""
    trials = study.trials(GRU, "whole")
    found = [trial.streaming for trial in trials.values() if trial.streaming is not None]
    again = [trial.alone for trial in study.trials(TCN, "whole").values() if trial.alone is not None]
    if not found or not again:
        return None
    gap, step, whole = max(one[0] for one in found), over_trainings([one[1] for one in found]), float(np.median(again))
    cells = (
        f"largest difference {gap:.1g}; {seconds(step.value)} for one more step",
        f"sees all {study.plan.n_steps:,} steps again: {seconds(whole)}",
        "a running mean would do",
    )
    ratio = whole / max(step.value, 1e-9)
    cost = (
        f"takes the GRU {seconds(step.value)}; the convolution takes {times(ratio)} times that to see all steps again"
        if ratio > NEARLY
        else "takes the GRU no less than all steps again take the convolution: the series are short"
    )
    same = "says the same as" if gap <= SAME else "differs from"
    sentence = (
        f"Carried from step to step, the state {same} the whole series (largest difference {gap:.1g}); one more step "
        f"{cost}. Both as they ship, in onnxruntime."
    )
    numbers = {"largest_difference": gap, "step_seconds": step.value, "convolution_seconds": whole}
    return Finding("streaming", "Streaming: one more step", cells, sentence, numbers)
