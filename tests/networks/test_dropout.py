"""The noise of Dropout: rates, independence, repeatability."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from annvil.networks import Dropout


def masks(rate: float, keys: int = 200, rows: int = 64, units: int = 48) -> Tensor:
    """What is kept, float ``(keys, rows, units)``."""
    dropout = Dropout(rate)
    found = []
    for key in range(keys):
        dropout.new_key(key * 7919 - 500_000)
        found.append(dropout(torch.ones(rows, units)) != 0)
    return torch.stack(found).float()


@pytest.mark.parametrize("rate", [0.0, 0.05, 0.15, 0.5, 0.9])
def test_the_rate_and_the_mean_are_kept(rate: float) -> None:
    dropout = Dropout(rate)
    dropout.new_key(12345)
    y = dropout(torch.ones(4000, 100))
    spread = (rate * (1 - rate) / 400_000) ** 0.5
    assert (y == 0).float().mean().item() == pytest.approx(rate, abs=5 * spread + 1e-9)
    assert y[y != 0].unique().tolist() == pytest.approx([1 / (1 - rate)])


@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_rows_units_and_keys_are_independent(rate: float) -> None:
    """Correlations over many draws are as far from zero as chance makes them: their mean square is 1 / draws."""
    kept = masks(rate)
    for axis in range(3):
        series = kept.movedim(axis, 0).flatten(1)[:40]  # 40 keys, rows or units
        correlation = torch.corrcoef(series)
        off = correlation[~torch.eye(len(series), dtype=torch.bool)]
        draws = series.shape[1]
        assert off.square().mean().item() * draws == pytest.approx(1, abs=0.25)
        assert off.abs().max().item() * draws**0.5 < 6


def test_neighbouring_keys_and_counts_of_zeros_look_binomial() -> None:
    kept = masks(0.5, keys=400)
    counts = kept.flatten(1).sum(1)
    expected, variance = 64 * 48 / 2, 64 * 48 / 4
    assert counts.mean().item() == pytest.approx(expected, abs=5 * (variance / 400) ** 0.5)
    assert counts.var().item() / variance == pytest.approx(1, abs=0.35)
    per_row = kept.sum(2).flatten()
    assert per_row.var().item() / 12 == pytest.approx(1, abs=0.1)


def test_the_same_key_gives_the_same_noise_and_another_key_another() -> None:
    dropout, x = Dropout(0.5), torch.ones(20, 30)
    first = dropout(x)
    assert torch.equal(first, dropout(x))
    dropout.new_key(1)
    assert not torch.equal(first, dropout(x))
    assert torch.equal(dropout.eval()(x), x)


def test_noise_does_not_depend_on_how_many_rows_or_networks_there_are() -> None:
    dropout = Dropout(0.3)
    assert torch.equal(dropout(torch.ones(50, 8))[:10], dropout(torch.ones(10, 8)))
    keys = torch.tensor([5, -9, 2**31 - 1], dtype=torch.int32)

    def one(key: Tensor, x: Tensor) -> Tensor:
        return torch.func.functional_call(dropout, {"key": key}, (x,))  # type: ignore[no-any-return]

    together = torch.func.vmap(one)(keys, torch.ones(3, 10, 8))
    for k in range(3):
        dropout.new_key(int(keys[k]))
        assert torch.equal(together[k], dropout(torch.ones(10, 8)))


def test_the_gradient_passes_where_numbers_pass() -> None:
    x = torch.ones(6, 7, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())
