"""A path → `RawTable`: which reader, and what is refused before anything is unpacked or parsed."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from annvil.data.dataset import Source
from annvil.data.readers.delimited import guess_dialect, read_delimited
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.encoding import guess_encoding, transcode
from annvil.data.readers.raw import RawTable
from annvil.data.readers.unpacking import packing, unpacked
from annvil.errors import DataError, RequestError, did_you_mean

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".tab", ".dat", ".data")
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
EXCEL_SUFFIXES = (".xlsx", ".xls", ".xlsb", ".xlsm", ".ods")
PARQUET_SUFFIXES = (".parquet", ".pq")

PACKABLE = frozenset((*TEXT_SUFFIXES, *JSON_SUFFIXES, *ARROW_SUFFIXES, *EXCEL_SUFFIXES, *PARQUET_SUFFIXES))
"""Endings of what may lie in an archive."""

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
    return _by_content(path, path.suffix.lower(), source_of(path), wanted, "")


def source_of(path: Path) -> Source:
    """A file, known again by its content."""
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Source(path.name, str(path.absolute()), sha256, path.stat().st_size)


def _by_content(path: Path, suffix: str, source: Source, wanted: Wanted, note: str) -> RawTable:
    """By the ending, or what the file begins with; ``note`` says how it was packed."""
    with path.open("rb") as stream:
        start = stream.read(6)
    packed = packing(suffix, start)
    if packed and note:
        raise DataError(f"{source.name} holds a file that is packed once more ({packed}); unpack the outer one first.")
    if not packed and packing(suffix, b""):  # named as packed, and unpacked already
        suffix = Path(path.stem).suffix.lower() or ".csv"
    if packed:
        with unpacked(path, packed, PACKABLE) as (plain, inner):
            within = Path(inner).suffix.lower() or Path(path.stem).suffix.lower() or ".csv"
            return _by_content(plain, within, source, wanted, f", {packed}")
    if suffix in PARQUET_SUFFIXES or start.startswith(b"PAR1"):
        from annvil.data.readers.columnar import read_parquet

        return read_parquet(path, source, wanted)
    if suffix in ARROW_SUFFIXES or start == b"ARROW1":
        from annvil.data.readers.arrow import read_arrow

        return read_arrow(path, source)
    if suffix in EXCEL_SUFFIXES and start.startswith(_WORKBOOKS):
        from annvil.data.readers.workbooks import read_excel

        return read_excel(path, source)
    if suffix in EXCEL_SUFFIXES:  # programs of business write texts or web pages and call them .xls
        _refuse_other_formats(path, source.name)
        return _read_text(path, ".csv", source, wanted, f"{note}, no workbook in spite of its name")
    return _read_text(path, suffix, source, wanted, note)


_WORKBOOKS = (b"PK", b"\xd0\xcf\x11\xe0", b"\t\x08", b"\t\x04", b"\t\x02", b"\t\x00")
"""How workbooks begin: zip archives, compound files, and the records of Excel 2 to 4."""

_OTHER_FORMATS = {
    r"<(!doctype|html|\?xml|table|head|body)\b": "is a web page or XML, not a table: save it as CSV",
    "%PDF": "is a PDF: save the table as CSV",
    "version https://git-lfs": "is a pointer that Git LFS left in place of the file: fetch it with git lfs pull",
    "@relation": "is an ARFF file: save it as CSV",
}


def _refuse_other_formats(path: Path, name: str) -> None:
    """Raise where a text is of a kind that begins unmistakably."""
    with path.open("rb") as stream:
        start = stream.read(200).decode("utf-8", "ignore").lstrip("\ufeff \t\r\n").lower()
    for begins, what in _OTHER_FORMATS.items():
        if re.match(begins, start, re.IGNORECASE):
            raise DataError(f"{name} {what}.")


def _is_json(path: Path) -> bool:
    """Whether a text that may have any name holds objects: no table of another kind begins so."""
    with path.open("rb") as stream:
        start = stream.read(200).decode("utf-8", "ignore")
    return re.match(r'\ufeff?\s*(\[\s*)?\{\s*"[^"]*"\s*:', start) is not None


def _read_text(path: Path, suffix: str, source: Source, wanted: Wanted, note: str) -> RawTable:
    """CSV or JSON lines, in any encoding."""
    if suffix not in ("", *TEXT_SUFFIXES, *JSON_SUFFIXES):
        known = ", ".join(TEXT_SUFFIXES[:3] + PARQUET_SUFFIXES[:1] + ARROW_SUFFIXES[:2] + JSON_SUFFIXES[:2])
        raise RequestError(
            f"{source.name}: no reader for files that end in {suffix!r}; Annvil reads {known} and .xlsx, "
            "and any of them packed as .gz, .bz2, .xz, .zst or .zip."
        )
    _refuse_other_formats(path, source.name)
    encoding = guess_encoding(path)
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        if encoding not in ("utf-8", "utf-8-sig"):
            plain = Path(folder) / f"data{suffix}"
            transcode(path, encoding, plain)
            path = plain
        if suffix in JSON_SUFFIXES or _is_json(path):
            from annvil.data.readers.json_tables import read_json_table

            return read_json_table(path, replace(source, details=f"JSON lines, {encoding}{note}"), wanted)
        dialect = guess_dialect(path, encoding, source.name)
        columns, n_rows = read_delimited(path, dialect, name=source.name, wanted=wanted)
    source = replace(source, details=dialect.details + note)
    return RawTable(tuple(columns), n_rows, source, dialect.decimal_comma)


def _neighbours(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()][:5000]
    except OSError:
        return ""
    return did_you_mean(path.name, names)
