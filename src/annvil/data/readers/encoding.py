"""The encoding of a text file, and the text written again in the one way that DuckDB reads."""

from __future__ import annotations

import codecs
import csv
import re
from pathlib import Path
from typing import BinaryIO

from annvil.data.readers.layout import BLANKS, COMMENTS, Layout, tokens
from annvil.errors import DataError

_CHUNK = 2**20


def guess_encoding(path: Path) -> str:
    """The encoding of a text file: by its byte order mark, else UTF-8 if every byte fits, else Windows-1252.

    Raises
    ------
    DataError
        Where the file is not text: it holds NUL bytes, or bytes that are not UTF-8 behind its byte order mark; where
        it is UTF-8 but for a few bytes, whose names would be other ones than those of the same rows elsewhere.
    """
    with path.open("rb") as stream:
        start = stream.read(4096)
        if start.startswith(codecs.BOM_UTF8):
            stream.seek(len(codecs.BOM_UTF8))
            if _utf8_or_western(stream, path) != "utf-8":
                raise DataError(
                    f"{path.name} begins with the mark of UTF-8, but line {_first_line_not_utf8(path)} holds bytes "
                    "that are none. Save it again in UTF-8, or mend that line."
                )
            return "utf-8-sig"
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        even, odd = start[0::2].count(0), start[1::2].count(0)
        if odd > len(start) // 5 and even < odd // 10:
            return "utf-16-le"
        if even > len(start) // 5 and odd < even // 10:
            return "utf-16-be"
        stream.seek(0)
        found = _utf8_or_western(stream, path)
    if found != "utf-8" and _is_mostly_utf8(path):
        raise DataError(
            f"{path.name} is written in UTF-8, but line {_first_line_not_utf8(path)} holds bytes that are none. Save "
            "it again in UTF-8, or mend that line."
        )
    return found


_SEVERAL_BYTES = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_HIGH = re.compile(rb"[\x80-\xff]+")


def _is_mostly_utf8(path: Path) -> bool:
    """Whether most runs of bytes beyond ASCII are whole characters of UTF-8; in other encodings hardly any is."""
    with path.open("rb") as stream:
        head = stream.read(4 * _CHUNK)
    runs = _HIGH.findall(head)
    whole = sum(_SEVERAL_BYTES.sub(b"", run) == b"" for run in runs)
    return 2 * whole > len(runs)


def _utf8_or_western(stream: BinaryIO, path: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    utf8, western, lines = True, True, 0
    while chunk := stream.read(_CHUNK):
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


def _first_line_not_utf8(path: Path) -> int:
    with path.open("rb") as stream:
        return next((number for number, line in enumerate(stream, 1) if not _is_utf8(line)), 1)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def transcode(path: Path, encoding: str, target: Path) -> None:
    """Write the text again as UTF-8 without a byte order mark, chunk by chunk."""
    try:
        with path.open(encoding=encoding, newline="") as source, target.open("w", encoding="utf-8", newline="") as sink:
            while chunk := source.read(_CHUNK):
                if "\0" in chunk:
                    raise DataError(f"{path.name} is not a text file: it holds NUL characters.")
                sink.write(chunk)
    except UnicodeError as error:
        raise DataError(f"{path.name} cannot be read as {encoding}: {error}. Save it again in UTF-8.") from None


def is_mixed(head: bytes) -> bool:
    """Whether lines end in more than one way, as far as the beginning shows: DuckDB knows one way a file."""
    bare = re.sub(rb'"[^"]*"', b"", head).removesuffix(b"\r")
    windows = bare.count(b"\r\n")
    return len({windows, bare.count(b"\n"), bare.count(b"\r")} - {0}) > 1 or (0 < windows < bare.count(b"\n"))


def straighten(path: Path, layout: Layout, target: Path) -> None:
    """Write a UTF-8 text again with line ends of ``\\n``, blank lines for comments, and tabs for runs of blanks.

    Lines keep their numbers, for messages.
    """
    in_quotes = False
    with path.open(encoding="utf-8-sig") as source, target.open("w", encoding="utf-8", newline="") as sink:
        if layout.delimiter != BLANKS and not layout.comments:
            while chunk := source.read(_CHUNK):
                sink.write(chunk)
            return
        width = len(layout.rows[0]) if layout.rows else 0
        writer = csv.writer(sink, delimiter="\t", lineterminator="\n")
        for line in source:
            cells = tokens(line) if layout.delimiter == BLANKS else []
            n_cells = len(cells) or line.count(layout.delimiter) + 1
            if layout.comments and not in_quotes and line.startswith(COMMENTS) and n_cells != width:
                sink.write("\n")
            elif layout.delimiter == BLANKS:
                writer.writerow(cells)
            else:
                in_quotes ^= line.count('"') % 2 == 1
                sink.write(line)
