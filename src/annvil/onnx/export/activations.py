"""Activations beyond those that ONNX has under the same name."""

from __future__ import annotations

import math

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, shape_of, writes

aten = torch.ops.aten


@writes(aten.gelu)
def gelu(w: Writer, x: Operand, *, approximate: str = "none") -> Value:
    return w.op("Gelu", w.value(x), approximate=approximate)


@writes(aten.silu)
def silu(w: Writer, x: Operand) -> Value:
    value = w.value(x)
    return w.op("Mul", value, w.op("Sigmoid", value))


@writes(aten.mish)
def mish(w: Writer, x: Operand) -> Value:
    value = w.value(x)  # onnxruntime has no kernel for Mish
    return w.op("Mul", value, w.op("Tanh", w.op("Softplus", value)))


@writes(aten.hardsigmoid)
def hardsigmoid(w: Writer, x: Operand) -> Value:
    return w.op("HardSigmoid", w.value(x), alpha=1 / 6, beta=0.5)


@writes(aten.leaky_relu)
def leaky_relu(w: Writer, x: Operand, slope: float = 0.01) -> Value:
    return w.op("LeakyRelu", w.value(x), alpha=float(slope))


@writes(aten.elu)
def elu(w: Writer, x: Operand, alpha: float = 1, scale: float = 1, input_scale: float = 1) -> Value:
    value = w.value(x)
    if input_scale == 1:
        found = w.op("Elu", value, alpha=float(alpha))
    else:  # celu: exponents are divided, positive numbers are not
        low = w.op("Elu", w.op("Mul", w.op("Min", value, w.scalar(0.0)), w.scalar(input_scale)), alpha=float(alpha))
        found = w.op("Add", w.op("Relu", value), low)
    return found if scale == 1 else w.op("Mul", found, w.scalar(scale))


@writes(aten.celu)
def celu(w: Writer, x: Operand, alpha: float = 1.0) -> Value:
    return elu(w, x, alpha, 1, 1 / alpha)  # type: ignore[no-any-return]


@writes(aten.prelu)
def prelu(w: Writer, x: Traced, slope: Operand) -> Value:
    sizes = shape_of(slope)
    if not isinstance(slope, Traced) and len(sizes) == 1 and len(x.shape) > 2 and sizes[0] > 1:
        slope = slope.reshape(-1, *[1] * (len(x.shape) - 2))  # type: ignore[union-attr]
    return w.op("PRelu", w.value(x), w.value(slope))


@writes(aten.softplus)
def softplus(w: Writer, x: Operand, beta: float = 1, threshold: float = 20) -> Value:
    if beta == 1:
        return w.op("Softplus", w.value(x))
    return w.op("Mul", w.op("Softplus", w.op("Mul", w.value(x), w.scalar(beta))), w.scalar(1 / beta))


@writes(aten.log_sigmoid)
def log_sigmoid(w: Writer, x: Operand) -> Value:
    return w.op("Neg", w.op("Softplus", w.op("Neg", w.value(x))))


@writes(aten.hardtanh, aten.clamp, aten.relu6, aten.clamp_min, aten.clamp_max)
def clamp(w: Writer, x: Operand, low: Operand | None = None, high: Operand | None = None, **named: Operand) -> Value:
    packet = w.node.op.overloadpacket
    low, high = named.get("min", named.get("min_val", low)), named.get("max", named.get("max_val", high))
    if packet is aten.relu6:
        low, high = 0.0, 6.0
    elif packet is aten.hardtanh:
        low, high = -1.0 if low is None else low, 1.0 if high is None else high
    elif packet is aten.clamp_max:
        low, high = None, low
    value = w.value(x, w.result.dtype)
    if all(bound is None or isinstance(bound, int | float) for bound in (low, high)):
        bounds = ["" if bound is None else w.scalar(float(bound)) for bound in (low, high)]  # type: ignore[arg-type]
        return w.op("Clip", value, *(bounds[:1] if not bounds[1] else bounds))
    value = value if low is None else w.op("Max", value, w.value(low, w.result.dtype))
    return value if high is None else w.op("Min", value, w.value(high, w.result.dtype))


@writes(aten.threshold)
def threshold(w: Writer, x: Operand, limit: float, otherwise: float) -> Value:
    value = w.value(x)
    return w.op("Where", w.op("Greater", value, w.scalar(limit)), value, w.scalar(otherwise))


@writes(aten.hardshrink)
def hardshrink(w: Writer, x: Operand, lambd: float = 0.5) -> Value:
    value = w.value(x)
    return w.op("Where", w.op("Greater", w.op("Abs", value), w.scalar(lambd)), value, w.scalar(0.0))


@writes(aten.softshrink)
def softshrink(w: Writer, x: Operand, lambd: float = 0.5) -> Value:
    value = w.value(x)
    return w.op("Sub", value, w.op("Clip", value, w.scalar(-lambd), w.scalar(lambd)))


@writes(aten.nan_to_num)
def nan_to_num(
    w: Writer, x: Traced, nan: float | None = None, posinf: float | None = None, neginf: float | None = None
) -> Value:
    most = torch.finfo(x.dtype).max
    value = w.op("Where", w.op("IsNaN", w.value(x)), w.scalar(nan or 0.0), w.value(x))
    above = w.op("Equal", value, w.scalar(math.inf))
    below = w.op("Equal", value, w.scalar(-math.inf))
    value = w.op("Where", above, w.scalar(most if posinf is None else posinf), value)
    return w.op("Where", below, w.scalar(-most if neginf is None else neginf), value)
