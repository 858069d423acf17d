"""Statistics of cepstra against NumPy, of clips of any length, alone and in company."""

from __future__ import annotations

import numpy as np
import torch

from annvil.kinds.sound.contenders.features import PARTS, CepstralFeatures
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.networks.front_end import FrontEnd

RATE = 4_000


def noise(seed: int, *lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [(0.1 * random.normal(size=length)).astype(np.float32) for length in lengths]


def test_statistics_are_those_of_the_cepstra() -> None:
    """Deviation, extremes, the mean of a part under a triangle, length; also of a clip shorter than a frame."""
    parts = noise(0, 3_000, 1_500, 60)
    found = CepstralFeatures(RATE).of(clips_from_arrays(parts, RATE))
    names = list(CepstralFeatures(RATE).names)
    assert found.shape == (3, len(names))
    assert len(set(names)) == len(names)
    front = FrontEnd(RATE, "cepstra")
    for row, part in enumerate(parts):
        features, frames = front(torch.from_numpy(part)[None], torch.tensor([len(part)]))
        x = features[0, :, : int(frames)].numpy().astype(np.float64)
        place = (np.arange(x.shape[1]) + 0.5) / x.shape[1] * PARTS
        weight = np.maximum(0, 1 - np.abs(place - 2.5))
        expected = {
            "deviation of change of cepstrum 3": np.sqrt((x[16] ** 2).mean()),
            "largest of cepstrum 2": x[2].max(),
            "smallest of cepstrum 12": x[12].min(),
            "mean of cepstrum 1 in part 3 of 8": (x[1] * weight).sum() / max(weight.sum(), 1e-3),
            "logarithm of the length": np.log(x.shape[1]),
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[row, names.index(name)], value, atol=1e-4, err_msg=name)


def test_a_clip_says_the_same_in_any_company() -> None:
    parts = noise(1, 900, 4_000)
    features = CepstralFeatures(RATE)
    together = features.of(clips_from_arrays(parts, RATE))
    alone = features.of(clips_from_arrays(parts[:1], RATE))
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)
