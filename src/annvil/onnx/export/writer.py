"""What the writers of operators work with: values of the graph with their shapes and types, and a table of writers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from annvil.errors import RequestError
from annvil.onnx.builder import Graph, Value
from annvil.onnx.export.aten_trace import Meta, Node
from annvil.onnx.export.dynamic_batch import Free, Moving, Rows, Steps

WRITERS: dict[Any, Callable[..., Any]] = {}
"""ATen operation (all its overloads) → the function that writes it."""


F = TypeVar("F", bound=Callable[..., Any])


def writes(*operations: Any) -> Callable[[F], F]:
    """Enter a function as the writer of ATen operations.

    It gets a `Writer` and what the operation got: a `Traced` for what is computed, a tensor for what is constant,
    `Moving` for a size that follows the batch or a length. It returns a name in the graph, a tensor, a `Traced`, or a
    list of them.
    """

    def enter(function: F) -> F:
        WRITERS.update(dict.fromkeys(operations, function))
        return function

    return enter


def known(op: Any) -> bool:
    """Whether there is a writer for an operation."""
    return op.overloadpacket in WRITERS


@dataclass(eq=False)
class Traced:
    """A value that hangs on inputs or on their number of rows.

    Attributes
    ----------
    shape : sizes, each a number or one that is `annvil.onnx.export.dynamic_batch.Moving`
    value : its name in the graph; "" while it is only ``fill`` in every place, and nobody has asked for it
    dtype : of complex numbers the value has real and imaginary parts on one more axis, the last
    """

    shape: tuple[Any, ...]
    dtype: torch.dtype
    value: Value = ""
    fill: float | None = None


Operand = Traced | Tensor | Moving | float


class Writer:
    """Adds the nodes of one module to a graph."""

    def __init__(self, graph: Graph, batch: Value, free: tuple[Value, int] | None = None) -> None:
        self.graph = graph
        self._batch = batch
        self._free = free  # an input with an axis of any length, and that axis
        self.node = Node(None)
        self.asked: dict[str, Any] = {}
        """What the operation got, by the names of its schema, defaults among it."""

    def begin(self, node: Node, args: Sequence[Any], named: Mapping[str, Any]) -> None:
        """Turn to another operation, which gets these arguments."""
        self.node, schema = node, node.op._schema.arguments
        self.asked = {one.name: one.default_value for one in schema if one.has_default_value()}
        self.asked |= dict(zip((one.name for one in schema), args, strict=False)) | dict(named)

    @property
    def packet(self) -> Any:
        """The operation that is being written, whichever of its overloads."""
        return self.node.packet

    @property
    def name(self) -> str:
        """PyTorch's name of the operation."""
        return str(self.node.op._opname)

    @property
    def result(self) -> Meta:
        """Shape and type of the first result of the operation that is being written."""
        found = self.node.results[0]
        assert found is not None
        return found

    def op(self, kind: str, *inputs: Value, **attributes: Any) -> Value:
        """One node with one output."""
        return self.graph.op(kind, *inputs, **attributes)

    def value(self, operand: Operand, dtype: torch.dtype | None = None) -> Value:
        """The name of an operand in the graph, as ``dtype`` if given."""
        if isinstance(operand, Traced):
            if not operand.value:
                assert operand.fill is not None
                one = self.graph.constant(operand.fill, numpy_name(operand.dtype))
                operand.value = self.op("Expand", one, self.sizes(operand.shape))
            return operand.value if dtype in (None, operand.dtype) else self.cast(operand.value, dtype)
        if isinstance(operand, Moving):
            one = self.op("Squeeze", self.sizes([operand]), self.ints(0))
            return one if dtype in (None, torch.int64) else self.cast(one, dtype)
        return self.graph.constant(self.array(operand, dtype))

    def array(self, constant: Operand, dtype: torch.dtype | None = None) -> np.ndarray:
        """A constant as an array."""
        assert not isinstance(constant, Traced | Moving)
        if not isinstance(constant, Tensor):
            return np.asarray(constant, dtype=None if dtype is None else numpy_name(dtype))
        plain = constant.detach() if dtype is None else constant.detach().to(dtype)
        return np.asarray(plain.resolve_conj().resolve_neg().cpu().numpy())

    def cast(self, value: Value, dtype: torch.dtype | None) -> Value:
        """In another element type."""
        return value if dtype is None else self.graph.cast(value, numpy_name(dtype))

    def ints(self, *numbers: int) -> Value:
        """Whole numbers as a constant ``(n,)``."""
        return self.graph.constant(np.asarray(numbers, dtype=np.int64))

    def scalar(self, number: float, dtype: torch.dtype | None = None) -> Value:
        """One number as a constant, in the result's type unless told otherwise."""
        return self.graph.constant(number, numpy_name(dtype or self.result.dtype))

    def sizes(self, sizes: Sequence[Any]) -> Value:
        """Sizes as int64 ``(n,)``."""
        if not any(isinstance(size, Moving) for size in sizes):
            return self.ints(*sizes)
        parts = []
        for size in sizes:
            if isinstance(size, Free):
                raise self.refusal("a size that follows the length of a series in no simple way is asked for")
            if not isinstance(size, Rows | Steps):
                parts.append(self.ints(size))
                continue
            found = self._measured(size)
            found = found if size.factor == 1 else self.op("Mul", found, self.ints(size.factor))
            parts.append(found if size.extra == 0 else self.op("Add", found, self.ints(size.extra)))
        return parts[0] if len(parts) == 1 else self.op("Concat", *parts, axis=0)

    def _measured(self, size: Rows | Steps) -> Value:
        """The number of rows, or the length of the free axis, as int64 ``(1,)``."""
        if isinstance(size, Rows):
            return self.op("Shape", self._batch, start=0, end=1)
        assert self._free is not None, "there is no such size without a free axis"
        value, axis = self._free
        return self.op("Shape", value, start=axis, end=axis + 1)

    def reshape(self, value: Value, sizes: Sequence[Any], before: Sequence[Any] = ()) -> Value:
        """In another shape; one size that moves is left for the runtime to find.

        Where several move, those that stand where they stood ``before`` are taken from there.
        """
        asked = list(sizes)
        if sum(isinstance(size, Moving) for size in asked) > 1:
            asked = [0 if [one] == list(before[place : place + 1]) else one for place, one in enumerate(asked)]
        if sum(isinstance(size, Moving) for size in asked) <= 1 and 0 not in sizes:
            return self.op("Reshape", value, self.ints(*(-1 if isinstance(s, Moving) else s for s in asked)))
        return self.op("Reshape", value, self.sizes(sizes))

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """Axes in another order."""
        same = list(order) == list(range(len(order)))
        return value if same else self.op("Transpose", value, perm=list(order))

    def refusal(self, reason: str) -> RequestError:
        """An error that names the operation, the module and what is wrong."""
        where = self.node.path or "the module"
        return RequestError(f"The operation {self.node.op} at {where} cannot be exported: {reason}.")


def shape_of(operand: Operand) -> tuple[Any, ...]:
    """Sizes of an operand; numbers have none."""
    return tuple(operand.shape) if isinstance(operand, Traced | Tensor) else ()


def dtype_of(operand: Operand) -> torch.dtype | None:
    """Element type of an operand; None for numbers of Python."""
    return operand.dtype if isinstance(operand, Traced | Tensor) else None


def common_dtype(a: Operand, b: Operand) -> torch.dtype:
    """The type that PyTorch would compute in."""
    stand_ins: list[Any] = []
    for one in (a, b):
        dtype = dtype_of(one)
        number = 0 if isinstance(one, Moving) else one
        stand_ins.append(number if dtype is None else torch.empty((1,) if shape_of(one) else (), dtype=dtype))
    return torch.result_type(*stand_ins)


def fixed(writer: Writer, sizes: Sequence[Any], what: str) -> list[int]:
    """Sizes that must not follow the batch, or the length of a free axis."""
    if any(isinstance(size, Moving) for size in sizes):
        follows = "the number of rows" if any(isinstance(size, Rows) for size in sizes) else "the length of the series"
        raise writer.refusal(f"{what} follows {follows}")
    return [int(size) for size in sizes]


def numpy_name(dtype: torch.dtype) -> str:
    """NumPy's name of an element type.

    Raises
    ------
    RequestError
        For those that NumPy has not, such as bfloat16.
    """
    name = str(dtype).removeprefix("torch.")
    if name == "bfloat16":
        raise RequestError("A network with numbers in bfloat16 cannot be exported; bring it to float32 first: .float()")
    return name
