"""Dates as seconds since 1970 UTC, against Python's own calendar."""

from __future__ import annotations

import datetime as dt
import doctest
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from annvil.data.readers import convert, dates
from annvil.data.readers.convert import read_dates
from annvil.data.readers.dates import date_seconds, date_text, parse_date
from annvil.data.readers.raw import column_from_texts
from annvil.data.table import Field
from annvil.errors import DataError
from annvil.kinds.tables.conform import conform
from annvil.kinds.tables.inference import judge

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
        ("03/25/2021 5:06 PM", seconds(2021, 3, 25, 17, 6)),
        ("2021-03-04T05:06:07+01:00[Europe/Berlin]", seconds(2021, 3, 4, 4, 6, 7)),
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


STYLES: dict[str, str] = {
    "%Y-%m-%d": "year-month-day",
    "%Y/%m/%d": "year-month-day",
    "%Y-%m-%dT%H:%M:%S": "year-month-day",
    "%Y-%m-%d %H:%M:%S+02:00": "year-month-day",
    "%d.%m.%Y": "day.month.year",
    "%d.%m.%y": "day.month.year",
    "%d.%m.%Y %H:%M": "day.month.year",
    "%d/%m/%Y": "day/month/year",
    "%d-%m-%Y": "day/month/year",
    "%m/%d/%Y": "month/day/year",
    "%m/%d/%y %I:%M %p": "month/day/year",
    "%d %B %Y": "day month-name year",
    "%d-%b-%Y": "day month-name year",
    "%a, %d %b %Y %H:%M:%S GMT": "day month-name year",
    "%B %d, %Y": "month-name day year",
}
MOMENTS = st.lists(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2068, 1, 1)), min_size=1, max_size=20)
LATE = [dt.datetime(2021, 3, 28, 17, 5, 6), dt.datetime(1999, 12, 31)] * 3
"""Days beyond twelve, which settle what is day and what is month."""


@pytest.mark.parametrize("pattern", STYLES)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(MOMENTS, st.randoms(use_true_random=False))
def test_a_column_is_read_alike_whole_alone_and_in_part(pattern: str, some: list[dt.datetime], random: Any) -> None:
    moments = [*some, *LATE]
    texts = [moment.strftime(pattern) for moment in moments]
    shift = 7200 if "+02" in pattern else 0
    expected = [dt.datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp() - shift for text in texts]
    column = judge(column_from_texts("day", texts), where="").column
    assert column is not None
    assert column.field == Field("day", "datetime", STYLES[pattern])
    assert column.values.tolist() == expected
    rows = random.sample(range(len(texts)), min(4, len(texts)))
    wanted = [expected[i] for i in rows]
    part = [texts[i] for i in rows]
    for source in ({"day": part}, [{"day": text} for text in part], pd.DataFrame({"day": part})):
        assert conform(source, (column.field,))[0].columns[0].values.tolist() == wanted
    assert [conform({"day": text}, (column.field,))[0].columns[0].values[0] for text in part] == wanted


UNITS: dict[str, Callable[[dt.datetime], float]] = {
    "seconds": lambda moment: moment.timestamp(),
    "milliseconds": lambda moment: moment.timestamp() * 1e3,
    "microseconds": lambda moment: moment.timestamp() * 1e6,
    "nanoseconds": lambda moment: moment.timestamp() * 1e9,
    "digits": lambda moment: int(moment.strftime("%Y%m%d")),
    "Excel": lambda moment: (moment - dt.datetime(1899, 12, 30, tzinfo=UTC)).days,
}


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("style", ["", "year-month-day", "day/month/year"])
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dates(dt.date(1974, 1, 1), dt.date(2100, 1, 1)))
def test_a_date_given_as_a_number_is_known_by_its_size(style: str, unit: str, day: dt.date) -> None:
    moment = dt.datetime.combine(day, dt.time(), tzinfo=UTC)
    value = UNITS[unit](moment)
    schema = (Field("day", "datetime", style),)
    frame = pd.DataFrame({"day": [value, None]})
    for source in ({"day": value}, {"day": int(value)}, {"day": str(int(value))}, {"day": [value]}, frame):
        assert conform(source, schema)[0].columns[0].values[0] == moment.timestamp()
    if style:
        notices = conform({"day": [value, value]}, schema)[1]
        assert f"read as {day.isoformat()}." in notices[0]


@pytest.mark.parametrize("value", [5, 86400, 3.5e9 * 7, 1e12 * 7, -1, 20211304, 99999, 1e25, True])
def test_a_number_that_is_no_date_by_its_size_is_refused(value: float) -> None:
    schema = (Field("day", "datetime", "year-month-day"),)
    for source in ({"day": value}, {"day": [value]}, [{"day": value}, {"day": None}]):
        with pytest.raises(DataError, match="not a date"):
            conform(source, schema)


def test_day_and_month_are_decided_for_the_column_and_a_contradiction_is_refused() -> None:
    schema = (Field("day", "datetime", "day/month/year"),)
    for source in ({"day": ["03/04/2021", "12/31/2021"]}, {"day": "12/31/2021"}):
        with pytest.raises(DataError, match="not a date written day/month/year"):
            conform(source, schema)
    for style in ("", "year-month-day", "day.month.year"):
        with pytest.raises(DataError, match="not a date"):
            conform({"day": "03/04/2021"}, (Field("day", "datetime", style),))
    with pytest.raises(DataError, match="not a date written"):
        judge(column_from_texts("day", ["25/06/2021", "06/25/2021", "03/04/2021"] * 9), where="t.csv")


def test_what_is_open_about_dates_is_told() -> None:
    order = judge(column_from_texts("day", ["03/04/2021", "05/06/2021"]), where="").note.reason
    assert "day and month can be exchanged in all of them: 03/04/2021 read as 2021-03-04" in order
    zone = judge(column_from_texts("day", ["2021-03-04T05:00Z", "2021-03-04T06:00"]), where="").note.reason
    assert "times without a zone count as UTC" in zone
    assert (
        judge(column_from_texts("day", ["25/04/2021", "05/06/2021"]), where="").note.reason == "dates, day/month/year"
    )


@pytest.mark.parametrize(
    "value", [dt.datetime(2020, 1, 1, 10), pd.Timestamp("2020-01-01 10:00"), np.datetime64("2020-01-01T10:00")]
)
def test_a_moment_is_one_category_alone_and_in_a_list(value: Any) -> None:
    schema = (Field("day", "category"),)
    sources = ({"day": value}, [{"day": value}] * 2, {"day": [value]}, pd.DataFrame({"day": [value]}))
    assert {conform(source, schema)[0].columns[0].texts()[0] for source in sources} == {"2020-01-01 10:00:00"}


def test_examples_in_docstrings() -> None:
    assert doctest.testmod(dates).failed == doctest.testmod(convert).failed == 0
