"""CSV and its relatives: encoding, delimiter, quoting and decimal sign are found out; DuckDB reads the values."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from annvil.data.readers.duckdb import Wanted, load, reader, sql
from annvil.data.readers.raw import MOST_COLUMNS, RawColumn, refuse_repeated_names
from annvil.data.readers.values import parse_number
from annvil.errors import DataError

LONGEST_LINE = 2**24
"""Bytes; the header and every record must be shorter, so that a file without line ends cannot fill the memory."""

_SAMPLE = 2**20
_DELIMITERS = ",;\t|"
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}


@dataclass(frozen=True)
class Dialect:
    """How the file is written."""

    encoding: str
    delimiter: str
    names: tuple[str, ...]
    decimal_comma: bool

    @property
    def details(self) -> str:
        """For people: ``semicolon-separated, utf-8, decimal comma``."""
        comma = ", decimal comma" if self.decimal_comma else ""
        return f"{_NAMES[self.delimiter]}-separated, {self.encoding}{comma}"


def guess_encoding(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, else UTF-8 if every byte fits, else Windows-1252.

    Raises
    ------
    DataError
        Where the file is not text: it holds NUL bytes.
    """
    with path.open("rb") as stream:
        start = stream.read(4096)
        if start.startswith(codecs.BOM_UTF8):
            return "utf-8-sig"
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        even, odd = start[0::2].count(0), start[1::2].count(0)
        if odd > len(start) // 5 and even < odd // 10:
            return "utf-16-le"
        if even > len(start) // 5 and odd < even // 10:
            return "utf-16-be"
        stream.seek(0)
        return _utf8_or_western(stream, path)


def _utf8_or_western(stream: BinaryIO, path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, western, lines = True, True, 0
    while chunk := stream.read(_SAMPLE):
        if b"\0" in chunk:
            line = lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
            raise DataError(
                f"{path.name} is not a text file: line {line} holds a NUL byte. Save it again as CSV in UTF-8."
            )
        lines += chunk.count(b"\n")
        western = western and not any(byte in chunk for byte in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d"))
        if utf8 and not (chunk.isascii() and decoder.getstate()[0] == b""):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                utf8 = False
    if utf8:
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            utf8 = False
    return "utf-8" if utf8 else "windows-1252" if western else "latin-1"


def transcode(path: Path, encoding: str, target: Path) -> None:
    """Write the text again as UTF-8 without a byte order mark, chunk by chunk."""
    try:
        with path.open(encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as sink:
            while chunk := source.read(_SAMPLE):
                if "\0" in chunk:
                    raise DataError(f"{path.name} is not a text file: it holds NUL characters.")
                sink.write(chunk)
    except UnicodeError as error:
        raise DataError(f"{path.name} cannot be read as {encoding}: {error}. Save it again in UTF-8.") from None


def guess_dialect(path: Path, encoding: str, name: str) -> Dialect:
    """Delimiter, header and decimal sign from the first megabyte of a UTF-8 file.

    The delimiter is the one that divides most records into the same number of fields, at least two; in doubt the one
    with more fields. Raises `DataError` for a file without lines, with too many columns, or repeated names.
    """
    with path.open("rb") as stream:
        head = stream.read(LONGEST_LINE)
    first_end = head.find(b"\n")
    if first_end < 0 and len(head) == LONGEST_LINE:
        raise DataError(
            f"{name} has a first line of more than {LONGEST_LINE // 2**20} MB; it is not a table with a header."
        )
    header = head if first_end < 0 else head[:first_end]
    widest = max(header.count(sign.encode()) for sign in _DELIMITERS) + 1
    if widest > MOST_COLUMNS and _really_wide(header):
        raise DataError(
            f"{name} has about {widest} columns; Annvil reads at most {MOST_COLUMNS}. "
            "Keep the columns that matter, or turn the table on its side if rows and columns were exchanged."
        )
    sample = head[: max(_SAMPLE, first_end + 1)].decode("utf-8", "ignore").removeprefix("\ufeff")
    sample = sample.replace("\r\n", "\n").replace("\r", "\n")
    complete = len(head) <= len(sample.encode())
    if not sample.strip():
        raise DataError(f"{name} is empty: there is no header line and no row.")
    records = {sign: _records(sample, sign, complete) for sign in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda sign: _fitness(records[sign]))
    rows = records[delimiter]
    names = [cell.strip() for cell in rows[0]]
    while len(names) > 1 and not names[-1] and not any("".join(row[len(names) - 1 : len(names)]) for row in rows[1:]):
        names.pop()  # a delimiter at the end of every line makes no column
    unnamed = "row number" not in names  # the one that pandas writes without a name
    names = [n or ("row number" if i == 0 and unnamed else f"column {i + 1}") for i, n in enumerate(names)]
    refuse_repeated_names(names, name)
    comma = delimiter != "," and _has_decimal_comma(rows[1:])
    return Dialect(encoding.replace("utf-8-sig", "utf-8 with byte order mark"), delimiter, tuple(names), comma)


def _really_wide(header: bytes) -> bool:
    """Whether delimiters in the first line divide columns rather than stand inside one quoted text."""
    return (
        header.count(b'"') < 2
        or max(len(_records(header.decode("utf-8", "ignore"), s, True)[0]) for s in _DELIMITERS) > MOST_COLUMNS
    )


def _records(sample: str, delimiter: str, complete: bool) -> list[list[str]]:
    """Records of the sample without blank lines; the last one is left out where the sample cuts it."""
    csv.field_size_limit(LONGEST_LINE)
    try:
        rows = list(csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter))
    except csv.Error:
        rows = [line.split(delimiter) for line in sample.split("\n")]
    if not complete and len(rows) > 1:
        rows.pop()
    return [row for row in rows if row and (len(row) > 1 or row[0].strip())] or [[""]]


def _fitness(rows: list[list[str]]) -> tuple[float, int]:
    """Share of records that have as many fields as the header, and that number; one field divides nothing."""
    width = len(rows[0])
    if width < 2:
        return (0.0, 0)
    return (round(sum(len(row) == width for row in rows) / len(rows), 2), width)


_COMMA_ONLY = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+|\d+),\d+")


def _has_decimal_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Whether numbers are written 1.234,5: some are, and in those columns none is written 1.5."""
    width = len(rows[0]) if rows else 0
    for i in range(width):
        cells = [row[i].strip() for row in rows[:2000] if i < len(row) and row[i].strip()]
        with_comma = sum(_COMMA_ONLY.fullmatch(cell) is not None for cell in cells)
        numbers = sum(parse_number(cell, "comma") is not None for cell in cells)
        if with_comma and 2 * numbers > len(cells):
            return True
    return False


def _guess_types(path: Path, dialect: Dialect) -> list[str]:
    """DOUBLE for columns whose first values are all numbers, VARCHAR for the others."""
    with path.open("rb") as stream:
        sample = stream.read(_SAMPLE)
    rows = _records(sample.decode("utf-8", "ignore"), dialect.delimiter, len(sample) < _SAMPLE)[1:2001]
    sign = "," if dialect.decimal_comma else r"\."
    number = re.compile(rf"\s*[+-]?(\d+{sign}?\d*|{sign}\d+)([eE][+-]?\d+)?\s*")
    types = []
    for i in range(len(dialect.names)):
        cells = [row[i] for row in rows if i < len(row) and row[i].strip()]
        types.append("DOUBLE" if cells and all(map(number.fullmatch, cells)) else "VARCHAR")
    return types


def read_delimited(path: Path, dialect: Dialect, *, name: str, wanted: Wanted) -> tuple[list[RawColumn], int]:
    """All columns and the number of rows of a UTF-8 file.

    Columns that look like numbers are parsed as such by DuckDB; where one turns out to hold something else, it is read
    again as text and judged by its values.
    """
    import duckdb

    types = [
        "VARCHAR" if column in wanted.texts else kind
        for column, kind in zip(dialect.names, _guess_types(path, dialect), strict=True)
    ]
    with reader(path) as (connection, file):
        while True:
            columns = ", ".join(f"'c{i}': '{kind}'" for i, kind in enumerate(types))
            source = (
                f"read_csv({sql(file)}, auto_detect=false, header=true, delim={sql(dialect.delimiter)}, "
                f"quote='\"', escape='\"', nullstr='', decimal_separator='{',' if dialect.decimal_comma else '.'}', "
                f"max_line_size={LONGEST_LINE}, strict_mode=true, null_padding=false, columns={{{columns}}})"
            )
            try:
                return load(connection, source, dialect.names, wanted, typed=False, where=name)
            except duckdb.Error as error:
                wrong = re.search(r"converting column \"c(\d+)\"", str(error))
                if wrong is None or types[int(wrong[1])] == "VARCHAR":
                    raise _explain(str(error), dialect, name) from None
                types[int(wrong[1])] = "VARCHAR"


def _explain(message: str, dialect: Dialect, name: str) -> DataError:
    """DuckDB's complaint in one sentence of ours."""
    line = re.search(r"CSV Error on Line: (\d+)", message)
    where = f"Line {line[1]} of {name}" if line else name
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if counts:
        return DataError(
            f"{where} has {counts[2]} fields where the header has {counts[1]}; "
            f"mend that line, or quote texts that contain a {_NAMES[dialect.delimiter]}."
        )
    if "quote" in message.lower():
        return DataError(
            f"{where} has a quotation mark that is never closed, or text after a closing one; mend that line."
        )
    if "maximum line size" in message.lower():
        return DataError(f"{where} is longer than {LONGEST_LINE // 2**20} MB; it is not a table.")
    return DataError(f"{where} cannot be read as {dialect.details} text: {message.strip().splitlines()[0]}.")
