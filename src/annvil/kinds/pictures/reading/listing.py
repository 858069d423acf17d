"""Which picture files there are: below a folder, or in a zip archive. Nothing is opened but the archive's directory.

An archive is never unpacked: its members are read one by one into memory, so that no name in it can reach a place on
disk, and no member is read beyond `annvil.kinds.pictures.reading.decoding.MOST_BYTES`.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from annvil.data.readers.unpacking import is_hidden
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.images import LeftOut
from annvil.text.safe import short_name

_SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".tif", ".tiff", ".bmp", ".dib", ".gif")
SUFFIXES = frozenset((*_SUFFIXES, ".ppm", ".pgm", ".pbm", ".pnm"))
"""Endings of files that are taken for pictures; others are counted and left alone."""

TABLES = frozenset((".csv", ".tsv", ".parquet", ".pq", ".jsonl", ".ndjson", ".feather", ".arrow", ".xlsx"))
"""Endings of files that may hold labels."""

_SAYS_LABELS = re.compile("label|annotation")
"""In the names of text files that may be tables of labels; others are notes, or boxes of one picture each."""

MOST_FILES = 5_000_000
"""A folder with more files than this is surely not meant (assumed); walking it would take minutes."""

MOST_MEMBERS = 1_000_000
MOST_EXPANDED = 64 * 2**30
"""Pictures in an archive, and their bytes once unpacked (assumed): beyond, unpack it once, not at every reading."""


@dataclass(frozen=True)
class Entry:
    """One file: its path below the source with forward slashes, where to open it, its size and version."""

    name: str
    place: str  # a path, or the name of an archive's member
    n_bytes: int
    version: int  # nanoseconds since 1970 of its last change; in archives the CRC of its content

    @property
    def parts(self) -> tuple[str, ...]:
        """Folders and file name."""
        return tuple(self.name.split("/"))


@dataclass
class Listing:
    """All pictures of a source in the order of their names, and what else lies there."""

    root: Path
    archive: Path | None = None
    pictures: list[Entry] = field(default_factory=list)
    tables: list[Entry] = field(default_factory=list)
    arrays: list[Entry] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)  # files of other kinds, by ending

    @property
    def shown(self) -> str:
        """The source's name for messages."""
        return short_name((self.archive or self.root).name or str(self.root))


def is_array(name: str) -> bool:
    """Whether a file name is that of an idx or NumPy file."""
    plain = name.lower().removesuffix(".gz")
    return plain.endswith((".npy", ".npz")) or any(plain.endswith(end) for end in ("-ubyte", ".idx", ".idx1", ".idx3"))


def list_folder(root: Path) -> Listing:
    """Everything below a folder, symbolic links followed, each real folder once.

    Raises
    ------
    RequestError
        Where the folder may not be read.
    DataError
        Where there are more than `MOST_FILES` files.
    """
    listing = Listing(root)
    seen: set[tuple[int, int]] = set()
    waiting = [("", root)]
    n_files = 0
    while waiting:
        prefix, folder = waiting.pop()
        for entry in _entries(folder, prefix, listing, seen):
            name = prefix + entry.name
            try:
                status = entry.stat()
            except OSError:
                if Path(entry.name).suffix.lower() in SUFFIXES:
                    listing.left_out.append(LeftOut(name, "is a link that leads nowhere, or its name is too long"))
                continue
            if stat.S_ISDIR(status.st_mode):
                waiting.append((name + "/", Path(entry.path)))
                continue
            n_files += 1
            if n_files > MOST_FILES:
                raise DataError(
                    f"{root} holds more than {MOST_FILES:,} files; name the folder that holds the pictures."
                )
            if stat.S_ISREG(status.st_mode):
                _sort_in(listing, Entry(name, entry.path, status.st_size, status.st_mtime_ns))
            elif Path(entry.name).suffix.lower() in SUFFIXES:
                listing.left_out.append(LeftOut(name, "is not an ordinary file"))
    return _in_order(listing)


def _entries(folder: Path, prefix: str, listing: Listing, seen: set[tuple[int, int]]) -> list[os.DirEntry[str]]:
    """What lies in a folder that was not met before; nothing where it cannot be entered, which is noted."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            return []
        seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not is_hidden(entry.name)]
    except PermissionError:
        raise RequestError(f"The folder {folder} may not be read: its permissions forbid it.") from None
    except OSError as error:
        if not prefix:
            raise RequestError(f"The folder {folder} cannot be read: {error.strerror}.") from None
        listing.left_out.append(LeftOut(prefix, f"cannot be entered: {error.strerror}"))
        return []


def _sort_in(listing: Listing, entry: Entry) -> None:
    suffix = PurePosixPath(entry.name).suffix.lower()
    if suffix in SUFFIXES:
        listing.pictures.append(entry)
    elif suffix in TABLES or (suffix == ".txt" and _SAYS_LABELS.search(entry.parts[-1].lower())):
        listing.tables.append(entry)
    elif is_array(entry.name):
        listing.arrays.append(entry)
    else:
        listing.others[suffix or "no ending"] += 1


def _in_order(listing: Listing) -> Listing:
    for entries in (listing.pictures, listing.tables, listing.arrays):
        entries.sort(key=lambda entry: entry.name)
    listing.left_out.sort(key=lambda left: left.name)
    return listing


def list_archive(path: Path) -> Listing:
    """Everything in a zip archive; names that climb out of it, and links, are left out.

    Raises
    ------
    DataError
        Where it is damaged, protected by a password, or larger than `MOST_MEMBERS` and `MOST_EXPANDED` allow.
    """
    listing = Listing(path, path)
    entries: dict[str, Entry] = {}
    with archive_opened(path) as archive:
        members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise DataError(f"{path.name} holds {len(members):,} files, more than {MOST_MEMBERS:,}; unpack it first.")
    expanded = sum(member.file_size for member in members)
    if expanded > MOST_EXPANDED:
        raise DataError(
            f"{path.name} would unpack to {expanded / 2**30:,.0f} GiB, more than {MOST_EXPANDED // 2**30}; "
            "unpack it first and name the folder."
        )
    for member in members:
        name = member.filename.replace("\\", "/").lstrip("/")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if member.is_dir() or not parts or any(map(is_hidden, (part for part in parts if part != ".."))):
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
    return _in_order(listing)


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
    except OSError as error:
        if error.errno != errno.EINVAL:  # a seek beyond reason, where an archive says that a member begins
            raise
        raise DataError(f"{path.name} is damaged and cannot be read as a zip archive.") from None
