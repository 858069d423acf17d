"""Trained networks for sound as a member of a model: the front end, then the networks, averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from annvil.kinds.sound.clips import Clips
from annvil.models.networks.bag import NetworkBag
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from annvil.kinds.sound.contenders.speech_energies import SpeechEnergies

N_BANDS = 40
"""Bands of the front end (as in Choi et al. 2019)."""

SAMPLES_AT_ONCE = 1 << 20
"""Samples of clips in one pass (assumed: activations are a few times as many numbers)."""


@dataclass(frozen=True)
class LogMel:
    """Clips as the networks take them: natural logarithms of the energies in bands of each frame."""

    rate: int

    def module(self) -> SpeechEnergies:
        """What computes them."""
        from annvil.kinds.sound.contenders.speech_energies import SpeechEnergies

        return SpeechEnergies(self.rate, N_BANDS)

    def transform(self, inputs: Clips) -> tuple[Tensor, Tensor]:
        """Energies float32 ``(n, N_BANDS, frames)``, zeros behind the ends, and frames that count, int64 ``(n,)``."""
        import torch

        samples, lengths = inputs.padded()
        with torch.inference_mode():
            features, frames = self.module()(torch.from_numpy(samples), torch.from_numpy(lengths))
        return features.clone(), frames.clone()

    def write(self, graph: Graph, *raw: Value) -> tuple[Value, ...]:
        """The same as nodes."""
        from annvil.onnx.export import export_module

        module = self.module()
        return export_module(graph, module, *raw, examples=module.front_end.examples(), free={0: 1})

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        return (
            f"Each clip becomes the logarithms of its energies in {N_BANDS} bands, in frames of 32 ms every 10 ms.",
            "Quiet frames before the first loud one and behind the last loud one are left away.",
            "Of each frame 13 cepstra are kept, and from each its mean over the clip is taken away.",
        )


@dataclass(frozen=True)
class SoundBag(NetworkBag):
    """Networks on the same energies, averaged."""

    free: ClassVar[Mapping[int, int]] = {0: 2}

    def predict(self, inputs: Clips) -> FloatArray:
        """Probabilities ``(n_rows, n_classes)`` or values ``(n_rows, 1)``."""
        for network in self.networks:
            network.eval()
        parts = [super(SoundBag, self).predict(block) for _, block in inputs.blocks(SAMPLES_AT_ONCE)]
        n_outputs: Any = self.networks[0].architecture.n_outputs  # type: ignore[union-attr]
        return np.concatenate(parts) if parts else np.empty((0, n_outputs))
