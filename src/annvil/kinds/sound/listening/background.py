"""Recordings made from held-out clips: with their words, and with sounds of the same voices that are no word.

A model knows its words and nothing else, and says one of them of every sound. How sure it is of sounds that are none
is measured on what can be made where nobody has recorded any: the clips played backwards, clips cut into pieces that
are put together in another order, and two clips played backwards at once, in noise with the spectrum of the clips' own
quiet moments. Sounds that are the same backwards, such as a steady tone, are still what they were: then a recording of
the place without any of the words serves, and these do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.kinds.sound.clips import Samples
from annvil.tasks.base import FloatArray, IntArray

FRAME = 256
"""Samples of the frames whose spectra are taken."""

QUIETEST = 0.1
"""Share of the frames that is taken for noise (assumed)."""

LEAST_NOISE = 10 ** (-70 / 20)
"""Of full scale: clips that are cut from their surroundings hold none (assumed: a quiet room)."""

PIECE_SECONDS = (0.06, 0.12)
"""Of clips that are chopped: longer than a vowel's period, shorter than a syllable (assumed)."""

PAUSE_SECONDS = (0.4, 1.6)
"""Between two sounds (assumed)."""


@dataclass(frozen=True)
class Made:
    """A made recording: samples, and where which clip lies in it (start and end in samples, row of the clip)."""

    samples: Samples
    starts: IntArray
    ends: IntArray
    clips: IntArray


def with_words(clips: Sequence[Samples], rate: int, random: np.random.Generator) -> Made:
    """All clips once, in any order, with pauses between them."""
    order = random.permutation(len(clips))
    return _placed([(int(row), clips[row]) for row in order], clips, rate, random)


def without_words(clips: Sequence[Samples], rate: int, seconds: float, random: np.random.Generator) -> Iterator[Made]:
    """About so many seconds of sounds that are none of the words, a minute or so at once."""
    ways: Sequence[Callable[[], Samples]] = (
        lambda: _any(clips, random)[::-1],
        lambda: chopped(clips, rate, random),
        lambda: together(_any(clips, random)[::-1], _any(clips, random)[::-1]),
    )
    made = 0.0
    while made < seconds:
        sounds = [(-1, ways[int(random.integers(len(ways)))]()) for _ in range(30)]
        recording = _placed(sounds, clips, rate, random)
        made += len(recording.samples) / rate
        yield recording


def chopped(clips: Sequence[Samples], rate: int, random: np.random.Generator) -> Samples:
    """Pieces of several clips in a row, as long as one of them."""
    n, parts, total = len(_any(clips, random)), [], 0
    while total < n:
        one = _any(clips, random)
        length = min(len(one), int(random.uniform(*PIECE_SECONDS) * rate) + 1)
        begin = int(random.integers(0, len(one) - length + 1))
        fade = np.minimum(1, np.minimum(np.arange(1, length + 1), np.arange(length, 0, -1)) / (0.005 * rate))
        parts.append(one[begin : begin + length] * fade.astype(np.float32))
        total += length
    return np.concatenate(parts, dtype=np.float32)


def together(one: Samples, other: Samples) -> Samples:
    """Two clips at once."""
    samples = np.zeros(max(len(one), len(other)), dtype=np.float32)
    samples[: len(one)] += one
    samples[: len(other)] += other
    samples /= 2
    return samples


def noise_like(clips: Sequence[Samples], n: int, random: np.random.Generator) -> Samples:
    """Noise ``(n,)`` with the mean spectrum of the quietest frames of the clips, and as loud as these."""
    whole = [one[: len(one) // FRAME * FRAME].reshape(-1, FRAME) for one in clips if len(one) >= FRAME]
    frames = np.concatenate(whole) if whole else np.zeros((1, FRAME), dtype=np.float32)
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    quiet = frames[power <= np.quantile(power, QUIETEST)]
    spectrum = np.sqrt(np.square(np.abs(np.fft.rfft(quiet * np.hanning(FRAME), axis=1))).mean(axis=0))
    white = np.fft.rfft(random.normal(size=n))
    shape = np.interp(np.linspace(0, 1, len(white)), np.linspace(0, 1, len(spectrum)), spectrum + 1e-12)
    made: FloatArray = np.fft.irfft(white * shape, n)
    level = max(LEAST_NOISE, float(np.sqrt(np.square(quiet, dtype=np.float64).mean())))
    noise: Samples = (made * level / np.sqrt(np.square(made).mean())).astype(np.float32)
    return noise


def _any(clips: Sequence[Samples], random: np.random.Generator) -> Samples:
    return clips[int(random.integers(len(clips)))]


def _placed(
    sounds: Sequence[tuple[int, Samples]], clips: Sequence[Samples], rate: int, random: np.random.Generator
) -> Made:
    pauses = [int(random.uniform(*PAUSE_SECONDS) * rate) for _ in range(len(sounds) + 1)]
    lengths = np.array([len(one) for _, one in sounds], dtype=np.int64)
    starts = np.cumsum(pauses[:-1]) + np.concatenate([[0], np.cumsum(lengths[:-1])])
    samples = noise_like(clips, int(lengths.sum() + sum(pauses)), random)
    for start, (_, one) in zip(starts.tolist(), sounds, strict=True):
        samples[start : start + len(one)] += one
    return Made(np.clip(samples, -1, 1), starts, starts + lengths, np.array([row for row, _ in sounds]))
