"""What is strange about channels: they stand still, are cut off, tell the answer, or differ in the official test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.leakage import find_leaks, told_by
from annvil.data.table import Column, Field, Table
from annvil.kinds.series.audit.statistics import NAMES, statistics
from annvil.kinds.series.series import Series
from annvil.tasks.base import FloatArray
from annvil.tasks.class_metrics import rank_auc
from annvil.text.phrases import listed, outside
from annvil.text.quantities import number, percent

CLIPPED = 0.01
"""A channel is called cut off when so many of its steps, in runs, have its largest or smallest value (assumed) …"""

RUN = 3
MANY_VALUES = 50
"""… three and more in a row, of a channel with more different values than a state or a count has."""

MANY_GAPS = 0.05
"""Share of missing values of a channel from which it deserves a look (assumed)."""

TELLING = 0.8
"""ROC AUC with which lengths and gaps alone tell too much (assumed)."""

DRIFTED = 0.8
"""ROC AUC with which one number tells series of the official test from those of the training (assumed)."""


def still_channels(dataset: Dataset[Series], numbers: FloatArray) -> Iterator[Finding]:
    """Channels that never move, within a series or at all, and series in which one stands still."""
    names = dataset.inputs.form.channels
    still = (numbers[:, :, 1] == 0) & ~np.isnan(numbers[:, :, 1])
    levels = numbers[:, :, 0]
    dead: list[str] = []
    level: list[str] = []
    some: list[tuple[str, int]] = []
    for place, name in enumerate(names if dataset.inputs.form.longest > 1 else ()):
        there = ~np.isnan(levels[:, place])
        if still[there, place].all():
            same = len(np.unique(levels[there, place])) < 2
            (dead if same else level).append(name)
        elif still[:, place].any() and dataset.inputs.form.longest > 2:
            some.append((name, int(still[:, place].sum())))
    if dead:
        yield Finding(
            "constant channels", "warning", tuple(dead),
            f"{listed([repr(name) for name in dead])} never {'changes' if len(dead) == 1 else 'change'}.",
            "Nothing can be learnt from that; leave it out (--drop), or look whether the sensor was on.",
        )  # fmt: skip
    if level:
        yield Finding(
            "channels that stand still", "info", tuple(level),
            f"{listed([repr(name) for name in level])} stays the same within every series, and differs between them.",
            "Models get it as a channel like any other; only its level can tell something.",
        )  # fmt: skip
    if some:
        told = listed([f"{name!r} in {n:,} of {dataset.n_rows:,}" for name, n in some])
        yield Finding(
            "series that stand still",
            "warning" if max(n for _, n in some) > dataset.n_rows / 100 else "info",
            tuple(name for name, _ in some),
            f"Some series do not move at all: {told}.",
            "They are used as they are; if a sensor was off, leave them out.",
        )


def clipped_channels(dataset: Dataset[Series]) -> Iterator[Finding]:
    """Channels whose values stop at a limit, as of a sensor that can show no more."""
    store, found = dataset.inputs.store, []
    steps = np.concatenate([np.arange(*store.starts[row : row + 2]) for row in dataset.inputs.index.tolist()])
    for place, name in enumerate(dataset.inputs.form.channels):
        values = store.values[steps, place]
        values = values[~np.isnan(values)]
        if len(values) < 100 or len(np.unique(values[:10_000])) <= MANY_VALUES:
            continue
        for limit, word in ((values.max(), "largest"), (values.min(), "smallest")):
            share = _in_runs(values == limit)
            if share > CLIPPED:
                found.append(
                    (name, f"{percent(share)} of the steps of {name!r} have its {word} value, {number(limit)}")
                )
    if found:
        yield Finding(
            "clipped sensors", "warning", tuple(dict.fromkeys(name for name, _ in found)),
            f"Values stop at a limit: {listed([told for _, told in found], 4)}.",
            "They are used as they are; what lies beyond the limit is lost, so a wider range of the sensor may help.",
        )  # fmt: skip


def _in_runs(hit: NDArray[np.bool_]) -> float:
    """Share of what is true in runs of `RUN` and more."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hit.view(np.int8), [0]])))
    runs = edges[1::2] - edges[::2]
    return float(runs[runs >= RUN].sum() / len(hit))


def gaps(dataset: Dataset[Series]) -> Iterator[Finding]:
    """Values that were missing, and channels that some series lack."""
    series = dataset.inputs
    n_values = int(series.lengths.sum()) * series.form.n_channels
    missing = int(series.store.n_missing[series.index].sum())
    if missing:
        share = missing / n_values
        yield Finding(
            "missing values", "warning" if share > MANY_GAPS else "info", (),
            f"{percent(share)} of the values are missing, in "
            f"{int((series.store.n_missing[series.index] > 0).sum()):,} of {dataset.n_rows:,} series.",
            "They are put on the line between their neighbours; a channel that a series lacks altogether is taken for "
            "the mean of the channel.",
        )  # fmt: skip


def answers_given_away(dataset: Dataset[Series], numbers: FloatArray, seed: int) -> Iterator[Finding]:
    """One number of one channel, or lengths and gaps alone, tell the answer."""
    if dataset.n_rows < 30 or dataset.task.n_questions > 1:
        return
    series = dataset.inputs
    columns = [
        Column(Field(f"{what} of {name!r}", "number"), numbers[:, place, at])
        for place, name in enumerate(series.form.channels)
        for at, what in enumerate(NAMES)
        if len(np.unique(numbers[:, place, at])) > 1
    ]
    if columns:
        table = Dataset(Table(tuple(columns), dataset.n_rows), dataset.y, dataset.task, dataset.groups)
        if suspects := find_leaks(table, seed):
            told = listed([f"the {suspect.column}" for suspect in suspects], 3)
            yield Finding(
                "a channel gives the answer away", "serious", (dataset.task.target,),
                f"{outside(told)} alone {'tells' if len(suspects) == 1 else 'tell'} {dataset.task.target!r} "
                "nearly without a mistake, and nothing else comes near it.",
                "If the channel is only known once the answer is, drop it (--drop) and fit again; nothing is removed "
                "otherwise.",
            )  # fmt: skip
    beside = [("the length", series.lengths), ("the number of gaps", series.store.n_missing[series.index])]
    beside = [(name, values) for name, values in beside if len(np.unique(values)) > 1]
    if not beside or not dataset.task.predicts_probabilities:
        return
    table_of = Table(
        tuple(Column(Field(name, "number"), values.astype(np.float64)) for name, values in beside), dataset.n_rows
    )
    error, alone = told_by(table_of, dataset, seed)
    if 1 - error / 2 >= TELLING:
        yield Finding(
            "lengths or gaps give the answer away", "warning", (dataset.task.target,),
            f"Without any value, {beside[int(np.argmin(alone))][0]} of a series tells {dataset.task.target!r} with a "
            f"ROC AUC of {1 - error / 2:.2f}.",
            "If that is how the series were cut rather than what they show, cut all of them alike and fit again.",
        )  # fmt: skip


def drift(dataset: Dataset[Series], numbers: FloatArray) -> Iterator[Finding]:
    """The official test differs from the training in one number."""
    test = dataset.official_test
    if test is None or min(test.n_rows, dataset.n_rows) < 20:
        return
    tested = statistics(test.inputs)
    found: list[tuple[float, str]] = []
    is_test = np.repeat([False, True], [dataset.n_rows, test.n_rows])
    for place, name in enumerate(dataset.inputs.form.channels):
        for at, what in enumerate(NAMES):
            both = np.nan_to_num(np.concatenate([numbers[:, place, at], tested[:, place, at]]))
            auc = float(rank_auc(is_test, both))
            found.append((max(auc, 1 - auc), f"the {what} of {name!r} is {'larger' if auc > 0.5 else 'smaller'}"))
    strength, told = max(found)
    if strength >= DRIFTED:
        yield Finding(
            "drift between training and test", "warning", (),
            f"Series of the official test differ from those of the training: {told} there (ROC AUC {strength:.2f}).",
            "Scores of the folds hold for series like those of the training; look at the score on the official test as "
            "well.",
        )  # fmt: skip
