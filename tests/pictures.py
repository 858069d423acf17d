"""Small pictures for tests: smooth random ones that no two of which are alike, in folders, files and arrays."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def drawn(seed: int, height: int = 12, width: int = 12, channels: int = 3) -> NDArray[np.uint8]:
    """A smooth random picture, uint8 ``(height, width, channels)``, or ``(height, width)`` for one channel."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, channels)).astype(np.uint8)
    layers = [
        np.asarray(Image.fromarray(coarse[..., c]).resize((width, height), Image.Resampling.BICUBIC))
        for c in range(channels)
    ]
    return np.stack(layers, axis=2) if channels > 1 else layers[0]


def encoded(pixels: NDArray[Any], form: str = "PNG", **options: Any) -> bytes:
    """A file's content."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, form, **options)
    return stream.getvalue()


def folder_of(
    root: Path, classes: Mapping[str, int], *, height: int = 12, width: int = 12, channels: int = 3, seed: int = 0
) -> Path:
    """``root`` with so many PNG pictures in a folder for each class."""
    for label, n in classes.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for _ in range(n):
            (root / label / f"{seed}.png").write_bytes(encoded(drawn(seed, height, width, channels)))
            seed += 1
    return root


def header_only(width: int, height: int) -> bytes:
    """A PNG whose header promises a huge picture."""
    import struct
    import zlib

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(b"\0" * 1000)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
