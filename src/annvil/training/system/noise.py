"""What noise modules read: a rate and a key, new for every step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from annvil.training.loop.batches import mix
from annvil.training.loop.stack import Layout
from annvil.training.recipe import Member


def places_of_keys(layout: Layout) -> tuple[int, ...]:
    """The places of the buffers that hold keys, among all buffers."""
    return tuple(layout.buffers.index(f"{path}key") for path in _paths(layout))


def _paths(layout: Layout) -> list[str]:
    """The names of noise modules, with their dot."""
    names = set(layout.buffers)
    paths = [name.removesuffix("key") for name in layout.buffers if name == "key" or name.endswith(".key")]
    return [path for path in paths if f"{path}rate" in names]


class Noise:
    """Sets what the noise modules of the members read: a rate and a key, new for every step.

    A noise module is one with buffers named ``rate`` (float32) and ``key`` (int32), such as `annvil.networks.Dropout`.
    A key follows from the member's seed, the module's place in the network and the number of the step, never from other
    members. Processes that train together, and parts of a batch, have noise of their ``own``.
    """

    def __init__(
        self, layout: Layout, buffers: Sequence[Tensor], members: Sequence[Member], own: tuple[int, ...]
    ) -> None:
        by_name = dict(zip(layout.buffers, buffers, strict=True))
        paths = _paths(layout)
        self._keys = [by_name[f"{path}key"] for path in paths]
        self._rates = [by_name[f"{path}rate"] for path in paths]
        for rate in self._rates:
            for k, member in enumerate(members):
                if member.dropout is not None:
                    rate[k] = member.dropout
        self._peaks = [rate.clone() for rate in self._rates]
        seeds = [[mix(member.seed, 1 + place, *own) & _MASK for member in members] for place in range(len(paths))]
        self._seeds = torch.tensor(seeds)
        self._factor = 1.0

    def set(self, step: int, factor: float) -> None:
        """Keys for step number ``step`` of the whole training; rates times ``factor``."""
        if not self._keys:
            return
        keys = (self._seeds + (step * 0x9E3779B9 & _MASK)) & _MASK
        keys = ((keys ^ keys >> 16) * 0x45D9F3B) & _MASK
        keys = (keys ^ keys >> 16) - 0x80000000
        for key, value in zip(self._keys, keys, strict=True):
            key.copy_(value)
        if factor != self._factor:
            self._factor = factor
            for rate, peak in zip(self._rates, self._peaks, strict=True):
                torch.mul(peak, factor, out=rate)


_MASK = 0xFFFFFFFF
