"""Arrays in NumPy files; no code from them ever runs."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.text.safe import short_name

NUMPY_SUFFIXES = (".npy", ".npz")

MOST_BYTES = 32 * 2**30
"""Arrays in compressed files are unpacked up to this (assumed); larger ones are refused by their header."""


def read_numpy(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a ``.npy`` (memory-mapped, called by the file's stem) or ``.npz`` file; never runs code from it.

    Raises
    ------
    DataError
        Where it is damaged, holds objects, or is larger than `MOST_BYTES`.
    """
    with told_if_damaged(path, "cannot be read as NumPy arrays"):
        if path.suffix.lower() == ".npy":
            return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False)}
        with zipfile.ZipFile(path) as archive:
            refuse_large(path, "would unpack to", sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


@contextmanager
def told_if_damaged(path: Path, damaged: str) -> Iterator[None]:
    """What fails inside, in a sentence on the file; ``damaged`` begins it where the content is to blame."""
    try:
        yield
    except (ValueError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, KeyError, NotImplementedError) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise DataError(f"{short_name(path.name)} {damaged}: {reason.rstrip('.')}.") from None
    except OSError as error:
        raise DataError(f"{short_name(path.name)} cannot be read: {error.strerror or error}.") from None


def refuse_large(path: Path, holds: str, n_bytes: int) -> None:
    """Raise where arrays would take more than `MOST_BYTES`."""
    if n_bytes > MOST_BYTES:
        raise DataError(f"{short_name(path.name)} {holds} {n_bytes / 2**30:,.0f} GiB, more than {MOST_BYTES >> 30}.")
