"""What is wrong or strange in pictures, in words: copies, contradictions, files that give the answer away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.findings import Finding, listed, percent
from annvil.data.images.decoding import FORMATS, MODES
from annvil.data.images.found import clean, counted, some
from annvil.data.images.pictures import Images
from annvil.data.leakage import sample_rows, told_by
from annvil.data.table import Column, Dataset, Field, Table
from annvil.task import FloatArray, IntArray

FEW_PER_CLASS = 10
"""As for tables: two pictures of a class in each of five folds."""

IMBALANCED = 0.25
"""As for tables: the rarest class has fewer than a quarter of the pictures of the commonest."""

TELLING = 0.65
"""Area under the ROC curve from which something beside the picture's content is reported (assumed) …"""

GIVING_AWAY = 0.8
"""… and from which it is serious for files (assumed)."""

CERTAIN = 4.0
"""… and so many standard errors above one half, as guessing would have it (Mann and Whitney's)."""

TELLING_FRAME = 0.8
"""The same for brightness and border, which may well belong to what is shown (assumed)."""

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
    looks = _looks(dataset.inputs.take(rows))
    yield from _blank(dataset, rows, looks)
    sample = dataset.take(rows)
    yield from _files_tell(sample, seed)
    yield from _frames_tell(sample, looks, seed)


def _left_out(dataset: Dataset[Images]) -> Iterator[Finding]:
    left = dataset.inputs.store.left_out
    if not left:
        return
    share = len(left) / (len(left) + dataset.n_rows)
    shown = "; ".join(f"{clean(one.name)} {one.reason}" for one in left[:5])
    more = f"; and {len(left) - 5:,} more" if len(left) > 5 else ""
    yield Finding(
        "files left out",
        "warning" if share > 0.01 else "info",
        (),
        f"{counted(len(left), 'file')} cannot be used: {shown}{more}.",
        "The others are used. If these matter, mend or replace them and fit again.",
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
    if not dataset.task.is_classification:
        return
    few = [(label, n) for label, n in zip(dataset.task.classes, _counts(dataset), strict=True) if n < FEW_PER_CLASS]
    if few:
        yield Finding(
            "few pictures per class",
            "serious" if min(n for _, n in few) < 3 else "warning",
            (dataset.task.target,),
            f"{counted(len(few), 'class has', 'classes have')} fewer than {FEW_PER_CLASS} pictures: "
            + listed([f"{label!r} ({n})" for label, n in few], 5)
            + ".",
            "No score can say how well they are recognised; collect more of them, or merge or leave out these classes.",
        )


def _counts(dataset: Dataset[Images]) -> list[int]:
    y = dataset.y
    counts = y.sum(axis=0) if y.ndim == 2 else np.bincount(y, minlength=len(dataset.task.classes))
    return [int(n) for n in counts]


def _unequal(dataset: Dataset[Images]) -> Iterator[Finding]:
    if dataset.task.kind not in ("binary", "multiclass"):
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
            "Splits keep the proportions, class weights are tried as candidates, and the dummy shows what accuracy is "
            "worth.",
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
        parts.append(f"{counted(exact, 'picture is', 'pictures are')} an exact copy of another")
    if near:
        which = counted(near, "more shows", "more show") if exact else counted(near, "picture shows", "pictures show")
        parts.append(f"{which} nearly the same as another (of another size, brightness or compression)")
    names = _an_example(images)
    yield Finding(
        "near-duplicates",
        "warning" if exact + near > dataset.n_rows / 50 else "info",
        (),
        f"{' and '.join(parts)}{names}.",
        "They are kept on one side of every split, so that no model is tested on what it has seen.",
    )


def _an_example(images: Images) -> str:
    keys = images.alike if images.alike is not None else images.store.digests[images.index]
    _, first, inverse, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    if not len(several):
        return ""
    group = several[np.argmin(first[several])]
    names = images.take(np.flatnonzero(inverse == group)[:2]).names()
    return f", such as {clean(names[1])!r} of {clean(names[0])!r}" if len(names) == 2 else ""


def _contradictions(dataset: Dataset[Images]) -> Iterator[Finding]:
    """The same picture under two classes."""
    images = dataset.inputs
    if images.alike is None or not dataset.task.is_classification:
        return
    answers = dataset.y if dataset.y.ndim == 1 else np.unique(dataset.y, axis=0, return_inverse=True)[1]
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
        f"{len(wrong):,} pictures show the same as another under a different {dataset.task.target!r}: "
        f"{clean(names[0])!r} is {labels[0]}, {clean(names[1])!r} is {labels[1]}.",
        "Nothing is changed; at most one of each pair can be labelled rightly, so look at them.",
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
            f"{counted(int(seen.sum()), 'picture')} of the official test ({percent(float(seen.mean()))}; "
            f"{int(same.sum()):,} exact) {'are' if seen.sum() > 1 else 'is'} also among the training pictures, such as "
            f"{clean(tested.take(np.flatnonzero(seen)[:1]).names()[0])!r}.",
            "Nothing is changed: published scores on this test share the flaw. Trust the folds, which keep copies "
            "together.",
        )
    if dataset.grouped:
        both = np.isin(test.groups, dataset.groups) & ~seen
        if both.any():
            yield Finding(
                "groups on both sides of the official test",
                "warning",
                (),
                f"{counted(int(both.sum()), 'test picture')} ({percent(float(both.mean()))}) belong to groups that are "
                "also trained on.",
                "Nothing is changed; the score on the official test holds for known groups, that of the folds for new "
                "ones.",
            )


def _looks(images: Images) -> dict[str, FloatArray]:
    """Brightness, contrast, colour and border of every picture, float64 ``(n_rows,)`` each, in units of 255."""
    n = images.n_rows
    looks = {name: np.zeros(n) for name in ("brightness", "contrast", "border", "border contrast", "colour", "span")}
    for rows, pixels in images.blocks():
        values = pixels.astype(np.float32)
        grey = values.mean(axis=3)
        rim = np.concatenate([grey[:, 0], grey[:, -1], grey[:, 1:-1, 0], grey[:, 1:-1, -1]], axis=1)
        looks["brightness"][rows], looks["contrast"][rows] = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2))
        looks["border"][rows], looks["border contrast"][rows] = rim.mean(axis=1), rim.std(axis=1)
        looks["span"][rows] = grey.max(axis=(1, 2)) - grey.min(axis=(1, 2))
        if pixels.shape[3] == 3:
            looks["colour"][rows] = np.abs(values - grey[..., None]).mean(axis=(1, 2, 3))
    return looks


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
        f"{counted(len(blank), 'picture')}{of} show one colour only: {some(names)}.",
        "They are used as they are; a model can only learn how often each answer goes with nothing. Remove them if "
        "they are mistakes.",
    )


def _files_tell(dataset: Dataset[Images], seed: int) -> Iterator[Finding]:
    """Does the file, without its pixels, give the answer away? Not by its bytes, which are due to its content."""
    facts = dataset.inputs.facts
    height, width = facts["height"].astype(np.float64), facts["width"].astype(np.float64)
    columns = [
        _number("width", width),
        _number("height", height),
        _number("aspect (width to height)", width / np.maximum(height, 1)),
        _number("step of JPEG quantisation", facts["coarseness"]),
        _texts("format", [FORMATS[code] for code in facts["format"]]),
        _texts("colour mode", [MODES[code] for code in facts["mode"]]),
        _texts("camera data", ["yes" if exif else "no" for exif in facts["exif"]]),
        _texts("orientation", [str(code) for code in facts["orientation"]]),
    ]
    told = _told(dataset, columns, seed, TELLING)
    if told is None:
        return
    strength, described = told
    yield Finding(
        "the file gives the answer away",
        "serious" if strength >= GIVING_AWAY else "warning",
        (dataset.task.target,),
        f"Size, format and other marks of the files, without their pixels, tell {dataset.task.target!r} with "
        f"{_quality(dataset)} of {strength:.2f}: {described}.",
        "The classes may come from different sources, and a model can learn the source instead of what is shown. "
        "Nothing is removed; test on pictures that come from one place, or give groups by source (--groups).",
    )


def _frames_tell(dataset: Dataset[Images], looks: dict[str, FloatArray], seed: int) -> Iterator[Finding]:
    """Do brightness and border alone tell the answer?"""
    columns = [_number(name, values) for name, values in looks.items() if name != "span"]
    told = _told(dataset, columns, seed, TELLING_FRAME)
    if told is None:
        return
    strength, described = told
    yield Finding(
        "brightness and border tell the answer",
        "info",
        (dataset.task.target,),
        f"Brightness, contrast, colour and border alone, without any shape, tell {dataset.task.target!r} with "
        f"{_quality(dataset)} of {strength:.2f}: {described}.",
        "This may be what is shown, or how and where the pictures were taken. If it is the second, test on pictures "
        "taken otherwise before trusting a score.",
    )


def _quality(dataset: Dataset[Images]) -> str:
    return "a ROC AUC" if dataset.task.is_classification else "an R²"


def _number(name: str, values: NDArray[Any]) -> Column:
    return Column(Field(name, "number"), np.asarray(values, dtype=np.float64))


def _texts(name: str, values: Sequence[str]) -> Column:
    levels, codes = np.unique(np.array(values, dtype=object).astype(str), return_inverse=True)
    return Column(Field(name, "category"), codes.astype(np.int32), tuple(levels.tolist()))


def _told(dataset: Dataset[Images], columns: Sequence[Column], seed: int, telling: float) -> tuple[float, str] | None:
    """How well these columns together tell the answer, where that is beyond doubt, and how in words."""
    columns = [column for column in columns if len(np.unique(column.values)) > 1]
    if not columns or dataset.n_rows < 30 or dataset.task.kind == "multilabel":
        return None
    table = Table(tuple(columns), dataset.n_rows)
    together, alone = told_by(table, dataset, seed)
    if dataset.task.is_classification:
        strength = 1 - together / 2  # the error is 2 - 2 AUC
        if strength < telling or (strength - 0.5) / _standard_error(dataset.y) < CERTAIN:
            return None
    else:
        strength = 1 - together
        if strength < 2 * telling - 1:
            return None
    best = columns[int(np.argmin(alone))]
    return strength, _described(dataset, best)


def _standard_error(y: NDArray[Any]) -> float:
    """Of the AUC of guesses, for two classes of the sizes of the commonest and all others (Mann and Whitney 1947)."""
    counts = np.bincount(y)
    n = int(counts.max())
    rest = max(len(y) - n, 1)
    return float(np.sqrt((n + rest + 1) / (12 * n * rest)))


def _described(dataset: Dataset[Images], column: Column) -> str:
    """How the column differs with the answer."""
    if not dataset.task.is_classification:
        return f"{column.name!r} goes along with it most"
    labels = dataset.task.classes
    present = np.unique(dataset.y).tolist()
    if column.field.is_text:
        commonest = int(np.bincount(column.values).argmax())
        shares = [float((column.values[dataset.y == k] == commonest).mean()) for k in present]
        low, high = int(np.argmin(shares)), int(np.argmax(shares))
        return (
            f"the {column.name} is {column.levels[commonest]!r} for {shares[high]:.0%} of {labels[present[high]]!r} "
            f"and {shares[low]:.0%} of {labels[present[low]]!r}"
        )
    middles = [float(np.median(column.values[dataset.y == k])) for k in present]
    low, high = int(np.argmin(middles)), int(np.argmax(middles))
    return (
        f"the median {column.name} is {middles[high]:.3g} for {labels[present[high]]!r} and {middles[low]:.3g} for "
        f"{labels[present[low]]!r}"
    )
