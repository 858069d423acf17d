"""What is wrong or strange about series, in words: too few, alike, overlapping, of odd lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.groups import number_groups
from annvil.data.leakage import sample_rows
from annvil.kinds.series.audit.channel_audit import answers_given_away, clipped_channels, drift, gaps, still_channels
from annvil.kinds.series.audit.statistics import statistics
from annvil.kinds.series.reading.overlaps import recordings
from annvil.kinds.series.series import Series
from annvil.tasks.base import IntArray
from annvil.text.phrases import listed
from annvil.text.quantities import percent, plain_count
from annvil.text.safe import some_names

FEW_PER_CLASS = 10
IMBALANCED = 0.25
"""As for tables and pictures."""

UNEQUAL = 10.0
"""Lengths are called very unequal when the longest series is so many times longer than the shortest (assumed)."""

_SAMPLE = 3000


def audit_series(dataset: Dataset[Series], seed: int = 0) -> Iterator[Finding]:
    """Everything found, in no order."""
    yield from _few(dataset)
    yield from _unequal_classes(dataset)
    yield from _copies(dataset)
    yield from _overlaps(dataset)
    yield from _lengths(dataset)
    yield from gaps(dataset)
    sample = replace(dataset.take(sample_rows(dataset, _SAMPLE, seed)), official_test=dataset.official_test)
    numbers = statistics(sample.inputs)
    yield from still_channels(sample, numbers)
    yield from clipped_channels(sample)
    yield from answers_given_away(sample, numbers, seed)
    yield from drift(sample, numbers)


def _few(dataset: Dataset[Series]) -> Iterator[Finding]:
    if dataset.n_rows < 100:
        yield Finding(
            "few series", "warning", (),
            f"There are {dataset.n_rows} series; with five folds a score rests on {dataset.n_rows // 5} at a time.",
            "Differences between models are judged with that in mind, and the verdict may be that nothing can be told "
            "yet.",
        )  # fmt: skip
    counts = dataset.task.counts(dataset.y)
    few = [(label, int(n)) for label, n in zip(dataset.task.classes, counts, strict=True) if n < FEW_PER_CLASS]
    if few:
        yield Finding(
            "few series per class", "serious" if min(n for _, n in few) < 3 else "warning", (dataset.task.target,),
            f"{plain_count(len(few), 'class has', 'classes have')} fewer than {FEW_PER_CLASS} series: "
            f"{listed([f'{label!r} ({n})' for label, n in few], 5)}.",
            "No score can say how well they are recognised; collect more of them, or merge or leave out these classes.",
        )  # fmt: skip


def _unequal_classes(dataset: Dataset[Series]) -> Iterator[Finding]:
    if not dataset.task.one_class_a_row:
        return
    counts, classes = [int(n) for n in dataset.task.counts(dataset.y)], dataset.task.classes
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[least] < IMBALANCED * counts[most]:
        yield Finding(
            "imbalance", "warning", (dataset.task.target,),
            f"The classes are unequal: {classes[least]!r} has {counts[least]:,} of {dataset.n_rows:,} series, so "
            f"always answering {classes[most]!r} is right in {counts[most] / dataset.n_rows:.1%}.",
            "Splits keep the proportions, and the baseline shows what accuracy is worth.",
        )  # fmt: skip


def _digests(series: Series) -> IntArray:
    return number_groups(np.array([series.store.digests[row] for row in series.index.tolist()]))


def _copies(dataset: Dataset[Series]) -> Iterator[Finding]:
    """Series that are the same, value by value; with other answers or not, also in the official test."""
    series, test = dataset.inputs, dataset.official_test
    keys = _digests(series)
    n = dataset.n_rows - int(keys.max()) - 1
    if n:
        answers = number_groups(dataset.y)
        pairs = np.unique(np.stack([keys, answers], axis=1), axis=0)
        other = int((np.bincount(pairs[:, 0]) > 1).sum())
        first = np.flatnonzero(np.bincount(keys)[keys] > 1)
        several = first[keys[first] == keys[first[0]]]
        yield Finding(
            "identical series",
            "warning" if n > dataset.n_rows / 50 or other else "info",
            (),
            f"{plain_count(n, 'series is', 'series are')} the same as another, value by value"
            + (f"; {other:,} of them under different answers." if other else "."),
            "Copies are kept on one side of every split, so that no model is tested on what it has seen.",
            f"The same are {some_names(series.take(several[:3]).names())}.",
        )
    if test is None:
        return
    known = {series.store.digests[row] for row in series.index.tolist()}
    seen = np.flatnonzero([test.inputs.store.digests[row] in known for row in test.inputs.index.tolist()])
    if len(seen):
        yield Finding(
            "test series seen in training", "serious" if len(seen) > test.n_rows / 100 else "warning", (),
            f"{len(seen):,} series of the official test ({percent(len(seen) / test.n_rows)}) are also among"
            "  those of the training.",
            "Nothing is changed: published scores on this test share the flaw. Trust the folds.",
            f"One is {some_names(test.inputs.take(seen[:1]).names())}.",
        )  # fmt: skip


def _overlaps(dataset: Dataset[Series]) -> Iterator[Finding]:
    """Windows that were cut from one recording."""
    series, test = dataset.inputs, dataset.official_test
    numbers = recordings(series)
    counts = np.bincount(numbers)
    different = np.bincount(np.unique(np.stack([numbers, _digests(series)]), axis=1)[0])  # copies are told of elsewhere
    counts = np.where(different > 1, counts, 1)
    n = int(counts[counts > 1].sum())
    if n:
        together = bool((np.unique(np.stack([numbers, dataset.groups]), axis=1).shape[1]) == len(different))
        several = np.flatnonzero(counts[numbers] > 1)
        pair = several[numbers[several] == numbers[several[0]]]
        yield Finding(
            "overlapping windows", "info" if together else "serious", (),
            f"{n:,} of {dataset.n_rows:,} series overlap with another: they are windows of "
            f"{plain_count(int((counts > 1).sum()), 'recording')}.",
            "Windows of one recording are kept on one side of every split, so that no model is tested on what it has "
            "seen."
            if together
            else "Most of them hang together, so no split can keep them apart: scores are too good for a recording "
            "that is new. Bring several recordings, or windows that do not overlap.",
            f"Two of them are {some_names(series.take(pair[:2]).names())}.",
        )  # fmt: skip
    if test is None or test.inputs.store is not series.store:
        return
    whole = Series(series.store, np.concatenate([series.index, test.inputs.index]))
    both = recordings(whole)
    crossing = np.isin(both[dataset.n_rows :], both[: dataset.n_rows]) if len(both) else np.zeros(0, dtype=bool)
    same = {series.store.digests[row] for row in series.index.tolist()}
    crossing &= np.array([test.inputs.store.digests[row] not in same for row in test.inputs.index.tolist()])
    if crossing.any():
        yield Finding(
            "test windows overlap with training", "serious", (),
            f"{plain_count(int(crossing.sum()), 'series', 'series')} of the official test "
            f"({percent(float(crossing.mean()))}) are cut from recordings of the training, and overlap with them.",
            "Nothing is changed: the score on this test is too good for a recording that is new. Trust the folds.",
        )  # fmt: skip


def _lengths(dataset: Dataset[Series]) -> Iterator[Finding]:
    form, lengths = dataset.inputs.form, dataset.inputs.lengths
    if form.longest > UNEQUAL * form.shortest:
        yield Finding(
            "very unequal lengths", "warning", (),
            f"Series have {form.shortest:,} to {form.longest:,} steps, half of them at most {np.median(lengths):,.0f}.",
            "Models take any length, and what lies behind the end of a series counts nowhere; look whether the "
            "shortest are whole.",
            f"The shortest is {some_names(dataset.inputs.take(np.argsort(lengths)[:1]).names())}.",
        )  # fmt: skip
    if form.n_channels > max(form.longest, 8) and form.layout == "arrays":
        yield Finding(
            "more channels than steps", "warning", (),
            f"The array is read as {form.describe()}.",
            "Axes are (series, channels, time); exchange the last two where they are (series, time, channels).",
        )  # fmt: skip
