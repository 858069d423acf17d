"""Packed files → the file inside, in a temporary folder, and nothing that would fill the disk."""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

from annvil.data.readers.duckdb import first_line, sql
from annvil.data.readers.layout import LONGEST_LINE
from annvil.errors import DataError

MOST_UNPACKED_BYTES = 8 * 2**30
"""A compressed text may become this large; assumed, beyond it a table does not fit a laptop's memory anyway."""

BOMB_RATIO = 100
BOMB_BYTES = 100 * 2**20
"""What grows beyond 100 MB *and* by more than 100 times is refused: tables compress 3 to 20 times, bombs 1000 times."""

_CHUNK = 2**20
_LINES = 20_000

_OPEN: dict[str, Callable[..., Any]] = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_MAGIC = {b"\x1f\x8b": "gz", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", b"\x28\xb5\x2f\xfd": "zst"}
_PRINTABLE = re.compile(rb"[\t\r\n -~]+")
"""What a browser leaves that unpacked a file and kept its name."""
_SUFFIXES = {".gz": "gz", ".bz2": "bz2", ".xz": "xz", ".lzma": "xz", ".zst": "zst", ".zstd": "zst", ".zip": "zip"}


def packing(suffix: str, start: bytes) -> str:
    """How a file is packed, by its ending or its first six bytes: "gz", "bz2", "xz", "zst", "zip", or ""."""
    found = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "")
    named = _SUFFIXES.get(suffix, "")
    is_plain = not found and named not in ("", "zip") and _PRINTABLE.fullmatch(start)
    return "" if is_plain else named or found


_LEFT_BEHIND = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "#recycle", "lost+found"}
_LEFT_BEHIND |= {"$recycle.bin", "system volume information"}


def is_hidden(name: str) -> bool:
    """Files that systems leave behind: ``.DS_Store``, ``._cat.jpg``, ``__MACOSX/``, ``Thumbs.db``."""
    return name.startswith(".") or name.lower() in _LEFT_BEHIND


@contextmanager
def unpacked(path: Path, packed: str, suffixes: frozenset[str]) -> Iterator[tuple[Path, str]]:
    """A temporary file with the content of a packed one, and the name the content had.

    Unpacked in pieces to disk, and refused as soon as it grows beyond reason (`BOMB_RATIO`, `MOST_UNPACKED_BYTES`). Of
    a ``.zip`` the one file whose ending is among ``suffixes`` counts, or the only one.

    Raises
    ------
    DataError
        Where it is damaged, protected, too large, or holds no table or several.
    """
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        target = Path(folder) / "unpacked"
        try:
            name = _unpack(path, packed, target, suffixes)
        except (
            OSError,
            EOFError,
            zipfile.BadZipFile,
            NotImplementedError,
            ValueError,
            zlib.error,
            lzma.LZMAError,
        ) as e:
            if isinstance(e, OSError) and e.errno not in (None, errno.EINVAL):  # EINVAL: a seek beyond reason
                raise
            raise DataError(f"{path.name} is damaged and cannot be unpacked: {str(e)[:120].rstrip('.')}.") from None
        yield target, name


def _unpack(path: Path, packed: str, target: Path, suffixes: frozenset[str]) -> str:
    if packed == "zst":
        _unpack_lines(path, target)
    elif packed != "zip":
        with _OPEN[packed](path, "rb") as stream:
            _copy(stream, target, path)
    else:
        with zipfile.ZipFile(path) as archive:
            member = _only_table(archive, path, suffixes)
            if member.flag_bits & 1:
                raise DataError(f"{path.name} is protected by a password; unpack it first.")
            _refuse_bombs(member.file_size, max(member.compress_size, 1), path)
            with archive.open(member) as content:
                _copy(content, target, path)
        return member.filename
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name


def _only_table(archive: zipfile.ZipFile, path: Path, suffixes: frozenset[str]) -> zipfile.ZipInfo:
    """The table among the files, beside which may lie what systems leave behind, and notes on it."""
    members = [
        m for m in archive.infolist() if m.file_size and not any(map(is_hidden, PurePosixPath(m.filename).parts))
    ]
    tables = [m for m in members if PurePosixPath(m.filename).suffix.lower() in suffixes]
    sure = [m for m in tables if PurePosixPath(m.filename).suffix.lower() != ".txt"]
    for found in (sure, tables, members):
        if len(found) == 1:
            return found[0]
    what = f"{len(sure or tables or members)} files" if members else "no file"
    raise DataError(f"{path.name} holds {what}; Annvil reads a .zip with exactly one table in it.")


def _unpack_lines(path: Path, target: Path) -> None:
    """Zstandard, which Python reads from 3.14 on, by DuckDB: line by line, byte for byte, but without blank lines."""
    import duckdb

    query = (
        f"SELECT * FROM read_csv({sql(str(path))}, compression='zstd', auto_detect=false, header=false, delim='\x01', "
        f"quote='', escape='', nullstr='\x02', encoding='latin-1', max_line_size={LONGEST_LINE}, strict_mode=false, "
        "columns={'line': 'VARCHAR'})"
    )
    _check_frames(path)
    packed_size, written = path.stat().st_size, 0
    with duckdb.connect(":memory:") as connection, target.open("wb") as sink:
        try:
            lines = connection.execute(query)
            while some := lines.fetchmany(_LINES):
                content = "".join(f"{line}\n" for (line,) in some).encode("latin-1")
                if b"\0" in content or any(line.count('"') % 2 for (line,) in some):
                    what = "is no text in UTF-8" if b"\0" in content else "has texts that go on in the next line"
                    raise DataError(f"The content of {path.name} {what}; unpack it first (zstd -d).")
                written += len(content)
                _refuse_bombs(written, packed_size, path)
                sink.write(content)
        except duckdb.Error as error:
            raise ValueError(first_line(error)) from None
    _refuse_empty(written, path)


def _check_frames(path: Path) -> None:
    """Raise where Zstandard's frames do not end with the file: DuckDB reads what there is of a file that was cut.

    Layout: RFC 8878, section 3.1. Nothing is decompressed.
    """
    size = path.stat().st_size
    with path.open("rb") as stream:
        while stream.tell() < size:
            magic = _number(stream, 4)
            if magic & 0xFFFFFFF0 == 0x184D2A50:  # a frame to skip
                stream.seek(_number(stream, 4), 1)
                continue
            if magic != 0xFD2FB528:
                raise ValueError("it does not hold Zstandard's frames")
            descriptor = _number(stream, 1)
            single = descriptor >> 5 & 1
            stream.seek((not single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6], 1)
            last = 0
            while not last:
                block = _number(stream, 3)
                last, kind = block & 1, block >> 1 & 3
                stream.seek(1 if kind == 1 else block >> 3, 1)
            stream.seek(4 * (descriptor >> 2 & 1), 1)
        if stream.tell() > size:
            raise EOFError("it ends too early")


def _number(stream: IO[bytes], n_bytes: int) -> int:
    """A whole number, its least byte first."""
    content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError("it ends too early")
    return int.from_bytes(content, "little")


def _copy(stream: IO[bytes], target: Path, path: Path) -> None:
    packed_size, written = path.stat().st_size, 0
    with target.open("wb") as sink:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            _refuse_bombs(written, packed_size, path)
            sink.write(chunk)
    _refuse_empty(written, path)


def _refuse_empty(written: int, path: Path) -> None:
    if written == 0:
        raise DataError(f"{path.name} is empty once unpacked.")


def _refuse_bombs(unpacked_bytes: int, packed_bytes: int, path: Path) -> None:
    if unpacked_bytes > MOST_UNPACKED_BYTES or unpacked_bytes > max(BOMB_BYTES, BOMB_RATIO * packed_bytes):
        raise DataError(
            f"{path.name} would grow more than {BOMB_RATIO} times when unpacked, or beyond "
            f"{MOST_UNPACKED_BYTES // 2**30} GB; no table does that, so it was not unpacked. "
            "If it is genuine, unpack it yourself and pass the file inside."
        )
