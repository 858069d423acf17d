"""Wave files (RIFF, RF64) → samples, by their chunks and nothing else: no library, and no trust in lengths.

The `wave` module of Python refuses floating point and the extensible header, and believes what headers say. Here a
length that the file does not have is cut to what is there, and told.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from annvil.kinds.sound.clips import Samples
from annvil.kinds.sound.form import HIGHEST_RATE, LOWEST_RATE
from annvil.kinds.sound.reading.broken import Broken

PCM, FLOAT, A_LAW, MU_LAW, EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
"""Format tags of Microsoft's RIFF specification (1994) and of WAVEFORMATEXTENSIBLE (2001)."""

MOST_CHANNELS = 64
"""(assumed: larger microphone arrays are not written as wave files.)"""

_AFTER_DATA = (
    b"LIST",
    b"fact",
    b"cue ",
    b"bext",
    b"id3 ",
    b"ID3 ",
    b"smpl",
    b"inst",
    b"PEAK",
    b"JUNK",
    b"iXML",
    b"fmt ",
)
"""Chunks that may stand where an empty data chunk ends."""


class Compressed(Broken):
    """Samples are packed in a way that needs a library."""


@dataclass(frozen=True)
class Wave:
    """How samples lie in a wave file, and where.

    ``bits`` is what a sample takes in the file, 8 to 64; ``first`` and ``last`` are the bytes of the samples;
    ``lies`` is whether a header says another length than the file has.
    """

    tag: int
    channels: int
    rate: int
    bits: int
    first: int
    last: int
    lies: bool

    @property
    def n_frames(self) -> int:
        """Samples of each channel."""
        return (self.last - self.first) // (self.channels * self.bits // 8)


def is_wave(content: bytes) -> bool:
    """Whether a file begins as wave files do."""
    return content[:4] in (b"RIFF", b"RF64", b"RIFX") and content[8:12] == b"WAVE"


def wave_header(content: bytes, n_bytes: int | None = None) -> Wave:
    """The header of a file whose beginning is ``content`` and that has ``n_bytes`` (default: no more than that).

    Raises
    ------
    Broken
        Where it has no samples, or says what cannot be.
    """
    if content[:4] == b"RIFX":
        raise Broken("is a wave file of big-endian samples (RIFX), which is not read; convert it to wav or flac")
    end = len(content) if n_bytes is None else n_bytes
    layout: tuple[int, int, int, int] | None = None
    data: tuple[int, int, bool] | None = None
    at, wide = 12, 0
    while at + 8 <= len(content) and (layout is None or data is None):
        name, (size,) = content[at : at + 4], struct.unpack_from("<I", content, at + 4)
        at += 8
        if name == b"ds64" and at + 16 <= len(content):
            wide = struct.unpack_from("<Q", content, at + 8)[0]  # the length of the data, where 32 bits are too few
        elif name == b"fmt ":
            layout = _layout(content[at : at + min(size, 64)])
        elif name == b"data":
            data = _data(content, at, wide if wide and size == 0xFFFFFFFF else size, end)
        at += size + (size & 1)
    if layout is None:
        raise Broken("is a wave file without a header that says how its samples are written")
    if data is None:
        raise Broken("is a wave file that ends before its samples begin")
    tag, channels, rate, bits = layout
    frame = channels * bits // 8
    first, last, lies = data
    whole = (last - first) // frame * frame
    return Wave(tag, channels, rate, bits, first, first + whole, lies or whole < last - first)


def _layout(chunk: bytes) -> tuple[int, int, int, int]:
    """Format, channels, rate and bits of a sample as they lie in the file."""
    if len(chunk) < 16:
        raise Broken("is a wave file whose header is cut off")
    tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == EXTENSIBLE and len(chunk) >= 26:
        tag = struct.unpack_from("<H", chunk, 24)[0]
    if not 1 <= channels <= MOST_CHANNELS:
        raise Broken(f"says that it has {channels} channels; 1 to {MOST_CHANNELS} can be read")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise Broken(f"says that it has {rate:,} samples a second; {LOWEST_RATE:,} to {HIGHEST_RATE:,} can be read")
    stored = (bits + 7) // 8 * 8
    if tag == PCM and align and align % channels == 0 and stored < align // channels * 8 <= 32:
        stored = align // channels * 8  # 20 bits in the upper part of 24 or 32
    known = {PCM: (8, 16, 24, 32), FLOAT: (32, 64), A_LAW: (8,), MU_LAW: (8,)}
    if tag not in known:
        raise Compressed(f"is compressed (format {tag:#x})")
    if stored not in known[tag]:
        raise Broken(f"says that its samples have {bits} bits; wave files have 8, 16, 24 or 32, or 32 or 64 of floats")
    return tag, channels, rate, stored


def _data(content: bytes, at: int, size: int, end: int) -> tuple[int, int, bool]:
    """First byte of the samples, the one behind the last, and whether the length that is said is not there."""
    if size == 0 and at < end:  # written while recording; the length was never filled in
        streamed = content[at : at + 4] not in _AFTER_DATA
        return at, end if streamed else at, streamed
    return (at, end, True) if at + size > end else (at, at + size, False)


def wave_samples(content: bytes, wave: Wave) -> Samples:
    """Samples of a whole file, float32 ``(n_frames, channels)``; integers become −1 to 1."""
    raw = memoryview(content)[wave.first : wave.last]
    if wave.tag == FLOAT:
        with np.errstate(over="ignore"):  # told as infinite
            values = np.frombuffer(raw, "<f4" if wave.bits == 32 else "<f8").astype(np.float32)
    elif wave.tag in (A_LAW, MU_LAW):
        table = _a_law() if wave.tag == A_LAW else _mu_law()
        values = table[np.frombuffer(raw, np.uint8)]
    elif wave.bits == 8:
        values = (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / np.float32(128)
    elif wave.bits == 16:
        values = np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(1 << 15)
    elif wave.bits == 24:
        three = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        four = np.zeros((len(three), 4), dtype=np.uint8)
        four[:, 1:] = three
        values = (four.view("<i4")[:, 0].astype(np.float64) / (1 << 31)).astype(np.float32)
    else:
        values = (np.frombuffer(raw, "<i4").astype(np.float64) / (1 << 31)).astype(np.float32)
    samples: Samples = values.reshape(-1, wave.channels)
    return samples


def _mu_law() -> Samples:
    """Values of the 256 codes of ITU-T G.711, μ-law."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    size = (((mantissa << 3) + 132) << exponent) - 132
    return (np.where(code & 128, -size, size) / (1 << 15)).astype(np.float32)


def _a_law() -> Samples:
    """Values of the 256 codes of ITU-T G.711, A-law."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0))
    return (np.where(code & 128, size, -size) / (1 << 15)).astype(np.float32)
