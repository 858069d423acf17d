"""What is a source of pictures rather than a table: told by names and shapes; of files, only tables are opened."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from annvil.data.readers.opened import Opened
from annvil.data.readers.samples import DIGIT_IMAGES, PREFIX
from annvil.kinds.pictures.reading.listing import SUFFIXES, is_array
from annvil.kinds.pictures.reading.resolving import names_pictures

DIGITS = PREFIX + DIGIT_IMAGES


def is_pictures(source: Any) -> bool:
    """Whether ``source`` is for `read_images` rather than for tables; looks at names only."""
    if isinstance(source, (str, Path)):
        path = Path(source)
        if str(source).startswith(PREFIX):
            return str(source) == DIGITS
        name = path.name.lower()
        return path.is_dir() or is_array(name) or (name.endswith(".zip") and _archive_of_pictures(path))
    if isinstance(source, tuple) and len(source) == 2:
        return is_stack(source[0]) or are_paths(source[0]) or are_pictures(source[0])
    return False


def lists_pictures(opened: Opened) -> bool:
    """Whether a table in a file names picture files that are there, and the user did not rule that column out."""
    if opened.path is None:
        return False
    named = names_pictures(opened.table, opened.path.parent)
    columns = opened.ask.columns
    return named is not None and named not in opened.ask.drop and (columns is None or named in columns)


def _archive_of_pictures(path: Path) -> bool:
    """Whether a zip holds pictures or their arrays; damaged archives are left to whoever reads them."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
        return False
    return any(Path(name).suffix.lower() in SUFFIXES for name in names) or any(map(is_array, names))


def is_stack(X: Any) -> bool:
    """Whether this is an array of pictures."""
    return hasattr(X, "__array__") and getattr(X, "ndim", 0) in (3, 4)


def are_pictures(X: Any) -> bool:
    """Whether this is a list of pictures in memory: arrays or PIL images."""
    some = X[:20] if isinstance(X, (list, tuple)) else ()
    return bool(some) and all(
        (hasattr(one, "__array__") and getattr(one, "ndim", 0) in (2, 3))
        or (hasattr(one, "getexif") and hasattr(one, "convert"))
        for one in some
    )


def are_paths(X: Any) -> bool:
    """Whether this is a list, a series or an array of paths of pictures."""
    some = list(X[:20]) if isinstance(X, (list, tuple)) or len(getattr(X, "shape", ())) == 1 else ()
    return bool(some) and all(isinstance(one, (str, Path)) and Path(one).suffix.lower() in SUFFIXES for one in some)
