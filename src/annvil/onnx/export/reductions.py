"""Sums, means, extremes, places of extremes and running sums along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.dynamic_batch import Moving, Rows
from annvil.onnx.export.writer import Traced, Writer, fixed, writes

aten = torch.ops.aten


_KINDS = {
    aten.sum: "ReduceSum",
    aten.mean: "ReduceMean",
    aten.prod: "ReduceProd",
    aten.amax: "ReduceMax",
    aten.amin: "ReduceMin",
}


def _axes(x: Traced, dims: Any) -> list[int]:
    """Axes as numbers from 0; all of them for None or none."""
    n = len(x.shape)
    return [axis % n for axis in ([dims] if isinstance(dims, int) else dims or range(n))]


def _reduced(w: Writer, kind: str, x: Traced, value: Value, dims: Any, keep: bool) -> Value:
    """One number for what lies along ``dims`` (None or none: along all) in a value of the shape of ``x``."""
    return w.op(kind, value, w.ints(*_axes(x, dims)), keepdims=int(keep)) if x.shape else value


@writes(*_KINDS)
def reduction(w: Writer, x: Traced, dims: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Value:
    return _reduced(w, _KINDS[w.packet], x, w.value(x, w.result.dtype), dims, keepdim)


@writes(aten.max, aten.min)
def extreme(w: Writer, x: Traced, dim: Any = None, keepdim: bool = False) -> Any:
    kind = w.name.capitalize()  # "Max" or "Min"
    if isinstance(dim, Traced | torch.Tensor):
        return w.op(kind, w.value(x, w.result.dtype), w.value(dim, w.result.dtype))
    value = _reduced(w, f"Reduce{kind}", x, w.value(x), dim, keepdim)
    return value if dim is None else [value, _place(w, f"Arg{kind}", x, dim, keepdim)]


@writes(aten.argmax, aten.argmin)
def place_of_extreme(w: Writer, x: Traced, dim: int | None = None, keepdim: bool = False) -> Value:
    if dim is None:
        raise w.refusal("without a dim it looks across rows")
    return _place(w, "ArgMax" if w.packet is aten.argmax else "ArgMin", x, dim, keepdim)


def _place(w: Writer, kind: str, x: Traced, dim: int, keepdim: bool) -> Value:
    return w.op(kind, w.value(x), axis=dim % len(x.shape), keepdims=int(keepdim))


@writes(aten.any, aten.all)
def truth(w: Writer, x: Traced, dim: Any = None, keepdim: bool = False) -> Value:
    numbers = w.cast(w.value(x, torch.bool), torch.int32)
    kind = "ReduceMax" if w.packet is aten.any else "ReduceMin"
    return w.cast(_reduced(w, kind, x, numbers, dim, keepdim), torch.bool)


@writes(aten.std, aten.var, aten.std_mean, aten.var_mean)
def variance(w: Writer, x: Traced, *_: Any, **__: Any) -> Any:
    keepdim, correction = w.asked.get("keepdim", False), w.asked.get("correction", w.asked.get("unbiased"))
    correction = 1 if correction is None else float(correction)
    axes, value, count = _axes(x, w.asked.get("dim")), w.value(x), 1
    for axis in axes:
        if isinstance(x.shape[axis], Rows):
            raise w.refusal("it is taken over the rows of a batch")
        if correction:  # without one nobody counts
            count *= fixed(w, [x.shape[axis]], "what it is taken over, with a correction,")[0]
    middle = _reduced(w, "ReduceMean", x, value, axes, True)
    away = w.op("Sub", value, middle)
    found = _reduced(w, "ReduceMean", x, w.op("Mul", away, away), axes, keepdim)
    if correction:
        found = w.op("Mul", found, w.scalar(count / (count - correction) if count > correction else math.nan))
    found = w.op("Sqrt", found) if w.name.startswith("std") else found
    if "mean" not in w.name:
        return found
    return [found, middle if keepdim else w.op("Squeeze", middle, w.ints(*axes))]


@writes(aten.linalg_vector_norm, aten.norm)
def norm(w: Writer, x: Traced, order: Any = 2, *_: Any, **__: Any) -> Value:
    value = w.value(x)

    def along(kind: str, numbers: Value) -> Value:
        return _reduced(w, kind, x, numbers, w.asked.get("dim"), w.asked.get("keepdim", False))

    if order == math.inf:
        return along("ReduceMax", w.op("Abs", value))
    if order == 1:
        return along("ReduceSum", w.op("Abs", value))
    if order in (2, None):
        return w.op("Sqrt", along("ReduceSum", w.op("Mul", value, value)))
    powers = w.op("Pow", w.op("Abs", value), w.scalar(float(order)))
    return w.op("Pow", along("ReduceSum", powers), w.scalar(1 / order))


@writes(aten.cumsum)
def cumsum(w: Writer, x: Traced, dim: int, *, dtype: Any = None) -> Value:
    return w.op("CumSum", w.value(x, w.result.dtype), w.graph.constant(dim, "int64"))


@writes(aten.topk)
def topk(w: Writer, x: Traced, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Sequence[Value]:
    return w.graph.ops("TopK", w.value(x), w.ints(k), n_outputs=2, axis=dim, largest=int(largest), sorted=1)


@writes(aten.sort)
def sort(w: Writer, x: Traced, *_: Any, **__: Any) -> Sequence[Value]:
    dim = w.asked["dim"]
    if isinstance(x.shape[dim], Rows):
        raise w.refusal("it sorts the rows of a batch")
    largest, value, axis = int(w.asked["descending"]), w.value(x), dim % len(x.shape)
    moves = isinstance(x.shape[dim], Moving)
    n = w.op("Shape", value, start=axis, end=axis + 1) if moves else w.ints(x.shape[dim])
    return w.graph.ops("TopK", value, n, n_outputs=2, axis=dim, largest=largest, sorted=1)
