"""What a run of pictures shows of its model: where it looks, what is typical, what it mixes up, what is inside."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from annvil.bundle import load
from annvil.comparison.held_out import held_out_predictions
from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.kinds.found import Found
from annvil.kinds.pictures.changed_copies import in_turns
from annvil.kinds.pictures.explanation.explain import methods_for, passes_of
from annvil.kinds.pictures.explanation.feature_maps import filters_and_maps, last_features
from annvil.kinds.pictures.explanation.galleries import mixed_up, short, typical_pictures, where_it_looks
from annvil.kinds.pictures.explanation.padding import bands_filled
from annvil.kinds.pictures.explanation.saliency import TITLES, Method, Pixels
from annvil.kinds.pictures.explanation.subject import Subject, open_subject
from annvil.kinds.pictures.images import Images
from annvil.models.jobs import Deadline
from annvil.sections import Section
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count

MOST_EXPLAINED, MOST_WRONG = 8, 3
"""Pictures whose maps are shown, and how many of them may be mistakes (assumed)."""

FEWEST_EXPLAINED = 3
"""Pictures that more kinds of maps are given up for, where time is short: one says nothing of a method (assumed)."""

MOST_LOOKED_AT, FEWEST_LOOKED_AT = 600, 32
"""Pictures among which the typical ones are sought (assumed)."""

SHARE_OF_LOOKING = 0.2
"""Share of the time left in which they are predicted (assumed)."""


@dataclass(frozen=True)
class _Looked:
    """Some pictures, as the shipped model sees them. ``what`` completes "among …"."""

    images: Images
    pixels: Pixels
    y: Any
    outputs: FloatArray
    what: str
    seen: bool
    seconds_each: float


def explained(found: Found) -> Iterator[Section]:
    """Sections as they are made, the cheap ones first, and none after the deadline.

    What is mixed up is told of all held-out pictures, as the report's confusion matrix is. The rest is about the model
    that ships, on the test pictures of the source where there are some: it has learnt from all others, which is said.
    """
    dataset: Dataset[Images] = found.dataset
    contender, task, deadline = found.comparison.verdict.recommended, dataset.task, found.deadline
    rows, outputs = held_out_predictions(found.comparison, found.store)
    if task.one_class_a_row:
        yield from _if_any(_mixed_up(dataset, rows, outputs, load(found.model).manifest.info.threshold))
    if deadline.passed or contender == "dummy":
        return
    subject = open_subject(found.model)
    looked = _look(subject, dataset, rows, deadline)
    features = _features(subject, looked)
    yield from _if_any(typical_pictures(task, features, looked.y, lambda chosen: looked.pixels[chosen], looked.what))
    chosen = _chosen(subject, looked)
    if subject.network is not None and not deadline.passed:
        yield from _if_any(filters_and_maps(subject.network, looked.pixels[chosen[-1]], looked.pixels[:64]))
    found_in_bands = _bands(subject, looked)
    had = methods_for(subject, looked.pixels[0])
    methods = _affordable(subject, had, deadline.left / max(looked.seconds_each, 1e-9))
    again = f"annvil explain {found.place} PICTURE"
    if not methods:
        said = f"The budget ended before maps were made. For those of one picture: {again}"
        yield _told_of(found_in_bands, Section("where-it-looks", "Where the model looks", (said,), order=20))
        return
    truths = [short(dataset.task.answer(looked.y[row])) for row in chosen]
    section = where_it_looks(
        subject,
        looked.pixels[chosen],
        truths,
        seen=looked.seen,
        methods=methods,
        padded=[looked.images.padded(row) for row in chosen.tolist()],
        left=lambda: deadline.left,
    )
    if section is not None and len(methods) < len(had):
        rest = listed([TITLES[method] for method in had if method not in methods])
        said = f"There was no time for {rest}; for all: {again}"
        section = msgspec.structs.replace(section, sentences=(*section.sentences, said))
    yield from _if_any(section and _told_of(found_in_bands, section))


def _bands(subject: Subject, looked: _Looked) -> tuple[Finding, ...]:
    """What filling the bands of padded pictures does to the answers of a model of classes."""
    if not subject.task.one_class_a_row:
        return ()
    padded = [looked.images.padded(row) for row in range(looked.images.n_rows)]
    return bands_filled(looked.pixels, padded, subject.outputs, subject.task.target)


def _told_of(found: tuple[Finding, ...], section: Section) -> Section:
    """The section with these findings, in place of others of their kind; they come first."""
    if not found:
        return section
    others = tuple(one for one in section.findings if one.kind not in {new.kind for new in found})
    dropped = {one.what for one in section.findings} - {one.what for one in others}
    sentences = (*(one.what for one in found), *(one for one in section.sentences if one not in dropped))
    return msgspec.structs.replace(section, sentences=sentences, findings=(*found, *others))


def _affordable(subject: Subject, methods: Sequence[Method], passes: float) -> tuple[Method, ...]:
    """As many kinds of maps, the cheapest first, as there is time for of `FEWEST_EXPLAINED` pictures.

    One kind where there is time for two pictures, the fewest by which it can be judged; else none.
    """
    for n in range(len(methods), 0, -1):
        if FEWEST_EXPLAINED * passes_of(subject, methods[:n]) <= passes:
            return tuple(methods[:n])
    return tuple(methods[:1]) if 2 * passes_of(subject, methods[:1]) <= passes else ()


def _if_any(section: Section | None) -> tuple[Section, ...]:
    return () if section is None else (section,)


def _mixed_up(dataset: Dataset[Images], rows: IntArray, outputs: FloatArray, threshold: Any) -> Section | None:
    decided = dataset.task.decide(outputs, threshold)
    what = plain_count(len(rows), "held-out picture")
    sure = outputs[np.arange(len(rows)), decided]
    return mixed_up(dataset.task, dataset.y[rows], decided, sure, lambda some: dataset.inputs.pixels(rows[some]), what)


def _look(subject: Subject, dataset: Dataset[Images], rows: IntArray, deadline: Deadline) -> _Looked:
    """Up to `MOST_LOOKED_AT` test pictures of the source, or held-out ones, and what the shipped model says."""
    test = dataset.official_test
    seen = test is None or not test.n_rows
    shown = dataset if test is None or seen else test
    images, y = shown.inputs, shown.y
    rows = rows if seen else np.arange(shown.n_rows)
    drawn = rows[np.random.default_rng(0).permutation(len(rows))[:MOST_LOOKED_AT]]
    first = images.pixels(drawn[:FEWEST_LOOKED_AT])
    subject.outputs(first[:1])  # the first call takes longer
    began = time.monotonic()
    subject.outputs(first)
    seconds = (time.monotonic() - began) / len(first)
    n = max(FEWEST_LOOKED_AT, int(SHARE_OF_LOOKING * deadline.left / max(seconds, 1e-9)))
    chosen = np.sort(drawn[:n])
    pixels = images.pixels(chosen)
    of = "picture" if seen else "test picture"  # the shipped model learnt from the former
    what = plain_count(len(chosen), of)
    return _Looked(images.take(chosen), pixels, y[chosen], subject.outputs(pixels), what, seen, seconds)


def _features(subject: Subject, looked: _Looked) -> FloatArray:
    """What the last layer of the network is told, or where there is none, logarithms of the model's outputs."""
    network = subject.network
    if network is None:
        return np.log(np.maximum(looked.outputs, 1e-6)) if subject.task.predicts_probabilities else looked.outputs
    return last_features(network, looked.pixels)


def _chosen(subject: Subject, looked: _Looked) -> IntArray:
    """Positions of the gravest mistakes, then of pictures told rightly, one class after another."""
    n = len(looked.y)
    if not subject.task.predicts_probabilities:
        return np.argsort(-np.abs(looked.outputs[:, 0] - looked.y), kind="stable")[:MOST_EXPLAINED].astype(np.int64)
    decided = np.array([subject.decided(outputs) for outputs in looked.outputs])
    sure = looked.outputs[np.arange(n), decided]
    right = looked.y[np.arange(n), decided] == 1 if looked.y.ndim > 1 else looked.y == decided
    wrong = np.flatnonzero(~right)
    wrong = wrong[np.argsort(-sure[wrong], kind="stable")][:MOST_WRONG]
    rightly = np.flatnonzero(right)
    rightly = rightly[in_turns(decided[rightly].tolist())][: MOST_EXPLAINED - len(wrong)]
    return np.concatenate([wrong, rightly]).astype(np.int64)
