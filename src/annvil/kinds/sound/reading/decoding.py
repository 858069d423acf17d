"""The bytes of one file → samples of every channel at its own rate, or one reason why not."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from annvil.kinds.sound.clips import Samples
from annvil.kinds.sound.form import HIGHEST_RATE, LOWEST_RATE
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.wav import MOST_CHANNELS, Compressed, is_wave, wave_header, wave_samples
from annvil.text.safe import short_name

WAVES = frozenset((".wav", ".wave"))
SUFFIXES = WAVES | {".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64"}
"""Endings of files that are taken for sound."""

UNDECODED = frozenset((".m4a", ".aac", ".wma", ".amr", ".webm", ".mp4", ".3gp"))
"""Endings of sound that libsndfile does not decode."""

MOST_SECONDS = 60.0
"""The longest clip (assumed: a word, a call, a noise take less; what is longer is a recording of several)."""

MOST_BYTES = 256 * 2**20
"""The largest file of a clip (assumed: a minute of eight channels at 192 kHz in 24 bits has 264 MB)."""

MOST_VALUES = 1 << 27
"""Samples of all channels of one file together (assumed: 0.5 GiB decoded)."""

INSTALL = "needs the extra 'sound': pip install 'annvil[sound]'"

UNKNOWN = 1 << 50
"""Libsndfile says at least so many samples of a stream whose length was never written, and fails to seek in it."""

HEADER_BYTES = 1 << 16
"""So much of a wave file is looked at to learn its rate (assumed: pictures and notes before the samples are larger)."""


@dataclass(frozen=True)
class Sound:
    """A decoded file.

    Attributes
    ----------
    samples : float32 ``(n_frames, channels)``, finite; −1 to 1 but for floats that go beyond
    rate : samples a second
    bits : of a sample in the file; 0 where it is packed
    container : "wav", "flac", …
    lies : whether its header says another length than it has
    """

    samples: Samples
    rate: int
    bits: int = 0
    container: str = ""
    lies: bool = False


def decode(content: bytes, *, most_seconds: float = MOST_SECONDS) -> Sound:
    """A file's content, told apart by its first bytes, whatever its name says.

    Raises
    ------
    Broken
        Where it holds no sound, or more than ``most_seconds`` of it, which is found out before it is decoded.
    """
    if not content:
        raise Broken("is empty")
    if is_wave(content):
        with suppress(Compressed):
            wave = wave_header(content)
            _refuse_long(wave.n_frames, wave.rate, wave.channels, most_seconds)
            return _checked(Sound(wave_samples(content, wave), wave.rate, wave.bits, "wav", wave.lies))
    return _checked(_by_library(content, most_seconds))


def rate_in(content: bytes, n_bytes: int) -> int | None:
    """Samples a second of a file by its first bytes; None where they do not tell."""
    with suppress(Broken):
        return wave_header(content, n_bytes).rate if is_wave(content) else None
    return None


def rate_by_library(content: bytes) -> int | None:
    """Samples a second of a file that is no wave file, or None."""
    with suppress(Broken), _opened(content) as file:
        return int(file.samplerate)
    return None


def _refuse_long(n_frames: int, rate: int, channels: int, most_seconds: float) -> None:
    if n_frames < 1:
        raise Broken("holds no samples")
    if n_frames > most_seconds * rate:
        raise Broken(f"lasts {n_frames / rate:,.0f} s; clips may last up to {most_seconds:,.0f} s")
    if n_frames * channels > MOST_VALUES:
        raise Broken(f"has {channels} channels and more than {MOST_VALUES:,} samples")


def _checked(sound: Sound) -> Sound:
    if not np.isfinite(sound.samples).all():
        raise Broken("holds samples that are no finite numbers")
    return sound


def _opened(content: bytes) -> Any:
    """The file as `soundfile` opens it."""
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the library that it wraps is not there
        raise Broken(f"is no uncompressed wav file, and others cannot be read: this {INSTALL}") from None
    try:
        return soundfile.SoundFile(io.BytesIO(content))
    except Exception as error:  # hostile files raise nearly everything
        raise Broken(_reason(error)) from None


def _reason(error: Exception) -> str:
    said = short_name(str(getattr(error, "error_string", "") or error), 80).rstrip(".")
    return f"is no sound that can be decoded ({said or type(error).__name__})"


def _by_library(content: bytes, most_seconds: float) -> Sound:
    """By libsndfile, in pieces, so that no header makes it reserve more than there is."""
    with _opened(content) as file:
        rate, channels = int(file.samplerate), int(file.channels)
        if not LOWEST_RATE <= rate <= HIGHEST_RATE or not 1 <= channels <= MOST_CHANNELS:
            raise Broken(f"says that it has {channels} channels of {rate:,} samples a second")
        said = int(file.frames)
        if said >= UNKNOWN:
            raise Broken("is a stream whose length was never written; convert it to wav")
        _refuse_long(said, rate, channels, most_seconds)
        parts: list[Samples] = []
        left = int(most_seconds * rate) + 1
        try:
            while left > 0 and len(part := file.read(min(1 << 16, left), dtype="float32", always_2d=True)):
                parts.append(part)
                left -= len(part)
        except Exception as error:  # what came before the damage is kept
            if not parts:
                raise Broken(_reason(error)) from None
        samples = np.concatenate(parts) if parts else np.empty((0, channels), dtype=np.float32)
        _refuse_long(len(samples), rate, channels, most_seconds)
        bits = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "FLOAT": 32, "DOUBLE": 64}
        kind = {"MPEG": "mp3"}.get(file.format, file.format.lower())
        return Sound(samples, rate, bits.get(file.subtype, 0), kind[:8], len(samples) < said)
