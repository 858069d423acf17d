"""A table that names sound files: ``path,label``, several labels or a number; speakers and an official split, too."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from annvil.data.dataset import ColumnNote
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.labels import LABEL_NAMES
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.data.readers.split_columns import kept_for_testing, split_column
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.sound.clips import LeftOut
from annvil.kinds.sound.reading.decoding import SUFFIXES
from annvil.kinds.sound.reading.found import Named
from annvil.kinds.sound.reading.listing import Entry, Listing, archive_opened
from annvil.options import ReadOptions
from annvil.text.safe import composed, short_name, some_names

Resolve = Callable[[str], Entry | None]
"""A text of the column of paths → the file it names, or None."""

WORDS = (*LABEL_NAMES, "word", "words", "command", "digit", "species", "emotion")
"""Usual names of the column of the answer in tables of sound, the surest first."""

SPEAKER_NAMES = ("speaker", "speaker_id", "spk", "speakers", "subject", "person", "voice", "client_id", "actor")
"""Usual names of a column that says who speaks."""

USUAL_TABLES = ("labels", "label", "annotations", "metadata", "meta", "index", "train", "data", "transcripts")
MOST_TABLES = 8
"""Tables beside the clips that are looked into (assumed)."""

MOST_TABLE_BYTES = 1 << 30


def tables_beside(listing: Listing) -> list[Entry]:
    """Tables that may say what the clips are, those with a usual name first, higher ones before lower ones."""

    def rank(entry: Entry) -> tuple[bool, int, str]:
        return PurePosixPath(entry.name).stem.lower() not in USUAL_TABLES, len(entry.folders), entry.name

    return sorted(listing.tables, key=rank)[:MOST_TABLES]


def read_table(listing: Listing, entry: Entry) -> RawTable:
    """A table in a folder or in an archive (unpacked under a name of ours); names stay texts even where they look like
    numbers."""
    if listing.archive is None:
        return texts_of(Path(entry.place))
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder, archive_opened(listing.archive) as archive:
        if entry.n_bytes > MOST_TABLE_BYTES:
            raise DataError(f"{entry.name} in {listing.shown} has more than 1 GiB; unpack it first.")
        plain = Path(folder) / ("labels" + PurePosixPath(entry.name).suffix.lower())
        with archive.open(entry.place) as member:
            plain.write_bytes(member.read(MOST_TABLE_BYTES))
        return texts_of(plain)


def texts_of(path: Path) -> RawTable:
    """A table of which every column is read whole, paths and speakers as texts."""
    names = read_file(path).names
    return read_file(path, Wanted(whole=set(names)))


def in_listing(listing: Listing, folder: str = "") -> Resolve:
    """Paths below the table's ``folder`` or the top, or ends of paths that one file has; the ending may lack."""
    exact: dict[str, Entry] = {}
    by_end: dict[str, Entry | None] = {}
    for entry in listing.sounds:
        name = composed(entry.name)
        exact[name] = entry
        for end in _ends(name):
            for written in {end, _stem(end)}:
                by_end[written] = None if written in by_end else entry

    def resolve(text: str) -> Entry | None:
        name = composed(text).replace("\\", "/").removeprefix("./").strip("/")
        found = exact.get(folder + name) or exact.get(name)
        ends = (end for long in _ends(name) for end in (long, _stem(long)))
        return found or next((by_end[end] for end in ends if by_end.get(end) is not None), None)

    return resolve


def on_disk(root: Path) -> Resolve:
    """Paths as a table beside its files writes them: below its folder, or absolute."""

    def resolve(text: str) -> Entry | None:
        try:
            path = root / text.replace("\\", "/")
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        return Entry(text.replace("\\", "/"), str(path), status.st_size, status.st_mtime_ns) if path.is_file() else None

    return resolve


def _ends(name: str) -> list[str]:
    """A path, the same without its first folder, …, the file name."""
    parts = name.split("/")
    return ["/".join(parts[first:]) for first in range(len(parts))]


def _stem(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if dot and f".{ending.lower()}" in SUFFIXES else name


def names_sounds(raw: RawTable, resolve: Resolve) -> str | None:
    """The column most of whose texts name a sound file that is there; None where there is none."""
    best, share = None, 0.5
    for column in raw.columns:
        levels = column.levels[:200] if column.storage == "text" else ()
        found = sum(resolve(level) is not None for level in levels) / max(1, len(levels))
        if found > share:
            best, share = column.name, found
    return best


def looks_like_sounds(column: RawColumn) -> bool:
    """Whether nearly all texts of a column end as sound files do."""
    seen = [PurePosixPath(level).suffix.lower() in SUFFIXES for level in column.levels[:200]]
    return column.storage == "text" and bool(seen) and sum(seen) >= 0.9 * len(seen)


def by_table(raw: RawTable, resolve: Resolve, where: str, ask: ReadOptions, path: str | None = None) -> Named:
    """Clips and answers that a table names.

    Raises
    ------
    RequestError
        Where a column asked for does not exist, or none can be told to be the target.
    DataError
        Where no column names sound files.
    """
    path = path or names_sounds(raw, resolve)
    if path is None:
        raise DataError(
            f"No column of {where} names sound files that are there; it needs one with paths such as 'yes/1.wav'."
        )
    asked = [ask.target] if isinstance(ask.target, str) else list(ask.target or ())
    groups = ask.groups or next((one for one in raw.names if one.strip().lower() in SPEAKER_NAMES), None)
    for name in (*asked, *(name for name in (groups, ask.time) if name)):
        if name not in raw.names:
            raise RequestError(
                f"{where} has no column {short_name(name)!r}.{did_you_mean(name, raw.names)} "
                f"Its columns are {some_names(raw.names, 12)}."
            )
    groups = None if groups in asked else groups
    split = split_column(raw.columns, path)
    asked = asked or [_target(raw, {path, groups, ask.time, split.name if split else None}, where)]
    roles = dict.fromkeys(asked, "the target")
    roles |= {name: role for name, role in ((groups, "the groups"), (ask.time, "the time")) if name}
    if split is not None:
        roles[split.name] = "says what is kept apart for testing"
    sounds, rows, gone = _resolved(raw[path], resolve)
    if not sounds:
        raise DataError(f"None of the files that {where} names in {path!r} is there: {some_names(raw[path].levels)}.")
    testing, said = kept_for_testing(split, raw.n_rows)
    notes = tuple(
        ColumnNote(c.name, "role", False, roles[c.name], 0, len(c.levels))
        if c.name in roles
        else ColumnNote(c.name, "dropped", False, "only the sound is learnt from", 0, len(c.levels))
        for c in raw.columns
        if c.name != path
    )
    return Named(
        sounds=sounds,
        rows=rows,
        answers=tuple(raw[name] for name in asked),
        testing=testing,
        groups=raw[groups] if groups else None,
        time=raw[ask.time] if ask.time else None,
        notes=notes,
        said=said,
        left_out=gone,
    ).take(np.flatnonzero(rows >= 0))


def _resolved(column: RawColumn, resolve: Resolve) -> tuple[list[Entry], np.ndarray, tuple[LeftOut, ...]]:
    """Distinct files by name, the file of each row (-1: none), and names that lead nowhere."""
    entries = [resolve(level) for level in column.levels]
    sounds = sorted({entry.place: entry for entry in entries if entry}.values(), key=lambda entry: entry.name)
    at = {entry.place: row for row, entry in enumerate(sounds)}
    lookup = np.array([*(at[entry.place] if entry else -1 for entry in entries), -1], dtype=np.int64)
    gone = [level for level, entry in zip(column.levels, entries, strict=True) if entry is None]
    return sounds, lookup[column.values], tuple(LeftOut(one, "is named in the table but is not there") for one in gone)


def _target(raw: RawTable, taken: set[str | None], where: str) -> str:
    free = [name for name in raw.names if name not in taken]
    by_name = {name.strip().lower(): name for name in reversed(free)}
    usual: Sequence[str] = [by_name[word] for word in WORDS if word in by_name]
    if usual or len(free) == 1:
        return (usual or free)[0]
    if not free:
        raise DataError(f"{where} names sound files but has no column that says what is heard in them.")
    raise RequestError(
        f"Name the column of {where} to predict as target (--target); its columns are {some_names(free, 12)}."
    )
