"""Activations, and a trained step away from doing nothing."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

ActivationName = Literal["relu", "selu", "silu", "mish"]


class Activation(nn.Module):
    """``f(x)``, or ``x + alpha (f(x) - x)`` with one trained ``alpha`` a unit (RealMLP, Holzmüller et al. 2024, section
    3).

    ``alpha`` starts at 1, where both are the same. Shape: ``(…, units)`` → the same.
    """

    def __init__(self, name: ActivationName, units: int, parametric: bool = False) -> None:
        super().__init__()
        self.name = name
        self.alpha = nn.Parameter(torch.ones(units)) if parametric else None

    def forward(self, x: Tensor) -> Tensor:
        y = _apply(self.name, x)
        return y if self.alpha is None else torch.addcmul(x, self.alpha, y - x)


def _apply(name: ActivationName, x: Tensor) -> Tensor:
    if name == "relu":
        return functional.relu(x)
    if name == "selu":
        return functional.selu(x)
    if name == "silu":
        return functional.silu(x)
    # x tanh(log(1 + exp(x))) in terms of q = sigmoid(-x): PyTorch's own mish takes four times as long on a CPU.
    q = torch.sigmoid(-x)
    return x * (2 / (1 + q * q) - 1)
