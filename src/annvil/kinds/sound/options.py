"""Options of a fit that sound alone has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec

from annvil.errors import RequestError
from annvil.options import Option, lasting

SOUND = "Sound"
"""Where the help lists them."""

LOWEST, HIGHEST = 2_000, 96_000
"""Rates that a model may be asked to take (assumed)."""


def rate_in_hertz(rate: Any) -> int | None:
    """Samples a second from a number, or a text such as ``"16000"`` or ``"16k"``.

    >>> rate_in_hertz(8000), rate_in_hertz("44.1k"), rate_in_hertz(None)
    (8000, 44100, None)

    Raises
    ------
    RequestError
        When it is none of these, or out of the range of sound.
    """
    if rate is None:
        return None
    text = str(rate).strip().lower().removesuffix("hz").strip()
    try:
        found = round(float(text.removesuffix("k")) * (1000 if text.endswith("k") else 1))
    except (ValueError, OverflowError):
        found = 0
    if not LOWEST <= found <= HIGHEST:
        raise RequestError(f"rate is in samples a second, from {LOWEST:,} to {HIGHEST:,}, such as 16000; got {rate!r}.")
    return found


def _lasting(path: str | Path | None) -> str | None:
    return None if path is None else lasting(path)


class SoundOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `fit` may be told of sound."""

    rate: Annotated[
        int | None,
        Option(
            "Samples a second (Hz) that the model takes, such as 16000; of arrays, the rate that they have. Default: "
            "the commonest of the files, 16000 at most.",
            metavar="HZ",
            panel=SOUND,
            clean=rate_in_hertz,
        ),
    ] = None
    transcripts: Annotated[
        str | None,
        Option(
            "Table with the words said in each recording: a column of paths, and one of words in their order. So far "
            "such data are read and checked (annvil.read); nobody competes on them.",
            metavar="FILE",
            panel=SOUND,
            clean=_lasting,
        ),
    ] = None
