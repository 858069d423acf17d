"""A confusion matrix made of pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from annvil.kinds.pictures.explanation.render import FAINT, INK, coloured, enlarged, with_number, write
from annvil.kinds.pictures.explanation.saliency import Pixels
from annvil.tasks.base import IntArray

GAP = 3
EMPTY, RIGHT, WRONG = (240, 240, 240), (221, 240, 226), (252, 228, 226)
LABELS = 110
"""Pixels for the names of the classes on two sides."""


def matrix(names: Sequence[str], counts: IntArray, cells: Mapping[tuple[int, int], Pixels], side: int) -> Pixels:
    """Rows true, columns predicted: an example and a number in each cell that is not empty.

    Parameters
    ----------
    names : of the classes, in order
    counts : ``(n_classes, n_classes)``
    cells : (true, predicted) → an example's pixels
    side : of a cell's picture in pixels
    """
    size = max((max(enlarged(one, side).shape[:2]) for one in cells.values()), default=side) + 2 * GAP
    n = len(names)
    made = np.full((LABELS + n * size, LABELS + n * size, 3), 255, dtype=np.uint8)
    for row in range(n):
        for column in range(n):
            top, left = LABELS + row * size, LABELS + column * size
            tint = EMPTY if not counts[row, column] else RIGHT if row == column else WRONG
            made[top + 1 : top + size - 1, left + 1 : left + size - 1] = tint
            if (row, column) in cells:
                picture = with_number(enlarged(coloured(cells[row, column]), side), int(counts[row, column]))
                made[top + GAP : top + GAP + picture.shape[0], left + GAP : left + GAP + picture.shape[1]] = picture
    return _named(made, names, size)


def _named(made: Pixels, names: Sequence[str], size: int) -> Pixels:
    from PIL import Image, ImageDraw

    page = Image.fromarray(made)
    draw = ImageDraw.Draw(page)
    write(draw, (LABELS - 60, 4), "predicted", 12, FAINT, 60)
    write(draw, (4, LABELS - 18), "true", 12, FAINT, LABELS - 8)
    aside = Image.new("RGB", (LABELS, size), "white")
    for place, name in enumerate(names):
        write(draw, (4, LABELS + place * size + size // 2 - 8), name, 13, INK, LABELS - 8)
        turned = aside.copy()
        write(ImageDraw.Draw(turned), (4, size // 2 - 8), name, 13, INK, LABELS - 8)
        page.paste(turned.transpose(Image.Transpose.ROTATE_90), (LABELS + place * size, 0))
    return np.asarray(page)
