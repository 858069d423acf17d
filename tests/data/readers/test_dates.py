"""Dates as seconds since 1970 UTC, against Python's own calendar."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, strategies as st

from annvil.data.readers.convert import read_dates
from annvil.data.readers.dates import date_seconds, date_text, parse_date
from annvil.data.readers.raw import column_from_texts

UTC = dt.UTC


def seconds(*parts: int, offset_hours: float = 0) -> float:
    zone = dt.timezone(dt.timedelta(hours=offset_hours))
    return dt.datetime(*parts, tzinfo=zone).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-03-04", seconds(2021, 3, 4)),
        ("2021-3-4", seconds(2021, 3, 4)),
        ("2021/03/04 05:06", seconds(2021, 3, 4, 5, 6)),
        ("2021-03-04T05:06:07Z", seconds(2021, 3, 4, 5, 6, 7)),
        ("2021-03-04 05:06:07.5", seconds(2021, 3, 4, 5, 6, 7) + 0.5),
        ("2021-03-04T05:06:07+05:30", seconds(2021, 3, 4, 5, 6, 7, offset_hours=5.5)),
        ("2021-03-04 05:06:07-0800", seconds(2021, 3, 4, 5, 6, 7, offset_hours=-8)),
        ("2021-03", seconds(2021, 3, 1)),
        ("04.03.2021", seconds(2021, 3, 4)),
        ("4.3.21", seconds(2021, 3, 4)),
        ("03/04/2021 5:06 PM", seconds(2021, 3, 4, 17, 6)),
        ("12/31/1999 12:00 am", seconds(1999, 12, 31)),
        ("31/12/1999", seconds(1999, 12, 31)),
        ("4 March 2021", seconds(2021, 3, 4)),
        ("04-Mar-21", seconds(2021, 3, 4)),
        ("Mar 4, 2021", seconds(2021, 3, 4)),
        ("Thu, 04 Mar 2021 05:06:07 GMT", seconds(2021, 3, 4, 5, 6, 7)),
        ("1969-12-31", seconds(1969, 12, 31)),
    ],
)
def test_one_date(text: str, expected: float) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    "text", ["", "soon", "2021-02-30", "0000-00-00", "31/31/2021", "12", "1.5", "25:00", "13:61 2021"]
)
def test_no_date(text: str) -> None:
    assert parse_date(text) is None


def test_the_whole_column_decides_between_day_and_month() -> None:
    open_to_both = read_dates(column_from_texts("day", ["03/04/2021", "05/06/2021"]))
    decided = read_dates(column_from_texts("day", ["03/04/2021", "25/06/2021"]))
    assert open_to_both.style == "month/day/year"
    assert decided.style == "day/month/year"
    assert decided.values.tolist() == [seconds(2021, 4, 3), seconds(2021, 6, 25)]
    assert len(read_dates(column_from_texts("day", ["25/06/2021", "06/25/2021"])).odd) == 1


@given(st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1)))
def test_what_python_writes_is_read_back(moment: dt.datetime) -> None:
    expected = moment.replace(tzinfo=UTC).timestamp()
    assert parse_date(moment.isoformat()) == pytest.approx(expected, abs=1e-6)
    assert date_seconds(moment) == expected
    assert date_seconds(np.datetime64(moment)) == pytest.approx(expected, abs=1e-6)


def test_text_of_a_date() -> None:
    assert date_text(seconds(2021, 3, 4)) == "2021-03-04"
    assert date_text(seconds(2021, 3, 4, 5, 6, 7)) == "2021-03-04 05:06:07"
