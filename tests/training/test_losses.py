"""Losses against PyTorch's own."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from annvil.training.losses import make_loss

torch.manual_seed(0)
WEIGHT = torch.softmax(torch.randn(5), 0)


def value(loss: str, output: torch.Tensor, targets: torch.Tensor, smoothing: float = 0.0) -> torch.Tensor:
    chosen = make_loss(loss)
    checked = chosen.check(output, targets)
    buffers = chosen.buffers(1, 5)
    smooth = torch.full((1, 1, 1), smoothing) if smoothing else None
    chosen.fill(buffers, checked.unsqueeze(0), WEIGHT.unsqueeze(0), smooth)
    return chosen.value(output, *[buffer[0] for buffer in buffers])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(smoothing: float) -> None:
    output, targets = torch.randn(5, 4), torch.tensor([0, 3, 1, 1, 2])
    rows = functional.cross_entropy(output, targets, reduction="none", label_smoothing=smoothing)
    torch.testing.assert_close(value("cross-entropy", output, targets, smoothing), (rows * WEIGHT).sum())


def test_squared_error() -> None:
    output, targets = torch.randn(5, 2), torch.randn(5, 2)
    rows = functional.mse_loss(output, targets, reduction="none").mean(1)
    torch.testing.assert_close(value("squared-error", output, targets), (rows * WEIGHT).sum())


@pytest.mark.parametrize(
    ("loss", "targets"), [("cross-entropy", torch.tensor([0, 1, 1, 0, 1])), ("squared-error", torch.randn(5, 2))]
)
def test_k_networks_in_one_give_the_mean_of_their_losses(loss: str, targets: torch.Tensor) -> None:
    outputs = torch.randn(5, 3, 2)
    each = torch.stack([value(loss, outputs[:, k], targets) for k in range(3)])
    torch.testing.assert_close(value(loss, outputs, targets), each.mean())
