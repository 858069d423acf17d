"""Which part of a series an output rests on: what it loses where a window of steps is covered.

Occlusion (Zeiler and Fergus, ECCV 2014, arXiv 1311.2901, section 4.2) over time: windows of several lengths, since
nobody knows how long what matters is, each covered in two ways: by the straight line between its ends, which takes
what happens inside and keeps the level, and by the mean of the channel, which takes the level too. A step's value is
the mean loss of log-odds over all windows that covered it. It asks nothing of a model but its outputs.

The map is tested as maps of pictures are (`annvil.explanation.deletion`): `PARTS` equal parts of the series are covered
by straight lines in the order of the map; random orders are that of the map itself, moved along the series and over its
end, by an eighth of the series at least: one that is moved by a step or two marks the same, and a right map cannot be
better than it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from annvil.explanation.deletion import Deletion, curves
from annvil.tasks.base import FloatArray, IntArray

Values = NDArray[np.float32]

WINDOWS = (1 / 16, 1 / 8, 1 / 4)
"""Lengths of the windows, as shares of the series (assumed); each goes on by half of its length."""

PARTS = 40
"""Parts of a series in the test; of a shorter one each step is a part (assumed)."""

FAR = 1 / 8
"""Part of the series by which a map is moved at least (measured on models written by hand: right maps pass for 44 of
45 series, maps of smooth noise for 8 of 270; with any way, and mirrored maps, right ones passed for 29)."""

PASSES = 800
"""Predictions that a map and its test cost, about (counted: 138 and 560)."""


def windows_of(n_steps: int) -> list[tuple[int, int]]:
    """Beginnings and ends of all windows; the last of each length ends with the series."""
    found: list[tuple[int, int]] = []
    for length in sorted({max(1, round(share * n_steps)) for share in WINDOWS}):
        starts = sorted({*range(0, n_steps - length, max(1, length // 2)), n_steps - length})
        found += [(start, start + length) for start in starts]
    return found


def with_line(values: Values, covered: NDArray[np.bool_]) -> Values:
    """The series ``(channels, steps)`` with straight lines where ``covered (steps,)``; at an end, the nearest value;
    the mean of each channel where all is covered."""
    if covered.all():
        return np.broadcast_to(values.mean(axis=1, keepdims=True), values.shape).astype(np.float32)
    steps = np.arange(values.shape[1])
    known = steps[~covered]
    lines = [np.interp(steps, known, channel[known]) for channel in values]
    return np.stack(lines).astype(np.float32)


def with_mean(values: Values, covered: NDArray[np.bool_]) -> Values:
    """The same with the mean of each channel over the whole series."""
    return np.where(covered, values.mean(axis=1, keepdims=True), values).astype(np.float32)


def occlusion(scores: Callable[[Values], FloatArray], values: Values) -> FloatArray:
    """What the score loses, for every step ``(steps,)``; positive where it speaks for the output.

    Parameters
    ----------
    scores : series ``(n, channels, steps)`` → ``(n,)``, larger for more of what is explained
    values : of one series ``(channels, steps)``
    """
    n_steps = values.shape[1]
    places, steps = windows_of(n_steps), np.arange(n_steps)
    masks = [(steps >= start) & (steps < stop) for start, stop in places]
    changed = np.stack([cover(values, mask) for cover in (with_line, with_mean) for mask in masks])
    losses = (scores(values[None])[0] - scores(changed)).reshape(2, len(masks)).mean(axis=0)
    total, times = np.zeros(n_steps), np.zeros(n_steps)
    for loss, mask in zip(losses, masks, strict=True):
        total[mask] += loss
        times[mask] += 1
    return np.asarray(total / times)


def part_of_step(n_steps: int) -> IntArray:
    """The part of each step ``(n_steps,)``, from 0."""
    n_parts = min(PARTS, n_steps)
    return np.arange(n_steps) * n_parts // n_steps


def deletions(
    losses: Callable[[Values], FloatArray],
    values: Values,
    maps: Sequence[FloatArray],
    *,
    of_number: bool = False,
    least: float = 0.0,
    seed: int = 0,
) -> tuple[Deletion, ...]:
    """The curve of each map ``(steps,)`` beside those of random orders; parameters as of
    `annvil.explanation.deletion.curves`."""
    part = part_of_step(values.shape[1])
    n_parts = int(part[-1]) + 1

    def lost(order: IntArray, counts: IntArray) -> FloatArray:
        turn = np.empty(n_parts, dtype=np.int64)
        turn[order] = np.arange(n_parts)
        return losses(np.stack([with_line(values, turn[part] < count) for count in counts]))

    def moved(random: np.random.Generator) -> IntArray:
        least = max(1, round(FAR * n_parts))
        return np.roll(np.arange(n_parts), int(random.integers(least, max(least + 1, n_parts - least + 1))))

    marks = [np.bincount(part, weights=one) / np.bincount(part) for one in maps]
    return curves(lost, marks, moved, of_number=of_number, least=least, seed=seed, thing="series")
