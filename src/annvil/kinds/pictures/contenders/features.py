"""Pictures as rows of numbers, by arithmetic without anything learnt: means of pixels, and how strong edges are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from annvil.kinds.pictures.form import PictureForm
from annvil.models.jobs import Shape
from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray

MOST_BYTES = 10**9
"""Features of all pictures of a data set take no more memory than this (assumed: a quarter of a small machine)."""

DIRECTIONS = 8
"""Directions of edges, 45° apart, so that dark on light is told from light on dark. (Dalal and Triggs found nine within
180°, without that sign, best for pedestrians, and the sign useful for other things; the number is assumed.)"""

FAINT = 0.02
"""Added to the length of a cell's values, at most 1, so that a flat cell stays near zero (assumed)."""


BLOCK_BYTES = 2**19
"""Pixels turned into features at a time: edges in eight directions in float64 are 64 times as many bytes."""


def too_small(shape: Shape) -> str | None:
    """Why there are no such features of pictures of less than 3 × 3 pixels."""
    if not isinstance(shape.form, PictureForm) or min(shape.form.height, shape.form.width) < 3:
        return "The pictures are smaller than 3 × 3 pixels."
    return None


@dataclass(frozen=True)
class Blocks:
    """Squares of ``side`` pixels that tile the middle of ``height × width``, with ``depth`` values a pixel.

    Where a picture is narrower than ``side``, they are as narrow as the picture.
    Rows and columns that fill no whole square are left out, the same number on both sides or one more at the end.
    """

    height: int
    width: int
    depth: int
    side: int

    @classmethod
    def at_most(cls, height: int, width: int, depth: int, columns: float) -> Blocks:
        """The smallest squares that leave no more columns than that, or one for all."""
        largest = max(height, width)
        tried = (cls(height, width, depth, side) for side in range(1, largest + 1))
        return next((blocks for blocks in tried if blocks.n_columns <= columns), cls(height, width, depth, largest))

    @property
    def rows_and_columns(self) -> tuple[int, int]:
        """Squares from top to bottom, and from left to right."""
        high, wide = self.sides
        return self.height // high, self.width // wide

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of a square: equal but in narrow pictures."""
        return min(self.side, self.height), min(self.side, self.width)

    @property
    def n_pixels(self) -> int:
        """Of one square."""
        high, wide = self.sides
        return high * wide

    @property
    def n_columns(self) -> int:
        """Sums of a picture."""
        rows, columns = self.rows_and_columns
        return rows * columns * self.depth

    @property
    def _middle(self) -> tuple[slice, slice]:
        (high, wide), (rows, columns) = self.sides, self.rows_and_columns
        top, left = self.height % high // 2, self.width % wide // 2
        return slice(top, top + rows * high), slice(left, left + columns * wide)

    @property
    def _shape(self) -> tuple[int, ...]:
        (high, wide), (rows, columns) = self.sides, self.rows_and_columns
        return rows, high, columns, wide, self.depth

    def sums(self, values: FloatArray) -> FloatArray:
        """``(n, height, width, depth)`` → ``(n, rows, columns, depth)``: exact for whole numbers."""
        down, across = self._middle
        return np.asarray(values[:, down, across].reshape(len(values), *self._shape).sum(axis=(2, 4)))

    def write(self, graph: Graph, values: Value) -> Value:
        """The same as nodes."""
        down, across = self._middle
        middle = part(graph, values, 1, down.start, down.stop, self.height)
        middle = part(graph, middle, 2, across.start, across.stop, self.width)
        tiled = graph.op("Reshape", middle, graph.constant([0, *self._shape], "int64"))
        return graph.op("ReduceSum", tiled, graph.constant([2, 4], "int64"), keepdims=0)

    def names(self, words: Sequence[str]) -> tuple[str, ...]:
        """``"{word} {row}, {column}"`` for each sum, counted from 1."""
        rows, columns = self.rows_and_columns
        return tuple(
            word.format(f"{row}, {column}")
            for row in range(1, rows + 1)
            for column in range(1, columns + 1)
            for word in words
        )


def part(graph: Graph, value: Value, axis: int, start: int, end: int, length: int) -> Value:
    """``value`` from ``start`` to ``end`` along an axis of that length."""
    if (start, end) == (0, length):
        return value
    return graph.op("Slice", value, *(graph.constant([number], "int64") for number in (start, end, axis)))


@dataclass(frozen=True)
class PixelFeatures:
    """Means over squares, from 0 to 1.

    Sums are whole numbers and divided once, so memory and graph agree to the bit and a tree's threshold cannot fall
    between them.
    """

    blocks: Blocks
    at_once = BLOCK_BYTES
    seconds_per_value = 2e-8  # 0.4 to 1.4e-8 measured

    @classmethod
    def choose(cls, form: PictureForm, n_rows: int, most: int) -> PixelFeatures:
        """Squares as small as ``most`` columns and `MOST_BYTES` allow."""
        return cls(Blocks.at_most(*form.shape, affordable(n_rows, most)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``"pixel 3, 4"``, in colour ``"red of pixel 3, 4"``."""
        words = ["pixel {}"] if self.blocks.depth == 1 else [f"{c} of pixel {{}}" for c in ("red", "green", "blue")]
        return self.blocks.names(words)

    @property
    def _brightest(self) -> float:
        return 255.0 * self.blocks.n_pixels

    def of(self, pixels: NDArray[np.uint8]) -> FloatArray:
        sums = self.blocks.sums(pixels.astype(np.float64))
        return sums.reshape(len(pixels), self.blocks.n_columns) / self._brightest

    def write(self, graph: Graph, pixels: Value) -> Value:
        sums = self.blocks.write(graph, graph.cast(pixels, "float64"))
        flat = graph.op("Reshape", sums, graph.constant([0, self.blocks.n_columns], "int64"))
        return graph.op("Div", flat, graph.constant(self._brightest))

    def describe(self) -> str:
        (high, wide), n = self.blocks.sides, self.blocks.n_columns
        if self.blocks.n_pixels == 1:
            return f"The {n} values of a picture are {n} columns, from 0 to 1."
        return f"Values are averaged over blocks of {wide} × {high} pixels: {n} columns, from 0 to 1."


@dataclass(frozen=True)
class GradientFeatures:
    """How strong edges are in `DIRECTIONS` directions, cell by cell: histograms of oriented gradients.

    After Dalal and Triggs, "Histograms of oriented gradients for human detection" (CVPR 2005): centred differences,
    cells, normalisation. Departures: each pixel votes for every direction by the positive part of its derivative there
    (a smooth function that a graph writes in a few nodes) instead of for two bins of its angle; a cell is normalised by
    itself, not in overlapping blocks; colours are averaged first.
    """

    height: int
    width: int
    cells: Blocks  # of the picture without its outermost pixels, which have no centred difference
    at_once = BLOCK_BYTES
    seconds_per_value = 1e-7  # 2 to 8e-8 measured

    @classmethod
    def choose(cls, form: PictureForm, n_rows: int, most: int) -> GradientFeatures:
        """Cells as small as ``most`` columns and `MOST_BYTES` allow."""
        inside = max(form.height - 2, 1), max(form.width - 2, 1)
        return cls(form.height, form.width, Blocks.at_most(*inside, DIRECTIONS, affordable(n_rows, most)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """``"edge 3, 4 at 45°"``: row and column of the cell, direction in which it gets brighter."""
        return self.cells.names([f"edge {{}} at {360 * k // DIRECTIONS}°" for k in range(DIRECTIONS)])

    @staticmethod
    def _directions() -> tuple[FloatArray, FloatArray]:
        angles = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
        return np.cos(angles) / 2, np.sin(angles) / 2

    @property
    def _scale(self) -> float:
        return 255.0 * self.cells.n_pixels

    def of(self, pixels: NDArray[np.uint8]) -> FloatArray:
        grey = pixels.mean(axis=3, keepdims=True, dtype=np.float64)
        across, down = self._directions()
        edges = (grey[:, 1:-1, 2:] - grey[:, 1:-1, :-2]) * across + (grey[:, 2:, 1:-1] - grey[:, :-2, 1:-1]) * down
        cells = self.cells.sums(np.maximum(edges, 0.0, out=edges)) / self._scale
        length = np.sqrt(np.square(cells).sum(axis=3, keepdims=True))
        return np.asarray((cells / (length + FAINT)).reshape(len(pixels), self.cells.n_columns))

    def write(self, graph: Graph, pixels: Value) -> Value:
        grey = graph.cast(pixels, "float64")
        grey = graph.op("ReduceMean", grey, graph.constant([3], "int64"), keepdims=1)
        height, width = self.height, self.width
        row = part(graph, grey, 1, 1, height - 1, height)
        column = part(graph, grey, 2, 1, width - 1, width)
        right, left = part(graph, row, 2, 2, width, width), part(graph, row, 2, 0, width - 2, width)
        lower, upper = part(graph, column, 1, 2, height, height), part(graph, column, 1, 0, height - 2, height)
        across, down = (graph.constant(factors) for factors in self._directions())
        rises = graph.op("Mul", graph.op("Sub", right, left), across)
        falls = graph.op("Mul", graph.op("Sub", lower, upper), down)
        edges = graph.op("Max", graph.op("Add", rises, falls), graph.constant(0.0))
        cells = graph.op("Div", self.cells.write(graph, edges), graph.constant(self._scale))
        squares = graph.op("ReduceSumSquare", cells, graph.constant([3], "int64"), keepdims=1)
        length = graph.op("Add", graph.op("Sqrt", squares), graph.constant(FAINT))
        shape = graph.constant([0, self.cells.n_columns], "int64")
        return graph.op("Reshape", graph.op("Div", cells, length), shape)

    def describe(self) -> str:
        high, wide = self.cells.sides
        return (
            f"Edges are measured in {DIRECTIONS} directions, in cells of {wide} × {high} pixels, and each cell is "
            f"normalised: {self.cells.n_columns} columns."
        )


def affordable(n_rows: int, most: int) -> float:
    """Columns of float64 that so many rows may have."""
    return min(most, MOST_BYTES / 8 / max(n_rows, 1))
