"""Who speaks, and whether a model could tell voices apart where it is asked for words."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.kinds.sound.clips import Clips
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count

FEW_SPEAKERS = 10
"""With fewer, how a new speaker is understood hangs on who they are (assumed: in own trials of six, accuracy went from
0.67 to 0.96 between them)."""


def voices(dataset: Dataset[Clips]) -> Iterator[Finding]:
    """Unknown, too few, or such as say one thing only."""
    if not dataset.grouped:
        yield Finding(
            "unknown speakers",
            "warning",
            (),
            "Nothing says which clips are by the same speaker, or from the same recording.",
            "Scores hold for speakers that were learnt from, and are often far too good for new ones: name them with a "
            "table of paths and speakers (--groups speakers.csv).",
        )
        return
    groups, n_groups = np.unique(dataset.groups, return_inverse=True)[1], len(np.unique(dataset.groups))
    if n_groups < FEW_SPEAKERS:
        yield Finding(
            "few speakers",
            "warning",
            (),
            f"There are {n_groups} groups of clips that belong together, such as speakers.",
            "Scores are for new ones, and rest on as many observations as there are groups; record more of them before "
            "more clips of each.",
        )
    if not dataset.task.one_class_a_row:
        return
    pairs = np.unique(np.stack([groups, dataset.y]), axis=1)
    of_class = np.bincount(pairs[1], minlength=len(dataset.task.classes))
    alone = [f"{dataset.task.classes[k]!r}" for k in np.flatnonzero(of_class == 1).tolist()]
    if alone and len(alone) < len(of_class):
        yield Finding(
            "one speaker a class",
            "serious",
            (dataset.task.target,),
            f"{plain_count(len(alone), 'class is', 'classes are')} of one speaker or recording alone: "
            f"{listed(alone, 5)}.",
            "No split can both learn and test such a class, and a model may learn the voice or the room instead of "
            "what is said. Record it with others.",
        )
    one_thing = np.bincount(pairs[0]) == 1
    if n_groups > 1 and one_thing.all():
        yield Finding(
            "a speaker says one thing only",
            "serious",
            (dataset.task.target,),
            f"Each of the {n_groups} groups of clips is of one class alone.",
            "Voice, room and microphone go with the class, so a model may learn these instead. Scores for new groups "
            "show how far that goes; record several classes with each speaker.",
        )
