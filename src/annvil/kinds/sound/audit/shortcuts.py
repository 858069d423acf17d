"""Does something beside what is heard tell the answer: the file's rate and format, or how loud or long it is alone?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.telling import of_numbers, of_texts, told_in_words
from annvil.kinds.sound.clips import Clips

TELLING = 0.65
"""Area under the ROC curve from which files alone tell too much (assumed)."""

TELLING_SOUND = 0.8
"""The same for loudness and length, which may well belong to what is heard (assumed)."""


def files_tell(dataset: Dataset[Clips], seed: int) -> Iterator[Finding]:
    """Does the file, without its samples, give the answer away?"""
    facts = dataset.inputs.facts
    bytes_a_second = facts["n_bytes"] / np.maximum(facts["seconds"], 1e-3)
    columns = [
        of_texts("format", [name.decode() for name in facts["container"].tolist()]),
        of_numbers("rate in Hz", facts["rate"]),
        of_numbers("number of channels", facts["channels"]),
        of_numbers("number of bits", facts["bits"]),
        of_numbers("seconds of digital padding", facts["trimmed"]),
        of_texts("header", ["lies" if lies else "right" for lies in facts["lies"].tolist()]),
        of_numbers("bytes a second", np.round(bytes_a_second, -3)),
    ]
    if told := told_in_words(dataset, columns, seed, TELLING):
        yield Finding(
            "the file gives the answer away",
            "serious",
            (dataset.task.target,),
            f"Rate, format and other marks of the files, without their sound, tell {told}.",
            "The classes may come from different sources, and a model can learn the source instead of what is heard. "
            "Nothing is removed; test on clips recorded in one way, or give groups by source (--groups).",
        )


def loudness_tells(dataset: Dataset[Clips], seed: int) -> Iterator[Finding]:
    """Do loudness, offset and bandwidth alone tell the answer?"""
    facts = dataset.inputs.facts
    columns = [
        of_numbers("loudness in dB", facts["level"]),
        of_numbers("offset", facts["offset"]),
        of_numbers("bandwidth in Hz", facts["bandwidth"]),
        of_numbers("share of clipped samples", facts["clipped"]),
    ]
    if told := told_in_words(dataset, columns, seed, TELLING_SOUND):
        yield Finding(
            "loudness tells the answer",
            "warning",
            (dataset.task.target,),
            f"Loudness, offset and bandwidth alone, without any word, tell {told}.",
            "This may be what is heard, or how and where it was recorded. If it is the second, test on clips recorded "
            "otherwise before trusting a score.",
        )


def length_tells(dataset: Dataset[Clips], seed: int) -> Iterator[Finding]:
    """Does the length alone tell the answer?"""
    columns = [of_numbers("length in seconds", dataset.inputs.lengths / dataset.inputs.form.rate)]
    if told := told_in_words(dataset, columns, seed, TELLING_SOUND):
        yield Finding(
            "length tells the answer",
            "warning",
            (dataset.task.target,),
            f"The length of a clip alone tells {told}.",
            "Words differ in length, but so do ways of cutting them out: cut new clips as these were cut.",
        )
