"""Charts of effects: as data, and drawn."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.plots.charts.pair_map import shade
from annvil.plots.charts.shapes import common_scale, shapes, time_ticks
from annvil.plots.charts.term_shapes import Along, Shape, Shapes, Trace
from annvil.plots.labels import BOLDER, text_width


@st.composite
def axes(draw):
    n = draw(st.integers(2, 12))
    shares = tuple(draw(st.lists(st.floats(0, 1), min_size=24, max_size=24)))
    kind = draw(st.sampled_from(["number", "time", "levels"]))
    if kind == "levels":
        names = [draw(st.text(min_size=1, max_size=40))] * n
        return Along("column & <b>", (), tuple(names), shares[: len(names)])
    start = draw(st.floats(-1e9, 1e9)) if kind == "number" else draw(st.floats(-2e9, 4e9))
    step = draw(st.sampled_from([1e-3, 1.0, 86400.0, 1e7]))
    return Along("column", tuple(start + step * k for k in range(n)), (), shares, kind == "time")


@st.composite
def some_shapes(draw):
    found = []
    for _ in range(draw(st.integers(1, 4))):
        pair = draw(st.booleans())
        over = tuple(draw(axes()) for _ in range(2 if pair else 1))
        n = int(np.prod([len(axis.levels or axis.x) for axis in over]))
        random = np.random.default_rng(draw(st.integers(0, 99)))
        y = random.normal(size=n) * draw(st.sampled_from([0.0, 1e-6, 1.0, 1e6]))
        banded = draw(st.booleans()) and not pair
        low, high = (tuple(y - abs(y)), tuple(y + abs(y))) if banded else ((), ())
        missing = tuple(random.normal(size=3 if banded else 1)) if draw(st.booleans()) and not pair else ()
        weights = (("a", 0.8), ("b", -0.6)) if over[0].x and not pair and draw(st.booleans()) else ()
        trace = Trace(tuple(y), low, high, missing)
        found.append(Shape("a title of some length", over, (trace,), "sign certain: 31%", draw(st.booleans()), weights))
    return Shapes("key", "Title", "Caption", "added to 'y'", tuple(found), draw(st.sampled_from([None, -0.3])))


@given(some_shapes(), st.sampled_from([342.0, 700.0]))
@settings(max_examples=12, deadline=None)
def test_all_that_is_drawn_lies_inside_and_is_well_formed(chart, width):
    svg = shapes(chart, width, "name")
    root = ET.fromstring(svg)
    right, bottom = map(float, root.attrib["viewBox"].split()[2:])
    for d in re.findall(r' d="([^"]+)"', svg):
        for x, y in re.findall(r"([\d.-]+) ([\d.-]+)", d):
            assert -0.1 <= float(x) <= right + 0.1
            assert -0.1 <= float(y) <= bottom + 0.1
    for element in root.iter():
        if element.tag == "rect":
            assert -0.1 <= float(element.attrib["x"]) <= right - float(element.attrib["width"]) + 0.6
            assert -0.1 <= float(element.attrib["y"]) <= bottom - float(element.attrib["height"]) + 0.6
        if element.tag == "text":
            assert -0.1 <= float(element.attrib["x"]) <= right + 0.1
            assert 0 <= float(element.attrib["y"]) <= bottom


def line(values, **more):
    return Shape("x", (Along("x", tuple(range(len(values)))),), (Trace(tuple(values), **more),))


def test_a_chart_is_data_until_it_is_drawn():
    chart = Shapes("k", "t", "c", "y", (line([0.0, 1.0]),), 0.5, folded="2 more")
    assert msgspec.json.decode(msgspec.json.encode(chart), type=Shapes) == chart


def test_all_panels_have_one_scale_that_bands_widen_only_so_far():
    scale = common_scale([line([0.0, 1.0], low=(-100.0, 0.0), high=(0.0, 100.0)), line([0.0, 0.1])])
    assert -1 < scale.low <= -0.6
    assert 1.6 <= scale.high < 2


def test_probabilities_stand_beside_log_odds():
    svg = shapes(Shapes("k", "t", "c", "log-odds", (line([-1.0, 1.0]),), 0.0), 700, "n")
    assert ">50%<" in svg
    assert ">73%<" in svg
    assert "%<" not in shapes(Shapes("k", "t", "c", "y", (line([-1.0, 1.0]),)), 700, "n")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ("2001-05-01", "2011-07-01", ["2005", "2010"]),
        ("2019-11-20", "2020-05-01", ["2020-01", "2020-03", "2020-05"]),
        ("2020-02-27", "2020-03-05", ["02-27", "02-29", "03-02", "03-04"]),
    ],
)
def test_time_has_ticks_where_calendars_have(low, high, expected):
    ends = (datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp() for one in (low, high))
    assert [label for _, label in time_ticks(*ends)] == expected


def test_shades_tell_sign_and_size():
    assert [shade(v, 1.0) for v in (-1.0, -0.1, 0.0, 0.5, 1.0)] == [
        "miss level-5", "miss level-1", "cell", "hit level-3", "hit level-5",
    ]  # fmt: skip


def texts(svg):
    """Text, class, and where it begins and ends, as wide as the chart takes it to be."""
    for element in ET.fromstring(svg).iter("text"):
        said, of = element.text or "", element.attrib["class"]
        width = text_width(said, 12 if of != "note" else 11.5) * (BOLDER if of == "strong" else 1.0)
        left = float(element.attrib["x"]) - width * {"middle": 0.5, "end": 1.0}.get(element.get("text-anchor"), 0.0)
        yield said, left, left + width


@pytest.mark.parametrize("flagged", [False, True])
@pytest.mark.parametrize("width", [342.0, 700.0])
def test_a_long_title_ends_before_what_is_noted_beside_it(flagged, width):
    shape = Shape(
        "0.71 × maximum − 0.70 × pressure " * 3, line([0.0, 1.0]).axes, (Trace((0.0, 1.0)),), "sign certain: 99%"
    )
    drawn = shapes(Shapes("k", "t", "c", "y", (replace(shape, flagged=flagged),)), width, "n")
    (title,) = (end for said, _, end in texts(drawn) if "0.71" in said)
    (note,) = (start for said, start, _ in texts(drawn) if "sign" in said)
    assert title + 10 < note


@pytest.mark.parametrize("width", [342.0, 700.0])
def test_what_missing_values_add_stands_beside_the_axis(width):
    svg = shapes(Shapes("k", "t", "c", "y", (line([0.0, 1.0], missing=(0.5,)),), 0.0), width, "n")
    path = next(d for d in re.findall(r' d="([^"]+)"', svg))
    axis_end = max(float(x) for x, _ in re.findall(r"([\d.-]+) ([\d.-]+)", path))
    ((start, end),) = [(start, end) for said, start, end in texts(svg) if said == "missing"]
    assert axis_end + 5 < start
    assert all(begins >= end for said, begins, _ in texts(svg) if said.endswith("%"))
