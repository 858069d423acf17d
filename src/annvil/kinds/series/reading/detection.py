"""Whether a source holds series: told by options, names and shapes; of files, only arrays are opened."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.numpy_files import NUMPY_SUFFIXES, read_numpy
from annvil.data.readers.opened import Opened
from annvil.data.readers.samples import HANDS, PREFIX
from annvil.data.readers.unpacking import is_hidden
from annvil.errors import DataError
from annvil.kinds.series.reading.archive_files import SUFFIXES, is_of_series
from annvil.kinds.series.reading.file_per_series import TABLES, USUAL_TABLES

OPTIONS = ("series", "steps", "channels", "labels")
"""Whoever gives one of these says that the source holds series."""

FEWEST_FILES = 10
MOST_NAMES = 100_000
"""Files of a folder that must be there, and are looked at, before it is taken for one of series (assumed)."""

LONG = 8
"""An array of steps is so many times longer than it has channels (assumed); pictures are not."""


def is_series(opened: Opened) -> str | None:
    """Why a source holds series, completing "it is …", or None."""
    source, path = opened.source, opened.path
    if opened.is_sample and str(source) == PREFIX + HANDS:
        return "a sample of series"
    if any(opened.given.get(name) for name in OPTIONS):
        return "a table of series" if path is not None and path.suffix.lower() not in NUMPY_SUFFIXES else "series"
    if isinstance(source, tuple) and len(source) == 2:
        return "arrays of series" if are_series(source[0]) else None
    if path is not None and path.suffix.lower() in SUFFIXES and path.is_file():
        return "a file of series" if is_of_series(path) else None
    if path is not None and (path.is_dir() or _is_archive(path)):
        return _folder(path)
    if path is not None and path.suffix.lower() == ".npz" and path.is_file():
        try:
            return "a file of series" if any(map(_are_stacked, read_numpy(path).values())) else None
        except DataError:
            return None  # damaged: told by whoever reads it
    return None


def _is_archive(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _folder(path: Path) -> str | None:
    """Whether a folder or archive holds tables alone: in folders of classes, or beside one that says what they are."""
    try:
        if path.is_dir():
            names = [name for name, _ in zip(_names_below(path), range(MOST_NAMES), strict=False)]
        else:
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return None  # damaged: told by whoever reads it
    files = [PurePosixPath("/", name) for name in names if PurePosixPath(name).suffix.lower() in TABLES]
    data = [one for one in names if PurePosixPath(one).suffix.lower() not in (*TABLES, ".md", ".json", "")]
    if data:
        return None
    root = PurePosixPath("/")
    beside = len(files) > 2 and any(one.stem.lower() in USUAL_TABLES[:6] and len(one.parts) <= 3 for one in files)
    folders = Counter(one.parent for one in files if one.parent != root)
    classes = (
        len({one.name for one in folders}) > 1 and sum(folders.values()) == len(files) and min(folders.values()) > 1
    )
    return "files of series" if beside or (classes and len(files) >= FEWEST_FILES) else None


def _names_below(root: Path) -> Iterator[str]:
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if not is_hidden(name)]
        yield from (Path(folder, name).relative_to(root).as_posix() for name in names if not is_hidden(name))


def are_series(X: Any) -> bool:
    """Whether these are series ``(n, channels, time)``, or a list of ``(channels, time)``, rather than pictures."""
    if isinstance(X, (list, tuple)):
        some = [one for one in X[:20] if hasattr(one, "__array__") and not hasattr(one, "getexif")]
        if not X or len(some) < len(X[:20]):
            return False
        arrays = [np.asarray(one) for one in some]
        axes = {array.ndim for array in arrays}
        if axes == {1}:
            return all(array.dtype.kind in "fiu" for array in arrays) and len({*map(len, X)}) > 1
        if axes != {2}:
            return False
        if len({one.shape for one in arrays}) == 1:
            return _are_numbers_of_steps(arrays)
        return any(_are_numbers_of_steps([one]) for one in arrays)  # pictures have one shape
    return hasattr(X, "__array__") and getattr(X, "ndim", 0) == 3 and _are_stacked(np.asarray(X))


def _are_stacked(array: NDArray[Any]) -> bool:
    return array.ndim == 3 and array.size > 0 and _are_numbers_of_steps([array[:200]])


def _are_numbers_of_steps(arrays: Sequence[NDArray[Any]]) -> bool:
    """Whether arrays ``(…, channels, time)`` hold measurements: floats, and far more steps than channels, or gaps."""
    if not all(array.dtype.kind == "f" for array in arrays):
        return False
    long = all(array.size and array.shape[-1] >= LONG * array.shape[-2] for array in arrays)
    return long or any(bool(np.isnan(array).any()) for array in arrays)
