"""A few short clips for the tests that every contender must pass, and clips made by code for examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.kinds.base import Tiny
from annvil.kinds.sound.clips import Clips, Samples
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.tasks.union import make_task

N, RATE = 90, 4_000


def tiny() -> Mapping[str, Tiny]:
    """Tones that rise, stay or fall, of unequal length and loudness, in noise; how high they are; two labels."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, N)
    high = rng.integers(0, 2, N)
    pitch = np.where(high, 900.0, 400.0) * rng.uniform(0.9, 1.1, N)
    clips = clips_from_arrays(
        [tone(pitch[row], int(kind[row]) - 1, rng.uniform(0.2, 0.35), RATE, rng) for row in range(N)], RATE
    )
    both = np.stack([(kind == 2).astype(np.int64), high], axis=1)
    return {
        "binary": _tiny(clips, high.astype(np.int64), "binary", ("low", "high")),
        "multiclass": _tiny(clips, kind.astype(np.int64), "multiclass", ("falls", "stays", "rises")),
        "regression": _tiny(clips, np.log2(pitch / 440), "regression", ()),
        "multilabel": _tiny(clips, both, "multilabel", ("rises", "high")),
    }


def tone(pitch: float, slope: int, seconds: float, rate: int, random: np.random.Generator) -> Samples:
    """A tone of that pitch (Hz) with two overtones that falls (−1), stays or rises (1) by an octave, in noise."""
    at = np.arange(int(seconds * rate)) / rate
    octaves = slope * (at / seconds - 0.5)
    phase = 2 * np.pi * np.cumsum(pitch * 2**octaves) / rate
    voice = sum(np.sin(k * phase) / k for k in (1, 2, 3)) * np.hanning(len(at))
    made: Samples = (0.15 * random.uniform(0.5, 1.5) * voice + 0.01 * random.normal(size=len(at))).astype(np.float32)
    return made


def _tiny(clips: Clips, y: NDArray[Any], kind: str, classes: tuple[str, ...]) -> Tiny:
    dataset: Dataset[Clips] = Dataset(clips, y, make_task(kind, "kind of tone", classes), np.arange(len(y)))
    return Tiny(dataset, strange_clips(clips), candidates=1)


def strange_clips(clips: Clips) -> Clips:
    """One sample, silence, as loud as can be, much longer than any, and a click."""
    rng = np.random.default_rng(1)
    found = [np.full(1, 0.5), np.zeros(1_000), np.sign(rng.normal(size=1_000)), 0.3 * rng.normal(size=6_000)]
    found.append(np.eye(1, 1_200, 600)[0])
    return clips_from_arrays([np.clip(one, -1, 1).astype(np.float32) for one in found], RATE, clips.form)
