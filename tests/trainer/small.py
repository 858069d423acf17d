"""A small table, networks for it, and calls of `train` that take a fraction of a second."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from annvil.networks import Dropout
from annvil.trainer.training import train

_rng = np.random.default_rng(0)
X = _rng.normal(size=(160, 6)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
NUMBERS = (X[:, 0] - 2 * X[:, 1] + 0.1 * _rng.normal(size=160)).astype(np.float32)
LEARN, JUDGE = np.arange(120), np.arange(120, 160)


def make(width: int = 8) -> nn.Module:
    """6-8-3 with a dropout layer whose rate is 0."""
    return nn.Sequential(nn.Linear(6, width), nn.ReLU(), Dropout(0.0), nn.Linear(width, 3))


def make_one() -> nn.Module:
    """6-8-1."""
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))


def many(network: Any = make, y: Any = Y, **told: Any) -> Any:
    """Results of a few epochs, judged on the last 40 rows unless folds are asked for."""
    settings: dict[str, Any] = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "threads": 1}
    if "folds" in told or "validation" in told:
        return train(network, X, y, **settings | told)
    return train(network, X[LEARN], y[LEARN], validation=(X[JUDGE], y[JUDGE]), **settings | told)


def alone(network: Any = make, y: Any = Y, learn: Any = LEARN, judge: Any = JUDGE, **told: Any) -> Any:
    """One network on those rows."""
    settings: dict[str, Any] = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "threads": 1}
    return train(network, X[learn], y[learn], validation=(X[judge], y[judge]), **settings | told)
