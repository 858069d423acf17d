"""Losses of PyTorch that ignore a class number are means over what counts, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

import annvil

LOSSES: dict[str, Callable[..., Any]] = {
    "module": nn.CrossEntropyLoss(),
    "function": functional.cross_entropy,
    "another number": nn.CrossEntropyLoss(ignore_index=2),
    "smoothed": nn.CrossEntropyLoss(label_smoothing=0.1),
    "partial": partial(functional.cross_entropy, ignore_index=2),
}


@pytest.mark.parametrize("positions", [(), (5,), (4, 4)])
@pytest.mark.parametrize("name", list(LOSSES))
def test_means_are_over_what_counts(name: str, positions: tuple[int, ...]) -> None:
    loss, generator = LOSSES[name], torch.Generator().manual_seed(0)
    X = torch.randn(48, 6, *positions, generator=generator)
    y = torch.randint(0, 3, (48, *positions), generator=generator)
    y[torch.rand(y.shape, generator=generator) < 0.4] = 2 if name in ("another number", "partial") else -100
    kind = {0: lambda: nn.Linear(6, 3), 1: lambda: nn.Conv1d(6, 3, 1), 2: lambda: nn.Conv2d(6, 3, 1)}[len(positions)]
    torch.manual_seed(0)
    mine = kind()
    theirs = kind()
    theirs.load_state_dict(mine.state_dict())
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    expected = []
    for _ in range(3):
        losses = []
        for rows in torch.arange(48).split(16):
            optimizer.zero_grad()
            value = loss(theirs(X[rows]), y[rows])
            value.backward()
            optimizer.step()
            losses.append(value.item())
        expected.append(sum(losses) / 3)
    settings = {"optimizer": "sgd", "momentum": 0.0, "nesterov": False, "learning_rate": 0.1, "shuffle": False}
    result = annvil.train(mine, X, y, loss=loss, epochs=3, batch_size=16, batches="exact", verbose=False, **settings)
    assert result.history["loss"] == pytest.approx(expected, rel=1e-5)
