"""A few small series for the tests that every contender must pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.kinds.base import Tiny
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.series import Series
from annvil.tasks.base import FloatArray
from annvil.tasks.union import make_task

N = 90


def tiny() -> Mapping[str, Tiny]:
    """Waves of two speeds or three, of unequal length, two channels; how fast they are; two labels."""
    rng = np.random.default_rng(0)
    speed = rng.integers(0, 3, N)
    rising = rng.integers(0, 2, N)
    found = [_wave(0.15 + 0.25 * speed[row], rising[row], int(rng.integers(24, 40)), rng) for row in range(N)]
    series = series_from_arrays(found)
    classes = speed.astype(np.int64)
    rate = 0.15 + 0.25 * speed + 0.01 * rng.normal(size=N)
    both = np.stack([(speed == 2).astype(np.int64), rising.astype(np.int64)], axis=1)
    return {
        "binary": _tiny(series, rising.astype(np.int64), "binary", ("falls", "rises")),
        "multiclass": _tiny(series, classes, "multiclass", ("slow", "middle", "fast")),
        "regression": _tiny(series, rate, "regression", ()),
        "multilabel": _tiny(series, both, "multilabel", ("fast", "rises")),
    }


def _wave(speed: float, rising: int, steps: int, rng: np.random.Generator) -> FloatArray:
    """A wave from a moment of its own, and a line that rises or falls, both with noise ``(2, steps)``."""
    at = np.arange(steps)
    wave = np.sin(speed * at + rng.uniform(0, 6))
    line = (2 * rising - 1) * np.linspace(-1, 1, steps)
    return np.stack([wave, line]) + 0.2 * rng.normal(size=(2, steps))


def _tiny(series: Series, y: NDArray[Any], kind: str, classes: tuple[str, ...]) -> Tiny:
    dataset: Dataset[Series] = Dataset(series, y, make_task(kind, "kind of wave", classes), np.arange(len(y)))
    return Tiny(dataset, strange_series(series), candidates=1)


def strange_series(series: Series) -> Series:
    """One step, nothing but zeros, far away, much longer than any, and a channel without values."""
    rng = np.random.default_rng(1)
    found = [np.zeros((2, 1)), np.zeros((2, 30)), np.full((2, 30), 1e6), rng.normal(size=(2, 200))]
    found.append(np.stack([np.full(30, np.nan), np.arange(30.0)]))
    return series_from_arrays(found, series.form)
