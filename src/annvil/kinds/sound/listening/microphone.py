"""What a microphone hears, piece by piece: by `sounddevice`, which wraps PortAudio."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from annvil.errors import MachineError, first_line
from annvil.kinds.sound.clips import Samples

PIECE_SECONDS = 0.25
"""Told after a word that long at least (assumed: nobody notices a quarter of a second more)."""


def pieces_of_microphone(rate: int, seconds: float | None = None) -> Iterator[Samples]:
    """Samples ``(n,)`` at ``rate`` as they come from the usual microphone, for so many seconds or until Ctrl-C.

    Raises
    ------
    MachineError
        When `sounddevice` is not installed, or there is no microphone that gives this rate.
    """
    device = _library()
    n = round(PIECE_SECONDS * rate)
    left = None if seconds is None else round(seconds * rate)
    try:
        with device.InputStream(samplerate=rate, channels=1, dtype="float32") as stream:
            while left is None or left > 0:
                block, _ = stream.read(n if left is None else min(n, left))
                if left is not None:
                    left -= len(block)
                yield np.clip(np.nan_to_num(np.asarray(block, dtype=np.float32)[:, 0]), -1, 1)
    except KeyboardInterrupt:
        return
    except device.PortAudioError as error:
        raise MachineError(f"The microphone gives no sound at {rate:,} Hz: {first_line(error)[:200]}.") from None


def _library() -> Any:
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: PortAudio is not there
        raise MachineError(
            "A microphone needs the extra 'microphone': pip install 'annvil[microphone]'; on Linux also the system's "
            "package libportaudio2."
        ) from None
    return sounddevice
