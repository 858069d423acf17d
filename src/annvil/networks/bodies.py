"""What a transferred network stands on, and how pictures are brought to the size that it learnt from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn


class Body(nn.Module):
    """What a head stands on: ``n_features`` numbers for every picture.

    Parameters
    ----------
    given : height and width of the pictures to come
    size : as it sees them
    """

    n_features: int
    rows: Tensor
    columns: Tensor

    def __init__(self, given: tuple[int, int], size: tuple[int, int]) -> None:
        super().__init__()
        self.size, self.resizes = size, size != given
        if self.resizes:
            self.register_buffer("rows", torch.from_numpy(scaling(given[0], size[0])))
            self.register_buffer("columns", torch.from_numpy(np.ascontiguousarray(scaling(given[1], size[1]).T)))

    def resized(self, pixels: Tensor) -> Tensor:
        """Pixels as `features` takes them → float ``(batch, channels, *size)``."""
        x = pixels.float().permute(0, 3, 1, 2)
        return self.rows @ x @ self.columns if self.resizes else x

    def features(self, pixels: Tensor) -> Tensor:
        """Pixels, uint8 or float ``(batch, height, width, channels)`` → float ``(batch, n_features)``."""
        raise NotImplementedError

    def depths(self) -> dict[str, int]:
        """Of its parameters by name: how many layers below the head each lies, from 1."""
        raise NotImplementedError

    def forward(self, pixels: Tensor) -> Tensor:
        return self.features(pixels)


LARGEST_SCALING = 1 << 24
"""Numbers of a matrix of `scaling`, 64 MB (assumed: 16,384 pixels to 1,024)."""


def scaling(before: int, after: int) -> NDArray[np.float32]:
    """A matrix ``(after, before)`` that scales by linear interpolation, with a wider triangle where it shrinks.

    As `torch.nn.functional.interpolate` does with ``mode="bilinear", antialias=True``, and as Pillow does.

    Raises
    ------
    ValueError
        When there is nothing to scale, or too much (`LARGEST_SCALING`).
    """
    if not 0 < before * after <= LARGEST_SCALING:
        raise ValueError(f"{before} pixels are not brought to {after}")
    ratio = before / after
    support = max(ratio, 1.0)
    centres = (np.arange(after) + 0.5) * ratio
    distances = np.abs(np.arange(before)[None, :] + 0.5 - centres[:, None]) / support
    triangle = np.clip(1 - distances, 0, None)
    return np.asarray(triangle / triangle.sum(axis=1, keepdims=True), dtype=np.float32)
