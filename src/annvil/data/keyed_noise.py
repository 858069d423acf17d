"""Noise that is a function of a key, a row and a unit, with no hidden state.

Counter-based in the manner of Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3"). The hash is chosen
for speed: every row and every unit has a fixed random odd 32-bit number, the key changes both by exclusive or, and the
high bits of their product decide (multiply-shift hashing, Dietzfelbinger et al. 1997): one multiplication and one
comparison a number. tests/networks/test_dropout.py checks rates and correlations (docs/decisions/0012-noise.md).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor


def kept(key: Tensor, rate: Tensor, rows: int, units: int) -> Tensor:
    """Which of rows × units numbers are kept when a share ``rate`` is dropped; bool ``(rows, units)``.

    ``key`` is one int32, ``rate`` one float32 in [0, 1]. The same key meets the same noise.
    """
    row = _odd_numbers(rows, key.device) ^ (key * _EVEN_1)
    unit = _odd_numbers(units, key.device) ^ (key * _EVEN_2)
    noise = (row.unsqueeze(1) * unit).float()  # the product wraps: uniform over the odd numbers of int32
    return noise >= rate * 2.0**32 - 2.0**31


# Even, so that odd numbers stay odd under exclusive or; twice the golden ratio's and twice another well-mixed number.
_EVEN_1 = 2 * (0x1E3779B9 - (1 << 29))
_EVEN_2 = 2 * 0x3FEB352D


@lru_cache(maxsize=64)  # counts are few: units of layers, rows of batches
def _odd_numbers(count: int, device: torch.device) -> Tensor:
    """``count`` fixed, well-mixed odd numbers, int32: the finaliser "lowbias32" (Wellons 2018) of 0, 1, 2, …"""
    x = torch.arange(1, count + 1, dtype=torch.int64, device=device) * 0x9E3779B9 & _MASK
    x = ((x ^ x >> 16) * 0x7FEB352D) & _MASK
    x = ((x ^ x >> 15) * 0x046CA68B) & _MASK
    return ((x ^ x >> 16) | 1).sub(1 << 31).to(torch.int32)


_MASK = 0xFFFFFFFF
