"""A path → `RawTable`: which reader, and what is refused before anything is unpacked or parsed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from annvil.data.dataset import Source
from annvil.data.readers.delimited import guess_dialect, guess_encoding, read_delimited, transcode
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError, RequestError, did_you_mean

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
EXCEL_SUFFIXES = (".xlsx", ".xls", ".xlsb", ".xlsm", ".ods")
PARQUET_SUFFIXES = (".parquet", ".pq")

MOST_UNPACKED_BYTES = 8 * 2**30
"""A compressed text may become this large; assumed, beyond it a table does not fit a laptop's memory anyway."""

BOMB_RATIO = 100
BOMB_BYTES = 100 * 2**20
"""What grows beyond 100 MB *and* by more than 100 times is refused: tables compress 3 to 20 times, bombs 1000 times."""

_CHUNK = 2**20

NOTHING_SPECIAL = Wanted()


def read_file(path: Path, wanted: Wanted = NOTHING_SPECIAL) -> RawTable:
    """The table in a file; ``wanted`` says what is needed of certain columns.

    Raises
    ------
    RequestError
        Where the path does not exist, is a folder, or has an ending that no reader knows.
    DataError
        Where the content cannot be read; the message names the place.
    """
    if not path.exists():
        raise RequestError(f"There is no file {str(path)!r}.{_neighbours(path)}")
    if path.is_dir():
        raise RequestError(f"{str(path)!r} is a folder; name the file in it that holds the table.")
    if not path.is_file():
        raise RequestError(f"{str(path)!r} is not an ordinary file; save the data to one first.")
    try:
        return _dispatch(path, wanted)
    except PermissionError:
        raise RequestError(f"{str(path)!r} may not be read: its permissions forbid it.") from None


def _dispatch(path: Path, wanted: Wanted) -> RawTable:
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty: it has 0 bytes.")
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
        stream.seek(0)
        start = stream.read(6)
    source = Source(path.name, str(path.absolute()), sha256, path.stat().st_size)
    if suffix in (".gz", ".zip"):
        with unpacked(path, suffix) as (plain, inner):
            within = Path(inner).suffix or Path(path.stem).suffix or ".csv"
            return _read_text(plain, within.lower(), source, wanted, f", {suffix[1:]}")
    if suffix in PARQUET_SUFFIXES or start.startswith(b"PAR1"):
        from annvil.data.readers.columnar import read_parquet

        return read_parquet(path, source, wanted)
    if suffix in ARROW_SUFFIXES or start == b"ARROW1":
        from annvil.data.readers.arrow import read_arrow

        return read_arrow(path, source)
    if suffix in EXCEL_SUFFIXES:
        from annvil.data.readers.columnar import read_excel

        return read_excel(path, source)
    return _read_text(path, suffix, source, wanted, "")


def _read_text(path: Path, suffix: str, source: Source, wanted: Wanted, note: str) -> RawTable:
    """CSV or JSON lines, in any encoding."""
    if suffix not in ("", *TEXT_SUFFIXES, *JSON_SUFFIXES):
        known = ", ".join(TEXT_SUFFIXES[:3] + PARQUET_SUFFIXES[:1] + ARROW_SUFFIXES[:2] + JSON_SUFFIXES[:2])
        raise RequestError(
            f"{source.name}: no reader for files that end in {suffix!r}; Annvil reads {known} and .xlsx, "
            "and .gz or .zip of the text formats."
        )
    encoding = guess_encoding(path)
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        if encoding not in ("utf-8", "utf-8-sig"):
            plain = Path(folder) / f"data{suffix}"
            transcode(path, encoding, plain)
            path = plain
        if suffix in JSON_SUFFIXES:
            from annvil.data.readers.columnar import read_json_lines

            return read_json_lines(path, replace(source, details=f"JSON lines, {encoding}{note}"), wanted)
        dialect = guess_dialect(path, encoding, source.name)
        columns, n_rows = read_delimited(path, dialect, name=source.name, wanted=wanted)
    source = replace(source, details=dialect.details + note)
    return RawTable(tuple(columns), n_rows, source, dialect.decimal_comma)


@contextmanager
def unpacked(path: Path, packed: str) -> Iterator[tuple[Path, str]]:
    """A temporary file with the content of a ``.gz`` or ``.zip``, and the name the content had.

    Unpacked in pieces to disk, and refused as soon as it grows beyond reason (`BOMB_RATIO`, `MOST_UNPACKED_BYTES`).
    """
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        target = Path(folder) / "unpacked"
        try:
            if packed == ".gz":
                with gzip.open(path, "rb") as stream:
                    _copy(stream, target, path)
                yield target, path.stem
                return
            with zipfile.ZipFile(path) as archive:
                member = _only_member(archive, path)
                if member.flag_bits & 1:
                    raise DataError(f"{path.name} is protected by a password; unpack it first.")
                _refuse_bombs(member.file_size, max(member.compress_size, 1), path)
                with archive.open(member) as content:
                    _copy(content, target, path)
        except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, ValueError, zlib.error) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: a seek beyond reason
                raise
            raise DataError(f"{path.name} is damaged and cannot be unpacked: {str(error)[:120]}.") from None
        yield target, member.filename


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [m for m in archive.infolist() if m.file_size > 0 and not m.filename.startswith("__MACOSX/")]
    if len(members) != 1:
        found = f"{len(members)} files" if members else "no file"
        raise DataError(f"{path.name} holds {found}; Annvil reads a .zip with exactly one table in it.")
    return members[0]


def _copy(stream: IO[bytes] | gzip.GzipFile, target: Path, path: Path) -> None:
    packed_size = path.stat().st_size
    written = 0
    with target.open("wb") as sink:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            _refuse_bombs(written, packed_size, path)
            sink.write(chunk)
    if written == 0:
        raise DataError(f"{path.name} is empty once unpacked.")


def _refuse_bombs(unpacked_bytes: int, packed_bytes: int, path: Path) -> None:
    if unpacked_bytes > MOST_UNPACKED_BYTES or unpacked_bytes > max(BOMB_BYTES, BOMB_RATIO * packed_bytes):
        raise DataError(
            f"{path.name} would grow more than {BOMB_RATIO} times when unpacked, or beyond "
            f"{MOST_UNPACKED_BYTES // 2**30} GB; no table does that, so it was not unpacked. "
            "If it is genuine, unpack it yourself and pass the file inside."
        )


def _neighbours(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()][:5000]
    except OSError:
        return ""
    return did_you_mean(path.name, names)
