"""From samples of sound to log-mel energies or cepstra, by fixed products alone: the graph of a model has all of it.

The steps are those of the earlier way (Davis and Mermelstein 1980; Young et al., The HTK Book, chapter 5):
pre-emphasis, frames under a Hamming window, energies of a Fourier transform in triangles that are equally wide on the
mel scale, logarithm, discrete cosine transform, differences, and the mean of each clip taken away, which takes away
what microphone and room add to every frame alike.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

FeatureKind = Literal["log-mel", "cepstra"]

FLOOR_DECIBEL = 40.0
"""So much below the mean energy of a clip's bands there is a floor (assumed): digital silence, which no microphone
gives, becomes faint noise of the clip's own loudness, and gain changes nothing but what mean removal takes away."""

SILENCE = 1e-10
"""The floor of a clip that is silent from end to end (samples of 16 bits are multiples of 3e-5, squared 1e-9)."""

REACH = 2
"""Frames on either side from which a difference is taken (The HTK Book, equation 5.16)."""


class FrontEnd(nn.Module):
    """Samples and lengths to features of frames, and how many frames of each clip count.

    **Shape**: samples float32 ``(n, time)`` in -1 to 1 and lengths int64 ``(n,)`` to features float32
    ``(n, n_features, frames)``, zeros behind the last frame of each clip, and lengths in frames int64 ``(n,)``. What
    lies behind the end of a clip is never looked at. ``frames`` is ``ceil(time / hop)``.

    Parameters
    ----------
    rate : samples a second, Hz
    kind : "log-mel": natural logarithms of energies in ``n_bands`` bands; "cepstra": the first ``n_cepstra`` of their
        cosine transform (type II, orthonormal), followed by so many ``differences`` of them, each of the one before
    window_ms, hop_ms : of a frame and from one to the next, milliseconds
    low_hz : where the first band begins; the last ends at half the rate
    pre_emphasis : share of the sample before that is taken away from each
    mean_removal : whether the mean of each feature over a clip's frames is taken away
    floor_decibel : see `FLOOR_DECIBEL`

    >>> front = FrontEnd(8_000)
    >>> features, lengths = front(torch.zeros(2, 8_000), torch.tensor([8_000, 100]))
    >>> tuple(features.shape), lengths.tolist()
    ((2, 40, 100), [97, 1])
    """

    filters: Tensor
    bands: Tensor
    cosines: Tensor

    def __init__(
        self,
        rate: int,
        kind: FeatureKind = "log-mel",
        n_bands: int = 40,
        n_cepstra: int = 13,
        differences: int = 2,
        window_ms: float = 32.0,
        hop_ms: float = 10.0,
        low_hz: float = 60.0,
        pre_emphasis: float = 0.97,
        mean_removal: bool = True,
        floor_decibel: float = FLOOR_DECIBEL,
    ) -> None:
        super().__init__()
        self.rate, self.kind, self.differences = rate, kind, differences if kind == "cepstra" else 0
        self.window, self.hop = max(2, round(rate * window_ms / 1000)), max(1, round(rate * hop_ms / 1000))
        self.pre_emphasis, self.mean_removal = pre_emphasis, mean_removal
        self.floor = 10 ** (-floor_decibel / 10)
        n_static = n_cepstra if kind == "cepstra" else n_bands
        self.n_features = n_static * (1 + self.differences)
        n_fft = 2 ** math.ceil(math.log2(self.window))
        bands = mel_bands(n_bands, n_fft, rate, low_hz)
        used = bands.sum(dim=0) > 0
        self.register_buffer("filters", fourier_filters(self.window, n_fft)[:, used].flatten(0, 1).float()[:, None])
        self.register_buffer("bands", bands[:, used].repeat(1, 2).float()[:, :, None])
        self.register_buffer("cosines", cosine_transform(n_cepstra, n_bands).float()[:, :, None], persistent=False)

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        at = torch.arange(samples.shape[1], device=samples.device)
        before = functional.pad(samples, (1, 0))[:, :-1]
        x = (samples - self.pre_emphasis * before) * (at < lengths[:, None]).to(samples.dtype)
        x = functional.pad(x, (0, self.window - 1))
        spectrum = functional.conv1d(x[:, None], self.filters, stride=self.hop)
        energies = functional.conv1d(spectrum * spectrum, self.bands)
        frames = self.frames_of(lengths)
        mask = self.inside(samples, frames)
        count = frames.to(samples.dtype)[:, None, None]
        mean = (energies * mask).mean(dim=1, keepdim=True).sum(dim=2, keepdim=True) / count
        found = (energies + (self.floor * mean + SILENCE)).log()
        if self.kind == "cepstra":
            found = functional.conv1d(found, self.cosines)
        parts = [found]
        for _ in range(self.differences):
            parts.append(_differences(parts[-1], at[:: self.hop] // self.hop, frames))
        together = torch.cat(parts, dim=1) if len(parts) > 1 else found
        if self.mean_removal:
            together = together - (together * mask).sum(dim=2, keepdim=True) / count
        return together * mask, frames

    def frames_of(self, lengths: Tensor) -> Tensor:
        """Frames of clips of so many samples: those that lie inside, one at least. int64 ``(n,)``."""
        return (lengths - self.window).clamp(min=0) // self.hop + 1

    def inside(self, samples: Tensor, frames: Tensor) -> Tensor:
        """1 for frames that count and 0 behind them, of as many as `forward` gives for ``samples``."""
        places = torch.arange(samples.shape[1], device=samples.device)[:: self.hop] // self.hop
        return (places < frames[:, None]).to(samples.dtype)[:, None]

    def examples(self) -> tuple[Tensor, Tensor]:
        """One clip, as `forward` takes it, of several frames, for a size of 1 is special; time, axis 1, is free."""
        return torch.zeros(1, self.window), torch.ones(1, dtype=torch.int64)


def mel_of(hertz: float) -> float:
    """The mel scale of O'Shaughnessy 1987, as in HTK.

    >>> round(mel_of(1000.0))
    1000
    """
    return 2595 * math.log10(1 + hertz / 700)


def band_centres(n_bands: int, rate: int, low_hz: float = 60.0) -> tuple[float, ...]:
    """Hz of the middle of each band of a `FrontEnd`, rising.

    >>> [round(hertz) for hertz in band_centres(3, 8_000)]
    [498, 1190, 2280]
    """
    low, high = mel_of(min(low_hz, rate / 4)), mel_of(rate / 2)
    mels = (low + (high - low) * (band + 1) / (n_bands + 1) for band in range(n_bands))
    return tuple(700 * (10 ** (mel / 2595) - 1) for mel in mels)


def mel_bands(n_bands: int, n_fft: int, rate: int, low_hz: float) -> Tensor:
    """Triangles on the mel scale, of height 1, at the frequencies of a Fourier transform: float64
    ``(n_bands, n_fft // 2 + 1)``. A band that is narrower than the distance of two frequencies takes the nearest."""
    low, high = mel_of(min(low_hz, rate / 4)), mel_of(rate / 2)
    edges = torch.linspace(low, high, n_bands + 2, dtype=torch.float64)
    at = torch.tensor([mel_of(rate * k / n_fft) for k in range(n_fft // 2 + 1)], dtype=torch.float64)
    width = (high - low) / (n_bands + 1)
    bands = (1 - (at - edges[1:-1, None]).abs() / width).clamp(min=0)
    empty = bands.sum(dim=1) == 0
    nearest = (at - edges[1:-1, None]).abs().argmin(dim=1)
    bands[empty, nearest[empty]] = 1.0
    return bands


def fourier_filters(window: int, n_fft: int) -> Tensor:
    """Cosines and sines under a Hamming window: float64 ``(2, n_fft // 2 + 1, window)``."""
    at = torch.arange(window, dtype=torch.float64)
    hamming = 0.54 - 0.46 * torch.cos(2 * math.pi * at / (window - 1))
    angle = 2 * math.pi / n_fft * torch.outer(torch.arange(n_fft // 2 + 1, dtype=torch.float64), at)
    return torch.stack([angle.cos(), angle.sin()]) * hamming


def cosine_transform(n_cepstra: int, n_bands: int) -> Tensor:
    """Rows of the orthonormal discrete cosine transform of type II: float64 ``(n_cepstra, n_bands)``."""
    k, at = torch.arange(n_cepstra, dtype=torch.float64), torch.arange(n_bands, dtype=torch.float64) + 0.5
    rows = torch.cos(math.pi / n_bands * torch.outer(k, at)) * math.sqrt(2 / n_bands)
    rows[0] /= math.sqrt(2)
    return rows


def _differences(x: Tensor, places: Tensor, frames: Tensor) -> Tensor:
    """The slope of a line through a frame and `REACH` on either side; beyond the ends of a clip its last frames stand.

    ``x (n, features, frames)``; ``places`` of the frames, int64 ``(frames,)``.
    """
    every = torch.zeros(x.shape[1], 1, dtype=torch.int64, device=x.device)
    last = (frames - 1)[:, None]
    total = torch.zeros_like(x[:, :, :1])
    for away in range(1, REACH + 1):
        later = torch.minimum((places + away)[None], last)[:, None] + every
        earlier = torch.minimum((places - away).clamp(min=0)[None], last)[:, None] + every
        total = total + away * (x.gather(2, later) - x.gather(2, earlier))
    return total / (2 * sum(away * away for away in range(1, REACH + 1)))
