"""Rows of the table, each with its sentence: what both networks did, how sure that is, what it means for these data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from annvil.kinds.pictures.studies.findings import Finding
from annvil.kinds.pictures.studies.trials import Trial, losses_from
from annvil.kinds.pictures.studies.uncertainty import (
    Estimate,
    between_trainings,
    gain,
    resampled,
    rows_to_reach,
    score_interval,
)
from annvil.kinds.pictures.studies.wording import Scale, count, many, seconds
from annvil.sections import Rows
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.quantities import times

NEARLY = 1.25
"""Costs and needs within a quarter of each other are called about the same (assumed: clocks of busy machines)."""


RACED = "race"
"""Key of a trial that the comparison made, not the study."""


@dataclass(frozen=True)
class Pair:
    """The same fit of both networks."""

    dense: Trial
    convolutional: Trial

    def losses(self) -> tuple[FloatArray, FloatArray]:
        """Of both, on the same test pictures."""
        return self.dense.loss, self.convolutional.loss


def accuracy(pair: Pair, groups: IntArray, scale: Scale, on: str) -> Finding:
    """Who scores better, on which pictures."""
    dense, convolutional = pair.losses()
    sides = score_interval(dense), score_interval(convolutional)
    difference = gain([dense], [convolutional], groups)
    change = scale.change(difference)
    if not difference.is_certain:
        sentence = f"No difference can be told on {on}: the convolutional network is at {change}."
    elif difference.value > 0:
        sentence = f"On {on} the convolutional network {scale.better}: {change}."
    else:
        sentence = f"On {on} the dense network {scale.better}: the convolutional one is at {change}."
    return Finding(
        "accuracy",
        f"{scale.name[:1].upper()}{scale.name[1:]} (95% interval)",
        scale.with_interval(sides[0]),
        scale.with_interval(sides[1]),
        sentence,
        {"dense": _numbers(sides[0]), "convolutional": _numbers(sides[1]), "gain": _numbers(difference)},
    )


def parameters(pair: Pair) -> Finding:
    """How many numbers are learnt, and what sharing them over the picture saves."""
    dense, convolutional = pair.dense, pair.convolutional
    shared, placed, joined = (
        convolutional.shared_weights,
        convolutional.weights_at_every_place,
        convolutional.weights_joining_all,
    )
    sentence = f"The convolutional network learns {_compared(convolutional.n_parameters, dense.n_parameters)}."
    if shared:
        sentence = (
            f"The {count(shared)} weights of its filters are used all over the picture: with weights of its own at "
            f"every place the convolutional network would need {count(placed)}, and joined as densely as the dense "
            f"network {count(joined)}. Sharing divides their number by {placed / shared:,.0f}."
        )
    numbers = {
        "dense": dense.n_parameters,
        "convolutional": convolutional.n_parameters,
        "shared": shared,
        "at_every_place": placed,
        "joining_all": joined,
    }
    return Finding(
        "parameters", "Learnt numbers", count(dense.n_parameters), count(convolutional.n_parameters), sentence, numbers
    )


def _compared(first: float, second: float) -> str:
    ratio = first / max(second, 1e-12)
    if 1 / NEARLY <= ratio <= NEARLY:
        return "about as many numbers as the dense one"
    return f"{times(ratio)} times as many numbers" if ratio > 1 else f"{times(1 / ratio)} times fewer numbers"


def operations(pair: Pair) -> Finding | None:
    """Multiplications and additions of one picture, predicted and learnt from."""
    costs = [(trial.operations, trial) for trial in (pair.dense, pair.convolutional)]
    if any(not one for one, _ in costs):
        return None
    words = [
        f"{count(one or 0)} to predict, {count(3 * (one or 0) * max(trial.epochs, 1))} to learn from it "
        f"({trial.epochs} passes)"
        for one, trial in costs
    ]
    ratio = (costs[1][0] or 1) / (costs[0][0] or 1)
    sentence = _ratio(
        ratio, "computes", "as much for one picture", "Both networks compute about as much for one picture."
    )
    numbers = {
        "dense": costs[0][0],
        "convolutional": costs[1][0],
        "dense_epochs": pair.dense.epochs,
        "convolutional_epochs": pair.convolutional.epochs,
    }
    return Finding("operations", "Multiplications and additions per picture", words[0], words[1], sentence, numbers)


def _ratio(ratio: float, verb: str, what: str, equal: str) -> str:
    if 1 / NEARLY <= ratio <= NEARLY:
        return equal
    who, more = ("convolutional", ratio) if ratio > 1 else ("dense", 1 / ratio)
    return f"The {who} network {verb} {times(more)} times {what}."


def time_to_train(pair: Pair) -> Finding:
    """Wall clock of a training, in all and by picture."""
    sides = pair.dense, pair.convolutional
    words = [f"{seconds(t.fit_seconds)}; {seconds(t.fit_seconds / max(t.n_train, 1))} a picture" for t in sides]
    ratio = sides[1].fit_seconds / max(sides[0].fit_seconds, 1e-9)
    sentence = _ratio(ratio, "takes", "as long to train", "Both take about as long to train.")
    numbers = {name: trial.fit_seconds for name, trial in zip(("dense", "convolutional"), sides, strict=True)}
    return Finding(
        "training-time", f"Time to train on {sides[1].n_train:,} pictures", words[0], words[1], sentence, numbers
    )


def time_to_predict(pair: Pair) -> Finding | None:
    """Wall clock of the exported graphs."""
    sides = pair.dense, pair.convolutional
    if any(t.rows_per_second is None or t.latency_ms is None for t in sides):
        return None
    words = [
        f"{seconds(1 / (t.rows_per_second or 1))} in batches, {seconds((t.latency_ms or 0) / 1000)} alone"
        for t in sides
    ]
    ratio = (sides[0].rows_per_second or 1) / (sides[1].rows_per_second or 1)
    sentence = _ratio(ratio, "takes", "as long to predict a picture", "Both take about as long to predict a picture.")
    numbers = {
        name: {"latency_ms": trial.latency_ms, "rows_per_second": trial.rows_per_second}
        for name, trial in zip(("dense", "convolutional"), sides, strict=True)
    }
    return Finding("prediction-time", "Time to predict one picture", words[0], words[1], sentence, numbers)


def memory(pair: Pair) -> Finding | None:
    """Growth of resident memory while training."""
    dense, convolutional = pair.dense.memory_mb, pair.convolutional.memory_mb
    if dense is None or convolutional is None:
        return None
    words = [f"{value:,.0f} MB" if value >= 1 else "below 1 MB" for value in (dense, convolutional)]
    ratio = max(convolutional, 1.0) / max(dense, 1.0)
    sentence = _ratio(ratio, "needs", "the memory to train", "Both need about as much memory to train.")
    if pair.dense.key == RACED:
        sentence = "Coarse: what the process grew by, and whoever trains first loads the libraries on the way."
    return Finding(
        "memory",
        "Peak memory of training",
        words[0],
        words[1],
        sentence,
        {"dense": dense, "convolutional": convolutional},
    )


# -- data needed -------------------------------------------------------------------------------------------------------


def data_needed(pairs: Mapping[int, Pair], groups: IntArray, scale: Scale, seed: int) -> tuple[Finding, Rows]:
    """How many pictures one network needs for what the other reaches with all: from both learning curves.

    ``pairs`` are by number of training pictures. The interval is a bootstrap over test pictures.
    """
    sizes = sorted(pairs)
    dense = np.stack([pairs[n].dense.loss for n in sizes])
    convolutional = np.stack([pairs[n].convolutional.loss for n in sizes])
    scores = 1 - dense.mean(axis=1), 1 - convolutional.mean(axis=1)
    behind = 0 if scores[0][-1] <= scores[1][-1] else 1
    weights = resampled(groups, seed)
    drawn = 1 - weights @ dense.T, 1 - weights @ convolutional.T
    needed = rows_to_reach(sizes, scores[1 - behind], float(scores[behind][-1]))
    needs = np.array(
        [
            rows_to_reach(sizes, ahead, float(own[-1]))
            for ahead, own in zip(drawn[1 - behind], drawn[behind], strict=True)
        ]
    )
    low, high = (float(end) for end in np.quantile(needs, (0.025, 0.975), method="nearest"))
    slow, quick = ("dense", "convolutional") if behind == 0 else ("convolutional", "dense")
    sentence = _needs(sizes, scale.score(float(scores[behind][-1])), (needed, low, high), slow, quick)
    cells = [
        ", ".join(f"{n:,}: {scale.score(float(score))}" for n, score in zip(sizes, side, strict=True))
        for side in scores
    ]
    numbers = {
        "sizes": sizes,
        "dense": scores[0].tolist(),
        "convolutional": scores[1].tolist(),
        "behind": slow,
        "pictures_the_other_needs": needed,
        "low": low,
        "high": None if math.isinf(high) else high,
    }
    finding = Finding(
        "data-needed", f"Pictures needed ({scale.name} by training pictures)", cells[0], cells[1], sentence, numbers
    )
    return finding, _curve_table(sizes, scores, scale)


def _needs(sizes: Sequence[int], score: str, needs: tuple[float, float, float], slow: str, quick: str) -> str:
    needed, low, high = needs
    whole = sizes[-1]
    start = f"What the {slow} network reaches with {whole:,} pictures ({score})"
    if needed == 0.0:
        return (
            f"{start}, the {quick} network reaches with {sizes[0]:,} or fewer: the {slow} network needs more than "
            f"{times(whole / sizes[0])} times the pictures."
        )
    until = f"{many(high)}" if math.isfinite(high) else f"more than {whole:,}"
    since = f"{many(low)}" if low else f"fewer than {sizes[0]:,}"
    ratio = whole / needed
    if ratio < NEARLY or high >= whole:
        told = f"{start}, the {quick} one reaches with about {many(needed)} (95% interval {since} to {until})"
        return f"{told}: both need about as many pictures, as far as can be told."
    return (
        f"{start}, the {quick} network reaches with about {many(needed)} (95% interval {since} to {until}): the {slow} "
        f"network needs {times(ratio)} times the pictures."
    )


def _curve_table(sizes: Sequence[int], scores: tuple[FloatArray, FloatArray], scale: Scale) -> Rows:
    rows = []
    for place, n in enumerate(sizes):
        need = rows_to_reach(sizes, scores[0], float(scores[1][place]))
        words = (
            f"{sizes[0]:,} or fewer" if need == 0 else f"more than {sizes[-1]:,}" if math.isinf(need) else many(need)
        )
        rows.append((f"{n:,}", *(scale.score(float(side[place])) for side in scores), words))
    header = ("Training pictures", "Dense network", "Convolutional network", "The dense network needs for the same")
    return Rows(header, tuple(rows))


# -- structure ---------------------------------------------------------------------------------------------------------


def structure(
    originals: Sequence[Pair], shuffles: Sequence[Pair], groups: IntArray, scale: Scale, shrunk_to: str
) -> Finding:
    """What shuffling the pixels, the same way in every picture, takes from each network."""
    changes: list[Estimate] = []
    words: list[str] = []
    numbers: dict[str, Any] = {"trainings": len(shuffles)}
    for name in ("dense", "convolutional"):
        before = [getattr(pair, name).loss for pair in originals]
        after = [getattr(pair, name).loss for pair in shuffles]
        change = gain(before, after, groups, between_trainings([before, after]))
        changes.append(change)
        score = scale.score(1 - float(np.mean(before))), scale.score(1 - float(np.mean(after)))
        words.append(f"{score[0]} → {score[1]}: {scale.change(change)}")
        numbers[name] = {"before": 1 - float(np.mean(before)), "after": 1 - float(np.mean(after))} | _numbers(change)
    what = f"Score after shuffling the pixels{shrunk_to}, as before → after"
    return Finding("structure", what, words[0], words[1], _structure_told(changes, scale, len(shuffles)), numbers)


def _structure_told(changes: Sequence[Estimate], scale: Scale, trainings: int) -> str:
    chance = "what chance does between them" if trainings > 1 else "not what chance does between trainings"
    learnt = "once" if trainings == 1 else f"{trainings} times"
    how = f"Both kinds of pictures were learnt {learnt}; the intervals hold {chance}."
    return f"{_dense_cares(changes[0], scale, trainings)} {_loses(changes[1])} {how}"


def _dense_cares(change: Estimate, scale: Scale, trainings: int) -> str:
    if not change.is_certain:
        return "The dense network does not care where a pixel is, as theory has it."
    if trainings < 2:
        return "Whether the dense network cares, which theory denies, one training each cannot tell from chance."
    way = "loses" if change.value < 0 else "gains"
    return (
        f"The dense network {way} {scale.difference(abs(change.value), signed=False)}, though it cannot know where a "
        "pixel is: chance does that in one case of twenty."
    )


def _loses(change: Estimate) -> str:
    if not change.is_certain:
        return "The convolutional network loses nothing that can be told from chance: neighbourhood says little here."
    if change.value > 0:
        return "The convolutional network gains by it: neighbourhood misleads here."
    return "The convolutional network loses what it drew from pixels being neighbours."


# -- disturbed ---------------------------------------------------------------------------------------------------------


def disturbed(pair: Pair, groups: IntArray, scale: Scale, beginning: str, key: str) -> Finding | None:
    """Scores on test pictures that are shifted or turned (``beginning`` of their names), without learning again."""
    names = [name for name in pair.dense.disturbed if name.startswith(beginning)]
    if not names or set(names) - set(pair.convolutional.disturbed):
        return None
    sides = []
    for trial in (pair.dense, pair.convolutional):
        plain = losses_from(trial.disturbed["as they are"])
        sides.append((plain, [losses_from(trial.disturbed[name]) for name in names]))
    cells = [
        ", ".join(
            f"{name.removeprefix(beginning).strip()}: {scale.difference(float(np.mean(plain - one)), unit=False)}"
            for name, one in zip(names, found, strict=True)
        )
        + (" points" if scale.name != "R²" else "")
        for plain, found in sides
    ]
    # How much more the dense network loses, over all amounts together.
    losses = [np.mean(found, axis=0) - plain for plain, found in sides]
    more = gain([losses[0]], [losses[1]], groups)
    worst = [scale.difference(float(np.mean(one)), signed=False) for one in losses]
    if not more.is_certain:
        sentence = f"Both lose about as much: {worst[0]} and {worst[1]} on average."
    else:
        steady, other = ("convolutional", "dense") if more.value > 0 else ("dense", "convolutional")
        by = worst if more.value > 0 else worst[::-1]
        sentence = f"The {steady} network is steadier: it loses {by[1]} on average where the {other} one loses {by[0]}."
    numbers = {
        name: {
            "as they are": 1 - float(plain.mean()),
            **{way: 1 - float(one.mean()) for way, one in zip(names, found, strict=True)},
        }
        for name, (plain, found) in zip(("dense", "convolutional"), sides, strict=True)
    }
    return Finding(key, f"Change when test pictures are {beginning.strip()}", cells[0], cells[1], sentence, numbers)


# -- transfer ----------------------------------------------------------------------------------------------------------


def transfer(
    pairs: Mapping[int, tuple[Pair, Pair]], groups: IntArray, scale: Scale, classes: tuple[int, int]
) -> tuple[Finding, Rows]:
    """What a start from other classes gains; ``pairs``: pictures a class → (from nothing, from the other classes)."""
    gains: dict[str, dict[int, Estimate]] = {"dense": {}, "convolutional": {}}
    rows = []
    for n, (nothing, start) in sorted(pairs.items()):
        row = [f"{n}"]
        for name in gains:
            from_nothing, from_start = getattr(nothing, name).loss, getattr(start, name).loss
            gains[name][n] = gain([from_nothing], [from_start], groups)
            row += [
                f"{scale.score(1 - float(from_nothing.mean()))} → {scale.score(1 - float(from_start.mean()))}",
                scale.change(gains[name][n]),
            ]
        rows.append(tuple(row))
    cells = [", ".join(f"{n}: {scale.difference(found[n].value)}" for n in sorted(found)) for found in gains.values()]
    numbers = {name: {str(n): _numbers(one) for n, one in found.items()} for name, found in gains.items()}
    header = ("Pictures a class", "Dense: from nothing → pretrained", "Gain", "Convolutional", "Gain")
    finding = Finding(
        "transfer",
        f"Gain of a start from {classes[0]} other classes, by pictures a class of {classes[1]} new ones",
        cells[0],
        cells[1],
        _transfers(gains, scale),
        numbers,
    )
    return finding, Rows(header, tuple(rows))


def _transfers(gains: Mapping[str, Mapping[int, Estimate]], scale: Scale) -> str:
    said = []
    for name, found in gains.items():
        helped = [n for n, one in sorted(found.items()) if one.is_certain and one.value > 0]
        harmed = [n for n, one in sorted(found.items()) if one.is_certain and one.value < 0]
        if helped:
            until = f"up to {helped[-1]} pictures a class" if len(found) > len(helped) else "at every number tried"
            most = max(found[n].value for n in helped)
            said.append(f"helps the {name} network {until}, by up to {scale.difference(most, signed=False)}")
        elif harmed:
            said.append(f"is worse than starting from nothing for the {name} network from {harmed[0]} pictures a class")
        else:
            said.append(f"gives the {name} network nothing that can be told from chance")
    if all("nothing" in one and "worse" not in one for one in said):
        return "What was learnt on other classes gives neither network anything that can be told from chance."
    return f"What was learnt on other classes {said[0]}, and {said[1]}."


def _numbers(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
