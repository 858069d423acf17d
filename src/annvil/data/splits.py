"""Rows to learn from and rows to judge on: no group on both sides, time never backwards, classes in proportion.

- *Stratified*: rows (or groups) of a class are shuffled and dealt to the folds in turn; a regression target is cut into
  ten bins of equal counts first.
- *Grouped*: small groups are dealt like rows, by their commonest class; where groups are large, each goes to the fold
  that it makes least uneven. Groups of one row each make this plain stratified k-fold.
- *By time*: the rows in order of time are cut into ``folds + 1`` blocks; block ``i`` is judged by what was learnt from
  all blocks before it (an expanding window, as scikit-learn's `TimeSeriesSplit`), and rows of one moment stay in one
  block. Where an answer is known only later than its row (`Dataset.known_at`), rows whose answer was not known when the
  test block began are left out of training, and the first block holds half of the rows, and half of all answers that
  ever are known in time: what is tested has learnt from enough.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from annvil.data.dealing import BUNDLES, balance, deal, place_in_class
from annvil.errors import DataError
from annvil.tasks.base import FloatArray, IntArray, Task

HOLDOUT = 5
"""One holdout is the first of five folds: 20% of the rows."""


class Divisible(Protocol):
    """What is looked at to divide rows: a `Dataset`, or whatever else has these of its attributes."""

    @property
    def n_rows(self) -> int: ...
    @property
    def y(self) -> NDArray[Any]: ...
    @property
    def task(self) -> Task: ...
    @property
    def groups(self) -> IntArray: ...
    @property
    def time(self) -> FloatArray | None: ...
    @property
    def known_at(self) -> FloatArray | None: ...


@dataclass(frozen=True)
class _Rows:
    """Rows that may be divided anywhere."""

    n_rows: int
    y: NDArray[Any]
    task: Task
    groups: IntArray
    time: FloatArray | None = None
    known_at: FloatArray | None = None


@dataclass(frozen=True)
class Split:
    """Row numbers of one division, into the whole data set, int64: learn from ``train``, judge on ``test``."""

    train: IntArray
    test: IntArray


def outer_splits(dataset: Divisible, folds: int, repeats: int, seed: int) -> list[list[Split]]:
    """``[repeat][fold]``: the divisions that score contenders.

    Every row is tested once per repeat; by time only the rows after the first block are, and there is one repeat
    however many were asked for, since time allows no other order.

    Raises
    ------
    DataError
        Where there are fewer groups, moments or rows than folds.
    """
    rows = np.arange(dataset.n_rows)
    if dataset.time is not None:
        return [list(_by_time(dataset, rows, folds))]
    generators = np.random.default_rng([seed, 0]).spawn(repeats)
    return [list(_by_folds(dataset, rows, folds, generator)) for generator in generators]


def inner_splits(dataset: Divisible, rows: IntArray, folds: int, seed: int) -> tuple[Split, ...]:
    """Divisions of ``rows`` that choose candidates and epochs; one fold means one holdout of 20% (by time: the last
    20%).

    Several folds together cover ``rows`` (by time: all but the first block). Where there are fewer groups or moments
    there are fewer folds: one group is left out after another, or the last moment is. A single group or moment is
    divided by its rows, since nothing else could choose; what scores contenders is still of other groups, and later.
    For the same reason rows too few for any answer to be known in time are divided as if all were known at once.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    if dataset.time is not None:
        moments = len(np.unique(dataset.time[rows]))
        known_at = None if dataset.known_at is None else dataset.known_at[rows]
        if known_at is not None and first_test(dataset.time[rows], known_at) is None:
            everything = np.arange(dataset.n_rows)
            dataset = _Rows(dataset.n_rows, dataset.y, dataset.task, everything, dataset.time)
            known_at = None
        if moments > 1:
            assert dataset.time is not None
            most = moments - 1 if known_at is None else most_time_folds(dataset.time[rows], moments, known_at)
            splits = _by_time(dataset, rows, min(folds if folds > 1 else HOLDOUT - 1, most))
            return splits if folds > 1 else splits[-1:]
    groups = len(np.unique(dataset.groups[rows]))
    if groups == 1 and len(rows) > 1:
        dataset, groups = _Rows(dataset.n_rows, dataset.y, dataset.task, np.arange(dataset.n_rows)), len(rows)
    splits = _by_folds(dataset, rows, min(folds if folds > 1 else HOLDOUT, groups), np.random.default_rng([seed, 1]))
    return splits if folds > 1 else splits[:1]


def most_time_folds(time: FloatArray, wanted: int, known_at: FloatArray | None = None) -> int:
    """Folds by time that leave two moments a block, so that what comes later is still chosen by what came later; at
    least one, a later holdout."""
    first = None if known_at is None else first_test(time, known_at)
    moments = len(np.unique(time)) - 1 if first is None else len(np.unique(time[time >= first]))
    return max(1, min(wanted, moments // 2))


def first_test(time: FloatArray, known_at: FloatArray) -> float | None:
    """The first moment that is tested where answers are known later than their rows: half of the rows came before it,
    and by it half of those answers are known that are known by the last moment. None where none is known by then."""
    moments = np.unique(time)
    known = np.searchsorted(np.sort(known_at), moments, side="right")  # answers known by each moment
    if not known[-1]:
        return None
    before = np.searchsorted(np.sort(time), moments)
    good = (known >= known[-1] / 2) & (before >= len(time) / 2)
    return float(moments[int(np.argmax(good))]) if good.any() else float(moments[-1])


def nested_subset(dataset: Divisible, rows: IntArray, n: int, seed: int) -> IntArray:
    """About ``n`` of ``rows``, ascending: for one seed a smaller subset lies inside every larger one.

    Classes keep their proportions and every class appears as early as possible; groups come whole, so that the subset
    may fall short of ``n`` by less than a group. By time: the latest rows.
    """
    rows = np.sort(np.asarray(rows, dtype=np.int64))
    if n >= len(rows):
        return rows
    if dataset.time is not None:
        return np.sort(rows[np.argsort(dataset.time[rows], kind="stable")[len(rows) - n :]])
    generator = np.random.default_rng([seed, 2])
    groups, sizes, labels = _groups(dataset, rows)
    place = place_in_class(labels, generator)
    counts = np.bincount(labels)
    order = np.lexsort((generator.random(len(labels)), place / counts[labels]))
    fits = max(int(np.searchsorted(np.cumsum(sizes[order]), n, side="right")), 1)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[:fits]] = True
    return rows[chosen[groups]]


def strata(dataset: Divisible, rows: IntArray) -> IntArray:
    """A class for each of ``rows``, int64 from 0: the target's, one of ten bins with equal counts, or the rarest of
    several labels."""
    return dataset.task.strata(dataset.y[rows])


def _groups(dataset: Divisible, rows: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Group of each row from 0, size of each group, and each group's commonest class (the lowest in a tie)."""
    labels = strata(dataset, rows)
    distinct, groups = np.unique(dataset.groups[rows], return_inverse=True)
    if len(distinct) == len(rows):
        return np.arange(len(rows)), np.ones(len(rows), dtype=np.int64), labels
    pairs, counts = np.unique(groups * (labels.max() + 1) + labels, return_counts=True)
    owner, label = pairs // (labels.max() + 1), pairs % (labels.max() + 1)
    order = np.lexsort((label, -counts, owner))
    _, first = np.unique(owner[order], return_index=True)
    return groups, np.bincount(groups), label[order][first]


def _by_folds(dataset: Divisible, rows: IntArray, folds: int, generator: np.random.Generator) -> tuple[Split, ...]:
    groups, sizes, labels = _groups(dataset, rows)
    if len(sizes) < folds:
        what = f"{len(sizes)} groups" if len(sizes) < len(rows) else f"{len(rows)} rows"
        raise DataError(
            f"{folds} folds need at least {folds} groups of rows that belong together; there are {what}. "
            "Ask for fewer folds."
        )
    if sizes.max() * folds * BUNDLES <= len(rows) or sizes.max() == 1:
        fold = deal(labels, folds, generator)
    else:
        fold = balance(groups, sizes, labels, strata(dataset, rows), folds, generator)
    of_row = fold[groups]
    return tuple(Split(rows[of_row != k], rows[of_row == k]) for k in range(folds))


def _by_time(dataset: Divisible, rows: IntArray, folds: int) -> tuple[Split, ...]:
    """Expanding windows. Training rows whose group returns in the test block are left out of training, and those whose
    answer is not known when it begins."""
    assert dataset.time is not None
    time = dataset.time[rows]
    known_at = None if dataset.known_at is None else dataset.known_at[rows]
    edges = _cuts(time, folds + 1) if known_at is None else _cuts_behind(time, known_at, folds)
    splits = []
    for k in range(1, folds + 1):
        test = rows[(time >= edges[k]) & (time < edges[k + 1])]
        train = rows[(time < edges[k]) & (True if known_at is None else known_at <= edges[k])]
        train = train[~np.isin(dataset.groups[train], dataset.groups[test])]
        if len(train) == 0 or len(test) == 0:
            raise DataError(
                "Cutting the rows by time leaves nothing to learn from, because the same groups occur in every period; "
                "choose either groups or time."
            )
        splits.append(Split(train, test))
    return tuple(splits)


def _cuts_behind(time: FloatArray, known_at: FloatArray, folds: int) -> FloatArray:
    """As `_cuts`, the first block ending where testing may begin (`first_test`)."""
    first = first_test(time, known_at)
    if first is None:
        raise DataError(
            "No answer is known before the last row begins, so nothing could be learnt before it is tested; "
            "give a longer history, or ask for a shorter horizon."
        )
    return np.append(time.min(), _cuts(time[time >= first], folds))


def _cuts(time: NDArray[np.float64], blocks: int) -> FloatArray:
    """Moments that begin each block (the last one: infinity), as even as moments shared by several rows allow."""
    moments, counts = np.unique(time, return_counts=True)
    if len(moments) < blocks:
        raise DataError(
            f"{blocks - 1} folds by time need at least {blocks} different moments; there are {len(moments)}. "
            "Ask for fewer folds."
        )
    before = np.cumsum(counts) - counts  # rows before each moment
    edges = [0]
    for k in range(1, blocks):
        best = int(np.abs(before - len(time) * k / blocks).argmin())
        edges.append(min(max(best, edges[-1] + 1), len(moments) - (blocks - k)))
    return np.append(moments[edges], np.inf)
