"""Clips from arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from annvil.errors import DataError
from annvil.kinds.sound.clips import Clips, Samples, Store, end_to_end
from annvil.kinds.sound.facts import no_facts
from annvil.kinds.sound.form import HIGHEST_RATE, LOWEST_RATE, SoundForm
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.cleaning import cleaned
from annvil.kinds.sound.reading.decoding import Sound
from annvil.kinds.sound.reading.wav import MOST_CHANNELS


def clips_from_arrays(
    given: Any,
    rate: int | None = None,
    form: SoundForm | None = None,
    names: Sequence[str] | None = None,
    *,
    form_rate: int | None = None,
) -> Clips:
    """Clips over copies of the given samples.

    Parameters
    ----------
    given : an array ``(n, time)``, or a list of arrays ``(time,)`` or ``(time, channels)``, each a clip; floats from −1
        to 1, or integers of their type's range
    rate : samples a second of all of them (Hz); default: that of the form
    form : of clips that are to be predicted; default: one of these lengths at ``form_rate``, or at ``rate``
    names : of each clip; default: ``"clip 1"`` and so on

    Raises
    ------
    DataError
        Where a clip is empty, holds anything but finite numbers, or the rate is not known.
    """
    rate = rate if rate is not None else form.rate if form is not None else None
    if rate is None:
        raise DataError("Arrays of sound need their rate in samples a second: pass rate=16000 (--rate).")
    checked_rate(rate)
    wanted = form.rate if form is not None else form_rate or rate
    some = list(given)
    if not some:
        raise DataError("There are no clips: the array is empty.")
    names = [f"clip {place + 1}" for place in range(len(some))] if names is None else names
    facts, parts = no_facts(len(some)), []
    for place, one in enumerate(some):
        try:
            samples, facts[place] = cleaned(Sound(as_samples(one), int(rate)), wanted)
        except Broken as broken:
            raise DataError(f"{names[place][:1].upper()}{names[place][1:]} {broken}.") from None
        parts.append(samples)
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    form = SoundForm(wanted, int(lengths.min()), int(lengths.max())) if form is None else form
    return Clips(Store(np.concatenate(parts), end_to_end(lengths), form, names, facts), np.arange(len(parts)))


def checked_rate(rate: Any) -> int:
    """A rate that can be, or one sentence."""
    if isinstance(rate, bool) or not isinstance(rate, (int, float, np.number)) or rate != int(rate):
        raise DataError(f"The rate is a whole number of samples a second, such as 16000; got {rate!r}.")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise DataError(f"The rate is from {LOWEST_RATE:,} to {HIGHEST_RATE:,} samples a second; got {rate:,}.")
    return int(rate)


def as_samples(one: Any) -> Samples:
    """Samples of one clip, float32 ``(time, channels)``; integers become −1 to 1.

    Raises
    ------
    Broken
        Where they are no numbers, or of another shape.
    """
    try:
        array = np.asarray(one)
        kind = array.dtype.kind
        if kind == "u" and array.dtype.itemsize == 1:
            array = (array.astype(np.float32) - 128) / np.float32(128)
        elif kind == "i" and array.dtype.itemsize in (1, 2, 4) and not isinstance(one, (list, tuple)):
            array = (array.astype(np.float64) / (1 << (8 * array.dtype.itemsize - 1))).astype(np.float32)
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    except (TypeError, ValueError, OverflowError):
        raise Broken("holds values that are not numbers") from None
    if kind in "OUSMmc" and kind != "O":
        raise Broken("holds values that are not numbers")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise Broken(f"has {array.ndim} axes; samples have one, (time,), or two, (time, channels)")
    if array.shape[0] < array.shape[1] and array.shape[0] <= MOST_CHANNELS:  # (channels, time), as torchaudio has it
        array = array.T
    if array.shape[1] > MOST_CHANNELS or not array.size:
        raise Broken(f"has the shape {np.shape(one)}; samples are (time,) or (time, channels)")
    if not np.isfinite(array).all():
        raise Broken("holds samples that are no finite numbers")
    return array
