"""Clips that are the same recording: exact copies, and such as are shifted, louder or quieter, or cut otherwise.

The power spectrum of a whole clip, in bands and less its mean in decibels, changes with neither shift nor loudness:
whose spectra are alike is compared sample by sample, at the shift that fits best. Two takes of one word by one voice
are not called the same: their waves do not agree.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from annvil.data.groups import number_groups
from annvil.kinds.sound.clips import Clips, Samples
from annvil.tasks.base import FloatArray, IntArray

N_BANDS = 48
RANGE_DB = 30.0
"""What lies so far below the loudest band says nothing (assumed; copies that were cut differ there)."""

NEAR_DB = 2.0
"""Root mean square difference of two spectra below which waves are compared (measured on FSDD: of 150 clips shifted,
scaled or cut by 7% all are nearer; of its 3.6 million pairs 1,300 are)."""

SAME = 0.97
"""Correlation of two waves at the best shift from which they are one recording (two takes of one word by one voice
reach 0.951 in FSDD, measured)."""

MOST_CLIPS = 12_000
"""Of more clips only exact copies are looked for: pairs grow with the square (assumed)."""

MOST_PAIRS = 4_000
"""Pairs whose waves are compared, the nearest first (assumed: a second or two)."""

_BLOCK = 512


def alike_groups(clips: Clips) -> IntArray:
    """Equal numbers for clips of the same recording, int64 ``(n_rows,)``."""
    exact = number_groups(np.array([clips.store.digests[row] for row in clips.index.tolist()]))
    if clips.n_rows > MOST_CLIPS or clips.n_rows < 2:
        return exact
    firsts = np.unique(exact, return_index=True)[1]
    different = clips.take(firsts)
    group = np.arange(len(firsts))
    for one, other in _near(spectra(different)):
        if group[one] != group[other] and same_recording(different.one(one), different.one(other)):
            group[group == group[other]] = group[one]
    return number_groups(group[exact])


def spectra(clips: Clips) -> FloatArray:
    """Power in bands of equal width on the mel scale, dB less their mean, ``(n_rows, N_BANDS)``."""
    made = np.zeros((clips.n_rows, N_BANDS), dtype=np.float32)
    top = 2595 * np.log10(1 + clips.form.rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0.05, 1, N_BANDS + 1) * top / 2595) - 1) / clips.form.rate
    for row in range(clips.n_rows):
        samples = clips.one(row)
        n = 1 << max(9, int(len(samples) - 1).bit_length())
        power = np.concatenate([[0.0], np.cumsum(np.square(np.abs(np.fft.rfft(samples, n))))])
        bounds = np.minimum(np.rint(edges * n).astype(int), len(power) - 1)
        bands = 10 * np.log10(np.diff(power[bounds]) / np.maximum(np.diff(bounds), 1) + 1e-20)
        bands = np.maximum(bands, bands.max() - RANGE_DB)
        made[row] = bands - bands.mean()
    return np.asarray(made, dtype=np.float64)


def _near(found: FloatArray) -> Iterator[tuple[int, int]]:
    """Pairs of rows whose spectra are alike, the nearest first, `MOST_PAIRS` at most."""
    norms = np.square(found).sum(axis=1)
    limit = NEAR_DB**2 * N_BANDS
    pairs: list[FloatArray] = []
    for start in range(0, len(found), _BLOCK):
        block = slice(start, start + _BLOCK)
        far = norms[block, None] + norms[None, :] - 2 * found[block] @ found.T
        one, other = np.nonzero(far < limit)
        later = other > one + start
        pairs.append(np.stack([far[one[later], other[later]], one[later] + start, other[later]], axis=1))
    every = np.concatenate(pairs)
    for _, one, other in every[np.argsort(every[:, 0], kind="stable")[:MOST_PAIRS]].tolist():
        yield int(one), int(other)


def same_recording(one: Samples, other: Samples) -> bool:
    """Whether two waves agree at some shift, whatever their loudness and sign."""
    n = 1 << int(len(one) + len(other) - 1).bit_length()
    if not one.any() or not other.any():
        return False
    cross = np.abs(np.fft.irfft(np.fft.rfft(one, n) * np.conj(np.fft.rfft(other, n)), n)).max()
    shorter = min(np.square(one, dtype=np.float64).sum(), np.square(other, dtype=np.float64).sum())
    longer = max(np.square(one, dtype=np.float64).sum(), np.square(other, dtype=np.float64).sum())
    return bool(cross >= SAME * np.sqrt(shorter * longer))
