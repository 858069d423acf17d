"""Findings of the audit, and those that concern columns one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from annvil.data.dataset import ColumnNote, Dataset
from annvil.data.integer_codes import is_code
from annvil.data.readers.beginnings import BEGINNINGS
from annvil.data.readers.values import GIVEN
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed, outside
from annvil.text.quantities import part_of, percent

Severity = Literal["info", "warning", "serious"]

MUCH_MISSING = 0.5
"""Share of gaps from which a column deserves a look (assumed)."""

RARE_LEVEL = 10
"""Categories with fewer rows than this are called rare (assumed)."""

MANY_LEVELS = 50
"""Columns with more categories than this are called wide (assumed)."""

FAR_OUT = 10.0
"""A value is called an outlier when it is so many interquartile ranges away from the nearer quartile; assumed: 3 is
Tukey's "far out", which every skewed column exceeds."""

_TAIL_ROWS = 100_000


@dataclass(frozen=True)
class Finding:
    """One thing found.

    kind : stable name, such as "missing" or "leakage"
    severity : "info" (dealt with), "warning" (look at it), "serious" (the scores may mean nothing until it is settled)
    columns : those concerned, the target included where it is
    what : one or two sentences on what was found
    action : one sentence on what Annvil does about it, or what the user can do
    which : a sentence that names some rows or files, or empty. It is for whoever has the data, and not kept for the
        report: names of files are often those of persons
    """

    kind: str
    severity: Severity
    columns: tuple[str, ...]
    what: str
    action: str
    which: str = ""


def missing_values(dataset: Dataset) -> Iterator[Finding]:
    gaps = {column.name: float(column.missing.mean()) for column in dataset.inputs.columns}
    gaps = {name: share for name, share in sorted(gaps.items(), key=lambda item: -item[1]) if share}
    if not gaps:
        return
    shown = listed([f"{name!r} {percent(share)}" for name, share in gaps.items()])
    which, have = part_of(len(gaps), len(dataset.inputs.columns), "column"), "has" if len(gaps) == 1 else "have"
    yield Finding(
        "missing values",
        "warning" if max(gaps.values()) > MUCH_MISSING else "info",
        tuple(gaps),
        f"{outside(which)} {have} missing values: {shown}.",
        "Trees take them as they are; elsewhere numbers get the training median and a column that says so, and "
        "categories get a category of their own.",
    )


_LEFT_OUT = {
    "constant": ("constant columns", "{} the same value in every row: {}.", "They tell nothing and are left out."),
    "empty": ("empty columns", "{} no value in any row: {}.", "They tell nothing and are left out."),
    "duplicate": (
        "duplicate columns",
        "{} the same values as another column: {}.",
        "One of each is enough; the others are left out.",
    ),
    "identifier": (
        "identifiers",
        "{} values that name the row rather than describe it: {}.",
        "Left out, since a model could only learn them by heart; to use one, ask for it (--as column=category).",
    ),
    "text": (
        "free text",
        "{} free text or nested values: {}.",
        "Left out, since models of tables cannot read it; to use one as categories, ask for it (--as column=category).",
    ),
}


def columns_left_out(notes: Sequence[ColumnNote]) -> Iterator[Finding]:
    for kind, (title, what, action) in _LEFT_OUT.items():
        names = [note.name for note in notes if note.kind == kind]
        if names:
            subject = f"{len(names)} columns have" if len(names) > 1 else "1 column has"
            yield Finding(title, "info", tuple(names), what.format(subject, listed([repr(n) for n in names])), action)
    grouping = [note.name for note in notes if note.kind == "identifier" and "groups=" in note.reason]
    if grouping:
        yield Finding(
            "repeated identifier",
            "warning",
            tuple(grouping),
            f"{listed([repr(n) for n in grouping])} names something that occurs in several rows.",
            "Rows are split one by one; if rows with the same value belong together, fit again with "
            f"groups={grouping[0]!r} (--groups).",
        )


_TOTALS = {"total", "totals", "grand total", "subtotal", "sum", "average", "mean", "summe", "gesamt", "gesamtsumme"}
_TOTALS |= {"insgesamt", "mittelwert", "durchschnitt", "somme", "moyenne", "totale", "suma", "totaal"}


def row_of_totals(dataset: Dataset) -> Iterator[Finding]:
    """A last row that may sum up the others, as spreadsheets end."""
    for column in dataset.inputs.columns:
        last = int(column.values[-1]) if column.field.is_text else -1
        word = column.levels[last] if last >= 0 else ""
        if word.lower().rstrip(": ") in _TOTALS and int(np.sum(column.values == last)) == 1:
            yield Finding(
                "row of totals",
                "warning",
                (column.name,),
                f"The last row holds {word!r} in {column.name!r}, as no other row does.",
                "If it sums up the others, delete it and fit again: models learn from it as from any row.",
            )


_REDUCED = {
    (GIVEN,): ("only whether given", "Texts that hardly repeat, with gaps", "only whether there is one"),
    BEGINNINGS: ("only how they begin", "Texts that hardly repeat, but begin alike", "only how they begin"),
}


def columns_reduced(dataset: Dataset) -> Iterator[Finding]:
    """Texts of which models get only a part."""
    for styles, (title, what, part) in _REDUCED.items():
        names = [column.name for column in dataset.inputs.columns if column.field.style in styles]
        if names:
            yield Finding(
                title,
                "info",
                tuple(names),
                f"{what}: {listed([repr(n) for n in names])}.",
                f"Models get {part}; to use the texts as categories, ask for it (--as column=category).",
            )


def categories(dataset: Dataset) -> Iterator[Finding]:
    rare: dict[str, int] = {}
    many: dict[str, int] = {}
    for column in dataset.inputs.columns:
        if column.field.is_text:
            counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
            n_rare = int(np.sum((counts > 0) & (counts < RARE_LEVEL)))
            if n_rare:
                rare[column.name] = n_rare
            if len(column.levels) > MANY_LEVELS:
                many[column.name] = len(column.levels)
    yield from _counted(
        "rare categories",
        rare,
        f"Categories with fewer than {RARE_LEVEL} rows",
        "What is met too seldom in training is treated like a category never seen, for which every model has an answer "
        "anyway.",
    )
    yield from _counted(
        "many categories",
        many,
        f"Columns with more than {MANY_LEVELS} categories",
        "Networks learn an embedding for them, other models an encoding, always inside the training rows alone.",
    )


def _counted(kind: str, found: dict[str, int], what: str, action: str, about: str = "") -> Iterator[Finding]:
    """One about columns and a number for each, the largest first; nothing where there are none."""
    if found:
        most_first = sorted(found.items(), key=lambda item: -item[1])
        shown = listed([f"{name!r} {about}{n}" for name, n in most_first])
        yield Finding(kind, "info", tuple(found), f"{what}: {shown}.", action)


def outlying_numbers(dataset: Dataset) -> Iterator[Finding]:
    found: dict[str, int] = {}
    step = max(1, dataset.n_rows // _TAIL_ROWS)
    for column in dataset.inputs.columns:
        if column.kind == "number" and not is_code(column.name, column.values):
            n = count_outliers(column.values[::step])
            if n:
                found[column.name] = n * step
    yield from _counted(
        "outliers",
        found,
        f"Extreme outliers (more than {FAR_OUT:.0f} interquartile ranges beyond the quartiles)",
        "Trees do not mind; networks get robustly scaled, smoothly clipped values, linear models also the ranks of "
        "skewed columns. If they are typing errors, mend them or declare them missing.",
        "about " * (step > 1),
    )


def coded_numbers(dataset: Dataset) -> Iterator[Finding]:
    columns = [column for column in dataset.inputs.columns if column.kind == "number"]
    found = [column for column in columns if is_code(column.name, column.values)]
    if found:
        counts = [(c.name, len(np.unique(c.values[~np.isnan(c.values)]))) for c in found]
        yield Finding(
            "numbers that are codes",
            "info",
            tuple(column.name for column in found),
            "Whole numbers that recur like codes, by their names or since most numbers between them never occur: "
            f"{listed([f'{name!r} ({n} values)' for name, n in counts])}.",
            "Models get them both as numbers and as categories; to have them as categories only, ask for it "
            f"(--as {found[0].name}=category).",
        )


def count_outliers(values: FloatArray) -> int:
    """How many values lie far outside the middle half; 0 for columns that are mostly one value."""
    present = values[~np.isnan(values)]
    if len(present) < 20:
        return 0
    low, high = np.quantile(present, [0.25, 0.75])
    if low == high:
        return 0
    width = FAR_OUT * (high - low)
    return int(np.sum((present > high + width) | (present < low - width)))
