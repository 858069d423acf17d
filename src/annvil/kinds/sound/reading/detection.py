"""What is a source of sound: told by options, names and endings; of files, only tables are opened."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from annvil.data.readers.opened import Opened
from annvil.data.readers.unpacking import is_hidden
from annvil.errors import AnnvilError
from annvil.kinds.sound.reading.decoding import SUFFIXES, UNDECODED
from annvil.kinds.sound.reading.label_tables import looks_like_sounds, names_sounds, on_disk
from annvil.kinds.sound.reading.listing import TABLES

OPTIONS = ("rate", "transcripts")
"""Whoever gives one of these says that the source holds sound."""

MOST_NAMES = 20_000
"""Files of a folder that are looked at (assumed)."""


def is_sound(opened: Opened) -> str | None:
    """Why a source holds sound, completing "it is …", or None."""
    source, path = opened.source, opened.path
    if any(opened.given.get(name) for name in OPTIONS):
        return "sound"
    if isinstance(source, tuple) and len(source) == 2:
        return "a list of sound files" if are_paths(source[0]) else None
    if path is None:
        return None
    if path.suffix.lower() in SUFFIXES and path.is_file():
        return "a sound file"
    if path.is_dir():
        return "a folder of sound files" if _mostly_sounds(islice(_names_below(path), MOST_NAMES)) else None
    if path.suffix.lower() == ".zip" and path.is_file():
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()[:MOST_NAMES]
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError):
            return None  # damaged: told by whoever reads it
        return "an archive of sound files" if _mostly_sounds(names) else None
    return "a table that names sound files" if _lists_sounds(opened) else None


def are_paths(X: Any) -> bool:
    """Whether this is a list or an array of paths of sound files."""
    some = list(X[:20]) if isinstance(X, (list, tuple)) or len(getattr(X, "shape", ())) == 1 else ()
    return bool(some) and all(isinstance(one, (str, Path)) and Path(one).suffix.lower() in SUFFIXES for one in some)


def _mostly_sounds(names: Iterable[str]) -> bool:
    """Whether most files that are no tables and no notes are sound."""
    notes = (*TABLES, ".md", ".txt", ".json", ".pdf", ".html", "")
    seen = Counter(PurePosixPath(name).suffix.lower() for name in names if not is_hidden(PurePosixPath(name).name))
    sounds = sum(n for suffix, n in seen.items() if suffix in SUFFIXES or suffix in UNDECODED)
    others = sum(n for suffix, n in seen.items() if suffix not in notes) - sounds
    return sounds > 0 and sounds >= others


def _names_below(root: Path) -> Iterator[str]:
    for _, inside, names in os.walk(root):
        inside[:] = [name for name in inside if not is_hidden(name)]
        yield from names


def _lists_sounds(opened: Opened) -> bool:
    """Whether a table in a file names sound files that are there, and the user did not rule that column out."""
    path = opened.path
    if path is None or path.suffix.lower() not in TABLES or not path.is_file():
        return False
    try:
        table = opened.table
    except AnnvilError:
        return False  # told by whoever reads it
    if not any(map(looks_like_sounds, table.columns)):
        return False
    named = names_sounds(table, on_disk(path.parent))
    columns = opened.ask.columns
    return named is not None and named not in opened.ask.drop and (columns is None or named in columns)
