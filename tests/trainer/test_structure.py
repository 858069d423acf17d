"""Networks that differ in nothing but values, and others."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from annvil.trainer.inputs.module_signature import structure


class Own(nn.Module):
    def __init__(self, power=1, function=torch.relu, tied=False):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self._power, self.function = power, function
        if tied:
            self.second.weight = self.first.weight


def same(one, other):
    return structure(one) == structure(other)


def test_values_do_not_matter():
    assert same(nn.Linear(3, 2), nn.Linear(3, 2))
    assert same(nn.Dropout(0.1), nn.Dropout(0.7))
    assert same(Own(), Own())
    assert same(nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)))
    assert same(nn.MultiheadAttention(4, 2), nn.MultiheadAttention(4, 2))


def test_everything_else_does():
    assert not same(nn.Linear(3, 2), nn.Linear(3, 3))
    assert not same(nn.Linear(3, 2), nn.Linear(3, 2, bias=False))
    assert not same(nn.Dropout(0.0), nn.Dropout(0.7))
    assert not same(nn.LeakyReLU(0.1), nn.LeakyReLU(0.2))
    assert not same(nn.ReLU(), nn.Tanh())
    assert not same(Own(power=1), Own(power=2))
    assert not same(Own(), Own(tied=True))
    assert not same(Own(function=torch.relu), Own(function=torch.tanh))
    assert not same(Own(function=F.relu), Own(function=F.silu))
    assert same(Own(function=F.silu), Own(function=F.silu))


def test_frozen_parameters_do():
    frozen = nn.Linear(3, 2)
    frozen.weight.requires_grad_(False)
    assert not same(frozen, nn.Linear(3, 2))


def test_what_cannot_be_compared_is_never_the_same():
    def remembering(number):
        return lambda x: x * number

    assert not same(Own(function=remembering(2)), Own(function=remembering(2)))
    assert not same(Own(power=torch.ones(2)), Own(power=torch.ones(2)))
    hooked = Own()
    hooked.register_forward_hook(lambda *arguments: None)
    assert not same(hooked, hooked)
