"""Held-out series beside what the recommended contender says of them, the usual course of each class, and gaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.comparison.held_out import held_out_predictions
from annvil.comparison.results import FIRST_FOLD
from annvil.data.dataset import Dataset
from annvil.kinds.found import Found
from annvil.kinds.series.sections.drawing import MOST_CHANNELS, over_steps, usual, values_of
from annvil.kinds.series.series import Series
from annvil.plots.charts.panels import Line, Panel, Panels
from annvil.sections import Section
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import listed, shorten
from annvil.text.quantities import percent, plain_count

MOST_SHOWN, MOST_MISTAKES = 12, 8
"""Series of the section, and how many of them may be mistakes, so that what goes well is seen too (assumed)."""

MOST_CLASSES, MOST_LINES = 6, 8
"""Classes whose courses are shown, and single series of each (assumed: more are not told apart)."""

THIRDS = ("lowest third", "middle third", "highest third")


def series_and_predictions(found: Found) -> Iterator[Section]:
    """Held-out series of the first fold with truth and prediction, the gravest mistakes first; then the courses."""
    dataset: Dataset[Series] = found.dataset
    yield from _examples(found, dataset)
    yield courses(dataset)
    yield from gaps(dataset, *_wrong(found, dataset))


def _examples(found: Found, dataset: Dataset[Series]) -> Iterator[Section]:
    contender = found.comparison.verdict.recommended
    rung = found.rung(contender)
    result = found.store.result(contender, FIRST_FOLD, rung)
    if result is None:
        return
    rows, outputs = found.store.predictions(contender, FIRST_FOLD, rung)
    y = dataset.y[rows]
    held_out = f"{plain_count(len(y), 'held-out series', 'held-out series')} of the first fold"
    shown = dataset.task.examples(y, outputs, result.threshold, held_out, MOST_MISTAKES, MOST_SHOWN)
    names, how = dataset.inputs.form.channels[:MOST_CHANNELS], ""
    panels = []
    for row, caption, flagged in zip(rows[shown.rows], shown.captions, shown.wrong, strict=True):
        values, how = values_of(dataset.inputs, int(row))
        called = names if len(values) > 1 else ("",)
        lines = tuple(over_steps(one, called[place], place) for place, one in enumerate(values))
        panels.append(Panel(lines, caption, bool(flagged)))
    chart = Panels(
        "series-and-predictions", "Held-out series", f"×: misclassified.{how}" if shown.wrong.any() else how.strip(),
        tuple(panels), "step", across=3, height=72,
    )  # fmt: skip
    yield Section("series-and-predictions", "Series and predictions", shown.sentences, charts=(chart,))


def courses(dataset: Dataset[Series]) -> Section:
    """Of each class the median at every moment, the band in which four of five series lie, and some single series."""
    names, members = groups_of(dataset)
    form = dataset.inputs.form
    equal = form.shortest == form.longest
    channels = range(min(form.n_channels, MOST_CHANNELS))
    panels, together = [], []
    for channel in channels:
        medians = []
        for place, (name, rows) in enumerate(zip(names, members, strict=True)):
            at, lines, low, median, high = usual(dataset.inputs, rows, channel, MOST_LINES)
            x = tuple(at.tolist())
            single = [Line(x, tuple(one.tolist()), colour=place, style="dotted") for one in lines]
            middle = Line(x, tuple(median.tolist()), "", place, low=tuple(low.tolist()), high=tuple(high.tolist()))
            title = name if form.n_channels == 1 else f"{name}: {form.channels[channel]}"
            panels.append(Panel((*single, middle), title))
            medians.append(Line(x, tuple(median.tolist()), name, place))
        together.append(Panel(tuple(medians), form.channels[channel] if form.n_channels > 1 else ""))
    axis = "step" if equal else "share of the length"
    bands = "the band holds four of five of its series, dotted lines are single ones."
    said = [f"The line is the median of a class at each moment, {bands}"]
    said += [] if equal else ["Series differ in length: each is laid over the same width."]
    left = form.n_channels - len(channels)
    said += [f"Shown are {len(channels)} of {form.n_channels} channels."] if left else []
    all_in_one = Panels(
        "course-medians",
        "Medians together",
        "Where medians part, classes differ in the mean; elsewhere only spread or single moments can tell them apart.",
        tuple(together),
        axis,
        height=150,
    )
    each = Panels("courses", "The usual course", "", tuple(panels), axis, across=min(3, len(names)), height=110)
    return Section("courses", "The usual course of each class", tuple(said), charts=(all_in_one, each), order=5)


def groups_of(dataset: Dataset[Series]) -> tuple[list[str], list[IntArray]]:
    """Classes by name with their rows, the most frequent of many; of numbers the thirds, of labels who has each."""
    y, task = dataset.y, dataset.task
    if y.ndim > 1:
        held = [np.flatnonzero(y[:, code]) for code in range(y.shape[1])]
    elif task.one_class_a_row:
        held = [np.flatnonzero(y == code) for code in range(len(task.classes))]
    else:
        held = list(np.array_split(np.argsort(y, kind="stable"), len(THIRDS)))
        return [f"{task.target}: {third}" for third in THIRDS[: len(held)]], held
    order = sorted((code for code, rows in enumerate(held) if len(rows)), key=lambda code: (-len(held[code]), code))
    chosen = sorted(order[:MOST_CLASSES])
    return [shorten(task.classes[code]) for code in chosen], [held[code] for code in chosen]


def _wrong(found: Found, dataset: Dataset[Series]) -> tuple[IntArray, FloatArray]:
    """Held-out rows and how wrong each was."""
    rows, outputs = held_out_predictions(found.comparison, found.store)
    return rows, dataset.task.shares_wrong(dataset.y[rows], outputs)


def gaps(dataset: Dataset[Series], rows: IntArray, wrong: FloatArray) -> Iterator[Section]:
    """What was filled and what padding there would be, and whether series with gaps are predicted worse."""
    inputs, form = dataset.inputs, dataset.inputs.form
    missing, lengths = inputs.store.n_missing[inputs.index], inputs.lengths
    said = list(inputs.store.said)
    if missing.any():
        share = missing.sum() / (lengths.sum() * form.n_channels)
        n = plain_count(int((missing > 0).sum()), "series has", "series have")
        said.append(
            f"{n} gaps, {percent(float(share))} of all values: what is missing lies on the straight line between its "
            "neighbours, at the ends it is the nearest value."
        )
        holes = missing[rows] > 0
        if 0 < holes.sum() < len(rows):
            said.append(_told_apart("with gaps", wrong[holes], "without", wrong[~holes]))
    empty = [name for name, share in zip(form.channels, _without_values(inputs), strict=True) if share]
    if empty:
        said.append(f"Some series have no value at all of {listed(empty)}: models take it for the channel's mean.")
    if form.shortest < form.longest:
        share = 1 - float(lengths.mean()) / form.longest
        said.append(
            f"Lengths run from {form.shortest:,} to {form.longest:,} steps, the median is {np.median(lengths):,.0f}. "
            f"In a batch of all, {share:.0%} would be padding: it is masked, and no model sees it."
        )
        short = lengths[rows] <= np.median(lengths)
        if 0 < short.sum() < len(rows):
            said.append(_told_apart("of the shorter half", wrong[short], "of the longer", wrong[~short]))
    if said:
        yield Section("gaps-and-lengths", "Gaps and lengths", tuple(said), order=8)


def _without_values(inputs: Series) -> FloatArray:
    """Of each channel the share of series that have no value of it."""
    first = inputs.store.values[inputs.store.starts[inputs.index]]
    return np.asarray(np.isnan(first).mean(axis=0), dtype=np.float64)


def _told_apart(one: str, some: FloatArray, other: str, rest: FloatArray) -> str:
    return (
        f"Mean error of held-out series {one}: {some.mean():.3f} ({len(some):,}), {other}: {rest.mean():.3f} "
        f"({len(rest):,})."
    )
