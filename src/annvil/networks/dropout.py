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

    The hash is chosen for speed: a row and a unit each get a well-mixed odd 32-bit number (two rounds of multiplying
    and xor-shifting), and the high bits of their product decide (multiply-shift hashing, Dietzfelbinger et al. 1997).
    One multiplication and one comparison a number; tests/networks/test_dropout.py checks rates and correlations.

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
        row = _scramble(torch.arange(rows, dtype=torch.int32, device=x.device) * _ODD_1 + self.key) | 1
        unit = _scramble(torch.arange(units, dtype=torch.int32, device=x.device) * _ODD_2 - self.key) | 1
        noise = row.unsqueeze(1) * unit  # int32, wrapping: uniform over all odd numbers
        threshold = (self.rate * 2.0**32 - 2.0**31).to(torch.int64).clamp(max=2**31 - 1).to(torch.int32)
        scale = torch.where(noise >= threshold, 1 / (1 - self.rate), 0.0)
        return x * scale.reshape(x.shape)

    def extra_repr(self) -> str:
        return f"rate={float(self.rate):g}"


# Odd constants of 32-bit mixing functions (2^32 / golden ratio; the finaliser of "lowbias32", Wellons 2018), as int32.
_ODD_1 = 0x9E3779B9 - (1 << 32)
_ODD_2 = 0x7FEB352D
_ODD_3 = 0x846CA68B - (1 << 32)


def _scramble(x: Tensor) -> Tensor:
    """A bijection of int32 in which every bit of the argument changes every bit of the result with chance one half."""
    x = (x ^ _shifted(x, 16)) * _ODD_2
    x = (x ^ _shifted(x, 15)) * _ODD_3
    return x ^ _shifted(x, 16)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Bits to the right with zeros coming in, which PyTorch's shift of signed numbers does not do."""
    return torch.bitwise_right_shift(x, bits) & ((1 << 32 - bits) - 1)
