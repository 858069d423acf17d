"""The works: made data and the networks trained on it, in PyTorch and in Keras.

The numbers are made (normal, seed 0) and the classes follow from a few of them: speed does not ask what they mean.
Rows are a multiple of every batch, so that nobody has a smaller last batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np


@dataclass(frozen=True)
class Work:
    """One network, how many of it, and what it learns from.

    Attributes
    ----------
    kind : "dense" takes rows of numbers; "image" (1, 28, 28); "lstm" and "gru" 100 steps of 13 numbers
    widths : units of the hidden layers, or channels of the convolutions
    rows : of an epoch
    members : networks trained at once (each on all rows in its own order)
    """

    name: str
    title: str
    kind: Literal["dense", "image", "lstm", "gru", "tabm"]
    shape: tuple[int, ...]  # of a row
    widths: tuple[int, ...]
    classes: int
    rows: int
    batch: int
    members: int = 1

    @property
    def samples(self) -> int:
        """Member-samples of an epoch."""
        return self.rows * self.members


@cache
def data(shape: tuple[int, ...], classes: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Float32 ``(rows, *shape)`` and int64 ``(rows,)``."""
    random = np.random.default_rng(0)
    numbers = random.standard_normal((rows, *shape), dtype=np.float32)
    flat = numbers.reshape(rows, -1)
    sums = flat[:, :12] @ random.standard_normal((12, classes), dtype=np.float32) + flat[:, :1] * flat[:, 1:2]
    return numbers, sums.argmax(1).astype(np.int64)


@cache
def tensors(work: Work) -> tuple[Any, Any]:
    """The same as PyTorch tensors."""
    import torch

    numbers, classes = data(work.shape, work.classes, work.rows)
    return torch.from_numpy(numbers), torch.from_numpy(classes)


def network(work: Work, seed: int = 0) -> Any:
    """The work's network as a `torch.nn.Module`, with PyTorch's own initial weights."""
    import torch
    from torch import nn

    from peers.modules import Recurrent

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if work.kind in ("lstm", "gru"):
            return Recurrent(work.kind, work.shape[-1], work.widths[0], work.classes)
        layers: list[nn.Module] = []
        if work.kind == "image":
            for channels, more in pairwise((work.shape[0], *work.widths)):
                layers += [nn.Conv2d(channels, more, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            side = work.shape[1] // 2 ** len(work.widths)
            return nn.Sequential(*layers, nn.Flatten(), nn.Linear(work.widths[-1] * side * side, work.classes))
        for units, more in pairwise((work.shape[0], *work.widths)):
            layers += [nn.Linear(units, more), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(work.widths[-1], work.classes))


def keras_network(work: Work) -> Any:
    """The same in Keras, as its users write it: images and series with channels last."""
    from keras import Input, Sequential, layers

    if work.kind in ("lstm", "gru"):
        recurrent = layers.LSTM if work.kind == "lstm" else layers.GRU
        return Sequential([Input(work.shape), recurrent(work.widths[0]), layers.Dense(work.classes)])
    if work.kind == "image":
        body: list[Any] = [Input((*work.shape[1:], work.shape[0]))]
        for channels in work.widths:
            body += [layers.Conv2D(channels, 3, padding="same", activation="relu"), layers.MaxPooling2D(2)]
        return Sequential([*body, layers.Flatten(), layers.Dense(work.classes)])
    dense = [layers.Dense(units, activation="relu") for units in work.widths]
    return Sequential([Input(work.shape), *dense, layers.Dense(work.classes)])


def keras_data(work: Work) -> tuple[np.ndarray, np.ndarray]:
    """The data as `keras_network` takes it."""
    numbers, classes = data(work.shape, work.classes, work.rows)
    return (numbers.transpose(0, 2, 3, 1) if work.kind == "image" else numbers), classes
