"""Matrices whose columns stay orthonormal, and penalties that a network asks for itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training import Member, Population, Recipe, train_population


class Projected(nn.Module):
    """Two projections of five numbers, a square of each, and a penalty in training."""

    def __init__(self, seed: int, weight: float = 0.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        start = torch.linalg.qr(torch.randn(5, 2, generator=generator))[0]
        self.directions, self.weight = nn.Parameter(start.clone()), weight
        self.heights = nn.Parameter(torch.ones(2, 1))

    def forward(self, x: Tensor) -> Any:
        scores = (x @ self.directions).square() @ self.heights
        return (scores, self.weight * self.heights.square().sum()) if self.training and self.weight else scores

    def orthonormal_parameters(self) -> list[str]:
        return ["directions"]


def trained(recipe: Recipe, seeds: list[int], weight: float = 0.0, **more: Any) -> Population:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 5, generator=generator)
    y = (x[:, :1] + x[:, 1:2]).square() / 2 - x[:, 3:4].square()
    members = [Member(np.arange(100), np.arange(100, 120), seed, learning_rate=0.02) for seed in seeds]
    return train_population(
        lambda member: Projected(member.seed, weight), (x,), y, members, recipe, "squared-error", **more
    )


def defect(directions: Tensor) -> float:
    return float((directions.mT @ directions - torch.eye(2)).abs().max())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop", "muon"])
def test_columns_stay_orthonormal(optimizer: Any) -> None:
    found = trained(Recipe(30, 20, optimizer=optimizer, keep="last"), [1, 2])
    for number in range(2):
        directions, first = found.network(number).directions.detach(), Projected(number + 1).directions
        assert defect(directions) <= 1e-5
        assert float((directions - first).detach().abs().max()) > 0.02  # it did learn


def test_members_together_are_each_alone_and_recorded_steps_are_eager_ones() -> None:
    recipe = Recipe(6, 20, keep="last")
    together = trained(recipe, [1, 2, 3], 0.1)
    assert together.choices["execution"] == "recorded"
    for number, seed in enumerate([1, 2, 3]):
        for other in (recipe, Recipe(6, 20, keep="last", execution="eager")):
            alone = trained(other, [seed], 0.1)
            for one, two in zip(together.network(number).parameters(), alone.network(0).parameters(), strict=True):
                torch.testing.assert_close(one, two, atol=2e-5, rtol=1e-4)


def test_a_stopped_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    recipe, path = Recipe(6, 20, keep="last"), tmp_path / "kept"
    whole = trained(recipe, [1, 2])
    asked = iter([False, True])
    assert trained(recipe, [1, 2], checkpoint=path, should_stop=lambda: next(asked, True)).cut_short
    resumed = trained(recipe, [1, 2], checkpoint=path)
    for number in range(2):
        assert torch.equal(whole.network(number).directions, resumed.network(number).directions)


def test_averages_are_refused() -> None:
    with pytest.raises(RequestError, match="'directions' stay orthonormal"):
        trained(Recipe(2, 20, average=0.9), [1])


def test_a_penalty_is_part_of_training_alone() -> None:
    free, held = (trained(Recipe(40, 20, keep="last"), [1], weight) for weight in (0.0, 5.0))
    assert float(held.network(0).heights.detach().abs().sum()) < 0.5 * float(
        free.network(0).heights.detach().abs().sum()
    )
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 5, generator=generator)[100:]
    y = (x[:, :1] + x[:, 1:2]).square() / 2 - x[:, 3:4].square()
    with torch.no_grad():
        loss = float((held.network(0)(x) - y).square().mean())
    assert held.histories[0]["validation_loss"][-1] == pytest.approx(loss, rel=1e-4)  # without the penalty
    assert held.histories[0]["train_loss"][-1] > loss / 4
