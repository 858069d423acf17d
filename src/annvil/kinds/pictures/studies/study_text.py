"""Rows of the table that take more trainings or changed pictures: each with its sentence on what that means here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from annvil.comparison.studies.shelf import losses_from
from annvil.comparison.studies.uncertainty import Estimate, between_trainings, gain, resampled, rows_to_reach
from annvil.comparison.studies.wording import Scale, many
from annvil.kinds.pictures.studies.cost_text import NEARLY, Pair, by_side
from annvil.kinds.pictures.studies.findings import Finding, row_of
from annvil.kinds.pictures.studies.perturbation import AS_THEY_ARE
from annvil.sections import Rows
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.quantities import times

# -- data needed -------------------------------------------------------------------------------------------------------


def data_needed(pairs: Mapping[int, Pair], groups: IntArray, scale: Scale, seed: int) -> tuple[Finding, Rows]:
    """How many pictures one network needs for what the other reaches with all: from both learning curves.

    ``pairs`` are by number of training pictures. The interval is a bootstrap over test pictures.
    """
    sizes = sorted(pairs)
    losses = [np.stack(side) for side in zip(*(pairs[n].losses for n in sizes), strict=True)]
    scores = [1 - side.mean(axis=1) for side in losses]
    behind = 0 if scores[0][-1] <= scores[1][-1] else 1
    weights = resampled(groups, seed)
    drawn = [1 - weights @ side.T for side in losses]
    needed = rows_to_reach(sizes, scores[1 - behind], float(scores[behind][-1]))
    needs = [
        rows_to_reach(sizes, ahead, float(own[-1])) for ahead, own in zip(drawn[1 - behind], drawn[behind], strict=True)
    ]
    low, high = (float(end) for end in np.quantile(needs, (0.025, 0.975), method="nearest"))
    slow, quick = Pair._fields[:: -1 if behind else 1]
    sentence = _needs(sizes, scale.score(float(scores[behind][-1])), (needed, low, high), slow, quick)
    cells = [
        ", ".join(f"{n:,}: {scale.score(float(score))}" for n, score in zip(sizes, side, strict=True))
        for side in scores
    ]
    numbers = by_side(side.tolist() for side in scores) | {
        "sizes": sizes,
        "behind": slow,
        "pictures_the_other_needs": needed,
        "low": low,
        "high": None if math.isinf(high) else high,
    }
    what = f"Pictures needed ({scale.name} by training pictures)"
    return row_of("data-needed", what, cells, sentence, numbers), _curve_table(sizes, scores, scale)


def _needs(sizes: Sequence[int], score: str, needs: tuple[float, float, float], slow: str, quick: str) -> str:
    needed, low, high = needs
    whole = sizes[-1]
    start = f"What the {slow} network reaches with {whole:,} pictures ({score}), the {quick}"
    if needed == 0.0:
        return (
            f"{start} network reaches with {sizes[0]:,} or fewer: the {slow} network needs more than "
            f"{times(whole / sizes[0])} times the pictures."
        )
    until = many(high) if math.isfinite(high) else f"more than {whole:,}"
    since = many(low) if low else f"fewer than {sizes[0]:,}"
    reached = f"reaches with about {many(needed)} (95% interval {since} to {until})"
    if whole / needed < NEARLY or high >= whole:
        return f"{start} one {reached}: both need about as many pictures, as far as can be told."
    return f"{start} network {reached}: the {slow} network needs {times(whole / needed)} times the pictures."


def _curve_table(sizes: Sequence[int], scores: Sequence[FloatArray], scale: Scale) -> Rows:
    rows = []
    for n, dense, convolutional in zip(sizes, *scores, strict=True):
        need = rows_to_reach(sizes, scores[0], float(convolutional))
        more = f"more than {sizes[-1]:,}" if math.isinf(need) else many(need)
        words = f"{sizes[0]:,} or fewer" if need == 0 else more
        rows.append((f"{n:,}", scale.score(float(dense)), scale.score(float(convolutional)), words))
    header = ("Training pictures", "Dense network", "Convolutional network", "The dense network needs for the same")
    return Rows(header, tuple(rows))


# -- structure ---------------------------------------------------------------------------------------------------------


def structure(
    originals: Sequence[Pair], shuffles: Sequence[Pair], groups: IntArray, scale: Scale, shrunk_to: str
) -> Finding:
    """What shuffling the pixels, the same way in every picture, takes from each network."""
    changes: list[Estimate] = []
    cells: list[str] = []
    numbers: dict[str, Any] = {"trainings": len(shuffles)}
    for side, name in enumerate(Pair._fields):
        before, after = ([pair[side].loss for pair in pairs] for pairs in (originals, shuffles))
        change = gain(before, after, groups, between_trainings([before, after]))
        scores = {"before": 1 - float(np.mean(before)), "after": 1 - float(np.mean(after))}
        cells.append(f"{' → '.join(map(scale.score, scores.values()))}: {scale.change(change)}")
        numbers[name] = scores | asdict(change)
        changes.append(change)
    trainings = len(shuffles)
    chance = "what chance does between them" if trainings > 1 else "not what chance does between trainings"
    learnt = "once" if trainings == 1 else f"{trainings} times"
    sentence = (
        f"{_dense_cares(changes[0], scale, trainings)} {_loses(changes[1])} Both kinds of pictures were learnt "
        f"{learnt}; the intervals hold {chance}."
    )
    return row_of(
        "structure", f"Score after shuffling the pixels{shrunk_to}, as before → after", cells, sentence, numbers
    )


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
    wrong = [{way: losses_from(trial.disturbed[way]) for way in (AS_THEY_ARE.name, *names)} for trial in pair]
    more = [{name: side[name] - side[AS_THEY_ARE.name] for name in names} for side in wrong]
    cells = [
        ", ".join(
            f"{name.removeprefix(beginning).strip()}: {scale.difference(-float(np.mean(lost)), unit=False)}"
            for name, lost in side.items()
        )
        + (" points" if scale.name != "R²" else "")
        for side in more
    ]
    losses = [np.mean(list(side.values()), axis=0) for side in more]  # over all amounts together
    steadier = gain([losses[0]], [losses[1]], groups)
    worst = [scale.difference(float(np.mean(one)), signed=False) for one in losses]
    if not steadier.is_certain:
        sentence = f"Both lose about as much: {worst[0]} and {worst[1]} on average."
    else:
        turn = -1 if steadier.value > 0 else 1
        (steady, other), by = Pair._fields[::turn], worst[::turn]
        sentence = f"The {steady} network is steadier: it loses {by[0]} on average where the {other} one loses {by[1]}."
    numbers = by_side({way: 1 - float(one.mean()) for way, one in side.items()} for side in wrong)
    return row_of(key, f"Change when test pictures are {beginning}", cells, sentence, numbers)


# -- transfer ----------------------------------------------------------------------------------------------------------


def transfer(
    pairs: Mapping[int, tuple[Pair, Pair]], groups: IntArray, scale: Scale, classes: tuple[int, int]
) -> tuple[Finding, Rows]:
    """What a start from other classes gains; ``pairs``: pictures a class → (from nothing, from the other classes)."""
    gains: dict[str, dict[int, Estimate]] = by_side(({}, {}))
    rows = []
    for n, both in sorted(pairs.items()):
        row = [f"{n}"]
        for side, found in enumerate(gains.values()):
            losses = [pair[side].loss for pair in both]  # from nothing, from a start
            found[n] = gain([losses[0]], [losses[1]], groups)
            row += [" → ".join(scale.score(1 - float(one.mean())) for one in losses), scale.change(found[n])]
        rows.append(tuple(row))
    cells = [", ".join(f"{n}: {scale.difference(one.value)}" for n, one in found.items()) for found in gains.values()]
    numbers = {name: {str(n): asdict(one) for n, one in found.items()} for name, found in gains.items()}
    header = ("Pictures a class", "Dense: from nothing → pretrained", "Gain", "Convolutional", "Gain")
    what = f"Gain of a start from {classes[0]} other classes, by pictures a class of {classes[1]} new ones"
    return row_of("transfer", what, cells, _transfers(gains, scale), numbers), Rows(header, tuple(rows))


def _transfers(gains: Mapping[str, Mapping[int, Estimate]], scale: Scale) -> str:
    said = []
    for name, found in gains.items():
        helped = [n for n, one in found.items() if one.is_certain and one.value > 0]
        harmed = [n for n, one in found.items() if one.is_certain and one.value < 0]
        if helped:
            until = f"up to {helped[-1]} pictures a class" if len(found) > len(helped) else "at every number tried"
            most = max(found[n].value for n in helped)
            said.append(f"helps the {name} network {until}, by up to {scale.difference(most, signed=False)}")
        elif harmed:
            said.append(f"is worse than starting from nothing for the {name} network from {harmed[0]} pictures a class")
        else:
            said.append(f"gives the {name} network nothing that can be told from chance")
    if not any(one.is_certain for found in gains.values() for one in found.values()):
        return "What was learnt on other classes gives neither network anything that can be told from chance."
    return f"What was learnt on other classes {said[0]}, and {said[1]}."
