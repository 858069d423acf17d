"""Sums, means, extremes, places of extremes and running sums along axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.dynamic_batch import Rows
from annvil.onnx.export.writer import Traced, Writer, writes

aten = torch.ops.aten


def reduced(w: Writer, kind: str, value: Value, dims: Any, n_axes: int, keep: bool) -> Value:
    """One number for what lies along ``dims`` (None or none: along all)."""
    axes = [dims] if isinstance(dims, int) else list(range(n_axes)) if not dims else list(dims)
    if not n_axes:
        return value
    return w.op(kind, value, w.ints(*(axis % n_axes for axis in axes)), keepdims=int(keep))


@writes(aten.sum)
def total(w: Writer, x: Traced, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    return reduced(w, "ReduceSum", w.value(x, w.result.dtype), dims, len(x.shape), keepdim)


@writes(aten.mean)
def mean(w: Writer, x: Traced, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    return reduced(w, "ReduceMean", w.value(x, w.result.dtype), dims, len(x.shape), keepdim)


@writes(aten.prod)
def product(w: Writer, x: Traced, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    return reduced(w, "ReduceProd", w.value(x, w.result.dtype), dims, len(x.shape), keepdim)


@writes(aten.amax, aten.amin)
def extreme(w: Writer, x: Traced, dims: Any = (), keepdim: bool = False) -> Value:
    kind = "ReduceMax" if w.node.op.overloadpacket is aten.amax else "ReduceMin"
    return reduced(w, kind, w.value(x), dims, len(x.shape), keepdim)


@writes(aten.max, aten.min)
def extreme_and_place(w: Writer, x: Traced, dim: Any = None, keepdim: bool = False) -> Any:
    largest = w.node.op.overloadpacket is aten.max
    if isinstance(dim, Traced | torch.Tensor):
        return w.op("Max" if largest else "Min", w.value(x, w.result.dtype), w.value(dim, w.result.dtype))
    value = reduced(w, "ReduceMax" if largest else "ReduceMin", w.value(x), dim, len(x.shape), keepdim)
    return value if dim is None else [value, _place(w, x, largest, dim, keepdim)]


@writes(aten.argmax, aten.argmin)
def place_of_extreme(w: Writer, x: Traced, dim: int | None = None, keepdim: bool = False) -> Value:
    if dim is None:
        raise w.refusal("without a dim it looks across rows")
    return _place(w, x, w.node.op.overloadpacket is aten.argmax, dim, keepdim)


def _place(w: Writer, x: Traced, largest: bool, dim: int, keepdim: bool) -> Value:
    return w.op("ArgMax" if largest else "ArgMin", w.value(x), axis=dim % len(x.shape), keepdims=int(keepdim))


@writes(aten.any, aten.all)
def truth(w: Writer, x: Traced, dim: Any = None, keepdim: bool = False) -> Value:
    kind = "ReduceMax" if w.node.op.overloadpacket is aten.any else "ReduceMin"
    numbers = w.cast(w.value(x, torch.bool), torch.int32)
    return w.cast(reduced(w, kind, numbers, dim, len(x.shape), keepdim), torch.bool)


@writes(aten.std, aten.var, aten.std_mean, aten.var_mean)
def variance(w: Writer, x: Traced, dims: Any = None, unbiased: Any = True, keepdim: bool = False, **named: Any) -> Any:
    n = len(x.shape)
    if isinstance(dims, bool):
        dims, unbiased = None, dims
    correction = named.get("correction", 1 if unbiased else 0)
    correction = 1 if correction is None else correction
    axes = [dims] if isinstance(dims, int) else list(range(n)) if not dims else list(dims)
    value, count = w.value(x), 1
    for axis in axes:
        if isinstance(x.shape[axis], Rows):
            raise w.refusal("it is taken over the rows of a batch")
        count *= x.shape[axis]
    middle = reduced(w, "ReduceMean", value, axes, n, True)
    away = w.op("Sub", value, middle)
    found = reduced(w, "ReduceMean", w.op("Mul", away, away), axes, n, keepdim)
    if correction:
        found = w.op("Mul", found, w.scalar(count / max(count - correction, 0) if count > correction else float("nan")))
    found = w.op("Sqrt", found) if w.node.op._opname.startswith("std") else found
    if "mean" not in w.node.op._opname:
        return found
    return [found, middle if keepdim else w.op("Squeeze", middle, w.ints(*(axis % n for axis in axes)))]


@writes(aten.linalg_vector_norm, aten.norm)
def norm(w: Writer, x: Traced, order: Any = 2, dims: Any = None, keepdim: bool = False, **named: Any) -> Value:
    dims, keepdim = named.get("dim", dims), named.get("keepdim", keepdim)
    order = 2 if order is None else order
    value, n = w.value(x), len(x.shape)
    if order == float("inf"):
        return reduced(w, "ReduceMax", w.op("Abs", value), dims, n, keepdim)
    if order == 1:
        return reduced(w, "ReduceSum", w.op("Abs", value), dims, n, keepdim)
    if order == 2:
        return w.op("Sqrt", reduced(w, "ReduceSum", w.op("Mul", value, value), dims, n, keepdim))
    powers = w.op("Pow", w.op("Abs", value), w.scalar(float(order)))
    return w.op("Pow", reduced(w, "ReduceSum", powers, dims, n, keepdim), w.scalar(1 / order))


@writes(aten.logsumexp)
def logsumexp(w: Writer, x: Traced, dims: Any, keepdim: bool = False) -> Value:
    n, value = len(x.shape), w.value(x)
    most = reduced(w, "ReduceMax", value, dims, n, True)
    powers = w.op("Exp", w.op("Sub", value, most))
    found = w.op("Add", w.op("Log", reduced(w, "ReduceSum", powers, dims, n, True)), most)
    axes = [dims] if isinstance(dims, int) else list(dims)
    return found if keepdim else w.op("Squeeze", found, w.ints(*(axis % n for axis in axes)))


@writes(aten.cumsum)
def cumsum(w: Writer, x: Traced, dim: int, *, dtype: Any = None) -> Value:
    return w.op("CumSum", w.value(x, w.result.dtype), w.graph.constant(dim, "int64"))


@writes(aten.topk)
def topk(w: Writer, x: Traced, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sequence[Value]:
    return w.graph.ops("TopK", w.value(x), w.ints(k), n_outputs=2, axis=dim, largest=int(largest), sorted=1)


@writes(aten.sort)
def sort(w: Writer, x: Traced, dim: int = -1, descending: bool = False, **named: Any) -> Sequence[Value]:
    size = x.shape[dim]
    if isinstance(size, Rows):
        raise w.refusal("it sorts the rows of a batch")
    if "stable" in w.node.op._overloadname:
        dim, descending = named.get("dim", -1), named.get("descending", False)
    return w.graph.ops("TopK", w.value(x), w.ints(size), n_outputs=2, axis=dim, largest=int(descending), sorted=1)
