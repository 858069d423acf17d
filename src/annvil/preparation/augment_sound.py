"""Changing batches of log-mel energies as other speakers, rooms and moments would: for training, never for validation.

Everything is done on what the front end has made once, which costs a small part of a training step: vocal tracts of
other lengths (VTLP: Jaitly and Hinton 2013), other tempo (Ko et al. 2015), a cut that is early or late, noise, and
hidden times and frequencies (SpecAugment: Park et al. 2019, arXiv 1904.08779).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from annvil.data.batch_transform import Mixing, Moment

Draws = dict[str, NDArray[Any]]

FLUCTUATION = 0.8
"""Standard deviation of the logarithm of noise in one band of one frame (assumed: that of a sum of three squares)."""

TILT = 2.0
"""Noise is up to so much louder at one end of the bands than in the middle, natural logarithm (assumed)."""


@dataclass(frozen=True)
class SoundAugmentation:
    """What is done to each clip, each time anew. All zero: nothing.

    Attributes
    ----------
    stretch : natural logarithm of the largest change of tempo, either way; 0.22 is 0.8 to 1.25
    warp : natural logarithm of the largest factor on frequencies, either way: a vocal tract of another length
    shift : most frames by which a clip begins earlier or later, and ends so; its first or last frame stands for more
    noise : share of clips to which noise is added, at 5 to 40 decibels below the clip
    time_mask, band_mask : widest hidden stretch of time, a share of the clip, and of bands, a share of them; two each
    """

    stretch: float = 0.0
    warp: float = 0.0
    shift: int = 0
    noise: float = 0.0
    time_mask: float = 0.0
    band_mask: float = 0.0

    @property
    def does_nothing(self) -> bool:
        """Whether clips stay as they are."""
        return self == SoundAugmentation()

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)

    def describe(self) -> str:
        """For people: ``"tempo ±20%, frequencies ±16%, …"``."""
        said = [
            (self.stretch, f"tempo up to {math.expm1(self.stretch):.0%} faster or slower"),
            (self.warp, f"frequencies up to {math.expm1(self.warp):.0%} higher or lower"),
            (self.shift, f"begun and ended up to {self.shift} frames early or late"),
            (self.noise, f"noise in {self.noise:.0%} of clips"),
            (self.time_mask or self.band_mask, "times and frequencies hidden"),
        ]
        return ", ".join(words for asked, words in said if asked) or "unchanged"


@dataclass(frozen=True)
class SoundChanges:
    """What `annvil.training.train_population` takes as ``augment``.

    It changes the first two inputs: natural logarithms of band energies, float32 ``(members, batch, bands, frames)``,
    and how many frames count, int64 ``(members, batch)``.

    Parameters
    ----------
    augmentation : what is done
    centres : of the bands, Hz, rising
    """

    augmentation: SoundAugmentation
    centres: tuple[float, ...]

    @property
    def mixes(self) -> bool:
        """Never: a target stays with its clip."""
        return False

    @property
    def says(self) -> str:
        """What it does, for a checkpoint's fingerprint."""
        return json.dumps([self.augmentation.to_json(), list(self.centres)])

    def __call__(self, inputs: Sequence[Tensor], rows: Tensor, moment: Moment) -> Mixing | None:
        """Change ``inputs[0]`` and ``inputs[1]`` in place."""
        features, lengths = inputs[:2]
        if self.augmentation.does_nothing:
            return None
        members, batch, n_bands, n_frames = features.shape
        parts = [self.draw(moment.chance(member), batch, n_bands, n_frames) for member in range(members)]
        drawn = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        changed, counts = self.changed(features.reshape(-1, n_bands, n_frames), lengths.reshape(-1), drawn)
        features.copy_(changed.view(features.shape))
        lengths.copy_(counts.view(lengths.shape))
        return None

    def draw(self, chance: np.random.Generator, n: int, n_bands: int, n_frames: int) -> Draws:
        """Everything that is drawn for ``n`` clips."""
        of, drawn = self.augmentation, Draws()
        if of.stretch or of.shift:
            drawn["tempo"] = np.exp(chance.uniform(-of.stretch, of.stretch, n)).astype(np.float32)
            drawn["ends"] = chance.integers(-of.shift, of.shift, (n, 2), endpoint=True)
        if of.warp:
            drawn["warp"] = np.exp(chance.uniform(-of.warp, of.warp, n))
        if of.noise:
            drawn["below"] = np.where(chance.random(n) < of.noise, chance.uniform(5, 40, n), np.inf).astype(np.float32)
            drawn["tilt"] = chance.uniform(-TILT, TILT, n).astype(np.float32)
            drawn["fluctuation"] = FLUCTUATION * chance.standard_normal((n, n_bands, n_frames), dtype=np.float32)
        if of.time_mask or of.band_mask:
            drawn["hidden"] = chance.random((n, 2, 2, 2)).astype(np.float32)  # time or bands, which, width and place
        return drawn

    def changed(self, features: Tensor, lengths: Tensor, drawn: Draws) -> tuple[Tensor, Tensor]:
        """Clips ``(n, bands, frames)`` of so many frames ``(n,)`` changed as was drawn: new tensors, zeros behind."""
        x, counts = features, lengths
        if "tempo" in drawn:
            x, counts = _moved(x, counts, torch.from_numpy(drawn["tempo"]), torch.from_numpy(drawn["ends"]))
        if "warp" in drawn:
            x = _between(x, torch.from_numpy(self._warped(drawn["warp"])), 1)
        inside = (torch.arange(x.shape[2]) < counts[:, None])[:, None]
        if "below" in drawn:
            x = _noisy(x, inside, drawn)
        if "hidden" in drawn:
            x = self._hidden(x, inside, counts, torch.from_numpy(drawn["hidden"]))
        return x * inside, counts

    def _warped(self, factors: NDArray[Any]) -> NDArray[np.float32]:
        """Where in the bands the frequencies are found that a warp puts into each of them: ``(n, bands)``."""
        asked = factors[:, None] * np.asarray(self.centres)
        places = np.interp(asked, self.centres, np.arange(len(self.centres)))
        return np.asarray(places, dtype=np.float32)

    def _hidden(self, x: Tensor, inside: Tensor, counts: Tensor, chance: Tensor) -> Tensor:
        """Stretches of time and of bands brought to the clip's mean of each band."""
        of, n_bands = self.augmentation, x.shape[1]
        mean = (x * inside).sum(dim=2, keepdim=True) / counts[:, None, None]
        hide = torch.zeros(1, 1, 1, dtype=torch.bool)
        frame, band = torch.arange(x.shape[2])[None, None], torch.arange(n_bands)[None, :, None]
        for share, size, at, which in (
            (of.time_mask, counts.float()[:, None, None], frame, 0),
            (of.band_mask, torch.tensor(float(n_bands)), band, 1),
        ):
            for number in range(2):
                width, place = (chance[:, which, number, part, None, None] for part in (0, 1))
                width = width * share * size
                begin = place * (size - width)
                hide = hide | ((at >= begin) & (at < begin + width.floor()))
        return torch.where(hide, mean, x)


def _moved(x: Tensor, lengths: Tensor, tempo: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Clips that begin and end so many frames later, then at that tempo; cut where the frames of the batch end."""
    spoken = (lengths + ends[:, 1] - ends[:, 0]).clamp(min=1).float()
    counts = (spoken / tempo).round().long().clamp(1, x.shape[2])
    places = ends[:, :1] + torch.arange(x.shape[2]) * tempo[:, None]
    last = (lengths - 1)[:, None].float()
    return _between(x, torch.minimum(places.clamp(min=0), last), 2), counts


def _between(x: Tensor, places: Tensor, axis: int) -> Tensor:
    """Values of ``x (n, bands, frames)`` at places ``(n, size)`` along an axis, on the line between neighbours."""
    below = places.floor()
    share = (places - below).to(x.dtype)
    low = below.long()
    high = (low + 1).clamp(max=x.shape[axis] - 1)
    shape = list(x.shape)
    low, high, share = (one.unsqueeze(3 - axis).expand(shape) for one in (low, high, share))
    first = x.gather(axis, low)
    return first + (x.gather(axis, high) - first) * share


def _noisy(x: Tensor, inside: Tensor, drawn: Draws) -> Tensor:
    """Energies with those of noise added, which is so many decibels below the clip's mean energy."""
    n_bands = x.shape[1]
    mean = (x.exp() * inside).mean(dim=1, keepdim=True).sum(dim=2, keepdim=True) / inside.sum(dim=2, keepdim=True)
    below = torch.from_numpy(drawn["below"])[:, None, None] * (math.log(10) / 10)
    slope = torch.from_numpy(drawn["tilt"])[:, None, None] * torch.linspace(-1, 1, n_bands)[None, :, None]
    noise = mean.clamp(min=1e-30).log() - below + slope + torch.from_numpy(drawn["fluctuation"])
    return torch.logaddexp(x, noise)
