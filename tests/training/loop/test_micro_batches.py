"""Batches in parts: the same sums, the same bytes on any number of threads, batch norm as in data-parallel training."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.training import Member, Population, Recipe, train_population

N_ROWS, N_COLUMNS = 50, 6


@pytest.fixture(scope="module")
def data() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(N_ROWS, N_COLUMNS, generator=generator)
    return inputs, (inputs[:, 0] > 0).long()


def dense(_: Member) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(N_COLUMNS, 8), nn.Tanh(), nn.Linear(8, 2))


def normed(_: Member) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(N_COLUMNS, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def noisy(_: Member) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(N_COLUMNS, 64), nn.Dropout(0.5), nn.Linear(64, 2))


def trained(data: tuple[Tensor, Tensor], make: Any = dense, **settings: Any) -> Population:
    recipe = Recipe(**({"epochs": 4, "batch_size": 16, "precision": "float32"} | settings))
    member = Member(train=np.arange(N_ROWS), validation=np.arange(10), seed=1, learning_rate=0.05)
    return train_population(make, (data[0],), data[1], [member], recipe, "cross-entropy")


def weights(population: Population) -> list[Tensor]:
    return [value.detach() for value in population.network(0).state_dict().values()]


@pytest.mark.parametrize("settings", [{}, {"batches": "exact"}, {"accumulate": 2}], ids=str)
@pytest.mark.parametrize("parts", [2, 3])
def test_the_sum_of_the_parts_is_the_gradient_of_the_batch(data: Any, parts: int, settings: Any) -> None:
    whole, cut = trained(data, parts=1, **settings), trained(data, parts=parts, **settings)
    for one, other in zip(weights(whole), weights(cut), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(whole.histories[0]["train_loss"], cut.histories[0]["train_loss"], rtol=1e-5)


def deep(_: Member) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(N_COLUMNS, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize(
    ("make", "settings"),
    [(dense, {}), (normed, {}), (noisy, {}), (deep, {"optimizer": "muon"})],
    ids=["dense", "batch norm", "dropout", "muon"],
)
def test_threads_change_no_bit(data: Any, make: Any, settings: Any) -> None:
    one, two = (trained(data, make, parts=2, threads=threads, **settings) for threads in (1, 2))
    assert two.choices["threads_because"].startswith("each of the 2 parts")
    for first, second in zip(weights(one), weights(two), strict=True):
        assert torch.equal(first, second)


def test_batch_norm_sees_a_part_and_keeps_the_mean_of_what_parts_left(data: Any) -> None:
    settings: Any = {"batch_size": N_ROWS, "batches": "exact", "shuffle": False, "epochs": 1, "optimizer": "sgd"}
    found = trained(data, normed, parts=2, momentum=0.0, nesterov=False, **settings)
    network: Any = normed(Member(train=np.arange(1), validation=np.arange(0), seed=0))
    halves = [copy.deepcopy(network) for _ in range(2)]
    for half, rows in zip(halves, torch.arange(N_ROWS).chunk(2), strict=True):
        (nn.functional.cross_entropy(half(data[0][rows]), data[1][rows]) / 2).backward()
    means = torch.stack([half[1].running_mean for half in halves]).mean(0)
    torch.testing.assert_close(found.network(0)[1].running_mean, means)  # type: ignore[index]
    for before, one, other, after in zip(
        network.parameters(), *(half.parameters() for half in halves), found.network(0).parameters(), strict=True
    ):
        torch.testing.assert_close(after, before - 0.05 * (one.grad + other.grad))


def test_parts_have_noise_of_their_own(data: Any) -> None:
    """Twice the same rows: with the same noise in both parts, the result would be that of one part."""
    rows = torch.cat([data[0][:8], data[0][:8]])
    targets = torch.cat([data[1][:8], data[1][:8]])
    settings: Any = {"epochs": 1, "batch_size": 16, "batches": "exact", "shuffle": False, "precision": "float32"}
    together, alone = (
        train_population(
            noisy,
            (rows,),
            targets,
            [Member(train=np.arange(n), validation=np.arange(0), seed=1, learning_rate=0.05)],
            Recipe(parts=parts, **settings),
            "cross-entropy",
        )
        for n, parts in ((16, 2), (8, 1))
    )
    assert abs(together.histories[0]["train_loss"][0] - alone.histories[0]["train_loss"][0]) > 1e-4


def test_a_stopped_run_goes_on_to_the_same_bytes(data: Any, tmp_path: Path) -> None:
    member = Member(train=np.arange(N_ROWS), validation=np.arange(10), seed=1, learning_rate=0.05)
    recipe = Recipe(epochs=6, batch_size=16, parts=2, precision="float32")
    told: list[int] = []

    def run(stop_after: int) -> Population:
        return train_population(
            normed,
            (data[0],),
            data[1],
            [member],
            recipe,
            "cross-entropy",
            checkpoint=tmp_path / "state",
            tell=lambda progress: told.append(progress.epoch),
            should_stop=lambda: bool(told) and told[-1] >= stop_after,
        )

    run(2)
    gone_on = run(99)
    straight = train_population(normed, (data[0],), data[1], [member], recipe, "cross-entropy")
    for one, other in zip(weights(gone_on), weights(straight), strict=True):
        assert torch.equal(one, other)


def test_parts_are_checked() -> None:
    with pytest.raises(RequestError, match="parts must be a whole number of at least 1"):
        Recipe(epochs=1, parts=0)
