"""A node with what it is given: what the rules of sizes are asked with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.onnx.validation.graph_reader import Node
from annvil.onnx.validation.tensor_reader import ELEMENTS, STRING, refusal

SMALL = 1 << 10
"""Values of which more are not followed."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Value:
    """What is known of a value; ``values`` where it is small and the same for all inputs of its sizes."""

    element: int
    shape: Shape
    values: NDArray[Any] | None = None

    @property
    def n_bytes(self) -> int:
        """In memory; texts count 32 bytes each."""
        return prod(self.shape) * (32 if self.element == STRING else np.dtype(ELEMENTS[self.element]).itemsize)


class Call:
    """A node with what it is given; rules leave its work and scratch memory here."""

    def __init__(self, node: Node, inputs: Sequence[Value | None]) -> None:
        self.node = node
        self.inputs = inputs
        self.work = max((prod(value.shape) for value in inputs if value is not None), default=0)
        self.scratch = 0

    def value(self, place: int) -> Value:
        found = self.inputs[place]
        if found is None:
            raise ValueError("an input is missing")
        return found

    def shape(self, place: int = 0) -> Shape:
        return self.value(place).shape

    def has(self, place: int) -> bool:
        return place < len(self.inputs) and self.inputs[place] is not None

    def get(self, name: str, default: Any) -> Any:
        found = self.node.attributes.get(name, default)
        if isinstance(found, np.ndarray):
            found = found.tolist()
        if default is not None and type(found) is not type(default):
            raise ValueError("an attribute of another type")
        return found

    def known(self, place: int) -> list[Any]:
        """The values of an input that say how large something is."""
        values = self.value(place).values
        if values is None or values.size > SMALL:
            raise refusal(f"{self.node.title} computes from its inputs how large something is")
        return list(values.ravel().tolist())

    def axis(self, default: int, place: int = 0, extra: int = 0) -> int:
        return axis_of(self.get("axis", default), len(self.shape(place)) + extra)

    def axes(self, place: int, n_axes: int, default: Sequence[int] | None = None) -> list[int]:
        """From an attribute (earlier versions of ONNX) or an input; all without either."""
        found = self.get("axes", [])
        found = found or (self.known(place) if self.has(place) else [])
        found = found or (range(n_axes) if default is None else default)
        axes = [axis_of(axis, n_axes) for axis in found]
        if len(set(axes)) != len(axes):
            raise ValueError("an axis twice")
        return axes


def axis_of(axis: int, n_axes: int) -> int:
    if not -n_axes <= axis < n_axes:
        raise ValueError("no such axis")
    return axis % n_axes
