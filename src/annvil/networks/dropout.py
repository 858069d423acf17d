"""Dropout whose noise is a function of a key, so that many networks can be trained as one and a run can be repeated."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Sets a share ``rate`` of the numbers to zero while training and scales the others by 1 / (1 - rate).

    Counter-based noise in the manner of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3"): the noise
    at row i and unit j is a hash of (key, i, j), with no hidden state. It does not depend on how many networks are
    trained together, and whoever sets the same key meets the same noise. `annvil.training` sets ``key`` anew for every
    member and step; in a loop of your own, change it before every step (`new_key`).

    The hash is chosen for speed: every row and every unit has a fixed random odd 32-bit number, the key changes both by
    exclusive or, and the high bits of their product decide (multiply-shift hashing, Dietzfelbinger et al. 1997): one
    multiplication and one comparison a number. tests/networks/test_dropout.py checks rates and correlations.

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
        rows = x.numel() // max(units, 1)
        row = _odd_numbers(rows, x.device) ^ (self.key * _EVEN_1)
        unit = _odd_numbers(units, x.device) ^ (self.key * _EVEN_2)
        noise = (row.unsqueeze(1) * unit).float()  # the product wraps: uniform over the odd numbers of int32
        keep = (noise >= self.rate * 2.0**32 - 2.0**31).to(x.dtype)
        return x * (keep * (1 / (1 - self.rate))).reshape(x.shape)

    def extra_repr(self) -> str:
        return f"rate={float(self.rate):g}"


# Even, so that odd numbers stay odd under exclusive or; twice the golden ratio's and twice another well-mixed number.
_EVEN_1 = 2 * (0x1E3779B9 - (1 << 29))
_EVEN_2 = 2 * 0x3FEB352D


def _odd_numbers(count: int, device: torch.device) -> Tensor:
    """``count`` fixed, well-mixed odd numbers, int32: the finaliser "lowbias32" (Wellons 2018) of 0, 1, 2, …"""
    x = torch.arange(1, count + 1, dtype=torch.int64, device=device) * 0x9E3779B9 & _MASK
    x = ((x ^ x >> 16) * 0x7FEB352D) & _MASK
    x = ((x ^ x >> 15) * 0x046CA68B) & _MASK
    return ((x ^ x >> 16) | 1).sub(1 << 31).to(torch.int32)


_MASK = 0xFFFFFFFF
