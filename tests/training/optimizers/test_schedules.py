"""Schedules at points worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from annvil.training import Recipe
from annvil.training.optimizers.schedules import rate_factor, regularisation_factor


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.7, 1.0),
        ("cosine", 0.0, 1.0),
        ("cosine", 0.5, 0.5),
        ("cosine", 1.0, 0.0),
        ("one-cycle", 0.0, 0.04),
        ("one-cycle", 0.3, 1.0),
        ("one-cycle", 0.65, 0.5),
        ("one-cycle", 1.0, 0.0),
        # coslog4: zero where log2(1 + 15 t) is 0, 1, 2, 3 or 4; one half-way between.
        ("coslog", 0.0, 0.0),
        ("coslog", 1 / 15, 0.0),
        ("coslog", 3 / 15, 0.0),
        ("coslog", 7 / 15, 0.0),
        ("coslog", 1.0, 0.0),
        ("coslog", (2**3.5 - 1) / 15, 1.0),
        ("flat-cosine", 0.0, 1.0),
        ("flat-cosine", 0.5, 1.0),
        ("flat-cosine", 0.75, 0.5),
        ("flat-cosine", 1.0, 0.0),
        ("triangular", 0.0, 1.0),
        ("triangular", 0.75, 0.25),
        (lambda t: 3 * t * t, 0.5, 0.75),
    ],
)
def test_the_learning_rate(schedule: Any, progress: float, expected: float) -> None:
    assert rate_factor(Recipe(1, schedule=schedule), progress) == pytest.approx(expected, abs=1e-9)


def test_warm_up_rises_linearly_and_the_schedule_follows() -> None:
    recipe = Recipe(1, schedule="cosine", warmup=0.2)
    assert rate_factor(recipe, 0.05) == pytest.approx(0.25)
    assert rate_factor(recipe, 0.2) == pytest.approx(1.0)
    assert rate_factor(recipe, 0.6) == pytest.approx(0.5)


def test_a_triangle_and_a_warm_up_of_the_other_parameters() -> None:
    """Up over 20% and down to 0; the others up over 50%."""
    recipe = Recipe(1, schedule="triangular", warmup=0.2)
    assert [rate_factor(recipe, t) for t in (0.0, 0.1, 0.2, 0.6, 1.0)] == pytest.approx([0, 0.5, 1, 0.5, 0])
    assert [rate_factor(recipe, t, 0.5) for t in (0.0, 0.25, 0.5, 0.75)] == pytest.approx([0, 0.5, 1, 0.5])


def test_regularisation() -> None:
    flat = Recipe(1, regularisation="flat-cosine")
    assert [regularisation_factor(flat, t) for t in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1, 1, 0.5, 0])
    assert regularisation_factor(Recipe(1), 0.9) == 1
