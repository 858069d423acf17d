"""Charts of several panels: as data, and drawn."""

from __future__ import annotations

import re

import msgspec
import pytest

from annvil.plots.charts.panels import Line, Panel, Panels, panels
from annvil.plots.png import png
from annvil.plots.standalone import alone

UP = Line((0.0, 1.0, 2.0), (1.0, 2.0, 4.0), "up", low=(0.5, 1.5, 3.0), high=(2.0, 3.0, 5.0), marks=True)
DOWN = Line((0.0, 1.0, 2.0), (0.0, -2.0, 1.0), "down", colour=1, fill=True)


def chart(n=5, **more):
    return Panels("key", "Title", "Caption", tuple(Panel((UP, DOWN), f"panel {i}", i == 1) for i in range(n)), **more)


@pytest.mark.parametrize("width", [342.0, 700.0])
@pytest.mark.parametrize("more", [{}, {"across": 3}, {"across": 2, "same_y": True, "x_title": "x", "y_title": "y"}])
def test_all_that_is_drawn_lies_inside(width, more):
    svg = panels(chart(**more), width, "name")
    right, bottom = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    places = [
        tuple(map(float, pair))
        for d in re.findall(r' d="([^"]+)"', svg)
        for pair in re.findall(r"([\d.-]+) ([\d.-]+)", d)
    ]
    assert len(places) >= 5 * 6
    assert all(0 <= x <= right and 0 <= y <= bottom for x, y in places)


def test_a_chart_is_data_until_it_is_drawn():
    kept = msgspec.json.encode(chart(across=2))
    assert msgspec.json.decode(kept, type=Panels) == chart(across=2)


def test_a_name_stands_in_the_legend_once_and_what_is_wrong_is_marked():
    svg = panels(chart(), 700, "name")
    assert svg.count(">up<") == 1
    assert svg.count("× panel 1<") == 1
    assert svg.count("panel 2</text>") == 1


def test_long_lines_are_thinned_but_keep_their_ends():
    long = Line(tuple(map(float, range(5000))), tuple(map(float, range(5000))))
    svg = panels(Panels("k", "t", "", (Panel((long,)),)), 700, "name")
    (line,) = re.findall(r'd="(M[^"]+)" class="line', svg) or re.findall(r'class="line[^"]*" d="([^"]+)"', svg)
    assert line.count("L") < 200
    whole = panels(Panels("k", "t", "", (Panel((Line((0.0, 4999.0), (0.0, 4999.0)),)),)), 700, "name")
    ends = re.findall(r'd="M([^L"]+)L(?:[^"]*L)?([^L"]+)"', svg), re.findall(r'd="M([^L"]+)L([^L"]+)"', whole)
    assert ends[0] == ends[1]


def test_it_becomes_a_picture():
    from annvil.plots.charts.panels import drawn

    drawing, title, told = drawn(chart(), 700)
    assert png(alone(drawing, "n", title, told))[:4] == b"\x89PNG"
    assert "panel 0, up: from 1 to 4" in told
