"""Samples of one rate → those of another: by soxr where it is installed, else by NumPy alone."""

from __future__ import annotations

from functools import cache, lru_cache
from math import ceil, gcd

import numpy as np

from annvil.kinds.sound.clips import Samples
from annvil.tasks.base import FloatArray

ZEROS = 24
"""Zero crossings of the sinc on either side (assumed: a transition of 4% of the band)."""

BETA = 9.0
"""Of the Kaiser window: what is folded back lies 90 dB below (Kaiser 1974)."""

PASSED = 0.95
"""Share of the lower of the two bands that passes, as in soxr's high quality (0.913 there)."""

MOST_PHASES = 4096
"""Positions between two samples for which weights are kept, the fewer the wider the sinc; beyond, the nearest serves
(assumed: 70 dB below)."""

_VALUES_AT_ONCE = 1 << 20


def resampler() -> str:
    """What brings clips to another rate on this machine: ``"soxr"`` or ``"NumPy"``."""
    return "NumPy" if _soxr() is None else "soxr"


@cache
def _soxr():  # type: ignore[no-untyped-def]
    try:
        import soxr
    except (ImportError, OSError):
        return None
    return soxr


def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
    """Samples ``(n,)`` at ``rate`` → float32 ``(round(n · wanted / rate),)``, one at least."""
    if rate == wanted:
        return samples
    n = max(1, round(len(samples) * wanted / rate))
    soxr = _soxr()
    if soxr is None:
        return polyphase(samples, rate, wanted)
    made = soxr.resample(np.ascontiguousarray(samples, dtype=np.float32), rate, wanted, quality="HQ")
    fitted = np.zeros(n, dtype=np.float32)
    fitted[: len(made)] = made[:n]
    return fitted


def polyphase(samples: Samples, rate: int, wanted: int) -> Samples:
    """The same by a sinc under a Kaiser window (Smith, "Digital Audio Resampling Home Page", 2002)."""
    common = gcd(rate, wanted)
    up, down = wanted // common, rate // common
    ratio = min(1.0, wanted / rate)
    weights, reach = _weights(min(up, max(64, int(MOST_PHASES * ratio))), ratio)
    n_phases = len(weights) - 1
    n = max(1, round(len(samples) * wanted / rate))
    padded = np.pad(np.asarray(samples, dtype=np.float32), (reach - 1, reach + 1))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)
    made = np.empty(n, dtype=np.float32)
    step = max(1, _VALUES_AT_ONCE // (2 * reach))
    for start in range(0, n, step):
        place = np.arange(start, min(start + step, n), dtype=np.int64) * down
        phase = np.rint((place % up) * (n_phases / up)).astype(np.int64)
        at = np.minimum(place // up, len(windows) - 1)
        made[start : start + len(place)] = np.einsum("nk,nk->n", windows[at], weights[phase])
    return made


@lru_cache(maxsize=4)
def _weights(n_phases: int, ratio: float) -> tuple[FloatArray, int]:
    """Weights of the samples around a place between two of them ``(n_phases + 1, 2 · reach)``, and the reach."""
    cut = PASSED * ratio if ratio < 1 else PASSED
    reach = ceil(ZEROS / cut)
    away = np.arange(-reach + 1, reach + 1)[None, :] - (np.arange(n_phases + 1) / n_phases)[:, None]
    inside = np.clip(1 - (away / reach) ** 2, 0, None)
    weights = cut * np.sinc(cut * away) * np.i0(BETA * np.sqrt(inside)) / np.i0(BETA)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights.astype(np.float32), reach
