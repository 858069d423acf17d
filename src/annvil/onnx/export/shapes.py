"""Other shapes and orders of the same numbers, tensors put together and taken apart, tensors of one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.dynamic_batch import Moving
from annvil.onnx.export.writer import Operand, Traced, Writer, fixed, shape_of, writes

aten = torch.ops.aten


@writes(aten.view, aten.reshape, aten._unsafe_view, aten.flatten, aten.unflatten, aten.unsqueeze, aten.squeeze)
def reshape(w: Writer, x: Traced, *_: Any, **__: Any) -> Any:
    if len(w.node.args) > 1 and isinstance(w.node.args[1], torch.dtype):
        raise w.refusal("bits cannot be looked at as another type")
    if w.result.shape == x.shape:
        return x
    if x.fill is not None and not x.value:
        return Traced(w.result.shape, x.dtype, fill=x.fill)
    return w.reshape(w.value(x), w.result.shape, before=x.shape)


@writes(aten.transpose, aten.t, aten.numpy_T, aten.mT)
def transpose(w: Writer, x: Traced, a: int = -2, b: int = -1) -> Value:
    order = list(range(len(x.shape)))
    if len(order) > 1:
        order[a], order[b] = order[b], order[a]
    return w.transpose(w.value(x), order)


@writes(aten.permute)
def permute(w: Writer, x: Traced, order: Sequence[int]) -> Value:
    return w.transpose(w.value(x), [axis % len(order) for axis in order])


@writes(aten.expand)
def expand(w: Writer, x: Operand, sizes: Sequence[Any], *, implicit: bool = False) -> Any:
    if w.result.shape == shape_of(x):
        return x
    if isinstance(x, Traced) and x.fill is not None and not x.value:
        return Traced(w.result.shape, x.dtype, fill=x.fill)
    return w.op("Expand", w.value(x), w.sizes(w.result.shape))


@writes(aten.cat)
def cat(w: Writer, parts: Sequence[Operand], dim: int = 0) -> Value:
    filled = [w.value(part, w.result.dtype) for part in parts if 0 not in shape_of(part)]
    return filled[0] if len(filled) == 1 else w.op("Concat", *filled, axis=dim % len(w.result.shape))


@writes(aten.split, aten.chunk, aten.split_with_sizes, aten.tensor_split, aten.unsafe_split, aten.unsafe_chunk)
@writes(aten.unsafe_split_with_sizes)
def split(w: Writer, x: Traced, _parts: Any, dim: int = 0) -> list[Value]:
    dim %= len(x.shape)
    found, start = [], 0
    for meta in w.node.results:
        assert meta is not None
        (size,) = fixed(w, [meta.shape[dim]], "the size of the parts")
        found.append(part_of(w, w.value(x), dim, start, start + size))
        start += size
    return found


@writes(aten.unbind)
def unbind(w: Writer, x: Traced, dim: int = 0) -> list[Value]:
    places = [w.graph.constant(place, "int64") for place in range(len(w.node.results))]
    return [w.op("Gather", w.value(x), place, axis=dim % len(x.shape)) for place in places]


def part_of(w: Writer, value: Value, axis: int, start: int, stop: int) -> Value:
    """A slice along one axis."""
    return w.op("Slice", value, w.ints(start), w.ints(stop), w.ints(axis), w.ints(1))


@writes(aten.flip)
def flip(w: Writer, x: Traced, dims: Sequence[int]) -> Value:
    value, n = w.value(x), len(dims)
    least = -(2**62)
    return w.op("Slice", value, w.ints(*[-1] * n), w.ints(*[least] * n), w.ints(*dims), w.ints(*[-1] * n))


@writes(aten.constant_pad_nd, aten.pad, aten.reflection_pad1d, aten.reflection_pad2d, aten.reflection_pad3d)
@writes(aten.replication_pad1d, aten.replication_pad2d, aten.replication_pad3d)
def pad(w: Writer, x: Traced, sizes: Sequence[Any], *_: Any, **__: Any) -> Value:
    named = "reflect" if "reflection" in w.name else "replicate" if "replication" in w.name else "constant"
    mode, value = w.asked.get("mode", named), w.asked.get("value")
    n = len(x.shape)
    around = [0] * (2 * n)
    for place, size in enumerate(fixed(w, sizes, "a margin")):
        around[n - 1 - place // 2 + (n if place % 2 else 0)] = size
    kinds = {"constant": "constant", "reflect": "reflect", "replicate": "edge"}
    if mode not in kinds:
        raise w.refusal(f"padding of the kind {mode!r} is not known here")
    filler = [w.scalar(value or 0)] if mode == "constant" else []
    return w.op("Pad", w.value(x), w.ints(*around), *filler, mode=kinds[mode])


@writes(aten.zeros, aten.zeros_like, aten.new_zeros, aten.empty, aten.empty_like, aten.new_empty)
@writes(aten.ones, aten.ones_like, aten.new_ones, aten.full, aten.full_like, aten.new_full)
def filled(w: Writer, *_: Any, **__: Any) -> Any:
    """One number everywhere; its nodes are made when somebody needs them."""
    number, shape, dtype = w.asked.get("fill_value", int("ones" in w.name)), w.result.shape, w.result.dtype
    if isinstance(number, Moving):
        return w.op("Expand", w.value(number, dtype), w.sizes(shape))
    if any(isinstance(size, Moving) for size in shape):
        return Traced(shape, dtype, fill=number)
    return torch.full(shape, number, dtype=dtype)


@writes(aten.fill, aten.zero)
def fill(w: Writer, x: Traced, number: Operand = 0) -> Any:
    if isinstance(number, Traced):
        return w.op("Expand", w.value(number, w.result.dtype), w.sizes(x.shape))
    return Traced(x.shape, x.dtype, fill=float(w.array(number)))


@writes(aten.copy)
def copy(w: Writer, x: Traced, source: Operand, non_blocking: bool = False) -> Value:
    value = w.value(source, w.result.dtype)
    return value if shape_of(source) == x.shape else w.op("Expand", value, w.sizes(x.shape))


@writes(aten.arange)
def arange(w: Writer, *bounds: Any, **_: Any) -> Value:
    start, stop, step = {1: (0, *bounds, 1), 2: (*bounds, 1), 3: bounds}[len(bounds)]
    if isinstance(start, Moving) or isinstance(step, Moving) or not isinstance(stop, Moving):
        raise w.refusal("only its end may follow the number of rows")
    steps = w.op("Expand", w.scalar(step, torch.int64), w.sizes(w.result.shape))
    counted = w.op("CumSum", steps, w.graph.constant(0, "int64"), exclusive=1)
    return w.cast(counted if start == 0 else w.op("Add", counted, w.scalar(start, torch.int64)), w.result.dtype)
