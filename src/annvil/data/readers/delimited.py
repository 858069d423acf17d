"""CSV and its relatives: layout, names and decimal sign are found out; DuckDB reads the values."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from annvil.data.readers.duckdb import Wanted, first_line, load, reader, sql
from annvil.data.readers.encoding import is_mixed, straighten
from annvil.data.readers.header import has_two_headers
from annvil.data.readers.layout import BLANKS, DELIMITERS, LONGEST_LINE, Layout, divided, find_layout
from annvil.data.readers.learn_numbers import decimal_habit
from annvil.data.readers.numbers import parse_number
from annvil.data.readers.raw import MOST_COLUMNS, RawColumn, beyond_exact, refuse_repeated_names
from annvil.data.readers.values import respelt
from annvil.errors import DataError

_SAMPLE = 2**18
"""Bytes that are looked into: each delimiter divides them once, in Python."""
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "blank"}


@dataclass(frozen=True)
class Dialect:
    """How the file is written; ``mixed``: its lines end in different ways."""

    encoding: str
    layout: Layout
    names: tuple[str, ...]
    decimal_comma: bool
    mixed: bool = False

    @property
    def sign(self) -> str:
        """What divides fields, in words."""
        return _NAMES.get(self.layout.delimiter, repr(self.layout.delimiter))

    @property
    def details(self) -> str:
        """For people: ``semicolon-separated, utf-8, decimal comma``."""
        comma = ["decimal comma"] if self.decimal_comma else []
        return ", ".join([f"{self.sign}-separated", self.encoding, *comma, *self.layout.said])


def guess_dialect(path: Path, encoding: str, name: str) -> Dialect:
    """Layout, names and decimal sign from the beginning of a UTF-8 file (`annvil.data.readers.layout`).

    Raises `DataError` for a file without lines, with too many columns, or repeated names.
    """
    with path.open("rb") as stream:
        head = stream.read(LONGEST_LINE)
    first_end = head.find(b"\n")
    if first_end < 0 and len(head) == LONGEST_LINE:
        raise DataError(
            f"{name} has a first line of more than {LONGEST_LINE // 2**20} MB; it is not a table with a header."
        )
    header = head if first_end < 0 else head[:first_end]
    widest = max(header.count(sign.encode()) for sign in DELIMITERS) + 1
    if widest > MOST_COLUMNS and _really_wide(header):
        raise DataError(
            f"{name} has about {widest} columns; Annvil reads at most {MOST_COLUMNS}. "
            "Keep the columns that matter, or turn the table on its side if rows and columns were exchanged."
        )
    start = head[: max(_SAMPLE, first_end + 1)]
    sample = start.decode("utf-8", "ignore").lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    if not sample.strip():
        raise DataError(f"{name} is empty: there is no header line and no row.")
    layout = find_layout(sample, complete=len(start) == len(head))
    names = list(layout.names or [""] * max((len(row) for row in layout.rows[:1]), default=1))
    while len(names) > 1 and not names[-1] and not any("".join(row[len(names) - 1 :]) for row in layout.rows):
        names.pop()  # a delimiter at the end of every line makes no column
    unnamed = layout.names is not None and "row number" not in names  # the one that pandas writes without a name
    names = [n or ("row number" if i == 0 and unnamed else f"column {i + 1}") for i, n in enumerate(names)]
    refuse_repeated_names(names, name)
    if layout.names and has_two_headers(layout.rows):
        raise DataError(
            f"Lines {layout.skip} and {layout.skip + 1} of {name} both read as names "
            f"({', '.join(names[:3])}; {', '.join(layout.rows[0][:3])}); keep one of them."
        )
    comma = _has_decimal_comma(layout.rows, layout.delimiter)
    encoding = encoding.replace("utf-8-sig", "utf-8 with byte order mark")
    return Dialect(encoding, layout, tuple(names), comma, is_mixed(start))


def _really_wide(header: bytes) -> bool:
    """Whether delimiters in the first line divide columns rather than stand inside one quoted text."""
    if header.count(b'"') < 2:
        return True
    lines = [header.decode("utf-8", "ignore")]
    return max(len(divided(lines, sign)[0]) for sign in DELIMITERS) > MOST_COLUMNS


def _columns(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells of the first rows that are not blank, by column."""
    width = len(rows[0]) if rows else 0
    return [[cell for row in rows[:2000] if i < len(row) and (cell := row[i].strip())] for i in range(width)]


def _has_decimal_comma(rows: Sequence[Sequence[str]], delimiter: str) -> bool:
    """Whether numbers are written 1.234,5: some column leaves no doubt, and none writes 1.5.

    A file divided by semicolons, as programs write it whose decimal sign is the comma, needs only that some column of
    numbers has commas in it.
    """
    columns = _columns(rows)
    seen = {decimal_habit([cells]) for cells in columns}
    if "comma" in seen or "point" in seen or delimiter != ";":
        return "comma" in seen and "point" not in seen
    return any(
        any("," in cell for cell in cells)
        and 2 * sum(parse_number(cell, "comma percent suffix") is not None for cell in cells) > len(cells)
        for cells in columns
    )


def _guess_types(dialect: Dialect) -> tuple[list[str], set[str]]:
    """DOUBLE for columns whose first values are all numbers, VARCHAR for the others, and which of these are open.

    Open is a column in which every decimal sign might divide thousands (``1.100``), or one number is spelt in two ways
    (3.1 and 3.10, but not 1 and 1.0) while texts repeat: it is to be judged by its texts.
    """
    rows = dialect.layout.rows[:2000]
    sign = "," if dialect.decimal_comma else r"\."
    number = re.compile(rf"\s*[+-]?(\d+(?:{sign}\d*)?|{sign}\d+)([eE][+-]?\d+)?\s*")
    is_open = re.compile(rf"\s*[+-]?([1-9]\d{{0,2}}{sign}\d{{3}}|\d+)\s*")
    types, still_open = [], set()
    for i, name in enumerate(dialect.names):
        cells = [row[i] for row in rows if i < len(row) and row[i].strip()]
        plain = bool(cells) and all(map(number.fullmatch, cells))
        if plain and any(sign[-1] in cell for cell in cells) and all(map(is_open.fullmatch, cells)):
            still_open.add(name)
        if plain and 2 * len(distinct := {*cells}) <= len(cells):
            pair = respelt(sorted(distinct), comma=dialect.decimal_comma, strictly=False)
            still_open |= {name} if pair else set()
        types.append("DOUBLE" if plain and name not in still_open else "VARCHAR")
    return types, still_open


def read_delimited(path: Path, dialect: Dialect, *, name: str, wanted: Wanted) -> tuple[list[RawColumn], int]:
    """All columns and the number of rows of a UTF-8 file.

    Columns that look like numbers are parsed as such by DuckDB; where one turns out to hold something else, or whole
    numbers too long for float64, it is read again as text and judged by its values. DuckDB reads lines that all end
    alike and are divided by one sign: other texts are written again first, those whose lines turn out to end
    differently after it has refused them.
    """
    import duckdb

    layout, straight = dialect.layout, False
    guessed, still_open = _guess_types(dialect)
    wanted = replace(wanted, texts={*wanted.texts, *still_open})
    types = ["VARCHAR" if n in wanted.texts else kind for n, kind in zip(dialect.names, guessed, strict=True)]
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        while True:
            if not straight and (dialect.mixed or layout.comments or layout.delimiter == BLANKS):
                straighten(path, layout, Path(folder) / "straight.csv")
                path, straight = Path(folder) / "straight.csv", True
            with reader(path) as (connection, file):
                try:
                    source = _source(file, dialect, types)
                    comma = dialect.decimal_comma
                    columns, n_rows = load(
                        connection, source, dialect.names, wanted, typed=False, comma=comma, where=name
                    )
                    long = [i for i, column in enumerate(columns) if types[i] == "DOUBLE" and _are_long(column)]
                    if not long:
                        return _without_blank_end(columns, n_rows)
                    types = ["VARCHAR" if i in long else kind for i, kind in enumerate(types)]
                except duckdb.Error as error:
                    wrong = re.search(r"converting column \"c(\d+)\"", str(error))
                    if wrong is not None and types[int(wrong[1])] != "VARCHAR":
                        types[int(wrong[1])] = "VARCHAR"
                    elif "invalid state" in str(error) and not straight:
                        dialect = replace(dialect, mixed=True)
                    else:
                        raise _explain(error, path, dialect, name) from None


def _without_blank_end(columns: list[RawColumn], n_rows: int) -> tuple[list[RawColumn], int]:
    """The table without rows of nothing but delimiters behind the last one that holds a value, as Excel leaves them."""
    if len(columns) < 2 or any(column.about_unique is not None for column in columns):
        return columns, n_rows
    end = n_rows
    while end and not any(_is_there(column, end - 1) for column in columns):
        end -= 1
    return [replace(column, values=column.values[:end]) for column in columns] if end < n_rows else columns, end


def _is_there(column: RawColumn, row: int) -> bool:
    value = column.values[row]
    return bool(value == value) if column.storage in ("number", "date") else bool(value >= 0)


def _are_long(column: RawColumn) -> bool:
    """Whether these are whole numbers of so many digits that they must be read again as what was written."""
    return column.storage == "number" and column.label == "int" and beyond_exact(column.values)


def _source(file: str, dialect: Dialect, types: Sequence[str]) -> str:
    """SQL for the records below the names."""
    columns = ", ".join(f"'c{i}': '{kind}'" for i, kind in enumerate(types))
    delimiter = "\t" if dialect.layout.delimiter == BLANKS else dialect.layout.delimiter
    return (
        f"read_csv({sql(file)}, auto_detect=false, header=false, skip={dialect.layout.skip}, delim={sql(delimiter)}, "
        f"quote='\"', escape='\"', nullstr='', compression='none', "
        f"decimal_separator='{',' if dialect.decimal_comma else '.'}', max_line_size={LONGEST_LINE}, "
        f"buffer_size={LONGEST_LINE}, strict_mode=true, null_padding=false, "
        f"columns={{{columns}}})"
    )


def _explain(error: Exception, path: Path, dialect: Dialect, name: str) -> DataError:
    """DuckDB's complaint in one sentence of ours. Its message lists all options, so only its own lines are asked."""
    message = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", message)
    where = f"Line {line[1]} of {name}" if line else name
    counts = re.search(r"Expected Number of Columns: (\d+) Found: (\d+)", message)
    if counts:
        header = "the header has" if dialect.layout.names else "most have"
        return DataError(
            f"{where} has {counts[2]} fields where {header} {counts[1]}; "
            f"mend that line, or quote texts that contain a {dialect.sign}."
        )
    if "unterminated quote" in message.lower():
        return DataError(
            f"{where} has a quotation mark that is never closed, or text after a closing one; mend that line."
        )
    if "maximum line size" in message.lower():
        return DataError(f"{where} is longer than {LONGEST_LINE // 2**20} MB; it is not a table.")
    return _first_odd_line(path, dialect, name) or DataError(
        f"{where} cannot be read as {dialect.details} text: {first_line(error)}."
    )


def _first_odd_line(path: Path, dialect: Dialect, name: str) -> DataError | None:
    """The first line that Python's reader cannot divide as the header, where DuckDB names none."""
    delimiter = "\t" if dialect.layout.delimiter == BLANKS else dialect.layout.delimiter
    with path.open(encoding="utf-8-sig", newline="") as stream:
        records = csv.reader(stream, delimiter=delimiter, strict=True)
        try:
            for cells in records:
                if cells and len(cells) != len(dialect.names) and records.line_num > dialect.layout.skip:
                    return DataError(
                        f"Line {records.line_num} of {name} has {len(cells)} fields where the others have "
                        f"{len(dialect.names)}; mend that line."
                    )
        except csv.Error as error:
            return DataError(f"Line {records.line_num} of {name} cannot be divided into fields: {error}.")
    return None
