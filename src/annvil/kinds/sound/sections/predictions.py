"""Held-out clips to look at and listen to, and who is understood: speaker by speaker, and what is taken for what."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.comparison.held_out import held_out_predictions
from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.kinds.found import Found
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.sections.spectrograms import spectrogram, wav_of
from annvil.sections import Picture, Rows, Section, png
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import listed, shorten
from annvil.text.quantities import percent, plain_count

MOST_SHOWN, MOST_MISTAKES = 12, 8
"""Clips of the section, and how many of them may be mistakes, so that what goes well is seen too (assumed)."""

MOST_SPEAKERS, MOST_PAIRS = 30, 3
"""Speakers of the table, the worst first, and confusions told of each (assumed)."""

FEWEST_CLIPS = 5
"""Of a speaker with fewer nothing is said (assumed)."""

ENLARGED = 3


def clips_and_predictions(found: Found) -> Iterator[Section]:
    """Clips of the first fold with truth and prediction, the gravest mistakes first; then speakers."""
    dataset: Dataset[Clips] = found.dataset
    yield from examples(found, dataset)
    rows, outputs = held_out_predictions(found.comparison, found.store)
    yield from speakers(dataset, rows, outputs)


def examples(found: Found, dataset: Dataset[Clips]) -> Iterator[Section]:
    """Spectrograms, each with its sound."""
    contender = found.comparison.verdict.recommended
    rung = found.rung(contender)
    result = found.store.result(contender, FIRST_FOLD, rung)
    if result is None:
        return
    rows, outputs = found.store.predictions(contender, FIRST_FOLD, rung)
    y = dataset.y[rows]
    held_out = f"{plain_count(len(y), 'held-out clip', 'held-out clips')} of the first fold"
    shown = dataset.task.examples(y, outputs, result.threshold, held_out, MOST_MISTAKES, MOST_SHOWN)
    rate = dataset.inputs.form.rate
    pictures = []
    for row, caption, flagged in zip(rows[shown.rows], shown.captions, shown.wrong, strict=True):
        samples = dataset.inputs.one(int(row))
        who = speaker_of(dataset, int(row))
        said = f"{caption} · {who}" if who else caption
        picture = png(spectrogram(samples, rate), ENLARGED)
        pictures.append(Picture(picture, said, bool(flagged), sized=True, wav=wav_of(samples, rate)))
    how = (
        "Time goes to the right, 10 ms a column; frequency goes up, in 40 bands of equal width on the mel scale; dark "
        "is loud. All clips are played equally loud."
    )
    yield Section("clips-and-predictions", "Clips and predictions", (*shown.sentences, how), pictures=tuple(pictures))


def speaker_of(dataset: Dataset[Clips], row: int) -> str:
    """The name of who speaks, or "" where nobody knows."""
    names = dataset.inputs.store.speakers
    group = int(dataset.groups[row])
    return shorten(names[group]) if group < len(names) else ""


def speakers(dataset: Dataset[Clips], rows: IntArray, outputs: FloatArray) -> Iterator[Section]:
    """The share of each speaker's clips that was understood by models which had not heard the speaker."""
    names, task = dataset.inputs.store.speakers, dataset.task
    if len(names) < 2 or not task.one_class_a_row:
        return
    groups, y = dataset.groups[rows], dataset.y[rows]
    said = outputs.argmax(axis=1)
    known = [group for group in range(len(names)) if (groups == group).sum() >= FEWEST_CLIPS]
    if len(known) < 2:
        return
    share = {group: float((said == y)[groups == group].mean()) for group in known}
    order = sorted(known, key=lambda group: (share[group], group))
    table = []
    for group in order[:MOST_SPEAKERS]:
        own = groups == group
        told = _confusions(y[own], said[own], task.classes)
        table.append((shorten(names[group]), f"{int(own.sum()):,}", percent(share[group]), told))
    worst, best = order[0], order[-1]
    spread = (
        f"Of the clips of {shorten(names[worst])}, {percent(share[worst])} are understood, of those of "
        f"{shorten(names[best])} {percent(share[best])}."
    )
    if dataset.grouped:
        how = "Models had not heard the speaker whom they are scored on: so it is with anybody who is new."
    else:
        how = "Models had heard other clips of the same speakers; who is new may be understood less."
    few = f"With {len(known)} speakers, how well the next one is understood is known about as well as these differ."
    header = ("Speaker", "Held-out clips", "Understood", "Most often taken for something else")
    yield Section("speakers", "Who is understood", (spread, how, few), tables=(Rows(header, tuple(table)),), order=2)


def _confusions(y: IntArray, said: IntArray, classes: tuple[object, ...]) -> str:
    """``"five for nine (12), one for nine (4)"``: said by the speaker, heard by the model."""
    pairs, counts = np.unique(np.stack([y, said])[:, y != said], axis=1, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_PAIRS]
    told = [f"{classes[pairs[0, k]]} for {classes[pairs[1, k]]} ({counts[k]})" for k in order]
    return listed(told) if told else "–"
