"""Names in a table → the pictures that they name: as paths, or by file name, with or without ending and zeros."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from annvil.data.readers.raw import RawColumn, RawTable, encode_texts
from annvil.errors import AnnvilError
from annvil.kinds.pictures.images import LeftOut
from annvil.kinds.pictures.reading.listing import SUFFIXES, Entry, Listing, list_folder
from annvil.tasks.base import IntArray
from annvil.text.safe import composed

Resolve = Callable[[str], Entry | None]
"""A text of the path column → the picture it names, or None."""

_NAMES_PICTURES = re.compile(r"(?i)(^|[^a-z])(image|img|picture|photo|file|filename|scan)s?([^a-z]|$)")


def names_pictures(raw: RawTable, root: Path) -> str | None:
    """The column whose texts are names of picture files that are there, or None: then it is an ordinary table.

    Texts with a picture's ending are looked for where they say, and wherever below the table's folder their path ends
    so; those of a column called ``image_id`` and the like also
    with an ending added, beside the table and in the folders next to it.
    """
    for column in raw.columns:
        named = column.storage == "text" and _look_like_pictures(column.levels)
        if named and (_are_on_disk(column.levels, root) or any(map(_below(root), column.levels[:50]))):
            return column.name
    for column in raw.columns:
        if column.storage in ("text", "number") and _NAMES_PICTURES.search(column.name.replace("_", " ")):
            levels = some_texts(column, 10)
            if levels and any(
                _is_file(place / (level + end))
                for place in _near(root)
                for level in levels
                for end in (".png", ".jpg", ".jpeg", ".tif", "")
            ):
                return column.name
    return None


def _near(root: Path, most: int = 30) -> list[Path]:
    """The folder and those in it."""
    try:
        with os.scandir(root) as entries:
            return [root, *(Path(e.path) for e in islice((e for e in entries if e.is_dir()), most))]
    except OSError:
        return [root]


def beside_table(raw: RawTable, column: str, root: Path) -> Resolve:
    """How the names in that column of a table in the folder ``root`` are resolved: as paths, or wherever they lie."""
    levels = raw[column].levels
    if _look_like_pictures(levels) and _are_on_disk(levels, root):
        return on_disk(root)
    return _below(root)


def _are_on_disk(levels: Sequence[str], root: Path) -> bool:
    """Whether texts lead to files from there; otherwise they may have been written elsewhere."""
    return any(_is_file(root / level.replace("\\", "/")) for level in levels[:50])


def _below(root: Path) -> Resolve:
    try:
        return in_listing(list_folder(root), "")
    except AnnvilError:  # a folder that may not be read whole
        return lambda text: None


def _look_like_pictures(levels: Sequence[str]) -> bool:
    seen = [Path(level).suffix.lower() in SUFFIXES for level in levels[:200]]
    return bool(seen) and sum(seen) >= 0.9 * len(seen)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def on_disk(root: Path) -> Resolve:
    """Paths as a table beside its pictures writes them: below its folder, or absolute."""

    def resolve(text: str) -> Entry | None:
        try:
            path = root / text.replace("\\", "/")
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        return Entry(text.replace("\\", "/"), str(path), status.st_size, status.st_mtime_ns) if path.is_file() else None

    return resolve


def in_listing(listing: Listing, folder: str) -> Resolve:
    """Paths below the table's ``folder`` or the top, or ends of paths that one picture has, in either direction.

    ``/home/me/data/cats/1.jpg`` and ``1`` are ``train/cats/1.png`` where no other picture ends so. The ending may lack,
    or be another one; numbers may have lost their leading zeros, as ``12`` of ``00012.png``. Pictures below the table's
    folder go before others.
    """
    own = [entry for entry in listing.pictures if folder and composed(entry.name).startswith(composed(folder))]
    by_end = [_by_end(entries) for entries in (own, listing.pictures) if entries]
    by_name = {composed(entry.name): entry for entry in listing.pictures}
    by_number: dict[str, Entry | None] = {}
    for entry in listing.pictures:
        stem = Path(entry.parts[-1]).stem
        if stem.isdecimal():
            number = stem.lstrip("0")
            by_number[number] = None if number in by_number else entry

    def resolve(text: str) -> Entry | None:
        name = composed(text).replace("\\", "/").removeprefix("./").strip("/")
        exact = by_name.get(composed(folder) + name) or by_name.get(name)
        if exact is not None:
            return exact
        for end in _ends(name):
            for written in (end, _without_ending(end)):
                for known in by_end:
                    if written in known:
                        return known[written]
        file = name.rsplit("/", 1)[-1]
        return by_number.get(file.lstrip("0")) if file.isdecimal() else None

    return resolve


def _by_end(entries: Sequence[Entry]) -> dict[str, Entry | None]:
    """Every end of a path, with the file's ending and without: the picture that has it, None where several do."""
    found: dict[str, Entry | None] = {}
    for entry in entries:
        for end in _ends(composed(entry.name)):
            for written in {end, _without_ending(end)}:
                found[written] = None if written in found else entry
    return found


def _ends(name: str) -> Iterator[str]:
    """A path, the same without its first folder, …, the file name."""
    yield name
    while "/" in name:
        name = name.split("/", 1)[1]
        yield name


def _without_ending(name: str) -> str:
    """The name without the ending of a picture; with any other."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in SUFFIXES else name


def some_texts(column: RawColumn, most: int = 200) -> list[str]:
    """Distinct texts of a column that may hold names; whole numbers as they would be written."""
    if column.storage == "text":
        return list(column.levels[:most])
    values = column.values[:most]
    return [f"{value:.0f}" for value in values[np.isfinite(values)].tolist()]


def resolved(column: RawColumn, resolve: Resolve, gone: str) -> tuple[list[Entry], IntArray, tuple[LeftOut, ...]]:
    """Distinct pictures by name, the picture of each row (-1: none), and names that lead nowhere, with ``gone``."""
    if column.storage == "number":
        codes, levels = encode_texts(None if np.isnan(v) else f"{v:.0f}" for v in column.values.tolist())
    else:
        codes, levels = column.values, column.levels
    entries = [resolve(level) for level in levels]
    pictures = sorted({entry.place: entry for entry in entries if entry}.values(), key=lambda entry: entry.name)
    at = {entry.place: row for row, entry in enumerate(pictures)}
    lookup = np.array([*(at[entry.place] if entry else -1 for entry in entries), -1], dtype=np.int64)
    left_out = tuple(LeftOut(level, gone) for level, entry in zip(levels, entries, strict=True) if entry is None)
    return pictures, lookup[codes], left_out
