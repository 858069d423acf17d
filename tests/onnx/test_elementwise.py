"""Arithmetic and activations: onnxruntime against PyTorch on 10,000 rows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.onnx.parity import ROWS, Calls, check
from torch import Tensor, nn
from torch.nn import functional as F


def rows(*sizes: int, seed: int = 0) -> Tensor:
    return torch.randn(ROWS, *sizes, generator=torch.Generator().manual_seed(seed))


ACTIVATIONS: dict[str, nn.Module] = {
    "relu": nn.ReLU(),
    "relu in place": nn.Sequential(nn.Identity(), nn.ReLU(inplace=True)),
    "relu6": nn.ReLU6(),
    "relu6 in place": nn.Sequential(nn.Linear(5, 4), nn.ReLU6(inplace=True)),
    "threshold in place": nn.Sequential(nn.Linear(5, 4), nn.Threshold(0.1, -3.0, inplace=True)),
    "gelu": nn.GELU(),
    "gelu by tanh": nn.GELU(approximate="tanh"),
    "silu": nn.SiLU(),
    "mish": nn.Mish(),
    "selu": nn.SELU(),
    "elu": nn.ELU(0.7),
    "celu": nn.CELU(0.7),
    "leaky relu": nn.LeakyReLU(0.2),
    "prelu": nn.PReLU(),
    "prelu by column": nn.PReLU(5, 0.1),
    "hardswish": nn.Hardswish(),
    "hardsigmoid": nn.Hardsigmoid(),
    "hardtanh": nn.Hardtanh(-0.5, 0.7),
    "softplus": nn.Softplus(),
    "softplus with beta": nn.Softplus(beta=2.0),
    "softsign": nn.Softsign(),
    "tanh": nn.Tanh(),
    "sigmoid": nn.Sigmoid(),
    "log sigmoid": nn.LogSigmoid(),
    "tanhshrink": nn.Tanhshrink(),
    "softshrink": nn.Softshrink(0.3),
    "hardshrink": nn.Hardshrink(0.3),
    "threshold": nn.Threshold(0.1, -3.0),
    "glu": nn.Sequential(nn.Linear(5, 6), nn.GLU()),
    "softmax": nn.Softmax(dim=-1),
    "softmin": nn.Softmin(dim=1),
    "log softmax": nn.LogSoftmax(dim=1),
    "dropout": nn.Dropout(0.5),
    "alpha dropout": nn.AlphaDropout(0.5),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    check(ACTIVATIONS[name], rows(5))


FUNCTIONS: dict[str, Any] = {
    "add": lambda x: x + 1.5,
    "add in place": lambda x: (x * 2).add_(3, alpha=2),
    "sub": lambda x: 1 - x,
    "mul and div": lambda x: x * 3 / 7 + x / (x * x + 1),
    "integer division": lambda x: (x * 10).long() // 3,
    "division, truncated": lambda x: torch.div(x, 0.3, rounding_mode="trunc"),
    "remainder": lambda x: x % 0.7,
    "fmod": lambda x: torch.fmod(x, 0.7),
    "powers": lambda x: x**2 + x**3 + x.abs() ** 0.5 + x.abs() ** 1.7,
    "roots": lambda x: (x * x + 1).sqrt() + (x * x + 1).rsqrt(),
    "exp and log": lambda x: x.exp() + (x.abs() + 0.1).log(),
    "exp2, log2, log10": lambda x: torch.exp2(x) + torch.log2(x.abs() + 1) + torch.log10(x.abs() + 1),
    "expm1 near 0": lambda x: torch.expm1(x * 1e-4),
    "expm1": lambda x: torch.expm1(x * 10),
    "log1p near 0": lambda x: torch.log1p(x * 1e-5),
    "log1p": lambda x: torch.log1p(x.abs() * 1e10),
    "angles": lambda x: x.sin() + x.cos() + x.atan() + (x / 10).asin() + (x / 10).acos() + (x / 10).tan(),
    "hyperbolic": lambda x: x.sinh() + x.cosh() + x.tanh(),
    "rounding": lambda x: (x * 3).round() + (x * 3).floor() + (x * 3).ceil() + (x * 3).trunc() + x.sign(),
    "rounding to digits": lambda x: torch.round(x, decimals=2),
    "erf": torch.erf,
    "reciprocal": lambda x: (x * x + 1).reciprocal(),
    "comparisons": lambda x: (x > 0) & (x <= 1) | (x == x.flip(1)) & ~(x < -1) ^ (x != 0),
    "comparisons with whole numbers": lambda x: (x * 3).long() >= 2,
    "where": lambda x: torch.where(x > 0, x, x * 0.1),
    "where a number": lambda x: torch.where(x > 0, 1.0, x),
    "masked_fill": lambda x: x.masked_fill(x < 0, -9.0),
    "masked_fill in place": lambda x: (x * 2).masked_fill_(x < 0, -9.0),
    "triangle in place": lambda x: (x.unsqueeze(1) * x.unsqueeze(2)).tril_(),
    "mask set": lambda x: _mask_set(x),
    "clamp": lambda x: x.clamp(-0.5, 0.5) + x.clamp(min=0.1) + x.clamp(max=0.2),
    "clamp between tensors": lambda x: x.clamp(x - 0.1, x * 0.5 + 1),
    "maximum": lambda x: torch.maximum(x, x.flip(1)) - torch.minimum(x, x * 2),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.5) + torch.addcdiv(x, x, x * x + 1),
    "lerp": lambda x: torch.lerp(x, x * 3, 0.3),
    "nan_to_num": lambda x: torch.nan_to_num(torch.where(x > 1, torch.nan, x) / (x.round() * 0 + 1), 5.0),
    "isnan": lambda x: torch.isnan(torch.where(x > 1, torch.nan, x)),
    "to whole numbers": lambda x: (x * 10).to(torch.int32),
    "to bytes": lambda x: (x.abs() * 50).clamp(0, 255).to(torch.uint8),
    "to double": lambda x: x.double() / 3,
    "truths as numbers": lambda x: (x > 0).float() + (x > 1),
    "fill": lambda x: torch.full_like(x, 2.0) + torch.zeros_like(x) + torch.ones(x.shape[0], 1),
}


def _mask_set(x: Tensor) -> Tensor:
    y = x.clone()
    y[y > 1] = 0.0
    return y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    check(Calls(FUNCTIONS[name]), rows(5))


def test_normalised_vectors_and_distances() -> None:
    check(Calls(lambda x: F.normalize(x, dim=1)), rows(5))
    check(Calls(lambda x: F.cosine_similarity(x, x.flip(1), dim=1)), rows(5))
