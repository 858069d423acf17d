"""PyTorch's dropouts keep their distribution when their noise is made to follow from a key."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from tests.training.helpers import ROWS, equal, members, seeded, table, weights
from torch import Tensor, nn

from annvil.training import Member, Population, Recipe, train_population
from annvil.training.compat.dropout_noise import KeyedDropout, begin, with_keyed_noise

NUMBERS, CLASSES = table()


def keyed(module: nn.Module, key: int = 5) -> KeyedDropout:
    (own,) = with_keyed_noise(nn.Sequential(module), [None])
    assert isinstance(own, KeyedDropout)
    own.key.fill_(key)
    return own


def test_elements_are_dropped_at_their_rate_and_the_rest_scaled() -> None:
    dropped = keyed(nn.Dropout(0.3))(torch.ones(400, 50))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert torch.unique(dropped).tolist() == pytest.approx([0, 1 / 0.7])


@pytest.mark.parametrize(
    ("module", "shape"),
    [(nn.Dropout1d(0.4), (300, 40, 5)), (nn.Dropout2d(0.4), (300, 40, 3, 4)), (nn.Dropout3d(0.4), (300, 40, 2, 2, 3))],
)
def test_channels_are_dropped_as_a_whole(module: nn.Module, shape: tuple[int, ...]) -> None:
    dropped = keyed(module)(torch.ones(shape)).flatten(2)
    assert torch.equal(dropped, dropped[:, :, :1].expand_as(dropped))
    assert (dropped[:, :, 0] == 0).float().mean().item() == pytest.approx(0.4, abs=0.015)
    assert dropped.max().item() == pytest.approx(1 / 0.6)


def test_other_shapes_of_channels_are_pytorchs_business() -> None:
    module = nn.Dropout1d(0.5)
    x = torch.ones(30, 8)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        expected = module(x)
        torch.manual_seed(1)
        assert torch.equal(keyed(module)(x), expected)


@pytest.mark.parametrize(
    ("module", "shape"), [(nn.AlphaDropout(0.2), (500, 80)), (nn.FeatureAlphaDropout(0.2), (500, 80, 3))]
)
def test_alpha_dropout_takes_the_values_of_pytorchs(module: nn.Module, shape: tuple[int, ...]) -> None:
    mine = keyed(module)(torch.full(shape, 0.5))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = module(torch.full(shape, 0.5))
    for found, expected in zip(torch.unique(mine).tolist(), torch.unique(theirs).tolist(), strict=True):
        assert found == pytest.approx(expected, abs=1e-6)
    assert (mine < 0).float().mean().item() == pytest.approx(0.2, abs=0.02)
    generator = torch.Generator().manual_seed(2)
    normal = keyed(module)(torch.randn(shape, generator=generator))
    assert (normal.mean().item(), normal.std().item()) == pytest.approx((0, 1), abs=0.02)


def test_a_module_used_twice_has_independent_noise() -> None:
    module = keyed(nn.Dropout(0.5))
    first, second = ((module(torch.ones(200, 50)) > 0).float() for _ in range(2))
    assert torch.corrcoef(torch.stack([first.flatten(), second.flatten()]))[0, 1].abs() < 0.03
    begin(module)
    assert torch.equal(module(torch.ones(200, 50)) > 0, first > 0)


def test_in_evaluation_nothing_is_dropped() -> None:
    assert torch.equal(keyed(nn.Dropout(0.5)).eval()(torch.ones(3, 4)), torch.ones(3, 4))


class Shared(nn.Module):
    """One dropout after both layers, as many networks are written."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.middle, self.out = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.dropout = nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(torch.relu(self.into(x)))
        return self.out(self.dropout(torch.relu(self.middle(x))))  # type: ignore[no-any-return]


def make(member: Member) -> nn.Module:
    with torch.random.fork_rng():  # PyTorch draws its own initial weights from the generator that is watched below
        return seeded(Shared(), member.seed)


def train(population: list[Member], **settings: object) -> Population:
    recipe = Recipe(4, batch_size=32, **settings)  # type: ignore[arg-type]
    return train_population(make, (NUMBERS,), CLASSES, population, recipe, "cross-entropy")


def test_networks_with_dropout_train_as_one_program_and_alone_to_the_bit() -> None:
    before = torch.random.get_rng_state()
    together = train(members(5, dropout=None))
    assert together.choices["execution"] == "recorded"
    for k in range(5):
        assert equal(weights(train([members(5, dropout=None)[k]]), 0), weights(together, k))
    assert torch.equal(before, torch.random.get_rng_state())
    without = train(members(1, dropout=0.0))
    assert not equal(weights(without, 0), weights(together, 0))


def test_recorded_and_eager_steps_meet_the_same_noise() -> None:
    settings = {"optimizer": "sgd", "batches": "unpadded"}
    recorded, eager = (
        train(members(2, dropout=None), execution=execution, **settings) for execution in ("recorded", "eager")
    )
    for k in range(2):
        for mine, theirs in zip(weights(recorded, k), weights(eager, k), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)


def test_the_network_that_comes_back_is_the_one_that_was_given() -> None:
    result = train(members(2, dropout=0.2))
    network = result.network(1)
    assert type(network.dropout) is nn.Dropout
    assert list(network.state_dict()) == list(Shared().state_dict())
    torch.testing.assert_close(result.predict((NUMBERS,), ROWS[:9], [1])[0], network(NUMBERS[:9]))


def test_members_have_rates_of_their_own() -> None:
    """A rate of 0 is a network without dropout."""
    mixed = train([*members(1, dropout=0.0), Member(ROWS[:140], ROWS[140:], 0, dropout=0.6)])
    without = copy.copy(train(members(1, dropout=0.0)))
    for mine, theirs in zip(weights(mixed, 0), weights(without, 0), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-6)
    assert not np.isclose(mixed.histories[1]["train_loss"][0], mixed.histories[0]["train_loss"][0], rtol=1e-3)
