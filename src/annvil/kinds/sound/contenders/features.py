"""Clips as rows of numbers: what their cepstra are like as a whole, and in each part of the clip.

The earlier way of comparing words without aligning them: how much each cepstrum moves, between what it lies, and its
mean in `PARTS` parts of the clip, whatever its length. Means over the whole clip say more about the microphone and the
speaker than about the word; the front end has taken them away.

Trees are not offered these numbers. A tree falls to one side or the other of a threshold for the last bit of a
number, and these are sums in float32, which two libraries never add in the same order; linear models, kernels and
networks say the same but for that last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.form import SoundForm
from annvil.networks.front_end import FrontEnd
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

N_CEPSTRA = 13
PARTS = 8
"""Overlapping parts of equal length in which means are taken (assumed)."""

STATICS = N_CEPSTRA
WITH_FIRST = 2 * N_CEPSTRA


class CepstralStatistics(nn.Module):
    """Samples ``(n, time)`` and lengths ``(n,)`` to float32 ``(n, n_statistics)``; nothing is learnt."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.front = FrontEnd(rate, "cepstra", n_cepstra=N_CEPSTRA)

    def forward(self, samples: Tensor, lengths: Tensor) -> Tensor:
        features, frames = self.front(samples, lengths)
        mask = self.front.inside(samples, frames)
        return torch.cat([*_statistics(features, mask, frames)], dim=1)


@dataclass(frozen=True)
class CepstralFeatures:
    """`CepstralStatistics` of clips at one rate, as `annvil.models.on_features.Features`."""

    rate: int
    at_once = 1 << 21
    seconds_per_value = 2e-7  # of samples; 1.8e-7 measured

    @classmethod
    def choose(cls, form: SoundForm, n_rows: int) -> CepstralFeatures:
        """The same for all."""
        return cls(form.rate)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the columns: ``"mean of cepstrum 3 in part 2 of 8"``."""
        levels = ["cepstrum", "change of cepstrum", "curvature of cepstrum"]
        every = [f"{level} {number}" for level in levels for number in range(N_CEPSTRA)]
        return (
            *(f"deviation of {one}" for one in every),
            *(f"largest of {one}" for one in every[:STATICS]),
            *(f"smallest of {one}" for one in every[:STATICS]),
            *(f"mean of {one} in part {part + 1} of {PARTS}" for part in range(PARTS) for one in every[:WITH_FIRST]),
            "logarithm of the length",
        )

    def of(self, block: Clips) -> FloatArray:
        samples, lengths = block.padded()
        with torch.inference_mode():
            found = CepstralStatistics(self.rate)(torch.from_numpy(samples), torch.from_numpy(lengths))
        as_float64: FloatArray = found.double().numpy()
        return as_float64

    def write(self, graph: Graph, *raw: Value) -> Value:
        from annvil.onnx.export import export_module

        module = CepstralStatistics(self.rate)
        (found,) = export_module(graph, module, *raw, examples=module.front.examples(), free={0: 1})
        return graph.cast(found, "float64")

    def describe(self) -> str:
        return (
            f"Each clip becomes {N_CEPSTRA} cepstra of frames of 32 ms every 10 ms and two differences, less their "
            f"means; these are summed up in {len(self.names)} numbers."
        )


def _statistics(x: Tensor, mask: Tensor, frames: Tensor) -> Iterator[Tensor]:
    """In the order of the names, ``(n, some)``; ``x (n, features, frames)`` is 0 behind the end."""
    count = frames.to(x.dtype)[:, None]
    yield ((x * x).sum(dim=2) / count).sqrt()
    statics, first = x[:, :STATICS], x[:, :WITH_FIRST]
    yield statics.amax(dim=2)  # their mean is 0, so what lies behind the end is never beyond
    yield statics.amin(dim=2)
    place = (mask.cumsum(dim=2) - 0.5) / count[:, None] * PARTS
    for part in range(PARTS):
        weight = (1 - (place - (part + 0.5)).abs()).clamp(min=0) * mask
        yield (first * weight).sum(dim=2) / weight.sum(dim=2).clamp(min=1e-3)
    yield count.log()
