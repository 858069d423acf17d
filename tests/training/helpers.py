"""Small populations for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from annvil.training import Member

ROWS = np.arange(200)


def table(n_rows: int = 200, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Six numbers a row and a class in {0, 1, 2} that follows from them."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(n_rows, 6, generator=generator)
    classes = (numbers[:, 0] + numbers[:, 1] > 0).long() + (numbers[:, 3] > 0.5).long()
    return numbers, classes


def small_network(member: Member) -> nn.Module:
    """6-8-5-3 with initial weights from the member's seed."""
    return seeded(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3)), member.seed)


def seeded(network: nn.Module, seed: int) -> nn.Module:
    """The network with new weights that follow from the seed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.4)
    return network


def members(count: int, **settings: object) -> list[Member]:
    """Members with seeds 0, 1, … that learn from rows 0 to 139 and are judged on 140 to 199."""
    return [Member(ROWS[:140], ROWS[140:], seed=seed, **settings) for seed in range(count)]  # type: ignore[arg-type]


def weights(population: object, member: int) -> list[Tensor]:
    """The weights of a member's best epoch."""
    return [value.detach() for value in population.network(member).state_dict().values()]  # type: ignore[attr-defined]


def equal(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    """Whether all tensors are equal to the bit."""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


MakeNetwork = Callable[[Member], nn.Module]
