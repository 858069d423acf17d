"""What a model does in three sentences: what drives it, what it ignores, where it is unsure.

Every fact is read off the arrays that the charts show.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import exp

import msgspec
import numpy as np

from annvil.bundle.effects import Axis, Effect
from annvil.explanation.effects import busy_effects
from annvil.tasks.base import FloatArray, Task
from annvil.text.phrases import listed
from annvil.text.quantities import minus, number, percent

DRIVING = 3
"""Effects that are told, at most."""

MIDDLE = 0.05, 0.95
"""Between which quantiles of the rows a curve is told: its ends rest on few of them (assumed)."""

ONE_WAY = 0.9
"""Part of all its ups and downs that a curve must rise or fall in the end to be told as one that rises or falls
(assumed)."""

ELSEWHERE = 0.25
"""Part of what a curve does that it must do in the middle of the rows: else it is told from end to end (assumed)."""

THIN = 0.05
"""Share of rows in a third of an axis below which little is known there (assumed)."""

MANY = 12
"""Values from which on a column is told as a range rather than by its values (assumed)."""


@dataclass(frozen=True)
class Move:
    """What an effect does between two of its points.

    ``start`` and ``end`` are places along the axis: of what rises or falls the ends of the middle of the rows, of all
    else where it is lowest and highest there.
    """

    effect: Effect
    start: int
    end: int
    one_way: bool

    @property
    def ends(self) -> tuple[float, float]:
        """What is added at the two points."""
        return self.effect.values[self.start], self.effect.values[self.end]

    @property
    def change(self) -> float:
        """What is added from the first point to the second."""
        return self.ends[1] - self.ends[0]


def move_of(effect: Effect) -> Move:
    """What there is to tell of an effect along one axis."""
    values, axis = np.array(effect.values), effect.axes[0]
    if axis.levels:
        return Move(effect, int(values.argmin()), int(values.argmax()), False)
    first, last = _middle(axis)
    if np.ptp(values[first : last + 1]) < ELSEWHERE * np.ptp(values):
        first, last = 0, len(values) - 1
    inside = values[first : last + 1]
    ups_and_downs = float(np.abs(np.diff(inside)).sum())
    if abs(inside[-1] - inside[0]) >= ONE_WAY * ups_and_downs:
        return Move(effect, first, last, True)
    return Move(effect, first + int(inside.argmin()), first + int(inside.argmax()), False)


def _middle(axis: Axis) -> tuple[int, int]:
    """Places of an axis between which most of the rows lie, the second behind the first."""
    values, shares = np.array(axis.values), np.cumsum([0.0, *axis.density])
    if shares[-1] <= 0:
        return 0, len(values) - 1
    edges = np.linspace(values[0], values[-1], len(axis.density) + 1)
    low, high = np.interp(np.array(MIDDLE) * shares[-1], shares, edges)
    first, last = int(np.abs(values - low).argmin()), int(np.abs(values - high).argmin())
    return (first, last) if first < last else (0, len(values) - 1)


def sentences_of(
    effects: Sequence[Effect],
    task: Task,
    names: Sequence[str],
    base: FloatArray,
    columns: Sequence[str],
    n_columns: int = 0,
) -> tuple[str, str, str]:
    """The three sentences.

    Parameters
    ----------
    effects : of the model, the most important first
    names, base : of the scores, and what they are on average ``(n_explained,)``
    columns : those that were looked at
    n_columns : how many the model is given, where these are more
    """
    busy, idle = busy_effects(effects, columns)
    told = busy
    if task.predicts_probabilities and task.one_class_a_row and len(names) > 1:
        told, base = on_classes(busy, effects, names, base), np.zeros(len(names))
    return _drives(told, task, names, base), _ignores(idle, len(columns), n_columns), _unsure(busy)


def _drives(busy: Sequence[Effect], task: Task, names: Sequence[str], base: FloatArray) -> str:
    if not busy:
        return "What drives it: nothing; whatever the columns say, it answers the same."
    first = {(one.name, one.weights): one for one in reversed(busy)}  # of several scores, where it matters most
    told = [first[term] for term in dict.fromkeys((one.name, one.weights) for one in busy)][:DRIVING]
    alone = len(names) == 1
    parts = [told_effect(one, task, float(base[names.index(one.output)]), it=alone) for one in told]
    it = f"it ({_subject(task, names[0])})" if alone else "it"
    return f"What drives {it}: {'; '.join(parts)}; all else as it is on average."


def on_classes(
    busy: Sequence[Effect], effects: Sequence[Effect], names: Sequence[str], base: FloatArray
) -> list[Effect]:
    """Of each term what it does to the class whose probability it moves most, with all else as it is on average.

    The values of several classes say together how likely each is, so they become log-odds of these probabilities
    themselves; importance is how far the probability moves. The terms that move one most come first.
    """
    found = []
    for name in dict.fromkeys(one.name for one in busy):
        group = {one.output: one for one in effects if one.name == name}
        if len(group) < len(names):
            continue
        scores = base[:, None] + np.array([group[output].values for output in names])
        shares = np.exp(scores - scores.max(axis=0))
        shares = np.clip(shares / shares.sum(axis=0), 1e-9, 1 - 1e-9)
        logits, moved = np.log(shares / (1 - shares)), []
        for output, values in zip(names, logits, strict=True):
            one = msgspec.structs.replace(group[output], values=tuple(values.tolist()))
            ends = (min(one.values), max(one.values)) if len(one.axes) == 2 else move_of(one).ends
            far = abs(_probability(ends[1]) - _probability(ends[0]))
            moved.append(msgspec.structs.replace(one, importance=far))
        found.append(max(moved, key=lambda one: one.importance))
    return sorted(found, key=lambda one: -one.importance)


def told_effect(effect: Effect, task: Task, base: float, *, it: bool = False) -> str:
    """What an effect does, in the units of the target or as a probability; ``it``: what that is was said before."""
    subject = "it" if it else _subject(task, effect.output)
    if len(effect.axes) == 2:
        low, high = _ends(task, base, min(effect.values), max(effect.values))
        one, other = (repr(axis.column) for axis in effect.axes)
        return f"{one} and {other} together move {subject} between {low} and {high}"
    move, axis = move_of(effect), effect.axes[0]
    start, end = _ends(task, base, *move.ends)
    what = _called(axis)
    if start == end:
        how = "by values that few rows have" if axis.levels else "together with other columns"
        return f"{what} moves {subject} {how}"
    first, last = place_of(axis, move.start), place_of(axis, move.end)
    if move.one_way:
        goes = "rises" if move.change > 0 else "falls"
        return f"from {first} to {last} in {what} {subject} {goes} from {start} to {end}"
    where = "for" if axis.levels else "near"
    return f"by {what} {subject} is highest {where} {last} ({end}) and lowest {where} {first} ({start})"


def _called(axis: Axis) -> str:
    """A column in quotes, and a projection as what it is."""
    return repr(axis.column) if axis.kind != "projection" else f"the {axis.column}"


def place_of(axis: Axis, place: int) -> str:
    """A value of an axis, as people write it."""
    if axis.levels:
        return repr(axis.levels[place])
    if axis.kind == "datetime":
        return f"{datetime.fromtimestamp(axis.values[place], UTC):%Y-%m-%d}"
    return minus(number(axis.values[place], 3))


def _probability(log_odds: float) -> float:
    return 1 / (1 + exp(-min(max(log_odds, -50.0), 50.0)))


def label_of(output: str) -> str:
    """The class in the name of a score, in quotes."""
    return output.removeprefix("log-odds of ").removesuffix(" beside the mean of all")


def _subject(task: Task, output: str) -> str:
    if not task.predicts_probabilities:
        return repr(output)
    label = label_of(output)
    if not task.one_class_a_row:
        return f"the probability of {label}"
    return f"the probability that {task.target!r} is {label}"


def _ends(task: Task, base: float, *added: float) -> list[str]:
    """What is added, with all else as on average, as values or probabilities."""
    if not task.predicts_probabilities:
        return [minus(number(base + value, 3)) for value in added]
    return [percent(_probability(base + value)) for value in added]


def _ignores(idle: Sequence[str], n_seen: int, n_columns: int) -> str:
    if n_columns > n_seen:
        most = f"of its {n_columns:,} columns only the {n_seen} were looked at that matter most"
        return f"What it ignores: {most}; no other matters more than these."
    if not idle:
        return f"What it ignores: none of the {n_seen} columns." if n_seen > 1 else "What it ignores: nothing."
    named = listed([repr(name) for name in idle], 8)
    return f"What it ignores: {named} {'moves' if len(idle) == 1 else 'move'} it by next to nothing."


def _unsure(busy: Sequence[Effect]) -> str:
    parts = []
    doubtful = list(dict.fromkeys(" × ".join(map(_called, one.axes)) for one in busy if one.mistrust))
    if doubtful:
        parts.append(f"models of other draws of the same rows disagree about {listed(doubtful, 5)}")
    thin = [told for told in (_thin(one.axes[0]) for one in busy if len(one.axes) == 1) if told]
    parts += list(dict.fromkeys(thin))[:2]
    if not any(one.low for one in busy):
        parts.append("no refits were made, so that nothing is known of how far it hangs on the rows it saw")
    axis = next((one.axes[0] for one in busy if len(one.axes) == 1 and _is_range(one.axes[0])), None)
    if axis is not None:
        ends = f"{place_of(axis, 0)} to {place_of(axis, len(axis) - 1)}"
        parts.append(f"outside the ranges shown, such as {ends} of {axis.column!r}, it has seen next to nothing")
    return f"Where it is unsure: {'; '.join(parts)}." if parts else "Where it is unsure: nowhere in what it has seen."


def _is_range(axis: Axis) -> bool:
    """Whether it is of numbers of which there are many, not of a few that a column can have."""
    return axis.kind == "number" and len(axis) >= MANY


def _thin(axis: Axis) -> str:
    """Which third of an axis of numbers rests on few rows, if one does."""
    n = len(axis.density)
    if not axis.values or n < 3 or len(axis) < MANY or axis.kind == "projection":
        return ""
    shares = [sum(axis.density[n * k // 3 : n * (k + 1) // 3]) for k in range(3)]
    cuts = [axis.values[0] + (axis.values[-1] - axis.values[0]) * k / 3 for k in range(4)]
    place = int(np.argmin(shares))
    if shares[place] >= THIN:
        return ""
    whole = _written(axis, cuts[place]), _written(axis, cuts[place + 1])
    return f"only {percent(shares[place])} of the rows have {axis.column!r} from {whole[0]} to {whole[1]}"


def _written(axis: Axis, value: float) -> str:
    """A value between those of an axis, as people write it."""
    return place_of(Axis(axis.column, axis.kind, (value,)), 0)
