"""Ladders of effort: what contenders build theirs with, and how much of one fits into a given time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from annvil.models.jobs import Effort, Rung

LEAST_GROWTH = 1.5
"""Costs of neighbouring rungs differ by this factor at least (assumed): a rung that costs as much as the one below is
skipped for the better one above it."""


ALL = 99
"""Candidates of an effort that tries all there are, however many."""


def ladder_of(rungs: Iterable[Rung]) -> tuple[Rung, ...]:
    """The rungs with their numbers; those that cost nearly as much as a later one, which is better, go.

    >>> from annvil.models.jobs import Effort
    >>> rungs = ladder_of([Rung(Effort(1), 1.0), Rung(Effort(2), 1.2), Rung(Effort(8), 9.0)])
    >>> [rung.effort.candidates for rung in rungs]
    [2, 8]
    """
    kept: list[Rung] = []
    for rung in rungs:
        while kept and rung.core_seconds < LEAST_GROWTH * kept[-1].core_seconds:
            kept.pop()
        kept.append(rung)
    return tuple(replace(rung, effort=replace(rung.effort, rung=number)) for number, rung in enumerate(kept))


FEWEST_ROWS, FEW_ROWS = 2_000, 20_000
"""Up to so many rows the first rung takes all of them (assumed): the fewer, the dearer a row is; larger data begin with
a part of the rows."""

FEW_VALUES = 1_000_000
"""Numbers of all rows times outputs that a first rung learns from, within those bounds (assumed)."""

MORE_ROWS = 5
"""So many times the rows from one step to the next (assumed)."""


def first_rows(values_a_row: int) -> int:
    """Rows of a first rung: fewer, the dearer a row is.

    ``values_a_row``: the numbers that a row becomes, times outputs where each has a model.

    >>> first_rows(10), first_rows(100 * 2), first_rows(16 * 26)
    (20000, 5000, 2000)
    """
    rows = min(FEW_ROWS, max(FEWEST_ROWS, FEW_VALUES // max(1, values_a_row)))
    return int(float(f"{rows:.1g}"))


def row_steps(n_rows: int, first: int = FEW_ROWS) -> Iterator[int]:
    """Training rows with which to begin, ascending, without the whole: none where rows are few.

    >>> list(row_steps(1_000_000))
    [20000, 100000, 500000]
    """
    step = first
    while step <= n_rows / 2:
        yield step
        step *= MORE_ROWS


def rung_within(ladder: Sequence[Rung], seconds: float) -> Rung:
    """The highest rung of which one job is expected to fit into ``seconds``; the lowest where none does."""
    return next((rung for rung in reversed(ladder) if rung.core_seconds <= seconds), ladder[0])


def describe_effort(effort: Effort, one: str = "candidate", several: str = "") -> str:
    """For people.

    >>> describe_effort(Effort(4, inner_folds=5)), describe_effort(Effort(ALL))
    ('4 candidates, 5 inner folds', 'all candidates, one holdout')
    """
    n = effort.candidates
    parts = [f"{'all' if n == ALL else n} {one if n == 1 else several or f'{one}s'}"]
    parts += [f"{effort.inner_folds} inner folds" if effort.inner_folds > 1 else "one holdout"]
    parts += [f"{effort.scale:g} times the usual length"] if effort.scale != 1 else []
    parts += [f"a sample of {effort.rows:,}"] if effort.rows else []
    return ", ".join(parts)
