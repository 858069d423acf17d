"""What is wrong or strange in pictures, in words: copies, contradictions, files that give the answer away."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.groups import number_groups
from annvil.data.leakage import sample_rows
from annvil.kinds.pictures.audit.shortcut_audit import files_tell, frames_tell, looks_of
from annvil.kinds.pictures.images import Images
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import listed
from annvil.text.quantities import percent, plain_count
from annvil.text.safe import short_name, some_names

FEW_PER_CLASS = 10
"""As for tables: two pictures of a class in each of five folds."""

IMBALANCED = 0.25
"""As for tables: the rarest class has fewer than a quarter of the pictures of the commonest."""

_SAMPLE = 3000
_BLANK = 2  # a picture is blank where its values span no more than this, of 255


def audit_images(dataset: Dataset[Images], seed: int = 0) -> Iterator[Finding]:
    """Everything found, in no order."""
    yield from _left_out(dataset)
    yield from _few(dataset)
    yield from _unequal(dataset)
    yield from _copies(dataset)
    yield from _contradictions(dataset)
    yield from _official_test(dataset)
    rows = sample_rows(dataset, _SAMPLE, seed)
    looks = looks_of(dataset.inputs.take(rows))
    yield from _blank(dataset, rows, looks)
    sample = dataset.take(rows)
    yield from files_tell(sample, seed)
    yield from frames_tell(sample, looks, seed)


def _left_out(dataset: Dataset[Images]) -> Iterator[Finding]:
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


def _few(dataset: Dataset[Images]) -> Iterator[Finding]:
    if dataset.n_rows < 200:
        yield Finding(
            "few pictures",
            "warning",
            (),
            f"There are {dataset.n_rows} pictures; with five folds a score rests on {dataset.n_rows // 5} at a time.",
            "Differences between models are judged with that in mind, and the verdict may be that nothing can be told "
            "yet.",
        )
    few = [(label, n) for label, n in zip(dataset.task.classes, _counts(dataset), strict=True) if n < FEW_PER_CLASS]
    if few:
        yield Finding(
            "few pictures per class",
            "serious" if min(n for _, n in few) < 3 else "warning",
            (dataset.task.target,),
            f"{plain_count(len(few), 'class has', 'classes have')} fewer than {FEW_PER_CLASS} pictures: "
            + listed([f"{label!r} ({n})" for label, n in few], 5)
            + ".",
            "No score can say how well they are recognised; collect more of them, or merge or leave out these classes.",
        )


def _counts(dataset: Dataset[Images]) -> list[int]:
    return [int(n) for n in dataset.task.counts(dataset.y)]


def _unequal(dataset: Dataset[Images]) -> Iterator[Finding]:
    if not dataset.task.one_class_a_row:
        return
    counts, classes = _counts(dataset), dataset.task.classes
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    if counts[least] < IMBALANCED * counts[most]:
        yield Finding(
            "imbalance",
            "warning",
            (dataset.task.target,),
            f"The classes are unequal: {classes[least]!r} has {counts[least]:,} of {dataset.n_rows:,} pictures "
            f"({percent(counts[least] / dataset.n_rows)}), so always answering {classes[most]!r} is right in "
            f"{counts[most] / dataset.n_rows:.1%}.",
            "Splits keep the proportions, class weights are tried as candidates, and the baseline shows what accuracy "
            "is worth.",
        )


def _copies(dataset: Dataset[Images]) -> Iterator[Finding]:
    """Exact copies, and pictures that show the same."""
    images = dataset.inputs
    exact = dataset.n_rows - len(np.unique(images.store.digests[images.index]))
    near = 0 if images.alike is None else dataset.n_rows - len(np.unique(images.alike)) - exact
    if not exact and not near:
        return
    parts = []
    if exact:
        parts.append(f"{plain_count(exact, 'picture is', 'pictures are')} an exact copy of another")
    if near:
        which = plain_count(near, "more" if exact else "picture", "more" if exact else "pictures")
        shows = "shows" if near == 1 else "show"
        parts.append(f"{which} {shows} nearly the same as another (of another size, brightness or compression)")
    yield Finding(
        "near-duplicates",
        "warning" if exact + near > dataset.n_rows / 50 else "info",
        (),
        f"{' and '.join(parts)}.",
        "They are kept on one side of every split, so that no model is tested on what it has seen.",
        _an_example(images),
    )


def _an_example(images: Images) -> str:
    keys = images.alike if images.alike is not None else images.store.digests[images.index]
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    if not len(several):
        return ""
    group = several[np.argmin(first[several])]
    names = images.take(np.flatnonzero(inverse == group)[:2]).names()
    return f"{short_name(names[1])!r} is one of {short_name(names[0])!r}." if len(names) == 2 else ""


def _contradictions(dataset: Dataset[Images]) -> Iterator[Finding]:
    """The same picture under two classes."""
    images = dataset.inputs
    if images.alike is None or not dataset.task.predicts_probabilities:
        return
    answers = dataset.y if dataset.y.ndim == 1 else number_groups(dataset.y)
    groups, at = np.unique(images.alike, return_inverse=True)
    low, high = np.full(len(groups), np.iinfo(np.int64).max), np.full(len(groups), -1)
    np.minimum.at(low, at, answers)
    np.maximum.at(high, at, answers)
    wrong = np.flatnonzero((low != high)[at])
    if not len(wrong):
        return
    pair = np.flatnonzero(at == at[wrong[0]])
    pair = pair[[0, int(np.flatnonzero(answers[pair] != answers[pair[0]])[0])]]
    names = images.take(pair).names()
    labels = [_label(dataset, int(row)) for row in pair]
    yield Finding(
        "contradicting pictures",
        "warning" if len(wrong) > dataset.n_rows / 100 else "info",
        (dataset.task.target,),
        f"{len(wrong):,} pictures show the same as another under a different {dataset.task.target!r}.",
        "Nothing is changed; at most one of each pair can be labelled rightly, so look at them.",
        f"{short_name(names[0])!r} is {labels[0]}, {short_name(names[1])!r} is {labels[1]}.",
    )


def _label(dataset: Dataset[Images], row: int) -> str:
    if dataset.y.ndim == 1:
        return repr(dataset.task.classes[int(dataset.y[row])])
    return " and ".join(repr(dataset.task.classes[k]) for k in np.flatnonzero(dataset.y[row])) or "nothing"


def _official_test(dataset: Dataset[Images]) -> Iterator[Finding]:
    """Pictures, or groups, on both sides of the split that came with the data."""
    test = dataset.official_test
    if test is None:
        return
    trained, tested = dataset.inputs, test.inputs
    same = np.isin(tested.store.digests[tested.index], trained.store.digests[trained.index])
    seen = same
    if trained.alike is not None and tested.alike is not None:
        seen = same | np.isin(tested.alike, trained.alike)
    if seen.any():
        yield Finding(
            "test pictures seen in training",
            "serious" if seen.mean() > 0.01 else "warning",
            (),
            f"{plain_count(int(seen.sum()), 'picture')} of the official test ({percent(float(seen.mean()))}; "
            f"{int(same.sum()):,} exact) {'are' if seen.sum() > 1 else 'is'} also among the training pictures.",
            "Nothing is changed: published scores on this test share the flaw. Trust the folds, which keep copies "
            "together.",
            f"One is {short_name(tested.take(np.flatnonzero(seen)[:1]).names()[0])!r}.",
        )
    if dataset.grouped:
        both = np.isin(test.groups, dataset.groups) & ~seen
        if both.any():
            yield Finding(
                "groups on both sides of the official test",
                "warning",
                (),
                f"{plain_count(int(both.sum()), 'test picture')} ({percent(float(both.mean()))}) belong to groups that "
                "are also trained on.",
                "Nothing is changed; the score on the official test holds for known groups, that of the folds for new "
                "ones.",
            )


def _blank(dataset: Dataset[Images], rows: IntArray, looks: dict[str, FloatArray]) -> Iterator[Finding]:
    blank = np.flatnonzero(looks["span"] <= _BLANK)
    if not len(blank) or dataset.inputs.form.height * dataset.inputs.form.width == 1:
        return
    names = dataset.inputs.take(rows[blank]).names()
    of = "" if len(rows) == dataset.n_rows else f" of {len(rows):,} looked at"
    yield Finding(
        "blank pictures",
        "warning" if len(blank) > len(rows) / 100 else "info",
        (),
        f"{plain_count(len(blank), 'picture')}{of} show one colour only.",
        "They are used as they are; a model can only learn how often each answer goes with nothing. Remove them if "
        "they are mistakes.",
        f"They are {some_names(names)}." if len(names) > 1 else f"It is {some_names(names)}.",
    )
