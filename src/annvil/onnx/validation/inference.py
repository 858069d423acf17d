"""What a graph makes, worked out before anything runs: element types, sizes, memory and work.

Every operator on the list of `annvil.onnx.validator` has a rule (`operator_rules`). Sizes are numbers: the graph is
walked for a given number of rows, and where the other sizes of an input vary (pictures of any size) they are taken as
`VARYING`. Small values that follow from sizes and constants alone are computed, since graphs reshape and expand by
them; a graph whose sizes hang on the values of its inputs is refused, and so is one that divides whole numbers by what
may be 0 or -1, which ends the process on many processors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import BundleError
from annvil.onnx.validation.graph_reader import Node, ReadGraph
from annvil.onnx.validation.operator_call import SMALL, Call, Shape, Value
from annvil.onnx.validation.operator_rules import RULES, slices, together
from annvil.onnx.validation.tensor_reader import ELEMENTS, STRING, refusal

VARYING = 512
"""Where the size of an input varies and is not its number of rows (assumed: a usual picture)."""

MOST_BYTES = 2 << 30
"""Held at once for one row, beside constants (assumed: the widest networks for pictures take some hundreds of MB)."""

MOST_WORK = 10**12
"""Products and sums for one row (assumed: the largest usual networks for pictures take 4e11)."""

BLOCK_BYTES = 1 << 30
"""Held at once for the rows that are given to a graph together (assumed)."""


@dataclass(frozen=True)
class Cost:
    """Most bytes held at once, products and sums, and every value by name."""

    n_bytes: int
    work: int
    values: dict[str, Value]


def cost(graph: ReadGraph, n_rows: int, most_bytes: int = MOST_BYTES, most_work: int = MOST_WORK) -> Cost:
    """What the graph takes for some rows.

    Raises
    ------
    BundleError
        When it takes more than may be, or cannot be worked out.
    """
    values: dict[str, Value] = {}
    for name, constant in graph.constants.items():
        values[name] = Value(constant.element, constant.shape, constant.values)
    for name, (element, sizes) in graph.inputs.items():
        if name in values or (element not in ELEMENTS and element != STRING):
            raise refusal(f"its graph has an input {name[:60]!r} that Annvil does not write")
        rest = tuple(VARYING if size is None else size for size in sizes[1:])
        values[name] = Value(element, ((n_rows if sizes[0] is None else sizes[0]), *rest) if sizes else ())
    last_use = {name: place for place, node in enumerate(graph.nodes) for name in node.inputs}
    held: dict[str, int] = {}
    most, work = 0, 0
    for place, node in enumerate(graph.nodes):
        made, node_work, scratch = _node(node, values)
        work += node_work
        held |= {name: value.n_bytes for name, value in made.items()}
        most = max(most, sum(held.values()) + scratch)
        if most > most_bytes or work > most_work:
            raise refusal(
                f"{node.title} would take {most / 1e9:.1f} GB of memory or {work:.1g} operations for {n_rows} "
                f"row{'s' * (n_rows != 1)}, and {most_bytes / 1e9:.1f} GB and {most_work:.1g} are the most"
            )
        if any(name in values for name in made):
            raise refusal("its graph has two values of one name")
        values |= made
        for name in {*node.inputs, *made}:
            if last_use.get(name, -1) <= place:
                held.pop(name, None)
    return Cost(most, work, values)


def rows_at_once(graph: ReadGraph, most: int) -> int:
    """How many rows, of ``most``, can be given to the graph together within `BLOCK_BYTES`: at least one."""
    n_rows = most
    while n_rows > 1:
        try:
            cost(graph, n_rows, BLOCK_BYTES, MOST_WORK * n_rows)
        except BundleError:
            n_rows //= 2
        else:
            break
    return max(n_rows, 1)


def work_per_row(graph: ReadGraph, n_rows: int = 256) -> float:
    """Products and sums for each of so many rows that are given to the graph together."""
    return cost(graph, n_rows, 1 << 62, 1 << 62).work / n_rows


def _node(node: Node, values: dict[str, Value]) -> tuple[dict[str, Value], int, int]:
    """What a node makes by name, its work, and the bytes it needs meanwhile."""
    missing = next((name for name in node.inputs if name and name not in values), None)
    if missing is not None:
        raise refusal(f"{node.title} reads a value {missing[:60]!r} that nobody made before it")
    inputs = [values[name] if name else None for name in node.inputs]
    while inputs and inputs[-1] is None:
        inputs.pop()
    try:
        with np.errstate(all="ignore"):
            call = Call(node, inputs)
            _check_division(call)
            shapes = RULES.get(node.operator, together)(call)
            elements = _elements(call, len(node.outputs))
            known = _computed(call, shapes[0])
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, StopIteration):
        raise refusal(f"{node.title} does not fit what it is given") from None
    if len(node.outputs) > len(shapes) or any(size < 0 for shape in shapes for size in shape):
        raise refusal(f"{node.title} does not fit what it is given")
    made = {}
    for name, element, shape in zip(node.outputs, elements, shapes, strict=False):
        if name:
            made[name] = Value(element, shape, known if name == node.outputs[0] else None)
    return made, max(call.work, *(prod(shape) for shape in shapes)), call.scratch


def _check_division(call: Call) -> None:
    """Whole numbers are divided by known ones, not 0 and not -1 (the least number by -1 has none); no empty means."""
    if call.node.domain:
        return
    element = call.inputs[0].element if call.inputs and call.inputs[0] is not None else 0
    if element not in ELEMENTS or np.dtype(ELEMENTS[element]).kind not in "iu":
        return
    if call.node.operator in ("Div", "Mod"):
        divisor = call.value(1).values
        if divisor is None or bool(((divisor == 0) | (divisor == -1)).any()):
            raise refusal(f"{call.node.title} divides whole numbers by what may be 0 or -1")
    if call.node.operator in ("ReduceMean", "AveragePool"):
        raise refusal(f"{call.node.title} takes means of whole numbers")


# Element types --------------------------------------------------------------------------------------------------------

_TO_BOOL = frozenset(["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not", "IsNaN"])
_FLOAT, _UINT8, _INT64, _BOOL = 1, 2, 7, 9


def _elements(call: Call, n_outputs: int) -> list[int]:
    node, operator = call.node, call.node.operator
    if operator == "TreeEnsembleRegressor":
        return [_FLOAT]
    if operator == "LabelEncoder":
        kinds = {"values_floats": _FLOAT, "values_int64s": _INT64, "values_strings": STRING}
        return [next(element for name, element in kinds.items() if name in node.attributes)]
    if operator in _TO_BOOL:
        return [_BOOL]
    if operator in ("Shape", "ArgMax", "ArgMin"):
        return [_INT64]
    if operator == "Cast":
        to = call.get("to", 0)
        if to not in ELEMENTS and to != STRING:
            raise ValueError("no such type")
        return [int(to)]
    if operator == "QuantizeLinear":
        return [call.value(2).element if call.has(2) else _UINT8]
    first = call.value(1 if operator in ("Where", "DequantizeLinear") else 0).element
    if operator in ("TopK", "MaxPool"):
        return [first, _INT64]
    return [first] * max(n_outputs, 1)


# Small values that follow from sizes ----------------------------------------------------------------------------------


def _divided(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(np.trunc(a / b).astype(a.dtype) if a.dtype.kind in "iu" else a / b)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Ceil": np.ceil,
    "Div": _divided,
    "Equal": np.equal,
    "Floor": np.floor,
    "Max": lambda *values: functools.reduce(np.maximum, values),
    "Min": lambda *values: functools.reduce(np.minimum, values),
    "Mul": np.multiply,
    "Neg": np.negative,
    "Round": np.round,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Where": np.where,
}


def _computed(call: Call, shape: Shape) -> NDArray[Any] | None:
    """What a node makes of small known values, where sizes may follow from it."""
    operator = call.node.operator
    if operator == "Shape":
        return np.array(call.shape()[slice(call.get("start", 0), call.node.attributes.get("end"))], np.int64)
    values = [None if value is None else value.values for value in call.inputs]
    if prod(shape) > SMALL or any(value is None or value.size > SMALL for value in values):
        return None
    first, *others = values
    if operator == "Cast":
        to = call.get("to", 0)
        return None if to == STRING else first.astype(ELEMENTS[to])  # type: ignore[union-attr]
    if operator == "Concat":
        return np.concatenate(values, axis=call.axis(0))  # type: ignore[arg-type]
    if operator == "Gather":
        return np.take(first, others[0], axis=call.axis(0))  # type: ignore[arg-type]
    if operator == "Slice":
        for axis, part in slices(call):
            first = first[(slice(None),) * axis + (part,)]  # type: ignore[index]
        return first
    if operator == "Expand":
        return np.broadcast_to(first, shape)  # type: ignore[arg-type]
    if operator in ("Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten"):
        return first.reshape(shape)  # type: ignore[union-attr]
    return np.asarray(_FUNCTIONS[operator](*values)) if operator in _FUNCTIONS else None
