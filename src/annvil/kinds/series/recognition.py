"""Tables that look like series nobody called so: steps side by side in numbered columns, or one below the other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.findings import Finding
from annvil.data.table import Column, Table
from annvil.kinds.series.reading.neighbouring import neighbours_are_alike
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.phrases import listed

FEWEST_STEPS = 12
"""Numbered columns that may be the steps of a series (assumed)."""

FEWEST_SERIES, FEWEST_ROWS = 10, 8
"""Values of a column that may name series, and rows that each has on average (assumed)."""

PRESENT = 0.9
"""Share of a range of numbers that columns must have: reading may have left some out (assumed)."""

ROWS_LOOKED_AT = 1_000

_NUMBERED = re.compile(r"(?P<stem>.*?)(?P<number>\d+)")


def looks_like_series(dataset: Dataset[Table]) -> Iterator[Finding]:
    """Hints to whoever meant series; what a table's rows and columns hold is judged, not their names alone."""
    table, target = dataset.inputs, dataset.task.target
    ranges = [one for one in _numbered(table) if _follow_one_another(one)]
    if ranges:
        told = [f"{columns[0].name}..{columns[-1].name}" for columns in ranges]
        yield Finding(
            "steps in columns",
            "info",
            (),
            f"The columns {listed(told)} are numbered, and neighbours are alike in each row, as steps of a series are.",
            f'They are read as columns of a table, in no order. If they are steps, say so: --steps "{",".join(told)}".',
        )
    found = next(_below_one_another(dataset), None)
    if found is not None:
        name, moment = found
        yield Finding(
            "series in rows",
            "warning",
            (name, target),
            f"Rows with the same {name!r} have the same {target!r}, and {moment!r} rises from each to the next, as in "
            "series with a row for every step.",
            f"Each row is taken for a case of its own, and such that belong together are on both sides of splits. If "
            f"each {name!r} is one series, say so: --series {name} --time {moment}; otherwise --groups {name}.",
        )


def _numbered(table: Table) -> Iterator[list[Column]]:
    """Columns of numbers whose names count upwards behind the same beginning, in order."""
    by_stem: dict[str, dict[int, Column]] = defaultdict(dict)
    for column in table.columns:
        match = _NUMBERED.fullmatch(column.name)
        if match is not None and column.kind == "number":
            by_stem[match["stem"]][int(match["number"])] = column
    for columns in by_stem.values():
        numbers = sorted(columns)
        if len(numbers) >= max(FEWEST_STEPS, PRESENT * (numbers[-1] - numbers[0] + 1)):
            yield [columns[number] for number in numbers]


def _follow_one_another(columns: list[Column]) -> bool:
    """Whether values of neighbouring columns are alike in the rows of a table, each around its own mean."""
    n_rows = len(columns[0].values)
    rows = np.linspace(0, n_rows - 1, min(n_rows, ROWS_LOOKED_AT)).astype(int)
    return neighbours_are_alike(np.stack([column.values[rows] for column in columns], axis=1))


def _below_one_another(dataset: Dataset[Table]) -> Iterator[tuple[str, str]]:
    """Names of columns that tell series apart, and that rise within each of them."""
    for column in dataset.inputs.columns:
        if column.kind not in ("category", "number") or column.missing.any():
            continue
        _, which = np.unique(column.values, return_inverse=True)
        n_series = int(which.max(initial=-1)) + 1
        if not max(FEWEST_SERIES, dataset.task.n_outputs + 1) <= n_series <= dataset.n_rows / FEWEST_ROWS:
            continue
        order = np.argsort(which, kind="stable")
        same = which[order][1:] == which[order][:-1]
        if (_steps(np.asarray(dataset.y, dtype=np.float64), order, same) != 0).any():
            continue
        for other in dataset.inputs.columns:
            rises = other is not column and other.kind in ("number", "datetime") and not other.missing.any()
            if rises and (_steps(other.values, order, same) > 0).all():
                yield column.name, other.name


def _steps(values: FloatArray, order: IntArray, same: np.ndarray) -> FloatArray:
    """From each row to the next of the same series."""
    ordered = values[order]
    found: FloatArray = (ordered[1:] - ordered[:-1])[same]
    return found
