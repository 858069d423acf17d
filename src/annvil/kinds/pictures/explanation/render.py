"""Maps as colours over pictures, side by side, and one picture of an explanation with its legend."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from annvil.kinds.pictures.explanation.faithfulness import CheckedMap
from annvil.kinds.pictures.explanation.saliency import Pixels
from annvil.tasks.base import FloatArray

FOR = np.array([215.0, 48.0, 39.0])
AGAINST = np.array([33.0, 102.0, 172.0])
"""Red and blue that readers with weak colour vision can tell apart (ColorBrewer, RdBu)."""

PALE = 0.65
"""How far the picture under a map is moved towards white (assumed: its shapes are seen, its colours do not compete)."""

BRIGHTEST = 0.995
"""Quantile of a map's sizes that gets the full colour, so that one pixel does not make all others pale (assumed)."""

PANEL = 240
"""Pixels of the side of a panel in a composed picture."""

GAP = 16
INK, FAINT, GOOD, BAD = (33, 37, 41), (108, 117, 125), (25, 111, 61), (176, 32, 32)


def coloured(pixels: Pixels) -> Pixels:
    """The picture with three channels."""
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels


def overlaid(pixels: Pixels, values: FloatArray) -> Pixels:
    """The picture, pale and grey, under red where the map is positive and blue where it is negative.

    Parameters
    ----------
    pixels : uint8 ``(height, width, channels)``
    values : ``(height, width)``
    """
    grey = pixels.astype(np.float64).mean(axis=2, keepdims=True)
    ground = grey + PALE * (255 - grey)
    smooth = _smoothed(values)
    scale = float(np.quantile(np.abs(smooth), BRIGHTEST)) or float(np.abs(smooth).max()) or 1.0
    strength = np.clip(np.abs(smooth) / scale, 0, 1)[:, :, None]
    colour = np.where(smooth[:, :, None] >= 0, FOR, AGAINST)
    return np.asarray((1 - strength) * ground + strength * colour).round().astype(np.uint8)


def _smoothed(values: FloatArray) -> FloatArray:
    """Means over small squares around each pixel of large maps, for the eye alone: single pixels cannot be seen."""
    reach = min(values.shape) // 48
    if reach == 0:
        return values
    padded = np.pad(values, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    return np.asarray(windows.mean(axis=(2, 3)))


def enlarged(pixels: Pixels, side: int = PANEL) -> Pixels:
    """Every pixel as a square, so that the longer side has about ``side`` pixels; larger pictures are thinned."""
    longest = max(pixels.shape[:2])
    if longest > side:
        step = -(-longest // side)
        return pixels[::step, ::step]
    times = max(1, round(side / longest))
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def framed(pixels: Pixels, colour: tuple[int, int, int], width: int) -> Pixels:
    """The picture inside a frame."""
    made = np.full((pixels.shape[0] + 2 * width, pixels.shape[1] + 2 * width, 3), colour, dtype=np.uint8)
    made[width:-width, width:-width] = coloured(pixels)
    return made


def beside(pictures: Sequence[Pixels], gap: int = 4) -> Pixels:
    """Pictures of equal height in a row on white."""
    space = np.full((pictures[0].shape[0], gap, 3), 255, dtype=np.uint8)
    return np.concatenate([part for one in pictures for part in (coloured(one), space)][:-1], axis=1)


def strip(pixels: Pixels, maps: Sequence[CheckedMap]) -> Pixels:
    """The picture and its maps in a row, maps that cannot be trusted in a red frame."""
    shown = [(pixels, True), *((overlaid(pixels, one.saliency.values), one.trusted) for one in maps)]
    return beside([framed(enlarged(one, 112), (255, 255, 255) if good else BAD, 3) for one, good in shown])


def grid(tiles: Sequence[Pixels], columns: int, gap: int, ground: tuple[int, int, int]) -> Pixels:
    """Pictures of one shape in rows of ``columns``."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    made = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), ground, dtype=np.uint8)
    for place, tile in enumerate(tiles):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        made[top : top + height, left : left + width] = coloured(tile)
    return made


def composed(pixels: Pixels, maps: Sequence[CheckedMap], title: str, legend: str, notices: Sequence[str] = ()) -> bytes:
    """A PNG file: the picture, its maps, under each whether to trust it, and in ``legend`` what the colours mean.

    Notices stand below the title, whole.
    """
    from PIL import Image, ImageDraw

    pictures = [pixels, *(overlaid(pixels, one.saliency.values) for one in maps)]
    panels = [coloured(enlarged(picture)) for picture in pictures]
    height, width = panels[0].shape[:2]
    cell = max(width, 200) + GAP
    inside = cell * len(panels) - GAP
    told = [line for notice in notices for line in _wrapped(notice, 13, inside)]
    down = 18 * len(told) + (6 if told else 0)
    page = Image.new("RGB", (GAP + cell * len(panels), height + 176 + down), "white")
    draw = ImageDraw.Draw(page)
    write(draw, (GAP, 12), title, 17, INK, inside)
    for line, words in enumerate(told):
        write(draw, (GAP, 40 + 18 * line), words, 13, BAD, inside)
    for place, panel in enumerate(panels):
        left, top = GAP + place * cell, 66 + down
        one = maps[place - 1] if place else None
        write(draw, (left, top - 24), one.saliency.title if one else "The picture", 14, INK, cell - GAP)
        if one is not None and not one.trusted:
            panel = framed(panel[3:-3, 3:-3], BAD, 3)
        page.paste(Image.fromarray(panel), (left, top))
        if one is not None:
            for line, words in enumerate(_result(one)):
                write(draw, (left, top + height + 8 + 16 * line), words, 12, GOOD if one.trusted else BAD, cell - GAP)
    _legend(draw, page, (GAP, height + 132 + down), legend)
    stream = io.BytesIO()
    page.save(stream, "PNG")
    return stream.getvalue()


def _result(one: CheckedMap) -> list[str]:
    """Two or three short lines under a map."""
    if one.trusted:
        return ["Passed its tests"]
    if not one.testable:
        return ["Cannot be tested:", "covering has no effect"]
    lines = ["Do not trust this map"]
    if not one.shows_something:
        return [*lines, "it is the same everywhere"]
    if not one.deletion.passed:
        lines.append("not clearly better than a random order")
    if not one.changes_when_shuffled:
        lines.append("shuffled weights give the same")
    return lines


def _legend(draw: Any, page: Any, place: tuple[int, int], legend: str) -> None:
    """The scale of colours with its two ends in words."""
    from PIL import Image

    left, top = place
    scale = np.linspace(-1, 1, 160)[None, :, None]
    bar = (1 - np.abs(scale)) * 255 + np.abs(scale) * np.where(scale >= 0, FOR, AGAINST)
    page.paste(Image.fromarray(np.repeat(bar, 12, axis=0).round().astype(np.uint8)), (left, top + 2))
    words = f"{legend}; each map has a scale of its own"
    write(draw, (left + 172, top), words, 12, FAINT, page.width - left - 172 - GAP)


def _wrapped(text: str, size: int, width: int) -> list[str]:
    """The text in lines that are no wider than so many pixels, but for words that are."""
    from PIL import ImageFont

    font, lines = ImageFont.load_default(size=size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def write(draw: Any, place: tuple[int, int], text: str, size: int, colour: tuple[int, int, int], width: int) -> None:
    """One line, shortened where it is too long, with a question mark for what the font lacks."""
    from PIL import ImageFont

    font = ImageFont.load_default(size=size)
    missing = bytes(font.getmask("\uffff"))
    shown = "".join(sign if sign == " " or bytes(font.getmask(sign)) != missing else "?" for sign in text)
    while font.getlength(shown) > width and len(shown) > 1:
        shown = shown[:-2].rstrip("….") + "…"
    draw.text(place, shown, fill=colour, font=font)


def with_number(pixels: Pixels, number: int) -> Pixels:
    """The picture with a small number on white in its upper left corner."""
    from PIL import Image, ImageDraw, ImageFont

    page, text, font = Image.fromarray(coloured(pixels)), str(number), ImageFont.load_default(size=12)
    draw = ImageDraw.Draw(page)
    _, _, right, bottom = draw.textbbox((1, 0), text, font=font)
    draw.rectangle((0, 0, right, bottom), fill="white")
    draw.text((1, 0), text, fill="black", font=font)
    return np.asarray(page)
