"""Changed copies of pictures, and pictures beside their copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from annvil.kinds.pictures.reading.decoding import Pixels
from annvil.preparation.augmentation import Augmentation
from annvil.sections import enlargement
from annvil.tasks.base import IntArray

SHEET_GAP = 4
"""Pixels between pictures of a sheet."""


def changed_copies(pixels: Pixels, augmentation: Augmentation, times: int, seed: int | tuple[int, ...]) -> list[Pixels]:
    """``times`` changed copies of uint8 pictures ``(n, height, width, channels)``; flips that alternate are tossed."""
    import torch

    from annvil.preparation.augment_batches import PictureChanges

    random = np.random.default_rng(seed)
    if augmentation.flip == "alternate":
        augmentation = replace(augmentation, flip="random")
    changes = PictureChanges(augmentation)
    given = torch.from_numpy(pixels)
    return [changes.changed(given, changes.draw(random, len(pixels), pixels.shape[1:])).numpy() for _ in range(times)]


def contact_sheet(columns: Sequence[Pixels]) -> Pixels:
    """Stacks of pictures ``(n, height, width, channels)`` side by side on white, enlarged where they are small."""
    _, height, width, channels = columns[0].shape
    enlarge = enlargement(height, width, 64)
    cells = np.stack(columns, axis=1).repeat(enlarge, axis=2).repeat(enlarge, axis=3)
    cells = np.pad(cells, [(0, 0), (0, 0), (SHEET_GAP, 0), (SHEET_GAP, 0), (0, 0)], constant_values=255)
    rows, places, height, width, channels = cells.shape
    sheet = cells.transpose(0, 2, 1, 3, 4).reshape(rows * height, places * width, channels)
    return np.pad(sheet, [(0, SHEET_GAP), (0, SHEET_GAP), (0, 0)], constant_values=255)


def spread_rows(labels: Sequence[Any], most: int) -> IntArray:
    """Up to ``most`` rows, one of each label in turn."""
    return np.sort(in_turns(labels)[:most])


def in_turns(labels: Sequence[Any]) -> IntArray:
    """All rows: the first of each label, then the second of each, and so on."""
    seen: Counter[Any] = Counter()
    turns = []
    for label in labels:
        turns.append(seen[label])
        seen[label] += 1
    return np.argsort(turns, kind="stable").astype(np.int64)
