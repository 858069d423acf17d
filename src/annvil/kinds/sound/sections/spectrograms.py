"""Spectrograms as pictures, and clips as small WAV files for the report."""

from __future__ import annotations

import io
import wave

import numpy as np
import torch
from numpy.typing import NDArray

from annvil.kinds.sound.clips import Samples
from annvil.networks.front_end import FrontEnd

LOUDEST_BELOW = 45.0
"""Decibels below the loudest band of a clip that are white (assumed)."""

MOST_SECONDS = 3.0
"""Of a clip that is shown and played: 48 kB at 8 kHz."""

LEAST_WIDTH = 60
"""Frames of a picture; a shorter clip has white behind it, so that pictures have one scale."""


def spectrogram(samples: Samples, rate: int) -> NDArray[np.uint8]:
    """Energies of bands over time, dark where loud, low bands below: uint8 ``(40, frames)``, 10 ms a column."""
    shown = np.array(samples[: int(MOST_SECONDS * rate)], dtype=np.float32)
    front = FrontEnd(rate, mean_removal=False, floor_decibel=LOUDEST_BELOW + 15)
    with torch.inference_mode():
        features, frames = front(torch.from_numpy(shown)[None], torch.tensor([len(shown)]))
    decibels = features[0, :, : int(frames)].numpy() * (10 / np.log(10))
    below = np.clip(decibels.max(initial=-100.0) - decibels, 0, LOUDEST_BELOW) / LOUDEST_BELOW
    picture = (255 * below).round().astype(np.uint8)[::-1]
    missing = max(0, LEAST_WIDTH - picture.shape[1])
    return np.pad(picture, ((0, 0), (0, missing)), constant_values=255)


def wav_of(samples: Samples, rate: int) -> bytes:
    """A WAV file of 16 bits, the loudest sample at half of full scale, so that quiet clips are heard, too."""
    shown = np.array(samples[: int(MOST_SECONDS * rate)], dtype=np.float64)
    loudest = float(np.abs(shown).max(initial=0.0))
    numbers = (shown * (16_000 / loudest if loudest else 0.0)).round().astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(numbers.tobytes())
    return out.getvalue()
