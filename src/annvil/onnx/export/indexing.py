"""Elements by their places: slices, tables looked up, tensors as indices, parts that are set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.dynamic_batch import Free, Moving
from annvil.onnx.export.shapes import part_of
from annvil.onnx.export.writer import Operand, Traced, Writer, fixed, shape_of, writes

aten = torch.ops.aten

_END = 2**62


@writes(aten.select)
def select(w: Writer, x: Traced, dim: int, index: Any) -> Value:
    place = w.value(index) if isinstance(index, Moving) else w.graph.constant(index, "int64")
    return w.op("Gather", w.value(x), place, axis=dim)


@writes(aten.slice)
def cut(w: Writer, x: Traced, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    # Sizes that nobody knows look alike, whatever is cut off.
    whole = not isinstance(x.shape[dim], Free) or (
        start in (None, 0) and (end is None or (isinstance(end, int) and end >= _END))
    )
    if w.result.shape == x.shape and step == 1 and whole:
        return x
    start, end = 0 if start is None else start, _END if end is None else min(end, _END) if isinstance(end, int) else end
    bounds = [w.sizes([bound]) for bound in (start, end)]
    return w.op("Slice", w.value(x), *bounds, w.ints(dim % len(x.shape)), w.ints(step))


@writes(aten.embedding)
def embedding(w: Writer, table: Operand, places: Operand, *_: Any, **__: Any) -> Value:
    return w.op("Gather", w.value(table), w.value(places), axis=0)


@writes(aten.gather)
def gather(w: Writer, x: Operand, dim: int, places: Operand, **_: Any) -> Value:
    if shape_of(places)[:dim] != shape_of(x)[:dim]:
        raise w.refusal("indices must have the shape of the tensor before the axis that they choose from")
    return w.op("GatherElements", w.value(x), w.value(places, torch.int64), axis=dim)


@writes(aten.index)
def index(w: Writer, x: Operand, indices: Sequence[Operand | None]) -> Value:
    """Tensors as indices: one is a gathering along its axis; several beside each other are one along a joined axis."""
    chosen = [place for place, one in enumerate(indices) if one is not None]
    first, last = chosen[0], chosen[-1]
    if chosen != list(range(first, last + 1)):
        raise w.refusal("indices with a whole axis between them are not known here")
    places = [w.value(one, torch.int64) for one in indices if one is not None]
    if len(chosen) == 1:
        return w.op("Gather", w.value(x), places[0], axis=first)
    sizes, place = list(shape_of(x)), ""
    joined = fixed(w, sizes[first : last + 1], "an indexed axis")
    for one, size in zip(places, joined, strict=True):
        one = w.op("Mod", one, w.scalar(size, torch.int64))
        place = one if not place else w.op("Add", w.op("Mul", place, w.scalar(size, torch.int64)), one)
    flat = w.reshape(w.value(x), [*sizes[:first], math.prod(joined), *sizes[last + 1 :]])
    return w.op("Gather", flat, place, axis=first)


@writes(aten.select_scatter)
def select_scatter(w: Writer, x: Traced, part: Operand, dim: int, place: int) -> Value:
    (size,) = fixed(w, [x.shape[dim]], "the axis")
    dim, place = dim % len(x.shape), place % size
    whole = w.op("Unsqueeze", w.value(part, x.dtype), w.ints(dim))
    return _between(w, x, whole, dim, place, place + 1, size)


@writes(aten.slice_scatter)
def slice_scatter(
    w: Writer, x: Traced, part: Operand, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
) -> Value:
    dim %= len(x.shape)
    if shape_of(part) == x.shape:
        return w.value(part, x.dtype)
    (size,) = fixed(w, [x.shape[dim]], "the axis")
    first, last, _ = slice(start, end, step).indices(size)
    if step == 1:
        return _between(w, x, w.value(part, x.dtype), dim, first, last, size)
    places = torch.full((size,), -1, dtype=torch.int64)
    chosen = torch.arange(first, last, step)
    places[chosen] = torch.arange(len(chosen))
    spread = w.op("Gather", w.value(part, x.dtype), w.value(places.clamp(min=0)), axis=dim)
    mask = (places >= 0).reshape(-1, *[1] * (len(x.shape) - dim - 1))
    return w.op("Where", w.value(mask), spread, w.value(x))


def _between(w: Writer, x: Traced, part: Value, dim: int, start: int, stop: int, size: int) -> Value:
    value = w.value(x)
    before = [part_of(w, value, dim, 0, start)] if start > 0 else []
    behind = [part_of(w, value, dim, stop, size)] if stop < size else []
    return w.op("Concat", *before, part, *behind, axis=dim) if before or behind else part


@writes(aten.index_put)
def index_put(
    w: Writer, x: Traced, indices: Sequence[Operand | None], values: Operand, accumulate: bool = False
) -> Value:
    mask = indices[0]
    by_truth = len(indices) == 1 and mask is not None and getattr(mask, "dtype", None) == torch.bool
    if not by_truth or accumulate or (len(shape_of(values)) > 0 and shape_of(values) != (1,)):
        raise w.refusal("only one number can be put where a mask of truth values says so")
    assert mask is not None
    behind, value = len(x.shape) - len(shape_of(mask)), w.value(mask)
    value = w.reshape(value, [*shape_of(mask), *[1] * behind]) if behind else value
    return w.op("Where", value, w.value(values, x.dtype), w.value(x))


@writes(aten.diagonal)
def diagonal(w: Writer, x: Traced, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Value:
    n = len(x.shape)
    first, second = dim1 % n, dim2 % n
    rest = [axis for axis in range(n) if axis not in (first, second)]
    rows, columns = fixed(w, [x.shape[first], x.shape[second]], "the matrix")
    places = torch.arange(rows * columns).reshape(rows, columns).diagonal(offset)
    lines = w.reshape(w.transpose(w.value(x), [*rest, first, second]), [*(x.shape[a] for a in rest), rows * columns])
    return w.op("Gather", lines, w.value(places), axis=n - 2)
