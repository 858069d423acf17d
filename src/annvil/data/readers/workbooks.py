"""Sheets of Excel and OpenDocument, read by python-calamine (extra ``excel``)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, fromstring
from zipfile import BadZipFile, ZipFile

import numpy as np

from annvil.data.dataset import Source
from annvil.data.readers.header import has_two_headers, is_data
from annvil.data.readers.layout import below_titles
from annvil.data.readers.raw import RawColumn, RawTable, column_from_values, refuse_header
from annvil.errors import DataError, MachineError

Trace = Literal["", "format", "by program", "without formats"]
"""What speaks for pandas having written durations into a column: its numbers have the format "0", no person made the
workbook either, or the program that made it keeps no formats."""

_PROGRAMS = ("openpyxl", "")
"""What openpyxl and XlsxWriter give as a workbook's author, which programs of offices fill with a person's name."""

_ABOUT = "docProps/core.xml"

_LOOKED_INTO = 2**20
"""Bytes of a sheet in which the formats of its columns are looked for; of a longer part of any other kind nothing is
known (as elements, small files could fill the memory)."""

_WITHOUT_DECIMALS = "1"
"""The number of Excel's own format "0", in which pandas writes durations, as days (ECMA-376 part 1, 18.8.30)."""


def read_excel(path: Path, source: Source) -> RawTable:
    """The first sheet of a workbook that is shown and holds a table, below titles and without columns of blanks.

    A table has two columns at least; where no sheet has, the first that holds anything is taken. Rows above one of
    several filled cells are titles, as in texts (`annvil.data.readers.layout`); without a row of names there is none.
    """
    try:
        import python_calamine
    except ImportError:
        raise MachineError(
            f"Reading {source.name} needs python-calamine: pip install 'annvil[excel]', or save the sheet as CSV."
        ) from None
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        shown = [m.name for m in workbook.sheets_metadata if m.visible == python_calamine.SheetVisibleEnum.Visible]
        sheets = [(name, workbook.get_sheet_by_name(name)) for name in workbook.sheet_names]
        filled = [(name, sheet) for name, sheet in sheets if sheet.height]
        filled.sort(key=lambda one: (one[0] not in shown, one[1].width < 2))
        name, sheet = filled[0] if filled else ("", None)
        rows, first = (sheet.to_python(), (sheet.start or (0, 0))[1]) if sheet else ([], 0)
    except Exception as error:  # the library raises many kinds, among them plain ones
        raise DataError(f"{source.name} cannot be read as a workbook: {error}.") from None
    rows = [row for row in rows if any(cell != "" for cell in row)]
    if not rows:
        raise DataError(f"{source.name} is empty: no sheet holds a value.")
    names, rows, said = _below_names(rows, source.name)
    traces, others = _traces(path, name)
    columns = [
        _column(column, [row[i] for row in rows], traces.get(first + i, others)) for i, column in enumerate(names)
    ]
    ignored = f", {len(sheets) - 1} other sheet{'s' * (len(sheets) > 2)} ignored" if len(sheets) > 1 else ""
    source = replace(source, details=f"workbook, sheet {name!r}{ignored}{said}")
    return RawTable(tuple(columns), len(rows), source)


def _below_names(rows: list[list[Any]], where: str) -> tuple[list[str], list[list[Any]], str]:
    """Names, the rows below them, and what to tell of how they were found."""
    records = [(number, [_shown(cell) for cell in row]) for number, row in enumerate(rows[:_SAMPLE], start=1)]
    start = below_titles(records, 0)
    cells = [row for _, row in records[start:]]
    said = f", {start} row{'s' * (start > 1)} above the names left out" if start else ""
    if is_data(cells):
        names, below, said = [""] * len(rows[0]), rows[start:], ", no row of names"
    else:
        names, below = cells[0], rows[start + 1 :]
        if has_two_headers(cells[1:]):
            two = f"{', '.join(filter(None, cells[0][:3]))}; {', '.join(filter(None, cells[1][:3]))}"
            raise DataError(f"Two rows of {where} below each other both read as names ({two}); keep one of them.")
    while len(names) > 1 and not names[-1] and all(row[len(names) - 1] in ("", " ") for row in below):
        names = names[:-1]
    names = [name or f"column {i + 1}" for i, name in enumerate(names)]
    refuse_header(names, where)
    return names, below, said


_SAMPLE = 500
"""Rows that are looked at to find the names."""


def _shown(cell: Any) -> str:
    return str(_cell(cell) if cell != "" else "").strip()


def _column(name: str, cells: Sequence[Any], trace: Trace) -> RawColumn:
    """A column from its cells.

    pandas writes durations as numbers of days in the format "0" and leaves other numbers without one. So fractions
    there that are no decimals but whole microseconds, as if they were days, are read as durations; others are told of.
    """
    present = {type(cell) for cell in cells if cell != ""}
    if trace and present == {float}:
        days = np.array([cell for cell in cells if cell != ""])
        times = _are_times(days)
        certain = times and bool(np.any(np.abs(days - np.round(days, 9)) > 1e-12))
        if certain and trace != "without formats":
            spans = [None if cell == "" else dt.timedelta(days=cell) for cell in cells]
            said = 'days in the format "0", as pandas writes durations, read as durations'
            return replace(column_from_values(name, spans), said=(said,))
        if certain or (times and trace == "by program"):
            said = "plain numbers, written as pandas writes durations: if they are some, they are days"
            return replace(column_from_values(name, [_cell(cell) for cell in cells]), said=(said,))
    return column_from_values(name, [_cell(cell) for cell in (_spans(cells, present) or cells)])


def _are_times(days: np.ndarray[Any, Any]) -> bool:
    """Whether all of these are whole microseconds; milliseconds where float64 tells no more apart."""
    units = days * 86400 * (1e6 if np.abs(days).max() < 100 else 1e3)
    return bool(np.all(np.abs(units - np.round(units)) < 1e-2))


def _spans(cells: Sequence[Any], present: set[type]) -> list[Any] | None:
    """Cells whose formats show hours and minutes, as durations, where all are such; None where some are not.

    Beyond a day the format ``h:mm`` makes a cell a moment of January 1900, where Excel's calendar begins.
    """
    if not present or not present <= {dt.time, dt.timedelta, dt.datetime, dt.date} or present <= {dt.date}:
        return None
    spans = [_span(cell) for cell in cells]
    return spans if all(span is not None or cell == "" for span, cell in zip(spans, cells, strict=True)) else None


def _span(cell: Any) -> dt.timedelta | None:
    if isinstance(cell, dt.time):
        return dt.timedelta(hours=cell.hour, minutes=cell.minute, seconds=cell.second, microseconds=cell.microsecond)
    if isinstance(cell, dt.timedelta):
        return cell
    if not isinstance(cell, dt.date) or (cell.year, cell.month) > (1900, 1):
        return None
    moment = cell if isinstance(cell, dt.datetime) else dt.datetime(cell.year, cell.month, cell.day)
    return moment - dt.datetime(1899, 12, 31)


def _cell(value: Any) -> Any:
    """An empty cell is a missing value; a whole float is the integer that the sheet showed."""
    if value == "":
        return None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _traces(path: Path, sheet: str) -> tuple[dict[int, Trace], Trace]:
    """Traces of pandas in columns, counted from 0, and in all others; python-calamine does not hand out formats."""
    try:
        with ZipFile(path) as book:
            if "meta.xml" in book.namelist():  # OpenDocument, for which pandas uses odfpy
                wrote = _texts(book, "meta.xml", "generator")
                return {}, "without formats" if wrote and wrote[0].startswith("ODFPY") else ""
            formats = [xf.get("numFmtId") for xf in _inside(_part(book, "xl/styles.xml"), "cellXfs")]
            styles = {str(i) for i, number in enumerate(formats) if number == _WITHOUT_DECIMALS}
            plain = _columns_in(book, _where(book, sheet), styles) if styles else set()
            authors = _texts(book, _ABOUT, "creator") if plain and _ABOUT in book.namelist() else []
            trace: Trace = "by program" if authors and authors[0] in _PROGRAMS else "format"
            return dict.fromkeys(plain, trace), ""
    except (BadZipFile, KeyError, ParseError, StopIteration, ValueError, OSError):
        return {}, ""


def _texts(book: ZipFile, part: str, tag: str) -> list[str]:
    return [element.text or "" for element in _part(book, part).iter() if _tag(element) == tag]


def _part(book: ZipFile, name: str) -> Element:
    with book.open(name) as stream:
        return fromstring(stream.read(_LOOKED_INTO))


def _tag(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _inside(root: Element, tag: str) -> list[Element]:
    return [child for element in root.iter() if _tag(element) == tag for child in element]


def _where(book: ZipFile, sheet: str) -> str:
    """The path of a sheet inside the workbook."""
    entry = next(e for e in _inside(_part(book, "xl/workbook.xml"), "sheets") if e.get("name") == sheet)
    key = next(value for name, value in entry.items() if name.endswith("}id"))
    target = next(e.get("Target", "") for e in _part(book, "xl/_rels/workbook.xml.rels") if e.get("Id") == key)
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _columns_in(book: ZipFile, part: str, styles: set[str]) -> set[int]:
    """Columns with a number in one of these styles, and none in another, in the first `_LOOKED_INTO` bytes."""
    parser: XMLPullParser[Element] = XMLPullParser(["end"])
    with book.open(part) as stream:
        parser.feed(stream.read(_LOOKED_INTO))
    found: tuple[set[int], set[int]] = set(), set()
    for event in parser.read_events():
        cell: Any = event[-1]
        if _tag(cell) == "c" and cell.get("t", "n") == "n" and any(_tag(child) == "v" for child in cell):
            letters = cell.get("r", "").rstrip("0123456789")
            found[cell.get("s") in styles].add(_number(letters))
    return found[True] - found[False]


def _number(letters: str) -> int:
    """Which column, counted from 0, has these letters: "A" is 0, "AA" is 26."""
    number = 0
    for letter in letters:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1
