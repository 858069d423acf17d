"""The calendar against Python's own, for dates from the year 1 to 9999."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import onnxruntime
import pytest

from annvil.onnx.builder import Graph
from annvil.preparation.calendar import EARLIEST, LATEST, PARTS, calendar_part, write_calendar_part

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RNG = np.random.default_rng(0)
TIMES = np.concatenate(
    [
        RNG.uniform(EARLIEST, LATEST, 2000),
        # every day around leap years, century years and the epoch, at its first and last moment
        *(
            (datetime(year, 2, 25, tzinfo=UTC) - EPOCH).total_seconds() + 86400.0 * np.arange(7) + moment
            for year in (1, 4, 100, 400, 1600, 1899, 1900, 1970, 1972, 2000, 2024, 2100, 9999)
            for moment in (0.0, 86399.0, 86399.999)
        ),
        [EARLIEST, LATEST, -1.0, -0.001, 0.0, 3599.0, 3600.0],
    ]
)


def expected(part: str, seconds: float) -> int:
    moment = EPOCH + timedelta(seconds=float(np.floor(seconds)))
    in_leap_year = datetime(2000, moment.month, moment.day, tzinfo=UTC)
    return {
        "year": moment.year,
        "month": moment.month,
        "day of the year": in_leap_year.timetuple().tm_yday,
        "weekday": moment.weekday(),
        "hour": moment.hour,
        "minute of the day": moment.hour * 60 + moment.minute,
    }[part]


@pytest.mark.parametrize("part", PARTS)
def test_parts_are_those_of_the_standard_library(part):
    assert calendar_part(part, TIMES).tolist() == [expected(part, seconds) for seconds in TIMES]


@pytest.mark.parametrize("part", PARTS)
def test_the_graph_gives_the_same_parts(part):
    graph = Graph()
    seconds = graph.input("seconds", "float64", ["rows", 3])
    model = graph.finish({"part": (write_calendar_part(graph, part, seconds), "int64", ["rows", 3])})
    session = onnxruntime.InferenceSession(model)
    strange = [np.nan, np.inf, -np.inf, 1e18, -1e18, 1e300]
    times = np.resize(np.concatenate([TIMES, strange]), (800, 3))
    np.testing.assert_array_equal(session.run(None, {"seconds": times})[0], calendar_part(part, times))


def test_missing_and_far_times_have_a_part():
    assert calendar_part("year", np.array([np.nan, -np.inf, np.inf, 1e300])).tolist() == [1970, 1, 9999, 9999]
