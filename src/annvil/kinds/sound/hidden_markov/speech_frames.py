"""Frames of what is said: cepstra and their differences, without the quiet before and behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.spoken import spoken
from annvil.networks.front_end import FrontEnd
from annvil.tasks.base import FloatArray, IntArray

N_CEPSTRA, N_BANDS = 13, 40


class SpeechFrames(nn.Module):
    """Samples float32 ``(n, time)`` and lengths ``(n,)`` to frames float32 ``(n, features, frames)`` and counts.

    Frames begin with the first loud one, and only those up to the last loud one count; the mean of each cepstrum over
    them is taken away, and with it what microphone and room add to every frame.
    """

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.front_end = FrontEnd(rate, kind="cepstra", n_bands=N_BANDS, n_cepstra=N_CEPSTRA)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        frames, counts = self.front_end(samples, lengths)
        said, count = spoken(frames, counts, frames[:, 0] / math.sqrt(N_BANDS))
        mean = said[:, :N_CEPSTRA].sum(dim=2, keepdim=True) / count[:, None, None].float()
        centred = torch.cat([said[:, :N_CEPSTRA] - mean, said[:, N_CEPSTRA:]], dim=1)
        return centred, count


@dataclass(frozen=True)
class Frames:
    """Frames of clips, one clip behind the other.

    Attributes
    ----------
    values : float32 ``(frames of all clips, features)``
    starts : int64 ``(n + 1,)``: clip ``i`` has the frames from ``starts[i]`` on, up to ``starts[i + 1]``
    """

    values: NDArray[np.float32]
    starts: IntArray

    @property
    def counts(self) -> IntArray:
        """Frames of each clip ``(n,)``."""
        return np.diff(self.starts)

    def of(self, rows: IntArray) -> FloatArray:
        """Frames of some clips one behind the other, float64."""
        return self.take(rows).values.astype(np.float64)

    def take(self, rows: IntArray) -> Frames:
        """Some clips, in the order asked for."""
        counts = self.counts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        places = np.repeat(self.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
        return Frames(self.values[places], starts)

    def padded(self, rows: IntArray) -> tuple[FloatArray, IntArray]:
        """Frames of some clips float64 ``(n, time, features)``, zeros behind the end of each, and counts ``(n,)``."""
        counts = self.counts[rows]
        found = np.zeros((len(rows), int(counts.max(initial=1)), self.values.shape[1]))
        for place, row in enumerate(rows.tolist()):
            found[place, : counts[place]] = self.values[self.starts[row] : self.starts[row + 1]]
        return found, counts


SAMPLES_AT_ONCE = 1 << 19
"""Samples whose frames are made together (assumed: their spectra take 30 times as many numbers)."""


def frames_of(clips: Clips, module: SpeechFrames) -> Frames:
    """Frames of all clips; those of like length go together."""
    order = np.argsort(clips.lengths, kind="stable")
    found: list[NDArray[np.float32]] = [np.empty((0, module.front_end.n_features), np.float32)] * clips.n_rows
    with torch.inference_mode():
        for rows, block in clips.take(order).blocks(SAMPLES_AT_ONCE):
            values, counts = module(*map(torch.from_numpy, block.padded()))
            for row, one, count in zip(order[rows].tolist(), values.numpy(), counts.tolist(), strict=True):
                found[row] = one[:, :count].T.copy()
    starts = np.concatenate([[0], np.cumsum([len(one) for one in found])]).astype(np.int64)
    return Frames(np.concatenate(found) if found else np.empty((0, module.front_end.n_features), np.float32), starts)
