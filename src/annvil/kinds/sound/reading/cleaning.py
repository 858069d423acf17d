"""What is done to every clip before a model sees it, in training as in prediction: one channel, no padding, no offset.

Whatever is done twice changes nothing, so that a clip that was read once may be handed over again.
"""

from __future__ import annotations

import numpy as np

from annvil.kinds.sound.clips import Samples
from annvil.kinds.sound.facts import FACTS, SILENCE_DB, Facts
from annvil.kinds.sound.form import LONGEST
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.decoding import Sound
from annvil.kinds.sound.reading.resampling import resampled

CANCELLED = 0.1
"""Where the mean of the channels has less than this share of the loudest, they cancel each other (assumed: 20 dB)."""

PADDING_SECONDS = 0.01
"""So many exact zeros at an end are padding (assumed: microphones hear noise; shorter are accidents)."""

OFFSET = 1e-3
"""A mean beyond this share of full scale is an offset (assumed: -60 dB, beyond what voices of a second have)."""

FULL_SCALES = (1 << 15, 1 << 23, 1 << 31)
"""Of integers that somebody wrote as floats."""

OVERSHOOT = 8.0
"""Floats up to here are loud; beyond, they are integers (assumed: 18 dB)."""

FLAT = 3
"""So many equal samples in a row at the loudest value are clipped (assumed)."""

FLOOR = 1e-6
"""Sound ends where its spectrum lies below this share of its largest value (60 dB)."""

_FRAME, _MOST_FRAMES = 512, 64


def cleaned(sound: Sound, rate: int, n_bytes: int = 0) -> tuple[Samples, Facts]:
    """Samples of the form ``(n,)``, from −1 to 1, and what there is to know of the clip, one record of `FACTS`.

    Raises
    ------
    Broken
        Where it would have more samples than a clip may have.
    """
    facts = np.zeros((), FACTS)
    one, facts["cancelled"] = one_channel(sound.samples)
    one = in_scale(one)
    facts["rate"], facts["channels"], facts["bits"] = sound.rate, sound.samples.shape[1], sound.bits
    facts["container"], facts["n_bytes"], facts["lies"] = sound.container.encode(), n_bytes, sound.lies
    facts["seconds"] = len(one) / sound.rate
    peak = float(np.abs(one).max(initial=0.0))
    facts["silent"] = peak == 0 or bool((one == one[0]).all())
    facts["clipped"] = _clipped(one, peak)
    kept = one if facts["silent"] else without_padding(one, sound.rate)
    facts["trimmed"] = (len(one) - len(kept)) / sound.rate
    offset = float(kept.mean(dtype=np.float64))
    if abs(offset) > OFFSET:
        facts["offset"] = offset
        kept = kept - np.float32(offset)
    if len(kept) * rate / sound.rate > LONGEST:
        raise Broken(f"has more than {LONGEST:,} samples at {rate:,} Hz")
    made = np.clip(resampled(kept, sound.rate, rate), -1, 1).astype(np.float32, copy=False)
    facts["level"] = level_of(made)
    facts["bandwidth"] = bandwidth_of(made, rate)
    return made, facts


def one_channel(samples: Samples) -> tuple[Samples, bool]:
    """Channels ``(n, channels)`` → their mean ``(n,)``, or the loudest where they cancel each other, and whether so."""
    if samples.shape[1] == 1:
        return samples[:, 0], False
    mean: Samples = samples.mean(axis=1, dtype=np.float32)
    power = np.square(samples, dtype=np.float32).mean(axis=0, dtype=np.float64)
    loudest = int(np.argmax(power))
    cancels = bool(np.square(mean).mean(dtype=np.float64) < CANCELLED**2 * power[loudest])
    return (np.ascontiguousarray(samples[:, loudest]), True) if cancels else (mean, False)


def in_scale(samples: Samples) -> Samples:
    """Samples from −1 to 1: floats beyond that are made quieter, integers written as floats are brought to scale."""
    peak = float(np.abs(samples).max(initial=0.0))
    if peak <= 1:
        return samples
    scale = peak if peak <= OVERSHOOT else next((float(one) for one in FULL_SCALES if peak <= one), peak)
    return samples / np.float32(scale)


def without_padding(samples: Samples, rate: int) -> Samples:
    """Without long runs of exact zeros at either end."""
    sounds = np.flatnonzero(samples)
    least = PADDING_SECONDS * rate
    first, last = int(sounds[0]), int(sounds[-1]) + 1
    return samples[first if first >= least else 0 : last if len(samples) - last >= least else len(samples)]


def _clipped(samples: Samples, peak: float) -> float:
    """Share of samples that lie flat at the loudest value, in runs of `FLAT` at least."""
    if peak < 0.1:  # quiet recordings of few bits have flat tops of their own
        return 0.0
    flat = np.abs(samples) >= peak * (1 - 1e-4)
    runs = flat[2:] & flat[1:-1] & flat[:-2] & (np.sign(samples[2:]) == np.sign(samples[:-2]))
    inside = np.zeros(len(samples) + 2, dtype=bool)
    for shift in range(FLAT):
        inside[shift : shift + len(runs)] |= runs
    return float(inside.sum() / len(samples))


def level_of(samples: Samples) -> float:
    """Root mean square in dB of full scale."""
    power = float(np.square(samples, dtype=np.float64).mean()) if len(samples) else 0.0
    return max(SILENCE_DB, 10 * np.log10(power)) if power > 0 else SILENCE_DB


def bandwidth_of(samples: Samples, rate: int) -> float:
    """Hz up to which the mean spectrum lies above `FLOOR`; 0 of silence."""
    n = max(_FRAME, len(samples))
    starts = np.unique(np.linspace(0, n - _FRAME, min(_MOST_FRAMES, 1 + n // _FRAME)).astype(int))
    padded = np.pad(samples, (0, n - len(samples)))
    frames = padded[starts[:, None] + np.arange(_FRAME)] * np.hanning(_FRAME)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).mean(axis=0)
    above = np.flatnonzero(power > FLOOR * power.max()) if power.max() > 0 else np.zeros(1, dtype=int)
    return float(above[-1] * rate / _FRAME)
