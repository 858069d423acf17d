"""What can be looked at: pictures, charts and small tables with the sentences that belong to them.

Whoever knows what the data are (an explanation, a study) makes sections; the run keeps them; the report shows them
without knowing what they are about.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.data.findings import Finding
from annvil.files import read_kept, write_atomically
from annvil.plots.charts.panels import Panels
from annvil.plots.charts.term_shapes import Shapes
from annvil.plots.charts.waterfall import Waterfall


class Picture(msgspec.Struct, frozen=True):
    """One picture as a PNG file, and a caption under it.

    ``flagged``: whether it is marked as a mistake or not to be trusted; ``sized``: whether it is shown in its own size
    (several pictures in one) instead of as small as others beside it; ``wav``: a WAV file to be heard with it.
    """

    png: bytes
    caption: str = ""
    flagged: bool = False
    sized: bool = False
    wav: bytes = b""


class Rows(msgspec.Struct, frozen=True):
    """A table in words: one heading per column, the first column names the row."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Section(msgspec.Struct, frozen=True):
    """Something to look at.

    Attributes
    ----------
    key : lower-case words with hyphens, unique in a run
    title : heading of its section
    sentences : what is to be seen, the conclusion first
    pictures : shown side by side in this order
    charts : below the pictures, each drawn as wide as there is room
    shapes : below the charts: what each term of a model adds
    steps : below these: what features add to a score
    tables : below these
    order : sections are shown with the smallest first
    explains : whether it explains a model, and is shown where nothing else is asked for
    findings : what was found on the way that may make the scores meaningless; told with those of the data
    """

    key: str
    title: str
    sentences: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Rows, ...] = ()
    order: int = 0
    findings: tuple[Finding, ...] = ()
    charts: tuple[Panels, ...] = ()
    shapes: tuple[Shapes, ...] = ()
    steps: tuple[Waterfall, ...] = ()
    explains: bool = False


def png(pixels: NDArray[np.uint8], enlarge: int = 1) -> bytes:
    """The bytes of a PNG file.

    Parameters
    ----------
    pixels : uint8 ``(height, width)``, ``(height, width, 1)`` for grey or ``(height, width, 3)`` for colour
    enlarge : every pixel becomes a square of so many

    >>> png(np.zeros((2, 3), dtype=np.uint8))[:4]
    b'\\x89PNG'
    """
    from PIL import Image

    pixels = np.asarray(pixels)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(f"a picture is uint8 with 1 or 3 channels, not {pixels.dtype} of shape {pixels.shape}")
    pixels = pixels.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
    out = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(out, "PNG")
    return out.getvalue()


def enlargement(height: int, width: int, least: int = 96) -> int:
    """How many times a small picture must be enlarged for its longer side to have about ``least`` pixels."""
    return max(1, round(least / max(height, width)))


def write_sections(folder: Path, sections: Iterable[Section]) -> None:
    """One file per section in ``folder``, pictures included; a file of the same key is replaced."""
    for section in sections:
        write_atomically(folder / f"{section.key}.json", msgspec.json.encode(section))


def read_sections(folder: Path) -> tuple[Section, ...]:
    """The sections of ``folder`` in the order in which they are shown; none where there is no folder.

    Raises
    ------
    DataError
        When a file is damaged.
    """
    found: list[Section] = []
    for path in sorted(folder.glob("*.json")):
        found.append(read_kept(path, msgspec.json.Decoder(Section).decode, "Delete it, or fit again."))
    return tuple(sorted(found, key=lambda section: (section.order, section.key)))
