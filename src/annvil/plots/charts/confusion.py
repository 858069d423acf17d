"""Confusion matrix: what each class was taken for."""

from __future__ import annotations

from collections.abc import Sequence

from annvil.plots.labels import shorten, text_width
from annvil.plots.svg import Drawing
from annvil.text.quantities import count, percent
from annvil.text.words import ROWS, Words

MOST_CLASSES = 12
"""More classes than this do not fit as a matrix on a page (the report lists the most frequent confusions instead)."""


def confusion(
    counts: Sequence[Sequence[int]], classes: Sequence[str], width: float, name: str, words: Words = ROWS
) -> str:
    """The chart: a row per true class, a column per predicted class, shaded by the share of the row."""
    narrow = width < 500
    k = len(classes)
    left = min(max(34.0, max(text_width(c) for c in classes) + 12), (0.26 if narrow else 0.24) * width)
    room = width - left - 2
    slanted = k > 2 and any(text_width(c) > min(room / k, 96) - 6 for c in classes)
    if slanted:  # the last label leans out over the right edge
        room -= max(0.0, 0.75 * min(text_width(classes[-1]), 90) - room / k / 2)
    cell = min(room / k, 150 if k == 2 else 96)
    tall = min(max(cell, 30), 64)
    head = 24 + (min(max(text_width(c) for c in classes), 90) * 0.75 + 10 if slanted else 20)
    drawing = Drawing(width, head + tall * k + 6)
    drawing.text(left + cell * k / 2, 12, "predicted", "axis-title", "middle")
    drawing.text(0, head - 8, "true", "axis-title")
    for j, label in enumerate(classes):
        x = left + cell * (j + 0.5)
        if slanted:
            short = shorten(label, 90)
            drawing.add(f'<g transform="translate({x:.1f} {head - 6:.1f}) rotate(-45)">')
            drawing.text(0, 0, short, "label", tip=label)
            drawing.add("</g>")
        else:
            drawing.text(x, head - 8, shorten(label, cell - 4), "label", "middle", tip=label)
    for i, (label, row) in enumerate(zip(classes, counts, strict=True)):
        y = head + tall * i
        drawing.text(left - 8, y + tall / 2 + 4, shorten(label, left - 12), "label", "end", tip=label)
        total = sum(row)
        for j, number in enumerate(row):
            _cell(drawing, left + cell * j, y, cell, tall, number, total, i == j, f"{label} taken for {classes[j]}")
    right = sum(counts[i][i] for i in range(k))
    everything = sum(map(sum, counts))
    told = f"{count(right)} of {count(everything)} {words.rows} on the diagonal, which is right."
    return drawing.svg(name, "Confusion matrix", told, "fixed")


def _cell(
    drawing: Drawing, x: float, y: float, cell: float, tall: float, number: int, total: int, right: bool, tip: str
) -> None:
    share = number / total if total else 0.0
    level = 0 if number == 0 else 1 + min(4, int(share * 5))
    said = f"{tip}: {count(number)} of {count(total)} ({percent(share)})"
    drawing.rect(x + 1, y + 1, cell - 2, tall - 2, f"cell {'hit' if right else 'miss'} level-{level}", said, rx=3)
    ink = "on-dark" if level >= 4 else "on-light"
    middle, centre = x + cell / 2, y + tall / 2
    if not number and not right:  # most cells of a good model: what is not there needs no ink
        return
    if cell > 52 and tall > 40 and total:
        drawing.text(middle, centre - 1, count(number), f"strong {ink}", "middle")
        drawing.text(middle, centre + 15, percent(share), f"note {ink}", "middle")
    elif number and text_width(count(number), 11) < cell:
        drawing.text(middle, centre + 4, count(number), f"note {ink}", "middle")
