"""Pictures disturbed on purpose: shuffled, shifted, turned, shrunk. All take and return uint8 ``(n, h, w, c)``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from annvil.kinds.pictures.reading.decoding import Pixels

LONGEST_SHIFT = 4
"""Pixels, and never more than a quarter of the shorter side, beyond which the object itself may leave the picture."""

ANGLES = (5, 10, 15)
"""Degrees, both ways (assumed: what a hand does that holds a camera)."""

WAYS = ((0, 1), (0, -1), (1, 0), (-1, 0))


@dataclass(frozen=True)
class Disturbance:
    """One way to disturb: pixels of a shift down and to the right, or degrees of a turn; ``name`` groups directions."""

    name: str
    down: int = 0
    right: int = 0
    degrees: float = 0.0

    def of(self, pixels: Pixels) -> Pixels:
        """The pictures disturbed."""
        return turned(pixels, self.degrees) if self.degrees else shifted(pixels, self.down, self.right)


AS_THEY_ARE = Disturbance("as they are")


def disturbances(height: int, width: int) -> tuple[Disturbance, ...]:
    """Shifts of 1 to 4 pixels in four directions and small turns both ways, for pictures of that size."""
    longest = min(LONGEST_SHIFT, min(height, width) // 4)
    shifts = (
        Disturbance(f"shifted by {far} {'pixel' if far == 1 else 'pixels'}", down * far, right * far)
        for far in range(1, longest + 1)
        for down, right in WAYS
    )
    turns = (Disturbance(f"turned by {angle}°", degrees=float(sign * angle)) for angle in ANGLES for sign in (1, -1))
    return (*shifts, *turns)


def shuffled(pixels: Pixels, seed: int) -> Pixels:
    """One permutation of the pixels, the same for every picture; channels of a pixel stay together."""
    n, height, width, channels = pixels.shape
    order = np.random.default_rng(seed).permutation(height * width)
    flat = pixels.reshape(n, height * width, channels)[:, order]
    return np.ascontiguousarray(flat.reshape(pixels.shape))


def shifted(pixels: Pixels, down: int, right: int) -> Pixels:
    """Moved by whole pixels; what comes in from outside repeats the border."""
    height, width = pixels.shape[1:3]
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return np.ascontiguousarray(pixels[:, rows][:, :, columns])


def turned(pixels: Pixels, degrees: float) -> Pixels:
    """Turned about the middle, with linear interpolation; what comes in from outside repeats the border."""
    from scipy.ndimage import rotate

    found: Pixels = rotate(pixels, degrees, axes=(2, 1), reshape=False, order=1, mode="nearest")
    return found


def shrunk(pixels: Pixels, most_values: int) -> Pixels:
    """Means of the smallest squares of pixels that leave at most so many values a picture; as they are if they do."""
    height, width, channels = pixels.shape[1:]
    side = squares_for(height, width, channels, most_values)
    if side == 1:
        return pixels
    rows, columns = max(1, height // side), max(1, width // side)
    high, wide = min(side, height), min(side, width)
    top, left = (height - rows * high) // 2, (width - columns * wide) // 2
    middle = pixels[:, top : top + rows * high, left : left + columns * wide]
    squares = middle.reshape(len(pixels), rows, high, columns, wide, channels)
    means: Pixels = squares.mean(axis=(2, 4)).round().astype(np.uint8)
    return means


def squares_for(height: int, width: int, channels: int, most_values: int) -> int:
    """Side of those squares."""
    side = 1
    while max(1, height // side) * max(1, width // side) * channels > most_values and side < max(height, width):
        side += 1
    return side
