"""The graph of a recorded step: tensors, how they lie in memory, and what computes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten

PRODUCTS = (aten.bmm.default, aten.mm.default, aten.baddbmm.default, aten.addmm.default)
"""Matrix products; the last two add to their first argument."""


CONVOLUTIONS = (aten.convolution.default, aten.convolution_backward.default)
"""Forward, and gradients by input, weight and bias."""


@dataclass(frozen=True)
class TensorForm:
    """How a tensor lies in memory; strides and offset count elements."""

    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    dtype: torch.dtype

    @classmethod
    def of(cls, tensor: Tensor, offset: int = 0) -> TensorForm:
        """The form of a tensor, with an offset of its own."""
        return cls(tuple(tensor.shape), tuple(tensor.stride()), offset, tensor.dtype)

    @classmethod
    def dense(cls, shape: tuple[int, ...], dtype: torch.dtype) -> TensorForm:
        """The form of a contiguous tensor."""
        return cls(shape, tuple(prod(shape[axis + 1 :]) for axis in range(len(shape))), 0, dtype)

    @classmethod
    def channels_last(cls, shape: tuple[int, ...], dtype: torch.dtype) -> TensorForm:
        """The form of images ``(batch, channels, height, width)`` whose channels lie innermost."""
        _, channels, height, width = shape
        return cls(shape, (channels * height * width, 1, width * channels, channels), 0, dtype)

    @property
    def size(self) -> int:
        """Elements."""
        return prod(self.shape)

    @property
    def is_dense(self) -> bool:
        """Whether the elements lie one after another, rows first; axes of one element have any stride."""
        dense = TensorForm.dense(self.shape, self.dtype).stride
        return all(n == 1 or own == other for n, own, other in zip(self.shape, self.stride, dense, strict=True))

    @property
    def plain_stride(self) -> tuple[int, ...]:
        """The strides; of a batch of matrices, those of axes of one element as if it were dense.

        They address nothing, but oneDNN takes a slow way where they look odd: 3.1 ms instead of 0.4 ms for a product
        of 256 × 1024 with 1024 × 1024 in bfloat16 (measured). With images they tell where the channels lie.
        """
        if len(self.shape) != 3:
            return self.stride
        dense = TensorForm.dense(self.shape, self.dtype).stride
        return tuple(other if n == 1 else own for n, own, other in zip(self.shape, self.stride, dense, strict=True))

    @property
    def transposed(self) -> TensorForm:
        """The last two axes exchanged."""
        *shape, rows, columns = self.shape
        *stride, down, across = self.stride
        return TensorForm((*shape, columns, rows), (*stride, across, down), self.offset, self.dtype)

    def alike(self, other: TensorForm) -> bool:
        """Whether shape, strides and type agree."""
        return (self.shape, self.stride, self.dtype) == (other.shape, other.stride, other.dtype)

    def covers(self, other: TensorForm) -> bool:
        """Whether both look at the same memory in the same order, if perhaps as numbers of another type."""
        same = (self.shape, self.stride, self.offset) == (other.shape, other.stride, other.offset)
        return same and self.dtype.itemsize == other.dtype.itemsize


@dataclass(eq=False)
class Node:
    """A tensor of the graph.

    A node is an input (``position``), a constant (``value``), a view of another node (``base``; the form's offset is
    into the base), computed (``op``), or one of several results of an operation (``source`` and ``position``).
    """

    form: TensorForm
    order: float = 0.0
    position: int = -1
    value: Tensor | None = None
    base: Node | None = None
    op: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    source: Node | None = None
    n_results: int = 1

    @property
    def root(self) -> Node:
        """The node whose memory this one looks into: itself unless it is a view."""
        return self if self.base is None else self.base

    @property
    def needs(self) -> list[Node]:
        """The nodes that must exist before this one."""
        direct = [node for node in (self.base, self.source) if node is not None]
        return direct + nodes_in((self.args, self.kwargs))


@dataclass(frozen=True, eq=False)
class CustomOp:
    """An operation of our own in a graph: ``write(*args, out=…)`` fills the memory it is given."""

    _opname: str
    write: Callable[..., None]
    tags: tuple[Any, ...] = ()


@dataclass
class Trace:
    """A recorded function: its nodes in an order in which they can be computed, and those it returns."""

    nodes: list[Node]
    outputs: list[Node]

    @property
    def work(self) -> float:
        """Multiplications of matrix products and convolutions, and ten for each number that another operation computes.

        Ten, because that is about how many a core multiplies in a product while it computes one number otherwise
        (measured: 10 µs for 65 536 numbers, 170 µs for a product of 256 × 256 matrices).
        """
        work = 0.0
        for node in self.nodes:
            if node.op in PRODUCTS:
                work += node.form.size * node.args[-1].form.shape[-2]
            elif node.op in CONVOLUTIONS:
                work += multiplications(node) * (2 if node.op is CONVOLUTIONS[1] else 1)
            elif node.op is not None or node.source is not None:
                work += 10 * node.form.size
        return work


def live_nodes(nodes: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """The nodes that the outputs need, in order."""
    wanted: set[int] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if id(node) not in wanted:
            wanted.add(id(node))
            waiting += node.needs
    return sorted((node for node in nodes if id(node) in wanted), key=lambda node: node.order)


def nodes_in(values: Any) -> list[Node]:
    """Every node in nested arguments."""
    if isinstance(values, Node):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [node for value in values for node in nodes_in(value)]
    return []


def replace(values: Any, kind: type, by: Callable[[Any], Any]) -> Any:
    """Nested arguments with every value of a type replaced."""
    if isinstance(values, kind):
        return by(values)
    if isinstance(values, dict):
        return {name: replace(value, kind, by) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(replace(value, kind, by) for value in values)
    return values


def multiplications(convolution: Node) -> int:
    """Of one convolution: of the forward pass, or of one of the two large gradients."""
    forward = convolution.op is CONVOLUTIONS[0]
    out, weight = (convolution, convolution.args[1]) if forward else convolution.args[0::2][:2]
    return int(out.form.size) // int(out.form.shape[1]) * int(weight.form.size)
