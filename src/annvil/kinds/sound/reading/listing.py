"""Which sound files there are below a folder or in a zip archive. Nothing is opened but the archive's directory.

An archive is never unpacked: its members are read one by one into memory, so that no name in it can reach a place on
disk, and no member is read beyond `annvil.kinds.sound.reading.decoding.MOST_BYTES`.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from annvil.data.readers.unpacking import is_hidden
from annvil.errors import DataError, RequestError
from annvil.kinds.sound.clips import LeftOut
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.decoding import MOST_BYTES, SUFFIXES, UNDECODED
from annvil.text.safe import short_name

TABLES = frozenset((".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".feather", ".arrow", ".xlsx"))
"""Endings of files that may hold labels, speakers or transcripts."""

MOST_FILES = 2_000_000
MOST_EXPANDED = 64 * 2**30
"""Files of a folder or an archive, and bytes of an archive once unpacked (assumed)."""


@dataclass(frozen=True)
class Entry:
    """One file: its path below the source with forward slashes, where to open it, its size and version."""

    name: str
    place: str  # a path, or the name of an archive's member
    n_bytes: int
    version: int  # nanoseconds since 1970 of its last change; in archives the CRC of its content

    @property
    def folders(self) -> tuple[str, ...]:
        """Those it lies in, below the source."""
        return tuple(self.name.split("/")[:-1])


@dataclass
class Listing:
    """All sound files of a source in the order of their names, and what else lies there."""

    root: Path
    archive: Path | None = None
    sounds: list[Entry] = field(default_factory=list)
    tables: list[Entry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)  # files of other kinds, by ending

    @property
    def shown(self) -> str:
        """The source's name for messages."""
        return short_name((self.archive or self.root).name or str(self.root))


def list_source(path: Path) -> Listing:
    """Everything below a folder, or in a zip archive.

    Raises
    ------
    RequestError, DataError
        Where it may not be read, is damaged, or holds more than `MOST_FILES` and `MOST_EXPANDED` allow.
    """
    listing = _list_folder(path) if path.is_dir() else _list_archive(path)
    for entries in (listing.sounds, listing.tables):
        entries.sort(key=lambda entry: entry.name)
    return listing


def _list_folder(root: Path) -> Listing:
    listing = Listing(root)
    seen: set[tuple[int, int]] = set()
    n_files = 0

    def failed(error: OSError) -> None:
        if Path(error.filename) == root:
            raise RequestError(f"The folder {root} cannot be read: {error.strerror}.") from None
        listing.left_out.append(LeftOut(Path(error.filename).name, f"cannot be entered: {error.strerror}"))

    for folder, inside, names in os.walk(root, followlinks=True, onerror=failed):
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in seen:  # a link that leads in a circle
            inside.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        inside[:] = sorted(name for name in inside if not is_hidden(name))
        for file in names:
            if is_hidden(file):
                continue
            place = Path(folder, file)
            name = place.relative_to(root).as_posix()
            n_files += 1
            if n_files > MOST_FILES:
                raise DataError(f"{root} holds more than {MOST_FILES:,} files; name the folder that holds the clips.")
            try:
                status = place.stat()
            except OSError:
                if place.suffix.lower() in SUFFIXES:
                    listing.left_out.append(LeftOut(name, "is a link that leads nowhere, or its name is too long"))
                continue
            if stat.S_ISREG(status.st_mode):
                _sort_in(listing, Entry(name, str(place), status.st_size, status.st_mtime_ns))
            elif place.suffix.lower() in SUFFIXES:
                listing.left_out.append(LeftOut(name, "is not an ordinary file"))
    return listing


def _sort_in(listing: Listing, entry: Entry) -> None:
    suffix = PurePosixPath(entry.name).suffix.lower()
    if suffix in SUFFIXES:
        listing.sounds.append(entry)
    elif suffix in UNDECODED:
        listing.left_out.append(LeftOut(entry.name, f"is a {suffix} file, which is not decoded; convert it to wav"))
    elif suffix in TABLES:
        listing.tables.append(entry)
    else:
        listing.others[suffix or "no ending"] += 1


def _list_archive(path: Path) -> Listing:
    listing = Listing(path, path)
    with archive_opened(path) as archive:
        members = archive.infolist()
    expanded = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or expanded > MOST_EXPANDED:
        raise DataError(
            f"{path.name} holds {len(members):,} files of {expanded / 2**30:,.0f} GiB, more than is read packed; "
            "unpack it first and name the folder."
        )
    entries: dict[str, Entry] = {}
    for member in members:
        parts = [part for part in member.filename.replace("\\", "/").split("/") if part not in ("", ".")]
        if member.is_dir() or not parts or any(is_hidden(part) for part in parts if part != ".."):
            continue
        if member.flag_bits & 1:
            raise DataError(f"{path.name} is protected by a password; unpack it first.")
        if ".." in parts or member.filename.startswith(("/", "\\")) or stat.S_ISLNK(member.external_attr >> 16):
            listing.left_out.append(LeftOut(member.filename, "has a name that leads out of the archive, or is a link"))
            continue
        name = "/".join(parts)
        entries[name] = Entry(name, member.filename, member.file_size, member.CRC)
    for entry in entries.values():
        _sort_in(listing, entry)
    return listing


@contextmanager
def archive_opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, or one sentence on why it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, NotImplementedError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise DataError(
            f"{path.name} is damaged and cannot be read as a zip archive: {short_name(str(error), 120)}."
        ) from None
    except PermissionError:
        raise RequestError(f"{str(path)!r} may not be read: its permissions forbid it.") from None


def content_of(entry: Entry, archive: zipfile.ZipFile | None, most: int = MOST_BYTES) -> bytes:
    """The first ``most`` bytes of a file, or of a member of an archive.

    Raises
    ------
    Broken
        Where it cannot be read, or has more than `MOST_BYTES`.
    """
    if entry.n_bytes > MOST_BYTES:
        raise Broken(f"has {entry.n_bytes / 2**20:,.0f} MB, more than the {MOST_BYTES // 2**20} that a clip may have")
    try:
        with open(entry.place, "rb") if archive is None else archive.open(entry.place) as stream:
            return stream.read(most)
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror or error}") from None
    except Exception as error:  # damaged archives raise nearly everything
        raise Broken(f"is damaged in the archive: {short_name(str(error), 80) or type(error).__name__}") from None
