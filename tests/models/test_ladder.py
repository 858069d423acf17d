"""Ladders of effort: numbered, growing, and without rungs that cost as much as a better one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from annvil.models.jobs import Effort, Rung
from annvil.models.ladder import (
    FEW_ROWS,
    FEWEST_ROWS,
    LEAST_GROWTH,
    describe_effort,
    first_rows,
    ladder_of,
    row_steps,
    rung_within,
)


def rungs_costing(*seconds: float) -> list[Rung]:
    return [Rung(Effort(candidates=place + 1), cost, f"rung {place}") for place, cost in enumerate(seconds)]


def test_rungs_are_numbered_from_the_cheapest() -> None:
    ladder = ladder_of(rungs_costing(1.0, 2.0, 8.0))
    assert [rung.effort.rung for rung in ladder] == [0, 1, 2]
    assert [rung.effort.candidates for rung in ladder] == [1, 2, 3]
    assert [rung.what for rung in ladder] == ["rung 0", "rung 1", "rung 2"]


@pytest.mark.parametrize(
    ("costs", "kept"),
    [
        ((1.0, 1.5, 2.25), (1, 2, 3)),  # half as much again is enough
        ((1.0, 1.4, 9.0), (2, 3)),
        ((1.0, 1.2, 1.4), (3,)),  # each is as good as free beside the one before it
        ((5.0, 1.0), (2,)),  # cheaper and better
        ((1.0,), (1,)),
        ((), ()),
    ],
)
def test_of_two_that_cost_nearly_the_same_the_better_stays(costs: tuple[float, ...], kept: tuple[int, ...]) -> None:
    assert tuple(rung.effort.candidates for rung in ladder_of(rungs_costing(*costs))) == kept


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8))
def test_costs_always_grow_by_half_and_the_top_is_there(costs: list[float]) -> None:
    ladder = ladder_of(rungs_costing(*costs))
    assert ladder[-1].core_seconds == costs[-1]
    assert all(higher.core_seconds >= LEAST_GROWTH * lower.core_seconds for lower, higher in pairwise(ladder))


@pytest.mark.parametrize(
    ("n_rows", "steps"),
    [
        (100, []),
        (FEW_ROWS, []),
        (2 * FEW_ROWS - 1, []),
        (2 * FEW_ROWS, [20_000]),
        (150_000, [20_000]),
        (200_000, [20_000, 100_000]),
        (3_000_000, [20_000, 100_000, 500_000]),
    ],
)
def test_large_tables_begin_with_parts_of_the_rows(n_rows: int, steps: list[int]) -> None:
    assert list(row_steps(n_rows)) == steps


def test_the_highest_rung_that_fits() -> None:
    ladder = ladder_of(rungs_costing(1.0, 2.0, 8.0))
    assert [rung_within(ladder, seconds).effort.rung for seconds in (0.0, 1.0, 7.9, 8.0, 100.0)] == [0, 0, 1, 2, 2]


def test_efforts_in_words() -> None:
    assert describe_effort(Effort()) == "1 candidate, one holdout"
    assert describe_effort(Effort(3), "penalty", "penalties") == "3 penalties, one holdout"
    assert describe_effort(Effort(1), "penalty", "penalties") == "1 penalty, one holdout"
    many = Effort(5, 2.5, inner_folds=5, rows=20_000)
    assert describe_effort(many) == "5 candidates, 5 inner folds, 2.5 times the usual length, a sample of 20,000"


@given(st.integers(1, 10_000), st.integers(1, 10_000), st.integers(0, 5_000_000))
def test_the_dearer_a_row_is_the_fewer_a_first_rung_takes(one: int, other: int, n_rows: int) -> None:
    few, many = sorted((first_rows(one), first_rows(other)))
    assert FEWEST_ROWS <= few <= many <= FEW_ROWS
    assert first_rows(max(one, other)) == few
    steps = list(row_steps(n_rows, few))
    assert all(2 * step <= n_rows for step in steps)
    assert bool(steps) == (n_rows >= 2 * few)
