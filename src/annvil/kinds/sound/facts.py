"""What is known of the file of each clip, beside its samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FACTS = np.dtype(
    [
        ("rate", np.int32),  # Hz of the file
        ("channels", np.int16),
        ("bits", np.int16),  # of a sample; 0 where it is packed (mp3, ogg), or comes from an array
        ("container", "S8"),  # "wav", "flac", "ogg", "mp3", …; empty for arrays
        ("n_bytes", np.int64),  # of the file; 0 for arrays
        ("seconds", np.float32),  # of what is in the file, before anything was trimmed
        ("trimmed", np.float32),  # seconds of exact zeros that were cut off its ends
        ("level", np.float32),  # root mean square in dB of full scale; −200 where it is silent
        ("clipped", np.float32),  # share of its samples that lie flat at the loudest value
        ("offset", np.float32),  # mean that was taken away, of full scale
        ("bandwidth", np.float32),  # Hz up to which there is sound
        ("lies", np.bool_),  # its header says another length than it has
        ("cancelled", np.bool_),  # its channels were in opposite phase: the louder was taken
        ("silent", np.bool_),  # nothing but one value
    ]
)
"""One record a clip."""

Facts = NDArray[Any]

SILENCE_DB = -200.0
"""Level of a clip without any sound."""


def no_facts(n: int) -> Facts:
    """Of clips that were never in a file."""
    return np.zeros(n, FACTS)
