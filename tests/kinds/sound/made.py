"""Wave files and folders of them, made by code: nothing here knows how Annvil reads them."""

from __future__ import annotations

import struct
import wave

import numpy as np


def tone(pitch=440.0, seconds=0.3, rate=8000, loud=0.3, noise=0.01, seed=0, slope=0.0):
    """A tone that falls or rises by ``slope`` octaves, in noise, float64 ``(n,)``."""
    random = np.random.default_rng(seed)
    at = np.arange(int(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(pitch * 2 ** (slope * (at / seconds - 0.5))) / rate
    return loud * np.sin(phase) + noise * random.normal(size=len(at))


def write_wav(path, samples, rate=8000):
    """16 bits, by Python's own module; ``samples`` are ``(n,)`` or ``(n, channels)``."""
    samples = np.asarray(samples)
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.round(samples * 32767).astype("<i2").tobytes())


def riff(data, tag=1, channels=1, rate=8000, bits=16, size=None, before=b"", header=None):
    """The bytes of a wave file, header and data as they are told."""
    a_second = rate * channels * bits // 8 % (1 << 32)
    layout = struct.pack("<HHIIHH", tag, channels, rate, a_second, channels * bits // 8, bits)
    layout = layout if header is None else header
    chunks = before + b"fmt " + struct.pack("<I", len(layout)) + layout
    chunks += b"data" + struct.pack("<I", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def words(root, speakers=("ann", "bob", "cem"), takes=4, rate=8000, named="{who}_{take}.wav"):
    """A folder of two words, each said by every speaker some times; the longest clip has 0.35 s."""
    for number, (word, slope) in enumerate((("down", -1.0), ("up", 1.0))):
        for who, pitch in zip(speakers, (300.0, 450.0, 600.0, 800.0), strict=False):
            for take in range(takes):
                seed = hash((number, pitch, take)) % 1000
                sound = tone(pitch, 0.25 + 0.025 * take, rate, seed=seed, slope=slope)
                write_wav(root / word / named.format(who=who, take=take), sound, rate)
    return root
