"""Dropout whose noise is a function of a key, so that many networks can be trained as one and a run can be repeated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from annvil.data.keyed_noise import kept


class Dropout(nn.Module):
    """Sets a share ``rate`` of the numbers to zero while training and scales the others by 1 / (1 - rate).

    The noise at row i and unit j is a hash of (key, i, j), see `annvil.data.keyed_noise`. It does not depend on how
    many networks
    are trained together, and whoever sets the same key meets the same noise. `annvil.training` sets ``key`` anew for
    every member and step; in a loop of your own, change it before every step (`new_key`).

    Shape: any ``(batch, …, units)`` → the same.
    """

    rate: Tensor
    key: Tensor

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.register_buffer("rate", torch.tensor(float(rate)))
        self.register_buffer("key", torch.tensor(0, dtype=torch.int32))

    def new_key(self, key: int) -> None:
        """Other noise from now on; ``key`` is any whole number below 2^31 in size."""
        self.key.fill_(key)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        units = x.shape[-1]
        keep = kept(self.key, self.rate, x.numel() // max(units, 1), units).to(x.dtype)
        return x * (keep * (1 / (1 - self.rate))).reshape(x.shape)

    def extra_repr(self) -> str:
        return f"rate={float(self.rate):g}"
