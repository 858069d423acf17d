"""What is wrong or strange in clips, in words: copies, silence, clipped tops, odd lengths, files left out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.groups import number_groups
from annvil.data.leakage import sample_rows
from annvil.kinds.sound.audit.shortcuts import files_tell, length_tells, loudness_tells
from annvil.kinds.sound.audit.voices import voices
from annvil.kinds.sound.clips import Clips
from annvil.text.phrases import listed
from annvil.text.quantities import percent, plain_count
from annvil.text.safe import short_name, some_names

FEW_PER_CLASS = 10
IMBALANCED = 0.25
"""As for tables and pictures."""

CLIPPED = 0.001
"""Share of flat tops from which a clip is called clipped (assumed: one in a second of speech is heard)."""

MUCH_SHORTER = 5.0
"""A clip so many times shorter or longer than the median is told of (assumed)."""

_SAMPLE = 5000


def audit_sound(dataset: Dataset[Clips], seed: int = 0) -> Iterator[Finding]:
    """Everything found, in no order."""
    yield from _left_out(dataset)
    yield from _few(dataset)
    yield from _unequal(dataset)
    yield from _copies(dataset)
    yield from _official_test(dataset)
    yield from _silent(dataset)
    yield from _clipped(dataset)
    yield from _lengths(dataset)
    yield from voices(dataset)
    if dataset.y.ndim > 1 and not dataset.task.predicts_probabilities:
        return  # of sequences of words nothing is told by one number
    sample = dataset.take(sample_rows(dataset, _SAMPLE, seed))
    yield from files_tell(sample, seed)
    yield from loudness_tells(sample, seed)
    yield from length_tells(sample, seed)


def _left_out(dataset: Dataset[Clips]) -> Iterator[Finding]:
    left = dataset.inputs.store.left_out
    if not left:
        return
    share = len(left) / (len(left) + dataset.n_rows)
    shown = "; ".join(f"{short_name(one.name)} {one.reason}" for one in left[:5])
    more = f"; and {len(left) - 5:,} more" if len(left) > 5 else ""
    yield Finding(
        "files left out",
        "warning" if share > 0.01 else "info",
        (),
        f"{plain_count(len(left), 'file')} cannot be used.",
        "The others are used. If these matter, mend or replace them and fit again.",
        f"{shown}{more}.",
    )


def _few(dataset: Dataset[Clips]) -> Iterator[Finding]:
    if dataset.n_rows < 200:
        yield Finding(
            "few clips",
            "warning",
            (),
            f"There are {dataset.n_rows} clips; with five folds a score rests on {dataset.n_rows // 5} at a time.",
            "Differences between models are judged with that in mind, and the verdict may be that nothing can be told "
            "yet.",
        )
    counts = dataset.task.counts(dataset.y)
    few = [(label, int(n)) for label, n in zip(dataset.task.classes, counts, strict=True) if n < FEW_PER_CLASS]
    if few:
        yield Finding(
            "few clips per class",
            "serious" if min(n for _, n in few) < 3 else "warning",
            (dataset.task.target,),
            f"{plain_count(len(few), 'class has', 'classes have')} fewer than {FEW_PER_CLASS} clips: "
            f"{listed([f'{label!r} ({n})' for label, n in few], 5)}.",
            "No score can say how well they are recognised; collect more of them, or merge or leave out these classes.",
        )


def _unequal(dataset: Dataset[Clips]) -> Iterator[Finding]:
    if not dataset.task.one_class_a_row:
        return
    counts, classes = [int(n) for n in dataset.task.counts(dataset.y)], dataset.task.classes
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[least] < IMBALANCED * counts[most]:
        yield Finding(
            "imbalance",
            "warning",
            (dataset.task.target,),
            f"The classes are unequal: {classes[least]!r} has {counts[least]:,} of {dataset.n_rows:,} clips, so always "
            f"answering {classes[most]!r} is right in {counts[most] / dataset.n_rows:.1%}.",
            "Splits keep the proportions, and the baseline shows what accuracy is worth.",
        )


def _copies(dataset: Dataset[Clips]) -> Iterator[Finding]:
    """Exact copies, and the same recording shifted, scaled or cut otherwise."""
    clips = dataset.inputs
    exact = dataset.n_rows - len({clips.store.digests[row] for row in clips.index.tolist()})
    alike = clips.alike
    near = 0 if alike is None else dataset.n_rows - len(np.unique(alike)) - exact
    if alike is None or not (exact or near):
        return
    parts = []
    if exact:
        parts.append(f"{plain_count(exact, 'clip is', 'clips are')} an exact copy of another")
    if near:
        which = plain_count(near, "more is" if exact else "clip is", "more are" if exact else "clips are")
        parts.append(f"{which} the same recording as another (shifted, louder, quieter or cut otherwise)")
    keys = number_groups(alike)
    several = np.flatnonzero(np.bincount(keys)[keys] > 1)
    pair = several[keys[several] == keys[several[0]]][:2]
    answers = dataset.y if dataset.y.ndim == 1 else number_groups(dataset.y)
    contradicting = _under_several(keys, answers)
    under = f"; {contradicting:,} of these recordings stand under different answers" if contradicting else ""
    yield Finding(
        "the same recording twice",
        "warning" if exact + near > dataset.n_rows / 50 or contradicting else "info",
        (),
        f"{' and '.join(parts)}{under}.",
        "They are kept on one side of every split, so that no model is tested on what it has heard."
        if _together(keys, dataset.groups)
        else "So many hang together that no split could keep them apart: scores may be too good. Remove copies.",
        f"{some_names(clips.take(pair).names())} are the same.",
    )


def _under_several(keys: NDArray[np.int64], answers: NDArray[np.int64]) -> int:
    """Recordings that have several answers."""
    pairs = np.unique(np.stack([keys, answers]), axis=1)
    return int((np.bincount(pairs[0]) > 1).sum()) if answers.dtype.kind in "iu" else 0


def _together(keys: NDArray[np.int64], groups: NDArray[np.int64]) -> bool:
    return bool(np.unique(np.stack([keys, groups]), axis=1).shape[1] == len(np.unique(keys)))


def _official_test(dataset: Dataset[Clips]) -> Iterator[Finding]:
    """Clips, or speakers, on both sides of the split that came with the data."""
    test = dataset.official_test
    if test is None:
        return
    trained, tested = dataset.inputs, test.inputs
    if trained.alike is not None and tested.alike is not None:
        seen = np.isin(tested.alike, trained.alike)
        if seen.any():
            yield Finding(
                "test clips heard in training",
                "serious" if seen.mean() > 0.01 else "warning",
                (),
                f"{plain_count(int(seen.sum()), 'clip')} of the official test ({percent(float(seen.mean()))}) "
                f"{'are' if seen.sum() > 1 else 'is'} also among those of the training, perhaps shifted or louder.",
                "Nothing is changed: published scores on this test share the flaw. Trust the folds.",
                f"One is {some_names(tested.take(np.flatnonzero(seen)[:1]).names())}.",
            )
    both = np.isin(test.groups, dataset.groups)
    if dataset.grouped and both.any():
        yield Finding(
            "speakers of the official test are known",
            "warning",
            (),
            f"{plain_count(int(both.sum()), 'clip')} of the official test ({percent(float(both.mean()))}) "
            f"{'are' if both.sum() > 1 else 'is'} of speakers that are also trained on.",
            "Both figures are shown: the official test says how well known speakers are understood, the folds how well "
            "new ones are.",
        )


def _silent(dataset: Dataset[Clips]) -> Iterator[Finding]:
    silent = np.flatnonzero(dataset.inputs.facts["silent"])
    if len(silent):
        yield Finding(
            "silent clips",
            "warning" if len(silent) > dataset.n_rows / 100 else "info",
            (),
            f"{plain_count(len(silent), 'clip holds', 'clips hold')} nothing but digital silence.",
            "They are used as they are; a model can only learn how often each answer goes with nothing. Microphones "
            "are never silent, so record silence where it is a class.",
            f"{some_names(dataset.inputs.take(silent).names())}.",
        )
    trimmed = dataset.inputs.facts["trimmed"] > 0
    if trimmed.mean() > 0.1:
        yield Finding(
            "digital padding",
            "info",
            (),
            f"{percent(float(trimmed.mean()))} of the clips were padded with exact zeros, which no microphone makes.",
            "The padding is cut off, here and in prediction, so that no model learns it.",
        )


def _clipped(dataset: Dataset[Clips]) -> Iterator[Finding]:
    clipped = np.flatnonzero(dataset.inputs.facts["clipped"] > CLIPPED)
    if len(clipped):
        yield Finding(
            "clipped clips",
            "warning" if len(clipped) > dataset.n_rows / 10 else "info",
            (),
            f"{plain_count(len(clipped), 'clip was', 'clips were')} recorded too loud: their tops are flat.",
            "They are used as they are. Record with less gain where it can be done again.",
            f"{some_names(dataset.inputs.take(clipped).names())}.",
        )


def _lengths(dataset: Dataset[Clips]) -> Iterator[Finding]:
    form, lengths = dataset.inputs.form, dataset.inputs.lengths
    median = float(np.median(lengths))
    for rows, word in (
        (np.flatnonzero(lengths * MUCH_SHORTER < median), "shorter"),
        (np.flatnonzero(lengths > MUCH_SHORTER * median), "longer"),
    ):
        if len(rows):
            yield Finding(
                f"much {word} clips",
                "warning" if len(rows) > dataset.n_rows / 100 else "info",
                (),
                f"{plain_count(len(rows), 'clip is', 'clips are')} more than {MUCH_SHORTER:.0f} times {word} than the "
                f"median of {form.seconds(median):.2g} s.",
                "Models take any length; listen whether these are whole, and hold one thing only.",
                f"{some_names(dataset.inputs.take(rows[np.argsort(lengths[rows])]).names())}.",
            )
