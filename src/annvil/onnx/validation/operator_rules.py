"""How large what an operator makes is, and its work: a rule for each that is allowed.

Source: ONNX operators, operator set 20, and ai.onnx.ml 3; a test compares what comes out with what onnxruntime makes.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from annvil.onnx.validation import window_rules
from annvil.onnx.validation.operator_call import Call, Shape, axis_of


def together(call: Call) -> list[Shape]:
    """Element by element, sizes of 1 repeated."""
    return [np.broadcast_shapes(*(value.shape for value in call.inputs if value is not None))]


def _same(call: Call) -> list[Shape]:
    return [call.shape()]


def _reduced(call: Call) -> list[Shape]:
    shape, keeps = call.shape(), call.get("keepdims", 1)
    if call.node.operator.startswith("Arg"):
        axes = [call.axis(0)]
    else:
        axes = call.axes(1, len(shape), () if call.get("noop_with_empty_axes", 0) else None)
    if keeps:
        return [tuple(1 if axis in axes else size for axis, size in enumerate(shape))]
    return [tuple(size for axis, size in enumerate(shape) if axis not in axes)]


def _concat(call: Call) -> list[Shape]:
    axis, shapes = call.axis(0), [call.shape(place) for place in range(len(call.inputs))]
    rests = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
    if len(rests) != 1 or len({len(shape) for shape in shapes}) != 1:
        raise ValueError("unlike shapes")
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _matmul(call: Call) -> list[Shape]:
    a, b = call.shape(0), call.shape(1)
    left, right = (a if len(a) > 1 else (1, *a)), (b if len(b) > 1 else (*b, 1))
    if left[-1] != right[-2]:
        raise ValueError("unlike shapes")
    batch = np.broadcast_shapes(left[:-2], right[:-2])
    call.work = prod(batch) * left[-2] * left[-1] * right[-1]
    return [(*batch, *(() if len(a) == 1 else left[-2:-1]), *(() if len(b) == 1 else right[-1:]))]


def _gemm(call: Call) -> list[Shape]:
    a, b = call.shape(0), call.shape(1)
    rows, inner = a[::-1] if call.get("transA", 0) else a
    other, columns = b[::-1] if call.get("transB", 0) else b
    if inner != other or (call.has(2) and np.broadcast_shapes(call.shape(2), (rows, columns)) != (rows, columns)):
        raise ValueError("unlike shapes")
    call.work = rows * inner * columns
    return [(rows, columns)]


def _einsum(call: Call) -> list[Shape]:
    terms, result = call.get("equation", "").replace(" ", "").split("->")
    sizes: dict[str, int] = {}
    labels: set[str] = set()
    for place, term in enumerate(terms.split(",")):
        shape = call.shape(place)
        if len(term) != len(shape) or not term.isalpha():
            raise ValueError("an equation of another shape")
        for label, size in zip(term, shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1))
        labels |= set(term)
        if place:
            call.work += prod(sizes[label] for label in labels)
        later = set(result).union(*terms.split(",")[place + 1 :])
        call.scratch += 8 * prod(sizes[label] for label in labels & later)
    return [tuple(sizes[label] for label in result)]


def _gather(call: Call) -> list[Shape]:
    axis, shape = call.axis(0), call.shape()
    return [(*shape[:axis], *call.shape(1), *shape[axis + 1 :])]


def _reshape(call: Call) -> list[Shape]:
    shape, n_values = call.shape(), prod(call.shape())
    sizes = call.known(1)
    if not call.get("allowzero", 0):
        sizes = [shape[place] if size == 0 else size for place, size in enumerate(sizes)]
    if sizes.count(-1) == 1:
        sizes[sizes.index(-1)] = n_values // max(1, prod(size for size in sizes if size != -1))
    if prod(sizes) != n_values:
        raise ValueError("other sizes")
    return [tuple(sizes)]


def _expand(call: Call) -> list[Shape]:
    return [np.broadcast_shapes(call.shape(), tuple(call.known(1)))]


def _sizes(call: Call) -> list[Shape]:
    return [(len(call.shape()[slice(call.get("start", 0), call.node.attributes.get("end"))]),)]


def _slice(call: Call) -> list[Shape]:
    shape = list(call.shape())
    for axis, part in slices(call):
        shape[axis] = len(range(*part.indices(shape[axis])))
    return [tuple(shape)]


def slices(call: Call) -> list[tuple[int, slice]]:
    starts, ends = call.known(1), call.known(2)
    axes = call.known(3) if call.has(3) else list(range(len(starts)))
    steps = call.known(4) if call.has(4) else [1] * len(starts)
    n_axes = len(call.shape())
    found = [(axis_of(axis, n_axes), slice(*part)) for axis, *part in zip(axes, starts, ends, steps, strict=True)]
    if len({axis for axis, _ in found}) != len(found):
        raise ValueError("an axis twice")
    return found


def _squeeze(call: Call) -> list[Shape]:
    shape = call.shape()
    axes = call.axes(1, len(shape), [axis for axis, size in enumerate(shape) if size == 1])
    if any(shape[axis] != 1 for axis in axes):
        raise ValueError("an axis of more than one")
    return [tuple(size for axis, size in enumerate(shape) if axis not in axes)]


def _unsqueeze(call: Call) -> list[Shape]:
    n_new = len(call.get("axes", []) or call.known(1))
    axes = call.axes(1, len(call.shape()) + n_new, ())
    rest = iter(call.shape())
    return [tuple(1 if axis in axes else next(rest) for axis in range(len(call.shape()) + n_new))]


def _transpose(call: Call) -> list[Shape]:
    shape = call.shape()
    order = call.get("perm", []) or list(range(len(shape)))[::-1]
    if sorted(order) != list(range(len(shape))):
        raise ValueError("no order of the axes")
    return [tuple(shape[axis] for axis in order)]


def _flatten(call: Call) -> list[Shape]:
    shape, axis = call.shape(), call.get("axis", 1)
    axis = axis if axis == len(shape) else axis_of(axis, len(shape))
    return [(prod(shape[:axis]), prod(shape[axis:]))]


def _top_k(call: Call) -> list[Shape]:
    shape, axis, (k,) = call.shape(), call.axis(-1), call.known(1)
    return [(*shape[:axis], k, *shape[axis + 1 :])] * 2


def _normalised(call: Call) -> list[Shape]:
    shape, axis = call.shape(), call.axis(-1)
    rest = (*shape[:axis], *[1] * (len(shape) - axis))
    return [shape, rest, rest]


def _trees(call: Call) -> list[Shape]:
    n_rows, _ = call.shape()
    call.work = n_rows * len(call.node.attributes["nodes_nodeids"])
    return [(n_rows, call.get("n_targets", 1))]


RULES: dict[str, Callable[[Call], list[Shape]]] = {
    **dict.fromkeys(
        [
            "BatchNormalization",
            "Cast",
            "Clip",
            "CumSum",
            "DequantizeLinear",
            "LabelEncoder",
            "LogSoftmax",
            "QuantizeLinear",
            "Softmax",
        ],
        _same,
    ),
    **dict.fromkeys(
        ["ArgMax", "ArgMin", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"],
        _reduced,
    ),
    **dict.fromkeys(("LSTM", "GRU", "RNN"), window_rules.recurrent),
    **dict.fromkeys(("AveragePool", "MaxPool"), window_rules.pooled),
    "Concat": _concat,
    "Conv": window_rules.convolved,
    "ConvTranspose": window_rules.convolved_back,
    "Einsum": _einsum,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": lambda call: [call.shape(1)],
    "Gemm": _gemm,
    "LayerNormalization": _normalised,
    "MatMul": _matmul,
    "Pad": window_rules.pad,
    "Reshape": _reshape,
    "Resize": window_rules.resize,
    "Shape": _sizes,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "TopK": _top_k,
    "Transpose": _transpose,
    "TreeEnsembleRegressor": _trees,
    "Unsqueeze": _unsqueeze,
}
"""All others work element by element."""
