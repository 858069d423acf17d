"""The range test against a loss whose limits are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.training.helpers import ROWS, seeded, small_network, table
from torch import nn

from annvil.errors import RequestError
from annvil.training import Member, Recipe
from annvil.training.lr_finder import range_test, suggest

NUMBERS, CLASSES = table()


def test_gradient_descent_on_a_square_bursts_where_theory_says() -> None:
    """Full batches on a mean square of curvature 2 λ: a rate above 1 / λmax grows, one of 1 / (2 λmax) is good."""
    target = NUMBERS @ torch.arange(6.0)
    train = ROWS[:150]
    curvature = float(torch.linalg.eigvalsh(NUMBERS[:150].T @ NUMBERS[:150] / 150)[-1])
    rates = np.array([1e-4, 0.01, 0.1, 0.5, 0.9, 1.5, 3.0]) / curvature

    def make(member: Member) -> nn.Module:
        return seeded(nn.Linear(6, 1, bias=False), 0)

    recipe = Recipe(1, batch_size=150, optimizer="sgd", momentum=0.0, schedule="cosine")
    member = Member(train, ROWS[150:], 0)
    found = range_test(make, (NUMBERS,), target, "squared-error", recipe, member=member, learning_rates=rates, steps=60)
    by_hand = (make(member)(NUMBERS[150:]).squeeze(1) - target[150:]).square().mean().item()
    assert found.start_loss == pytest.approx(by_hand, rel=1e-5)
    assert found.losses[0] == pytest.approx(by_hand, rel=0.1)
    assert (found.losses[-2:] > by_hand).all()
    assert found.losses[3:5].max() < 1e-3 * by_hand
    assert found.suggestion is not None
    assert 0.1 / curvature <= found.suggestion <= 0.9 / curvature


def test_what_it_suggests_trains_well_and_nothing_is_held_against_the_others() -> None:
    found = range_test(small_network, (NUMBERS,), CLASSES, "cross-entropy", Recipe(1, batch_size=32), steps=100, seed=3)
    assert len(found.learning_rates) == len(found.losses) == 19
    assert found.suggestion is not None
    assert 3e-3 <= found.suggestion <= 0.3
    again = range_test(small_network, (NUMBERS,), CLASSES, "cross-entropy", Recipe(1, batch_size=32), steps=100, seed=3)
    np.testing.assert_array_equal(found.losses, again.losses)


def test_the_suggestion_by_hand() -> None:
    rates = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
    assert suggest(rates, np.array([0.9, 0.02, 0.0, 0.03, np.inf]), 1.0) == pytest.approx(1e-2)
    assert suggest(rates, np.array([0.9, 0.5, 0.0, 0.04, np.inf]), 1.0) == pytest.approx(10**-1.5)
    assert suggest(rates, np.array([1.0, 1.1, 1.2, 1.3, np.inf]), 1.0) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rates": [0.1]}, "learning_rates must be at least two rising numbers above 0; got \\[0.1\\]"),
        ({"learning_rates": [0.1, 0.01]}, "rising"),
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"member": Member(ROWS, ROWS[:0], 0)}, "compared on validation rows"),
    ],
)
def test_bad_requests(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        range_test(small_network, (NUMBERS,), CLASSES, "cross-entropy", **settings)
