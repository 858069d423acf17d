"""Whole trainings by every recipe: alone as together, resumed as in one go, accumulated as in one batch, averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.helpers import ROWS, MakeNetwork, equal, seeded, table, weights
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.networks import Dropout
from annvil.training import Member, Muon, Population, Recipe, train_population
from annvil.training.loop import workers as running
from annvil.training.loop.batches import BatchShape, Layouts

NUMBERS, CLASSES = table()

RECIPES: dict[str, dict[str, Any]] = {
    "adam": {"optimizer": "adam", "schedule": "triangular", "warmup": 0.2},
    "sgd without Nesterov": {"optimizer": "sgd", "nesterov": False, "schedule": "flat-cosine"},
    "muon with adamw": {"optimizer": "muon", "clip_norm": 1.0},
    "muon with sgd": {
        "optimizer": "muon",
        "muon": Muon(steps=3, scale="none", others="sgd", others_rate=0.3, others_warmup=0.4),
        "renormalise": True,
        "schedule": "triangular",
        "warmup": 0.1,
    },
    "accumulated": {"accumulate": 3},
    "averaged": {"average": 0.9},
    "averaged at the end": {"optimizer": "sgd", "average": 1.0, "average_from": 0.5},
    "all together": {"optimizer": "muon", "accumulate": 2, "average": 0.8, "average_from": 0.2, "clip_norm": 0.5},
}


def make(member: Member) -> nn.Module:
    layers = (nn.Linear(6, 12), nn.ReLU(), Dropout(0.1), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3))
    return seeded(nn.Sequential(*layers), member.seed)


def train(members: list[Member], recipe: Recipe, make: MakeNetwork = make, **more: Any) -> Population:
    return train_population(make, (NUMBERS,), CLASSES, members, recipe, "cross-entropy", **more)


@pytest.mark.parametrize("name", RECIPES)
def test_members_together_give_what_each_gives_alone(name: str) -> None:
    recipe = Recipe(3, batch_size=32, threads=1, **RECIPES[name])
    together = [
        Member(
            ROWS[: 140 - k],
            ROWS[140:],
            k,
            0.005 * (k + 1),
            0.1 * k,
            0.1 * k,
            momentum=0.9 - 0.2 * k,
            label_smoothing=0.1 * k,
        )
        for k in range(3)
    ]
    population = train(together, recipe)
    for k, member in enumerate(together):
        alone = train([member], recipe)
        for mine, theirs in zip(weights(alone, 0), weights(population, k), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        assert alone.validation_loss[0] == pytest.approx(population.validation_loss[k], abs=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_with_equal_settings_together_and_alone_are_equal_to_the_bit(name: str) -> None:
    recipe = Recipe(3, batch_size=32, threads=1, **RECIPES[name])
    members = [Member(ROWS[:140], ROWS[140:], seed, 0.01, 0.1, 0.1) for seed in range(3)]
    population = train(members, recipe)
    for k, member in enumerate(members):
        assert equal(weights(train([member], recipe), 0), weights(population, k))


@pytest.mark.parametrize("name", RECIPES)
def test_stopped_anywhere_it_goes_on_to_the_same_bytes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ROUND_WORK", 1.0)  # a round is one update
    recipe = Recipe(3, batch_size=16, threads=1, **RECIPES[name])
    members = [Member(ROWS[:140], ROWS[140:], seed, 0.01 * (1 + seed), 0.1, 0.1) for seed in range(3)]
    whole = train(members, recipe)
    path = tmp_path / "run.safetensors"
    for stop_after in (3, 4, 5):
        calls = iter(range(1, 1000))
        train(members, recipe, checkpoint=path, should_stop=lambda calls=calls, n=stop_after: next(calls) == n)
    rest = train(members, recipe, checkpoint=path)
    assert all(equal(weights(whole, k), weights(rest, k)) for k in range(3))
    assert rest.histories == whole.histories


@pytest.mark.parametrize("weighted", [False, True])
def test_accumulated_steps_are_one_big_batch(weighted: bool) -> None:
    """140 rows: 10 steps of 14, five to an update, are two batches of 70 of the same permutation."""
    row_weights = torch.rand(200, generator=torch.Generator().manual_seed(5)) if weighted else None
    members = [Member(ROWS[:140], ROWS[140:], k, 0.02, 0.1, 0.0) for k in range(2)]
    settings: dict[str, Any] = {"schedule": "cosine", "clip_norm": 0.3, "threads": 1}
    small = train(members, Recipe(4, batch_size=14, accumulate=5, **settings), weights=row_weights)
    big = train(members, Recipe(4, batch_size=70, **settings), weights=row_weights)
    for k in range(2):
        for mine, theirs in zip(weights(small, k), weights(big, k), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)
        assert small.histories[k]["train_loss"] == pytest.approx(big.histories[k]["train_loss"], rel=1e-5)


def test_accumulated_steps_of_unlike_size_count_by_their_rows() -> None:
    """101 rows in 8 steps of 12 or 13, two to an update, against 4 batches of 25 or 26 of the same rows."""
    members = [Member(ROWS[:rows], ROWS[140:], rows, 0.02, dropout=0.0) for rows in (101, 100)]
    small = train(members, Recipe(3, batch_size=13, accumulate=2, threads=1))
    for k, member in enumerate(members):
        network, optimiser = by_hand(member)
        for epoch in range(3):
            steps = batches(member, Recipe(3, batch_size=13), epoch)
            for pair in zip(steps[::2], steps[1::2], strict=True):
                optimiser.zero_grad()
                rows = torch.cat(pair)
                nn.functional.cross_entropy(network(NUMBERS[rows]), CLASSES[rows]).backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        for mine, theirs in zip(small.network(k).parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def by_hand(member: Member) -> tuple[nn.Module, torch.optim.Optimizer]:
    network = make(member).eval()
    groups = [{"params": [p for p in network.parameters() if (p.dim() >= 2) == wide]} for wide in (True, False)]
    groups[0]["weight_decay"] = member.weight_decay  # type: ignore[assignment]
    return network, torch.optim.AdamW(groups, lr=member.learning_rate, weight_decay=0.0)


def batches(member: Member, recipe: Recipe, epoch: int) -> list[Tensor]:
    layouts = Layouts([member], BatchShape.of(member, recipe), None)
    order = layouts.order(epoch)
    kept = layouts.weights(order) > 0
    return [rows[real].long() for rows, real in zip(order[:, 0], kept[:, 0], strict=True)]


def test_the_average_is_what_is_validated_and_kept() -> None:
    """Two epochs by hand; the weights after update i of n count in proportion to 0.8^(n - i)."""
    member = Member(ROWS[:140], ROWS[140:], 3, 0.02, 0.1, 0.0)
    population = train([member], Recipe(2, batch_size=50, average=0.8, threads=1))
    network, optimiser = by_hand(member)
    visited: list[list[Tensor]] = []
    losses = []
    for epoch in range(2):
        for rows in batches(member, Recipe(2, batch_size=50), epoch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(network(NUMBERS[rows]), CLASSES[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            visited.append([p.detach().clone() for p in network.parameters()])
        shares = torch.tensor([0.8**i for i in reversed(range(len(visited)))])
        average = [
            torch.einsum("i,i...->...", shares / shares.sum(), torch.stack(p)) for p in zip(*visited, strict=True)
        ]
        outputs = torch.func.functional_call(
            network, dict(zip(dict(network.named_parameters()), average, strict=True)), (NUMBERS[140:],)
        )
        losses.append(nn.functional.cross_entropy(outputs, CLASSES[140:]).item())
    assert population.histories[0]["validation_loss"] == pytest.approx(losses, rel=1e-4)
    assert losses[1] < losses[0]  # so the average after the second epoch is kept
    for mine, theirs in zip(population.network(0).parameters(), average, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


def test_before_averaging_begins_the_weights_themselves_are_validated() -> None:
    members = [Member(ROWS[:140], ROWS[140:], 3, 0.02)]
    plain = train(members, Recipe(6, batch_size=50, threads=1))
    late = train(members, Recipe(6, batch_size=50, average=1.0, average_from=0.5, threads=1))
    losses = [population.histories[0]["validation_loss"] for population in (plain, late)]
    assert losses[0][:3] == losses[1][:3]
    assert all(a != b for a, b in zip(losses[0][3:], losses[1][3:], strict=True))
    assert plain.histories[0]["train_loss"] == late.histories[0]["train_loss"]


class Square(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * x


def explosive(member: Member) -> nn.Module:
    return seeded(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), Square(), nn.Linear(8, 3)), member.seed)


def test_an_average_outlives_that_others_leave() -> None:
    """The pack is made anew when the others have stopped; the average moves along."""
    member = Member(ROWS[:140], ROWS[140:], 0, 0.003, dropout=0.0)
    others = [Member(ROWS[:140], ROWS[140:], 9 + k, 1e30) for k in range(3)]
    recipe = Recipe(5, batch_size=32, average=0.9, optimizer="sgd", threads=1)
    alone, together = train([member], recipe, explosive), train([member, *others], recipe, explosive)
    assert [state[:8] for state in together.states] == ["finished", "diverged", "diverged", "diverged"]
    for mine, theirs in zip(weights(alone, 0), weights(together, 0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"optimizer": "adamW"},
            "optimizer must be 'adamw' or .* 'muon'; got 'adamW'. Did you mean 'ad",
        ),
        ({"momentum": 1.0}, r"momentum must be a share in \[0, 1\); got 1.0"),
        ({"renormalise": True}, "renormalise must be False unless the optimizer is 'muon'"),
        ({"accumulate": 0}, "accumulate must be a whole number of at least 1"),
        ({"average": 1.5}, r"average must be a decay in \(0, 1\] or None"),
        ({"average_from": -0.1}, "average_from must be a share"),
        ({"monitor": "accuracy"}, "monitor must be 'loss' or 'metric'"),
        ({"schedule": "coslogg"}, "or a function; got 'coslogg'. Did you mean 'coslog'"),
    ],
)
def test_a_recipe_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Recipe(1, **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "muon.steps"),
        ({"scale": "adam"}, "muon.scale must be"),
        ({"others": "muon"}, "muon.others must be"),
    ],
)
def test_the_details_of_muon_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        Muon(**settings)
