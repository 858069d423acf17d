"""Batch, layer, group, instance and root-mean-square normalisation, in evaluation mode; softmax."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, fixed, writes

aten = torch.ops.aten


@writes(aten.batch_norm, aten.native_batch_norm)
def batch_norm(w: Writer, x: Traced, weight: Tensor | None, bias: Tensor | None, *_: Any) -> Value:
    mean, variance, eps = w.asked["running_mean"], w.asked["running_var"], w.asked["eps"]
    if w.asked.get("training") or mean is None or variance is None:
        raise w.refusal("it takes statistics of the batch in evaluation mode (track_running_stats=False)")
    if len(x.shape) == 2:
        factor, shift = channel_affine(weight, bias, mean, variance, eps)
        return w.op("Add", w.op("Mul", w.value(x), w.value(factor)), w.value(shift))
    sides = [
        w.value(one if one is not None else torch.full((x.shape[1],), fill))
        for one, fill in ((weight, 1.0), (bias, 0.0))
    ]
    return w.op("BatchNormalization", w.value(x), *sides, w.value(mean), w.value(variance), epsilon=float(eps))


def channel_affine(
    weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """Factor and shift of every channel that a batch normalisation comes to, float32, computed in float64."""
    factor = (variance.double() + eps).rsqrt()
    factor = factor if weight is None else factor * weight.double()
    shift = -mean.double() * factor
    shift = shift if bias is None else shift + bias.double()
    return factor.to(mean.dtype), shift.to(mean.dtype)


@writes(aten.layer_norm, aten.native_layer_norm)
def layer_norm(
    w: Writer, x: Traced, shape: Sequence[int], weight: Operand | None = None, bias: Operand | None = None, *_: Any
) -> Value:
    scale = w.value(torch.ones(list(shape)) if weight is None else weight, x.dtype)
    operands = [scale] if bias is None else [scale, w.value(bias)]
    return w.op("LayerNormalization", w.value(x), *operands, axis=-len(shape), epsilon=float(w.asked["eps"]))


@writes(aten.rms_norm)
def rms_norm(
    w: Writer, x: Traced, shape: Sequence[int], weight: Operand | None = None, eps: float | None = None
) -> Value:
    axes = w.ints(*range(-len(shape), 0))
    value = w.value(x)
    mean = w.op("ReduceMean", w.op("Mul", value, value), axes, keepdims=1)
    least = torch.finfo(x.dtype).eps if eps is None else eps
    found = w.op("Div", value, w.op("Sqrt", w.op("Add", mean, w.scalar(least))))
    return found if weight is None else w.op("Mul", found, w.value(weight))


@writes(aten.group_norm)
def group_norm(
    w: Writer, x: Traced, groups: int, weight: Operand | None = None, bias: Operand | None = None, *_: Any
) -> Value:
    """A layer normalisation of every group, then the factors of the channels."""
    size = math.prod(fixed(w, x.shape[1:], "the size of a row")) // groups
    grouped = w.reshape(w.value(x), [x.shape[0], groups, size])
    ones, eps = w.value(torch.ones(size)), float(w.asked["eps"])
    value = w.reshape(w.op("LayerNormalization", grouped, ones, axis=-1, epsilon=eps), x.shape)
    for kind, factors in (("Mul", weight), ("Add", bias)):
        if factors is not None:
            value = w.op(kind, value, w.reshape(w.value(factors), [-1, *[1] * (len(x.shape) - 2)]))
    return value


@writes(aten.instance_norm)
def instance_norm(w: Writer, x: Traced, weight: Tensor | None, bias: Tensor | None, *_: Any) -> Value:
    if not w.asked["use_input_stats"]:
        return batch_norm(w, x, weight, bias)
    return group_norm(w, x, fixed(w, x.shape[1:2], "the channels")[0], weight, bias)


@writes(aten.softmax, aten._softmax, aten.log_softmax, aten._log_softmax)
def softmax(w: Writer, x: Traced, dim: int, *_: Any, **__: Any) -> Value:
    return w.op("LogSoftmax" if "log" in w.name else "Softmax", w.value(x, w.result.dtype), axis=dim)
