"""What the engine changes in a network before it trains it: noise that follows from a key.

`torch.nn.Dropout` and its kin draw from a generator with hidden state; under `vmap` a member's noise would depend on
its companions, and a run that was killed could not be repeated. In the copy of a network that is trained, each is
replaced by a `KeyedDropout` with the same distribution (docs/decisions/0012-noise.md). What the caller gets back is
the network as it was given.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from annvil.data.keyed_noise import kept
from annvil.errors import RequestError
from annvil.training.compat.copying import copied

_ALPHA = -1.7580993408473766  # what SELU's negative side saturates at (Klambauer et al. 2017, section on alpha dropout)

_ELEMENTS = (nn.Dropout, nn.AlphaDropout)
_CHANNELS: dict[type[nn.Module], tuple[int, ...]] = {
    nn.Dropout1d: (3,),
    nn.Dropout2d: (4,),
    nn.Dropout3d: (5,),
    nn.FeatureAlphaDropout: (2, 3, 4, 5),
}
"""Modules that drop whole channels, and for how many axes the second one surely holds them."""


class KeyedDropout(nn.Module):
    """One of PyTorch's dropouts with noise that is a function of (``key``, call, row, unit).

    `annvil.training` sets ``key`` and ``rate`` for every member and step (see `annvil.training.loop.pack`).
    ``calls`` counts
    the uses within a forward pass, so that a module used twice has independent noise each time; `begin` starts anew.
    """

    rate: Tensor
    key: Tensor

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self.original = original
        self.register_buffer("rate", torch.tensor(float(original.p)))  # type: ignore[arg-type]
        self.register_buffer("key", torch.tensor(0, dtype=torch.int32))
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        axes = _CHANNELS.get(type(self.original))
        if axes is not None and x.dim() not in axes:
            return self.original(x)  # type: ignore[no-any-return]  # PyTorch has meanings of its own for these
        self._count()
        keep = self._kept(x, self.key if self.calls == 1 else self.key ^ _other(self.calls))
        if isinstance(self.original, nn.AlphaDropout | nn.FeatureAlphaDropout):
            # Klambauer et al. 2017: dropped numbers become _ALPHA; then mean 0 and variance 1 are restored.
            scale = ((1 + self.rate * _ALPHA**2) * (1 - self.rate)) ** -0.5
            return (x * keep + _ALPHA * (1 - keep) - self.rate * _ALPHA) * scale
        return x * (keep * (1 / (1 - self.rate)))

    def _count(self) -> None:
        """One more use, unless activation checkpointing computes an earlier one again on its way back."""
        if torch._C._current_graph_task_id() == -1:
            self.calls += 1
        elif self.calls != 1:
            raise RequestError(
                "One dropout is used several times within activation checkpointing (torch.utils.checkpoint), where it "
                "cannot be told which use is computed again; give each use a module of its own."
            )

    def _kept(self, x: Tensor, key: Tensor) -> Tensor:
        """1 where a number is kept, 0 where not, in a shape that multiplies ``x``."""
        if type(self.original) in _CHANNELS:
            rows, channels = x.shape[:2]
            return kept(key, self.rate, rows, channels).to(x.dtype).view(rows, channels, *[1] * (x.dim() - 2))
        units = x.shape[-1]
        return kept(key, self.rate, x.numel() // max(units, 1), units).to(x.dtype).view(x.shape)

    def extra_repr(self) -> str:
        return f"{type(self.original).__name__}, rate={float(self.rate):g}"


def _other(call: int) -> int:
    """A well-mixed int32 for every call but the first (the finaliser of MurmurHash3, Appleby 2011)."""
    x = call * 0x9E3779B9 & 0xFFFFFFFF
    x = ((x ^ x >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    x = ((x ^ x >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return (x ^ x >> 16) - (1 << 31)


def with_keyed_noise(network: nn.Module, rates: Iterable[float | None]) -> nn.Module:
    """A network with the same weights whose dropouts are keyed: ``network`` itself if there is nothing to replace.

    ``rates`` are the members' own rates. Where no member drops anything, dropouts are only taken out. Subclasses of
    PyTorch's modules are left alone: they may do something else.
    """
    if not any(_is_replaced(module) for module in network.modules()):
        return network
    own, asked = copied(network), set(rates)
    keyed: dict[nn.Module, nn.Module] = {}  # the same one wherever the network uses the same module
    for parent in list(own.modules()):
        for name, child in list(parent._modules.items()):
            if child is None or not _is_replaced(child):
                continue
            if child not in keyed:
                rates_here = {float(child.p) if rate is None else rate for rate in asked}  # type: ignore[arg-type]
                keyed[child] = nn.Identity() if rates_here == {0.0} else KeyedDropout(child)
            parent._modules[name] = keyed[child]
    return own


def _is_replaced(module: nn.Module) -> bool:
    return type(module) in (*_ELEMENTS, *_CHANNELS) and float(module.p) < 1  # type: ignore[arg-type]


def begin(network: nn.Module) -> None:
    """Before a forward pass: every dropout's next use is its first."""
    for module in network.modules():
        if isinstance(module, KeyedDropout):
            module.calls = 0
