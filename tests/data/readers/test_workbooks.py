"""Workbooks: what the formats of their cells say."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import openpyxl
import pandas as pd
import pytest

from annvil import read
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawColumn
from annvil.errors import DataError, MachineError
from annvil.kinds.tables.audit import audit_table


def workbook(path: Path, cells: list[tuple[Any, str]], author: str = "openpyxl") -> RawColumn:
    """The column of a sheet with these values in these formats, in its third column and below two empty rows."""
    book = openpyxl.Workbook()
    book.properties.creator = author
    book.create_sheet("empty", 0)
    sheet = book["Sheet"]
    sheet.cell(3, 3, "x")
    for row, (value, format_) in enumerate(cells, 4):
        sheet.cell(row, 3, value).number_format = format_
        sheet.cell(row, 4, row)
    book.save(path / "t.xlsx")
    return read_file(path / "t.xlsx")["x"]


SPANS: dict[str, Callable[[int], pd.Timedelta | None]] = {
    "hours": lambda i: pd.Timedelta(hours=i),
    "negative": lambda i: -pd.Timedelta(minutes=i),
    "microseconds": lambda i: pd.Timedelta(microseconds=i * 123456789),
    "gaps": lambda i: pd.Timedelta(seconds=i) if i % 3 else None,
    "years": lambda i: pd.Timedelta(seconds=i * 12345678),
}


@pytest.mark.parametrize("name", SPANS)
def test_durations_that_pandas_writes_as_days(name: str, tmp_path: Path) -> None:
    spans = [SPANS[name](i) for i in range(1, 40)]
    pd.DataFrame({"n": range(39), "x": pd.Series(spans, dtype="timedelta64[us]")}).to_excel(
        tmp_path / "t.xlsx", index=False
    )
    column = read_file(tmp_path / "t.xlsx")["x"]
    assert column.style == "time"
    right = [float("nan") if span is None else span.total_seconds() for span in spans]
    assert column.values.tolist() == pytest.approx(right, abs=1e-5, nan_ok=True)
    assert column.said == ('days in the format "0", as pandas writes durations, read as durations',)


@pytest.mark.parametrize("hours", [24, 12])
def test_durations_that_could_be_plain_numbers_are_told_of(hours: int, tmp_path: Path) -> None:
    pd.DataFrame({"x": pd.to_timedelta([hours * i for i in range(1, 30)], unit="h")}).to_excel(tmp_path / "t.xlsx")
    column = read_file(tmp_path / "t.xlsx")["x"]
    assert column.values[1] == hours / 12
    assert (column.style, len(column.said)) == ("", 1)
    assert "if they are some, they are days" in column.said[0]


@pytest.mark.parametrize(("wrote", "n_told"), [("ODFPY/1.4.1", 1), ("LibreOffice/7.4", 0)])
def test_opendocument_keeps_no_trace_of_durations(wrote: str, n_told: int, tmp_path: Path) -> None:
    cells = "".join(
        f"<table:table-row><table:table-cell office:value-type='float' office:value='{hours / 24}'/>"
        f"<table:table-cell office:value-type='float' office:value='{hours / 4}'/></table:table-row>"
        for hours in range(30)
    )
    spaces = " ".join(
        f"xmlns:{n}='urn:oasis:names:tc:opendocument:xmlns:{n}:1.0'" for n in ("office", "table", "text", "meta")
    )
    names = "".join(
        f"<table:table-cell office:value-type='string'><text:p>{name}</text:p></table:table-cell>" for name in "xy"
    )
    with ZipFile(tmp_path / "t.ods", "w") as book:
        book.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        manifest = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
        book.writestr("META-INF/manifest.xml", f"<manifest:manifest xmlns:manifest='{manifest}'/>")
        book.writestr("meta.xml", f"<office:meta {spaces}><meta:generator>{wrote}</meta:generator></office:meta>")
        book.writestr(
            "content.xml",
            f"<office:body {spaces}><office:spreadsheet><table:table table:name='a'><table:table-row>{names}"
            f"</table:table-row>{cells}</table:table></office:spreadsheet></office:body>",
        )
    table = read_file(tmp_path / "t.ods")
    assert (table["x"].values[1], table["x"].style, len(table["x"].said)) == (1 / 24, "", n_told)
    assert table["y"].said == ()


def test_other_numbers_without_decimals_stay_numbers(tmp_path: Path) -> None:
    for author in ("Ann", "openpyxl"):
        noise = [(i * 0.7310585786300049, "0") for i in range(1, 30)]
        assert workbook(tmp_path, noise, author).said == ()
        assert workbook(tmp_path, [(i / 24, "General") for i in range(30)], author).style == ""
        assert workbook(tmp_path, [(i / 24, "0" if i % 2 else "0.00") for i in range(30)], author).style == ""
    for numbers in ([3.0, 4.0, 5.0], [3.25, 4.5, 5.0], [12.3, 4.56, 7.0]):
        column = workbook(tmp_path, [(value, "0") for value in numbers], author="Ann")
        assert (column.values.tolist(), column.style, column.said) == (numbers, "", ())


def test_a_strange_description_leaves_plain_numbers(tmp_path: Path) -> None:
    workbook(tmp_path, [(i / 24, "0") for i in range(1, 30)])
    for about, style in (("<a", ""), ("<a>" + "<b/>" * 2**19 + "</a>", ""), ("<a>" * 1000 + "</a>" * 1000, "time")):
        with ZipFile(tmp_path / "t.xlsx") as old, ZipFile(tmp_path / "u.xlsx", "w") as new:
            for name in old.namelist():
                new.writestr(name, about if name == "docProps/core.xml" else old.read(name))
        assert read_file(tmp_path / "u.xlsx")["x"].style == style


def test_formats_of_hours_show_durations(tmp_path: Path) -> None:
    formats = ["[h]:mm", "h:mm", "[h]:mm:ss", "h:mm:ss", "[mm]:ss"]
    for more in ([0.25, 0.5], [0.0, 0.25], [0.25, 1.25], [1.25, 30.5], [1.0, 1.5]):
        column = workbook(tmp_path, [(value, format_) for value in more for format_ in formats])
        assert column.style == "time", more
        assert column.values.tolist() == [value * 86400 for value in more for _ in formats]
    moments = [dt.datetime(1900, 1, 5 + i, 6) if i else dt.datetime(2020, 1, 1, 6) for i in range(3)]
    assert workbook(tmp_path, [(moment, "yyyy-mm-dd h:mm") for moment in moments]).storage == "date"


def test_excel_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    with pytest.raises(MachineError, match=r"pip install 'annvil\[excel\]'"):
        read_file(tmp_path / "t.xlsx")


_HEADER, _ROWS = ["x", "c", "y"], [[i * 0.37, "abc"[i % 3], i % 2] for i in range(60)]
_FAR = [*_HEADER, *[None] * 20, " "]


@pytest.mark.parametrize(
    ("sheets", "said"),
    [
        ([[["Sales of 2021"], _HEADER, *_ROWS]], "1 row above the names left out"),
        ([[["Sales of 2021"], [], ["in Euro"], [], _HEADER, *_ROWS]], "2 rows above the names left out"),
        ([[["see the next sheet"], ["thank you"]], [_HEADER, *_ROWS]], "1 other sheet ignored"),
        ([None, [_HEADER, *_ROWS]], "1 other sheet ignored"),
        ([[_FAR, *_ROWS]], ""),
        ([[[], [], _HEADER, *_ROWS[:30], [], *_ROWS[30:]]], ""),
    ],
)
def test_the_table_of_a_workbook_is_found(sheets: list[Any], said: str, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for i, rows in enumerate(sheets):
        sheet = book.create_sheet(f"s{i}")
        sheet.sheet_state = "visible" if rows else "hidden"
        for row in rows or [["a", "b"], [1, 2]]:
            sheet.append(row)
    book.active = len(sheets) - 1
    book.save(tmp_path / "a.xlsx")
    data = read(tmp_path / "a.xlsx", target="y")
    assert said in data.source.details
    x, c = data.inputs.columns
    assert np.allclose(x.values, [row[0] for row in _ROWS])
    assert list(c.texts()) == [row[1] for row in _ROWS]


def test_names_of_a_workbook_that_are_numbers_missing_or_twofold(tmp_path: Path) -> None:
    def saved(rows: list[list[Any]]) -> Path:
        book = openpyxl.Workbook()
        for row in rows:
            book.active.append(row)
        book.save(tmp_path / "a.xlsx")
        return tmp_path / "a.xlsx"

    assert read(saved([[2019, 2020, "y"], *_ROWS]), target="y").inputs.names == ("2019", "2020")
    assert read(saved(_ROWS), target="column 3").inputs.names == ("column 1", "column 2")
    with pytest.raises(DataError, match="both read as names"):
        read(saved([_HEADER, ["m", "-", "0/1"], *_ROWS]), target="y")
    frame = read(saved([_HEADER, *_ROWS, [650.0, "Total", 1]]), target="y")
    assert [finding.columns for finding in audit_table(frame) if finding.kind == "row of totals"] == [("c",)]
