"""Charts as pictures show what the drawing says, where it says it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from annvil.errors import RequestError
from annvil.plots.png import png
from annvil.plots.standalone import alone
from annvil.plots.svg import Drawing
from annvil.trainer.results.charts import Plot, history_chart

PAPER, BLUE, ORANGE = (253, 252, 250), (11, 98, 168), (184, 85, 11)


def drawn(drawing: Drawing) -> np.ndarray:
    picture = Image.open(io.BytesIO(png(alone(drawing, "a-b", "title", "description"))))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB")).astype(int)


def at(pixels: np.ndarray, x: float, y: float) -> tuple[int, ...]:
    """The colour at a place of the drawing: two pixels each, behind a margin of 14."""
    return tuple(pixels[round(2 * (y + 14)), round(2 * (x + 14))])


def near(one: tuple[int, ...], other: tuple[int, ...], within: int = 12) -> bool:
    return all(abs(a - b) <= within for a, b in zip(one, other, strict=True))


def test_every_element_is_where_it_was_drawn() -> None:
    drawing = Drawing(200, 100)
    drawing.rect(10, 10, 30, 20, "mark simple", tip="not shown")
    drawing.path([(60, 50), (100, 50)], "line network")
    drawing.band([(120, 20), (160, 20)], [(120, 40), (160, 40)], "band network")
    drawing.mark(180, 80, "network", "open")
    drawing.mark(20, 80, "network")
    drawing.line(0, 95, 200, 95, "grid")
    drawing.text(100, 80, "words", "label", "middle")
    pixels = drawn(drawing)
    assert pixels.shape == (256, 456, 3)
    assert near(at(pixels, 25, 20), ORANGE)
    assert near(at(pixels, 80, 50), BLUE, 40)
    assert near(at(pixels, 140, 30), tuple(round(0.86 * p + 0.14 * b) for p, b in zip(PAPER, BLUE, strict=True)))
    assert near(at(pixels, 180, 80), PAPER)
    assert near(at(pixels, 184.5, 80), BLUE, 60)
    assert near(at(pixels, 20, 80), BLUE)
    assert near(at(pixels, 80, 95), (235, 232, 225), 20)
    assert at(pixels, 110, 5) == PAPER
    assert pixels[164:190, 200:256].min() < 80, "no dark word in the middle"


def test_a_chart_is_written_as_its_name_says(tmp_path) -> None:
    chart = history_chart({"loss": [1.0, 0.5, 0.4], "val_loss": [1.1, 0.7, 0.6]}, 3)
    for name, begins in (("a.svg", b"<svg"), ("b.png", b"\x89PNG"), ("c.PNG", b"\x89PNG"), ("d", b"<svg")):
        Plot(chart, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(begins)
    with pytest.raises(RequestError, match=r"Charts are written as \.svg or \.png; e\.pdf has another ending"):
        Plot(chart, tmp_path / "e.pdf")
    assert not (tmp_path / "e.pdf").exists()
