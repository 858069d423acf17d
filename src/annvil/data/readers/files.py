"""A path → `RawTable`: which reader, and what is refused before anything is unpacked or parsed."""

from __future__ import annotations

import errno
import gzip
import hashlib
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
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
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes[-1] if suffixes and suffixes[-1] in (".gz", ".zip") else ""
    suffix = (suffixes[-2] if len(suffixes) > 1 else ".csv") if packed else (suffixes[-1] if suffixes else "")
    source = Source(path.name, str(path.absolute()), _sha256(path), path.stat().st_size)
    if packed:
        with unpacked(path, packed) as (plain, inner):
            suffix = Path(inner).suffix.lower() or suffix
            return _read_text(plain, suffix, source, wanted, f", {packed[1:]}")
    if suffix in PARQUET_SUFFIXES or _starts_with(path, b"PAR1"):
        from annvil.data.readers.columnar import read_parquet

        return read_parquet(path, source, wanted)
    if suffix in ARROW_SUFFIXES or _starts_with(path, b"ARROW1"):
        from annvil.data.readers.arrow import read_arrow

        return read_arrow(path, source)
    if suffix in EXCEL_SUFFIXES:
        from annvil.data.readers.excel import read_excel

        return read_excel(path, source)
    return _read_text(path, suffix, source, wanted, "")


def _read_text(path: Path, suffix: str, source: Source, wanted: Wanted, note: str) -> RawTable:
    """CSV or JSON lines, in any encoding."""
    if suffix not in TEXT_SUFFIXES + JSON_SUFFIXES and suffix not in ("",):
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

            return read_json_lines(path, _with_details(source, f"JSON lines, {encoding}{note}"), wanted)
        dialect = guess_dialect(path, encoding, source.name)
        columns, n_rows = read_delimited(path, dialect, name=source.name, wanted=wanted)
    return RawTable(tuple(columns), n_rows, _with_details(source, dialect.details + note), dialect.decimal_comma)


def _with_details(source: Source, details: str) -> Source:
    return Source(source.name, source.path, source.sha256, source.n_bytes, details)


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
                if member.file_size > MOST_UNPACKED_BYTES or (
                    member.file_size > BOMB_BYTES and member.file_size > BOMB_RATIO * max(member.compress_size, 1)
                ):
                    raise _too_large(path)
                with archive.open(member) as content:
                    _copy(content, target, path)
        except (OSError, EOFError, zipfile.BadZipFile, NotImplementedError, ValueError, _zlib_error()) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # EINVAL: a seek beyond reason
                raise
            raise DataError(f"{path.name} is damaged and cannot be unpacked: {str(error)[:120]}.") from None
        yield target, member.filename


def _zlib_error() -> type[Exception]:
    import zlib

    return zlib.error


def _only_member(archive: zipfile.ZipFile, path: Path) -> zipfile.ZipInfo:
    members = [
        m for m in archive.infolist() if not m.is_dir() and not m.filename.startswith("__MACOSX/") and m.file_size > 0
    ]
    if len(members) != 1:
        found = "no file" if not members else f"{len(members)} files"
        raise DataError(f"{path.name} holds {found}; Annvil reads a .zip with exactly one table in it.")
    return members[0]


def _copy(stream: IO[bytes] | gzip.GzipFile, target: Path, path: Path) -> None:
    packed_size = path.stat().st_size
    written = 0
    with target.open("wb") as sink:
        while chunk := stream.read(_CHUNK):
            written += len(chunk)
            if written > MOST_UNPACKED_BYTES or (written > BOMB_BYTES and written > BOMB_RATIO * packed_size):
                raise _too_large(path)
            sink.write(chunk)
    if written == 0:
        raise DataError(f"{path.name} is empty once unpacked.")


def _too_large(path: Path) -> DataError:
    return DataError(
        f"{path.name} would grow more than {BOMB_RATIO} times when unpacked, or beyond "
        f"{MOST_UNPACKED_BYTES // 2**30} GB; "
        "no table does that, so it was not unpacked. If it is genuine, unpack it yourself and pass the file inside."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _starts_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _neighbours(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()][:5000]
    except OSError:
        return ""
    return did_you_mean(path.name, names)
