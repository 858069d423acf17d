"""A long recording, a piece after the other: one channel, at the rate of a model, in little memory."""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from annvil.errors import DataError, RequestError
from annvil.kinds.sound.clips import Samples
from annvil.kinds.sound.form import HIGHEST_RATE, LOWEST_RATE
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.cleaning import OVERSHOOT, one_channel
from annvil.kinds.sound.reading.decoding import INSTALL
from annvil.kinds.sound.reading.resampling import resampled
from annvil.kinds.sound.reading.wav import MOST_CHANNELS, Compressed, is_wave, wave_header, wave_samples
from annvil.text.safe import short_name

PIECE_SECONDS = 10
"""Seconds that are read at once (assumed: 4 MB at 48 kHz in two channels)."""


@dataclass(frozen=True)
class Source:
    """An opened recording: samples a second, how many there are, and blocks ``(n, channels)`` of `PIECE_SECONDS`."""

    rate: int
    n_frames: int
    blocks: Iterator[Samples]


def pieces_of(path: Path, rate: int) -> Iterator[Samples]:
    """Samples ``(n,)`` of the recording at ``rate``, float32 from −1 to 1, one piece behind the other.

    Raises
    ------
    RequestError
        When there is no such file.
    DataError
        When it is no sound, or holds what is none.
    """
    if not path.is_file():
        raise RequestError(f"There is no recording {str(path)!r}.")
    name = short_name(path.name)
    try:
        with _opened(path) as source:
            yield from at_rate((_one_channel(block) for block in source.blocks), source.rate, rate)
    except Broken as broken:
        raise DataError(f"{name} {broken}.") from None
    except OSError as error:
        raise DataError(f"{name} cannot be read ({error.strerror or type(error).__name__}).") from None


def at_rate(blocks: Iterable[Samples], rate: int, wanted: int) -> Iterator[Samples]:
    """Blocks ``(n,)`` at ``rate`` → the same at ``wanted``, each with a second of both neighbours at hand, so that no
    seam is heard. All blocks but the last have whole seconds."""
    if rate == wanted:
        yield from blocks
        return
    rest = iter(blocks)
    nothing = np.empty(0, dtype=np.float32)
    before, block = nothing, next(rest, nothing)
    for after in chain(rest, [nothing]):
        if not len(block):
            return
        made = resampled(np.concatenate([before, block, after[:rate]]), rate, wanted)
        first = len(before) // rate * wanted
        yield made[first : first + max(1, round(len(block) * wanted / rate))]
        before, block = block[-rate:], after


def _one_channel(block: Samples) -> Samples:
    if not np.isfinite(block).all():
        raise Broken("holds samples that are no finite numbers")
    one, _ = one_channel(block)
    if float(np.abs(one).max(initial=0.0)) > OVERSHOOT:
        raise Broken("holds integers that are written as floats; write it as a wave file of 16 bits")
    return np.clip(one, -1, 1)


@contextmanager
def _opened(path: Path) -> Iterator[Source]:
    if not path.stat().st_size:
        raise Broken("is empty")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if is_wave(content[:12]):
            with suppress(Compressed):
                wave = wave_header(content)  # type: ignore[arg-type]  # a map is sliced and unpacked like bytes
                if wave.n_frames < 1:
                    raise Broken("holds no samples")
                yield Source(wave.rate, wave.n_frames, _of_wave(file, wave))
                return
    yield from _by_library(path)


def _of_wave(file: BinaryIO, wave: Any) -> Iterator[Samples]:
    frame = wave.channels * wave.bits // 8
    step = PIECE_SECONDS * wave.rate * frame
    for first in range(wave.first, wave.last, step):
        file.seek(first)  # read, not mapped: pages of a map would count as memory until others need it
        content = file.read(min(step, wave.last - first))
        yield wave_samples(content, replace(wave, first=0, last=len(content) // frame * frame))


def _by_library(path: Path) -> Iterator[Source]:
    try:
        import soundfile
    except (ImportError, OSError):  # OSError: the library that it wraps is not there
        raise Broken(f"is no uncompressed wav file, and others cannot be read: this {INSTALL}") from None
    try:
        file = soundfile.SoundFile(path)
    except Exception as error:  # hostile files raise nearly everything
        raise Broken(f"is no sound that can be decoded ({_reason(error)})") from None
    with file:
        rate, channels = int(file.samplerate), int(file.channels)
        if not LOWEST_RATE <= rate <= HIGHEST_RATE or not 1 <= channels <= MOST_CHANNELS:
            raise Broken(f"says that it has {channels} channels of {rate:,} samples a second")
        yield Source(rate, int(file.frames), _of_library(file))


def _of_library(file: Any) -> Iterator[Samples]:
    while True:
        try:
            block = file.read(PIECE_SECONDS * int(file.samplerate), dtype="float32", always_2d=True)
        except Exception as error:
            raise Broken(f"is damaged where it is read on ({_reason(error)})") from None
        if not len(block):
            return
        yield block


def _reason(error: Exception) -> str:
    said = short_name(str(getattr(error, "error_string", "") or error), 80).rstrip(".")
    return said or type(error).__name__
