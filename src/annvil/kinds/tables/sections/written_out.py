"""Small models written out: the coefficients of a linear model in the columns' own units, the rules of a tree."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import floor, log10
from typing import Any

import numpy as np

from annvil.bundle.explanation import explained_names
from annvil.data.dataset import Dataset
from annvil.data.table import Column, Table
from annvil.explanation.effect_sentences import label_of
from annvil.explanation.refits import refit
from annvil.models.contract import Contender
from annvil.models.linear import Linear
from annvil.models.members import Fitted
from annvil.models.terms import Additive, Rule
from annvil.sections import Rows, Section
from annvil.tasks.base import FloatArray, Task
from annvil.text.phrases import named, shorten
from annvil.text.quantities import count, minus, number, percent

REFITS, FEWEST_REFITS = 60, 20
"""Models of other draws of the rows from which intervals are; fewer than the second say nothing of a spread
(assumed: the standard deviation of 20 is known to a sixth)."""

SHARE_OF_TIME = 0.3
"""Most of what is left that refits may take (assumed)."""

SAMPLE = 500
"""Rows over which a slope is averaged (assumed)."""

MOST_LEVELS, MOST_SCORES, MOST_ROWS = 12, 4, 60
"""Categories of a column, scores and lines that are shown (assumed: nobody reads more)."""

YEAR = 365.25 * 86_400.0
Z = 1.96
"""Standard deviations to each side that hold 95%."""


@dataclass(frozen=True)
class Change:
    """A change of one column: in words, the rows before it and after it."""

    column: str
    said: str
    before: Table
    after: Table

    def of(self, additive: Additive) -> FloatArray:
        """What it adds to the scores, mean over the rows, float64 ``(n_scores,)``."""
        place = next((i for i, term in enumerate(additive.terms) if term.columns == (self.column,)), None)
        if place is None or not self.before.n_rows:
            return np.zeros(len(additive.base))
        gains = additive.contributions(self.after)[:, place] - additive.contributions(self.before)[:, place]
        return np.asarray(gains.mean(axis=0))


def has_coefficients(fitted: Fitted) -> bool:
    """Whether the coefficients of a model are written out, for which it is refitted `REFITS` times."""
    additive = fitted.additive()
    return additive is not None and fitted.contender == Linear.name and len(additive.base) <= MOST_SCORES


def written_out(
    dataset: Dataset,
    contender: Contender | None,
    fitted: Fitted,
    seconds: float,
    key: str,
    title: str,
    order: int,
    again: Sequence[Fitted] | None = None,
) -> Iterator[Section]:
    """The rules of a model that is a few, the coefficients of a linear one; nothing of others.

    Parameters
    ----------
    contender : whose model it is, for refits; None: there are no intervals
    seconds : what is left for it and for what follows
    again : refits that were made already
    """
    if rules := fitted.rules():
        yield Section(
            key=f"{key}-rules",
            title=f"The rules of {named(title)}",
            sentences=(f"Exactly one of {len(rules)} rules holds; what stands behind it is what the model says.",),
            tables=(rules_table(dataset.task, rules),),
            order=order,
            explains=True,
        )
    additive = fitted.additive()
    if additive is None or not has_coefficients(fitted):
        return
    refits = list(again or ())
    if again is None and contender is not None:
        share = SHARE_OF_TIME * seconds
        refits = refit(dataset, contender, fitted.job, fitted.configuration, share, n=REFITS)
    sums = [found for one in refits if (found := one.additive()) is not None]
    changes = changes_of(dataset, fitted.job.rows)
    if changes:
        yield Section(
            key=f"{key}-coefficients",
            title=f"The coefficients of {named(title)}",
            sentences=tuple(_how_to_read(dataset.task, len(sums))),
            tables=(coefficients_table(dataset.task, additive, sums, changes),),
            order=order,
            explains=True,
        )


# --- rules ------------------------------------------------------------------------------------------------------------


def rules_table(task: Task, rules: Sequence[Rule]) -> Rows:
    """A line for each rule, the highest answer first; of classes, the likeliest ones together."""
    ordered = sorted(rules, key=lambda rule: _place(task, rule))
    lines = tuple((" and ".join(r.conditions) or "always", _answer(task, r), count(r.n_rows)) for r in ordered)
    return Rows(("If", "then", "rows it was learnt from"), lines)


def _place(task: Task, rule: Rule) -> tuple[int, float]:
    if not task.predicts_probabilities or len(rule.outputs) == 2:
        return 0, -float(rule.outputs[-1])
    return int(np.argmax(rule.outputs)), -float(rule.outputs.max())


def _answer(task: Task, rule: Rule) -> str:
    """``"82% 'yes'"`` of two classes, the likeliest of more, or the value."""
    if not task.predicts_probabilities:
        return f"{task.target}: {minus(number(float(rule.outputs[0])))}"
    chosen = 1 if len(rule.outputs) == 2 else int(np.argmax(rule.outputs))
    return f"{percent(float(rule.outputs[chosen]))} {shorten(str(task.classes[chosen]))!r}"


# --- coefficients -----------------------------------------------------------------------------------------------------


def changes_of(dataset: Dataset, rows: Any) -> list[Change]:
    """Of every number one step more (a date: one year), of every category each text instead of the most frequent."""
    table = dataset.inputs.take(rows)
    some = table.take(np.unique(np.linspace(0, table.n_rows - 1, min(SAMPLE, table.n_rows)).astype(np.int64)))
    found: list[Change] = []
    for place, column in enumerate(table.columns):
        found += _texts(some, place, column) if column.field.is_text else _steps(some, place, column)
    return found


def _steps(some: Table, place: int, column: Column) -> list[Change]:
    known = column.values[~np.isnan(column.values)]
    spread = float(np.std(known)) if len(known) else 0.0
    if not spread > 0:
        return []
    is_date = column.field.kind == "datetime"
    step = YEAR if is_date else 1.0 if 0.5 <= spread <= 100 else 10.0 ** floor(log10(spread))
    kept = some.take(np.flatnonzero(~np.isnan(some.columns[place].values)))
    values = kept.columns[place].values
    said = f"{column.name}: one year later" if is_date else f"{column.name} + {number(step)}"
    moved = (_with(kept, place, values + way * step / 2) for way in (-1, 1))
    return [Change(column.name, said, *moved)]


def _texts(some: Table, place: int, column: Column) -> list[Change]:
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
    order = [int(code) for code in np.argsort(-counts, kind="stable") if counts[code]][: MOST_LEVELS + 1]
    one = some.take(np.zeros(1, dtype=np.int64))
    before = _with(one, place, np.array(order[:1], dtype=column.values.dtype))
    return [
        Change(
            column.name,
            f"{column.name}: {column.levels[code]!r} instead of {column.levels[order[0]]!r}",
            before,
            _with(one, place, np.array([code], dtype=column.values.dtype)),
        )
        for code in order[1:]
    ]


def _with(table: Table, place: int, values: Any) -> Table:
    columns = list(table.columns)
    columns[place] = replace(columns[place], values=values)
    return replace(table, columns=tuple(columns))


def coefficients_table(task: Task, additive: Additive, refits: Sequence[Additive], changes: Sequence[Change]) -> Rows:
    """What each change adds, all else equal, the surest first; of classes and labels, what it multiplies the odds by.

    Intervals reach `Z` standard deviations of the refits to each side (Efron and Tibshirani 1993, chapter 12, the
    standard normal interval).
    """
    found = np.array([change.of(additive) for change in changes])
    spread = np.zeros_like(found)
    if len(refits) >= FEWEST_REFITS:
        spread = np.std([[change.of(one) for change in changes] for one in refits], axis=0, ddof=1)
    size = np.abs(found) / np.where(spread > 0, spread, 1.0)
    order = np.argsort(-size.max(axis=1), kind="stable")[:MOST_ROWS]
    names = explained_names(task)
    if task.predicts_probabilities:
        heads = [f"odds of {label_of(name)} times" for name in names]
    else:
        heads = [f"{name} changes by" for name in names]
    told = _odds if task.predicts_probabilities else _amount
    lines = [
        (changes[i].said, *(told(mean, reach) for mean, reach in zip(found[i], Z * spread[i], strict=True)))
        for i in order.tolist()
    ]
    return Rows(("All else equal", *heads), tuple(lines))


def _odds(mean: float, reach: float) -> str:
    ends = [number(float(np.exp(np.clip(end, -30, 30))), 3) for end in (mean, mean - reach, mean + reach)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]" if reach else ends[0]


def _amount(mean: float, reach: float) -> str:
    ends = [minus(f"{'+' if end > 0 else ''}{number(end, 3)}") for end in (mean, mean - reach, mean + reach)]
    return f"{ends[0]} [{ends[1]}, {ends[2]}]" if reach else ends[0]


def _how_to_read(task: Task, n_refits: int) -> Iterator[str]:
    what = "multiplies the odds by" if task.predicts_probabilities else f"adds to {task.target!r}"
    yield (
        f"What a change of one column {what} while all others stay the same; of skewed numbers, whose effect is a "
        "curve, the average slope."
    )
    if n_refits >= FEWEST_REFITS:
        yield (
            f"Intervals of 95% are from {n_refits} models of other draws of the same data (bootstrap). They tell how "
            "far a number hangs on the data that were drawn, not how far the penalty pulls it towards none; columns "
            "that tell the same share what they tell."
        )
    else:
        yield "There was no time for models of other draws of the data, so there are no intervals."
