"""What is wrong or strange about series that are forecast, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.kinds.forecasts.form import Covariate
from annvil.kinds.forecasts.histories import Histories, Store
from annvil.kinds.forecasts.reading.origins import known_lengths
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed
from annvil.text.quantities import number, percent, plain_count
from annvil.text.safe import some_names

FEW_BLOCKS = 8
"""Horizons beside each other in all of the time; with fewer a score rests on few independent ones (assumed)."""

MANY_ZEROS = 0.3
"""Share of zeros from which on a series is called intermittent (assumed)."""

FEW_NEGATIVE = 0.02
"""Share up to which values below zero look like mistakes or returns among positive ones (assumed)."""

SAME = 0.9999
"""Correlation of changes from which on a column known ahead is the target in other words (assumed)."""

SHIFT = 6.0
"""The last block is another level when it lies so many usual changes between blocks away (assumed)."""

FEWEST_BLOCKS = 6
"""Blocks before the last from which a usual change is known (assumed)."""

NEW_LEVELS = 0.9
"""Share of the last quarter beyond all that came before, from which on that is told (assumed)."""


def audit_forecasts(dataset: Dataset[Histories]) -> Iterator[Finding]:
    """Everything found, in no order."""
    store = dataset.inputs.store
    lengths = known_lengths(store)
    parts = [store.values[begin : begin + n] for begin, n in zip(store.starts[:-1].tolist(), lengths, strict=True)]
    yield from _few_blocks(dataset, max(map(len, parts)))
    yield from _without_origins(dataset)
    yield from _constant(store, parts)
    yield from _zeros_and_negatives(store, parts)
    yield from _shifts(store, parts)
    yield from _new_levels(store, parts)
    yield from _columns(store, parts)


def _of(store: Store, found: Sequence[int]) -> str:
    """``"3 of 20 series"``, or ``"the series"`` where there is one."""
    return "the series" if len(store.names) == 1 else f"{len(found):,} of {len(store.names):,} series"


def _which(store: Store, found: Sequence[int]) -> str:
    return f"Such as {some_names([store.names[code] for code in found[:3]])}." if len(store.names) > 1 else ""


def _few_blocks(dataset: Dataset[Histories], longest: int) -> Iterator[Finding]:
    horizon = dataset.inputs.form.horizon
    blocks = longest // horizon
    if blocks < FEW_BLOCKS:
        yield Finding(
            "few horizons", "warning", (),
            f"The longest series holds {plain_count(blocks, 'horizon', 'horizons')} of {horizon} steps; neighbouring "
            "origins share most of what they are tested on.",
            "Differences between models are judged with that in mind; a shorter horizon or a longer history tells "
            "more.",
        )  # fmt: skip


def _without_origins(dataset: Dataset[Histories]) -> Iterator[Finding]:
    store = dataset.inputs.store
    found = np.setdiff1d(np.arange(len(store.names)), dataset.inputs.series).tolist()
    if found:
        yield Finding(
            "short series", "warning", (),
            f"{_of(store, found).capitalize()} hold no whole horizon of {store.form.horizon} steps behind a history.",
            "Nothing is learnt from them, and they are in no score; the model forecasts them as it does the others.",
            _which(store, found),
        )  # fmt: skip


def _constant(store: Store, parts: Sequence[FloatArray]) -> Iterator[Finding]:
    found = [code for code, part in enumerate(parts) if np.ptp(part) == 0]
    if found:
        yield Finding(
            "constant series", "warning", (store.form.target,),
            f"{store.form.target!r} never changes in {_of(store, found)}.",
            "Any model is right there. If that is no measurement, leave these series out.",
            _which(store, found),
        )  # fmt: skip


def _zeros_and_negatives(store: Store, parts: Sequence[FloatArray]) -> Iterator[Finding]:
    target = store.form.target
    zeros = [code for code, part in enumerate(parts) if (part == 0).mean() >= MANY_ZEROS and np.ptp(part) > 0]
    if zeros:
        share = float(np.concatenate([parts[code] == 0 for code in zeros]).mean())
        yield Finding(
            "many zeros", "warning", (target,),
            f"{percent(share)} of the values of {target!r} are 0 in {_of(store, zeros)}.",
            "Demand that comes now and then is forecast as its mean, seldom well; longer steps (weeks for days) are "
            "easier.",
            _which(store, zeros),
        )  # fmt: skip
    n_below = sum(int((part < 0).sum()) for part in parts)
    n_all = sum(map(len, parts))
    if 0 < n_below <= FEW_NEGATIVE * n_all:
        yield Finding(
            "negative values", "info", (target,),
            f"{plain_count(n_below, 'value', 'values')} of {target!r} of {n_all:,} lie below 0, the lowest at "
            f"{number(min(float(part.min()) for part in parts))}.",
            "They are kept, and logarithms are not tried. Set them missing if they are corrections.",
        )  # fmt: skip


def _shifts(store: Store, parts: Sequence[FloatArray]) -> Iterator[Finding]:
    """Series whose last block lies far from the one before it, by the changes between blocks that are usual."""
    size = max(store.form.season, store.form.horizon, 4)
    found = []
    for code, part in enumerate(parts):
        n = len(part) // size
        if n <= FEWEST_BLOCKS:
            continue
        means = part[len(part) - n * size :].reshape(n, size).mean(axis=1)
        changes = np.abs(np.diff(means))
        usual = max(float(np.median(changes[:-1])), float(part[:-size].std()) / size**0.5)
        if changes[-1] > SHIFT * usual > 0:
            found.append(code)
    if found:
        yield Finding(
            "level shift", "warning", (store.form.target,),
            f"The last {size} steps of {store.form.target!r} lie on another level than those before in "
            f"{_of(store, found)}.",
            "Forecasts begin from there, and what was tested lies before it. Look whether something was measured "
            "otherwise.",
            _which(store, found),
        )  # fmt: skip


def _new_levels(store: Store, parts: Sequence[FloatArray]) -> Iterator[Finding]:
    found = []
    for code, part in enumerate(parts):
        early, late = part[: 3 * len(part) // 4], part[3 * len(part) // 4 :]
        if len(part) >= 16 and ((late > early.max()) | (late < early.min())).mean() >= NEW_LEVELS:
            found.append(code)
    if found:
        yield Finding(
            "drift", "info", (store.form.target,),
            f"The last quarter of {_of(store, found)} lies almost wholly beyond all values before it.",
            "Models see values relative to the last ones, so that a trend goes on; intervals rest on the latest "
            "errors most.",
            _which(store, found),
        )  # fmt: skip


def _columns(store: Store, parts: Sequence[FloatArray]) -> Iterator[Finding]:
    """Columns known ahead that are the target in other words, or that never change."""
    rows = np.concatenate([np.arange(b, b + len(p)) for b, p in zip(store.starts[:-1].tolist(), parts, strict=True)])
    begins = np.cumsum([0, *map(len, parts)])
    inside = np.ones(len(rows), dtype=bool)
    inside[begins[:-1]] = False
    moved = np.diff(store.values[rows], prepend=0.0)[inside]
    for one, cells in _widths(store.form.known, store.known[rows]):
        if any(_is_same(np.diff(column, prepend=0.0)[inside], moved) for column in cells.T):
            yield Finding(
                "a column gives the target away", "serious", (one.name, store.form.target),
                f"{one.name!r}, which is said to be known ahead, changes exactly as {store.form.target!r} does at the "
                "same step.",
                "If it is known only afterwards, scores mean nothing: leave it out of --known.",
            )  # fmt: skip
    still = [
        one.name for one, cells in _widths(store.form.known, store.known[rows]) if np.ptp(cells, axis=0).max() == 0
    ]
    if still:
        yield Finding(
            "columns that never change", "info", tuple(still),
            f"{listed(still, 6)}, known ahead, never changed in the past.",
            "What such a column does cannot be learnt; it is kept, and predicting needs it.",
        )  # fmt: skip


def _widths(group: Sequence[Covariate], cells: FloatArray) -> Iterator[tuple[Covariate, FloatArray]]:
    edges = np.cumsum([0, *(one.width for one in group)])
    for one, (begin, end) in zip(group, pairwise(edges.tolist()), strict=True):
        yield one, cells[:, begin:end]


def _is_same(one: FloatArray, other: FloatArray) -> bool:
    """Whether changes go together beyond any doubt."""
    if len(one) < 3 or one.std() == 0 or other.std() == 0:
        return False
    return abs(float(np.corrcoef(one, other)[0, 1])) > SAME
