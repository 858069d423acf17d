"""Rows of the table on what both networks reach and cost, each with its sentence: what that means for these data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from annvil.comparison.studies.uncertainty import gain, score_interval
from annvil.comparison.studies.wording import Scale, count, seconds
from annvil.kinds.pictures.studies.findings import Finding, row_of
from annvil.kinds.pictures.studies.trials import Trial
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import outside
from annvil.text.quantities import megabytes, times

NEARLY = 1.25
"""Costs and needs within a quarter of each other are called about the same (assumed: clocks of busy machines)."""

RACED = "race"
"""Key of a trial that the comparison made, not the study."""


class Pair(NamedTuple):
    """The same fit of both networks."""

    dense: Trial
    convolutional: Trial

    @property
    def losses(self) -> tuple[FloatArray, FloatArray]:
        """Of both, on the same test pictures."""
        return self.dense.loss, self.convolutional.loss


def by_side(values: Iterable[Any]) -> dict[str, Any]:
    """The dense network's value and the convolutional one's by name."""
    return dict(zip(Pair._fields, values, strict=True))


def reached_and_cost(pair: Pair, groups: IntArray, scale: Scale, on: str) -> list[Finding]:
    """All rows that one fit of each network gives; ``on`` says which pictures both were judged on."""
    rows = (
        accuracy(pair, groups, scale, on),
        parameters(pair),
        _operations(pair),
        _time_to_train(pair),
        _time_to_predict(pair),
        memory(pair),
    )
    return [row for row in rows if row is not None]


def accuracy(pair: Pair, groups: IntArray, scale: Scale, on: str) -> Finding:
    """Who scores better, on which pictures."""
    sides = [score_interval(losses) for losses in pair.losses]
    difference = gain([pair.dense.loss], [pair.convolutional.loss], groups)
    change = scale.change(difference)
    if not difference.is_certain:
        sentence = f"No difference can be told on {on}: the convolutional network is at {change}."
    elif difference.value > 0:
        sentence = f"On {on} the convolutional network {scale.better}: {change}."
    else:
        sentence = f"On {on} the dense network {scale.better}: the convolutional one is at {change}."
    numbers = by_side(map(asdict, sides)) | {"gain": asdict(difference)}
    what = f"{outside(scale.name)} (95% interval)"
    return row_of("accuracy", what, map(scale.with_interval, sides), sentence, numbers)


def parameters(pair: Pair) -> Finding:
    """How many numbers are learnt, and what sharing them over the picture saves."""
    learnt, counts = [trial.n_parameters for trial in pair], pair.convolutional.counts
    ratio = learnt[1] / max(learnt[0], 1)
    more = f"{times(ratio)} times as many numbers" if ratio > 1 else f"{times(1 / ratio)} times fewer numbers"
    about = "about as many numbers as the dense one"
    sentence = f"The convolutional network learns {about if _alike(ratio) else more}."
    if counts.shared_weights:
        sentence = (
            f"The {count(counts.shared_weights)} weights of its filters are used all over the picture: with weights of "
            f"its own at every place the convolutional network would need {count(counts.weights_at_every_place)}, and "
            f"joined as densely as the dense network {count(counts.weights_joining_all)}. Sharing divides their number "
            f"by {counts.weights_at_every_place / counts.shared_weights:,.0f}."
        )
    numbers = by_side(learnt) | {
        "shared": counts.shared_weights,
        "at_every_place": counts.weights_at_every_place,
        "joining_all": counts.weights_joining_all,
    }
    return row_of("parameters", "Learnt numbers", map(count, learnt), sentence, numbers)


def _operations(pair: Pair) -> Finding | None:
    """Multiplications and additions of one picture, predicted and learnt from."""
    costs = [trial.counts.operations for trial in pair]
    if not all(costs):
        return None
    cells = [
        f"{count(one)} to predict, {count(3 * one * max(trial.epochs, 1))} to learn from it ({trial.epochs} passes)"
        for one, trial in zip(costs, pair, strict=True)
    ]
    sentence = _ratio(
        costs, "computes", "as much for one picture", "Both networks compute about as much for one picture."
    )
    numbers = by_side(costs) | {"dense_epochs": pair.dense.epochs, "convolutional_epochs": pair.convolutional.epochs}
    return row_of("operations", "Multiplications and additions per picture", cells, sentence, numbers)


def _time_to_train(pair: Pair) -> Finding:
    """Wall clock of a training, in all and by picture."""
    cells = [f"{seconds(t.fit_seconds)}; {seconds(t.fit_seconds / max(t.n_train, 1))} a picture" for t in pair]
    took = [trial.fit_seconds for trial in pair]
    sentence = _ratio(took, "takes", "as long to train", "Both take about as long to train.")
    what = f"Time to train on {pair.convolutional.n_train:,} pictures"
    return row_of("training-time", what, cells, sentence, by_side(took))


def _time_to_predict(pair: Pair) -> Finding | None:
    """Wall clock of the exported graphs."""
    measured = [(t.latency_ms, t.rows_per_second) for t in pair if t.latency_ms is not None and t.rows_per_second]
    if len(measured) < 2:
        return None
    each = [1 / rate for _, rate in measured]
    cells = [
        f"{seconds(one)} in batches, {seconds(latency / 1000)} alone"
        for one, (latency, _) in zip(each, measured, strict=True)
    ]
    sentence = _ratio(each, "takes", "as long to predict a picture", "Both take about as long to predict a picture.")
    numbers = by_side({"latency_ms": latency, "rows_per_second": rate} for latency, rate in measured)
    return row_of("prediction-time", "Time to predict one picture", cells, sentence, numbers)


def memory(pair: Pair) -> Finding | None:
    """Growth of resident memory while training."""
    grown = [trial.memory_mb for trial in pair if trial.memory_mb is not None]
    if len(grown) < 2:
        return None
    least = [max(one, 1.0) for one in grown]
    sentence = _ratio(least, "needs", "the memory to train", "Both need about as much memory to train.")
    if pair.dense.key == RACED:
        sentence = "Coarse: what the process grew by, and whoever trains first loads the libraries on the way."
    return row_of("memory", "Peak memory of training", map(megabytes, grown), sentence, by_side(grown))


def _alike(ratio: float) -> bool:
    return 1 / NEARLY <= ratio <= NEARLY


def _ratio(costs: Sequence[float], verb: str, what: str, equal: str) -> str:
    """Which network costs how many times what the other does, or ``equal``; a sentence."""
    ratio = costs[1] / max(costs[0], 1e-9)
    if _alike(ratio):
        return equal
    who, more = ("convolutional", ratio) if ratio > 1 else ("dense", 1 / ratio)
    return f"The {who} network {verb} {times(more)} times {what}."
