"""Models whose explained scores have a gradient: how these change on the straight way to a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from annvil.onnx.builder import Value
from annvil.tasks.base import FloatArray
from annvil.tasks.link import Link


@dataclass(frozen=True)
class ExplainedScore:
    """What is explained of the averaged outputs of a member: ``link.unlinked(outputs, smallest) @ matrix + shift``.

    Attributes
    ----------
    matrix, shift : float64 ``(n_outputs, n_explained)`` and ``(n_explained,)``
    smallest : probabilities below it count as this
    """

    link: Link
    matrix: FloatArray
    shift: FloatArray
    smallest: float


@dataclass(frozen=True)
class Gradients:
    """A model whose explained scores have a derivative on the straight way from a mean point to a row.

    Attributes
    ----------
    columns : input columns, in the order of the form and of the slopes
    at : of inputs as a member predicts them and a share of the way for each row ``(n_rows,)``, from 0 (the mean point)
        to 1 (the row): slopes float64 ``(n_rows, n_columns, n_explained)``, the derivative by the share for each
        column, and scores float64 ``(n_rows, n_explained)``, both there.
    write : of a graph, shares float32 ``(n_rows, 1)`` and raw inputs as a member writes itself: adds the same; returns
        the names of slopes and scores
    """

    columns: tuple[str, ...]
    at: Callable[[Any, FloatArray], tuple[FloatArray, FloatArray]]
    write: Callable[..., tuple[Value, Value]]
