"""Operations on each number by itself: arithmetic, comparisons and choices, activations, element types."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, common_dtype, shape_of, writes

aten = torch.ops.aten


def _enter(n_operands: int, kinds: Mapping[Any, str | Callable[..., Value]]) -> None:
    """Enter operations whose first operands are brought to the result's type: ONNX's name, or what is to be written."""
    for operation, kind in kinds.items():

        @writes(operation)
        def write(w: Writer, *args: Any, kind: str | Callable[..., Value] = kind, **named: Any) -> Value:
            values = [w.value(operand, w.result.dtype) for operand in args[:n_operands]]
            return w.op(kind, *values) if isinstance(kind, str) else kind(w, *values, *args[n_operands:], **named)


def _towards_zero(w: Writer, x: Value) -> Value:
    return w.op("Mul", w.op("Sign", x), w.op("Floor", w.op("Abs", x)))


_enter(
    1,
    {
        aten.relu: "Relu",
        aten.tanh: "Tanh",
        aten.sigmoid: "Sigmoid",
        aten.exp: "Exp",
        aten.log: "Log",
        aten.sqrt: "Sqrt",
        aten.erf: "Erf",
        aten.sin: "Sin",
        aten.cos: "Cos",
        aten.tan: "Tan",
        aten.asin: "Asin",
        aten.acos: "Acos",
        aten.atan: "Atan",
        aten.sinh: "Sinh",
        aten.cosh: "Cosh",
        aten.reciprocal: "Reciprocal",
        aten.selu: "Selu",
        aten.hardswish: "HardSwish",
        # These keep whole numbers whole.
        aten.neg: "Neg",
        aten.floor: "Floor",
        aten.ceil: "Ceil",
        aten.sign: "Sign",
        aten.trunc: _towards_zero,
        # Activations and functions that ONNX has with other arguments, or that onnxruntime has no kernel for (Mish).
        aten.gelu: lambda w, x, approximate="none": w.op("Gelu", x, approximate=approximate),
        aten.silu: lambda w, x: w.op("Mul", x, w.op("Sigmoid", x)),
        aten.mish: lambda w, x: w.op("Mul", x, w.op("Tanh", w.op("Softplus", x))),
        aten.hardsigmoid: lambda w, x: w.op("HardSigmoid", x, alpha=1 / 6, beta=0.5),
        aten.leaky_relu: lambda w, x, slope=0.01: w.op("LeakyRelu", x, alpha=float(slope)),
        aten.log_sigmoid: lambda w, x: w.op("Neg", w.op("Softplus", w.op("Neg", x))),
        aten.softshrink: lambda w, x, by=0.5: w.op("Sub", x, w.op("Clip", x, w.scalar(-by), w.scalar(by))),
        aten.rsqrt: lambda w, x: w.op("Reciprocal", w.op("Sqrt", x)),
        aten.exp2: lambda w, x: w.op("Pow", w.scalar(2.0), x),
        aten.log2: lambda w, x: w.op("Mul", w.op("Log", x), w.scalar(1 / math.log(2))),
        aten.log10: lambda w, x: w.op("Mul", w.op("Log", x), w.scalar(1 / math.log(10))),
    },
)

_enter(
    2,
    {
        aten.fmod: lambda w, x, y: w.op("Mod", x, y, fmod=1),
        aten.maximum: "Max",
        aten.minimum: "Min",
    },
)

_enter(3, {aten.lerp: lambda w, start, end, weight: w.op("Add", start, w.op("Mul", weight, w.op("Sub", end, start)))})


@writes(aten.clone, aten.alias, aten.detach, aten.contiguous, aten.lift_fresh, aten.dropout, aten.feature_dropout)
@writes(aten.alpha_dropout, aten.feature_alpha_dropout)
def same(w: Writer, x: Operand, rate: float = 0.0, train: bool = False, **_: Any) -> Operand:
    if train and rate:
        raise w.refusal("it draws random numbers in evaluation mode")
    return x


@writes(aten.abs)
def absolute(w: Writer, x: Traced) -> Value:
    if not x.dtype.is_complex:
        return w.op("Abs", w.value(x))
    parts = w.value(x)
    return w.op("Sqrt", w.op("ReduceSum", w.op("Mul", parts, parts), w.ints(-1), keepdims=0))


@writes(aten._to_copy)
def cast(w: Writer, x: Traced, **_: Any) -> Value:
    if w.result.dtype in (torch.uint8, torch.int8, torch.int16, torch.int32) and x.dtype.is_floating_point:
        return w.cast(w.cast(w.value(x), torch.int64), w.result.dtype)  # numbers beyond wrap as in PyTorch
    return w.value(x, w.result.dtype)


@writes(aten.add, aten.sub, aten.rsub)
def add(w: Writer, a: Operand, b: Operand, alpha: float = 1) -> Value:
    a, b = (b, a) if w.packet is aten.rsub else (a, b)
    if w.result.dtype == torch.bool:
        return w.op("Or", w.value(a, torch.bool), w.value(b, torch.bool))
    second = w.value(b, w.result.dtype)
    second = second if alpha == 1 else w.op("Mul", second, w.scalar(alpha))
    return w.op("Add" if w.packet is aten.add else "Sub", w.value(a, w.result.dtype), second)


@writes(aten.mul)
def mul(w: Writer, a: Operand, b: Operand) -> Value:
    kind = "And" if w.result.dtype == torch.bool else "Mul"
    return w.op(kind, w.value(a, w.result.dtype), w.value(b, w.result.dtype))


@writes(aten.div, aten.floor_divide)
def div(w: Writer, a: Operand, b: Operand, *, rounding_mode: str | None = None) -> Value:
    dtype = w.result.dtype
    rounding = "floor" if w.packet is aten.floor_divide else rounding_mode
    if rounding is None and dtype.is_floating_point and not isinstance(b, Traced):
        factor = torch.as_tensor(w.array(b, torch.float64)).reciprocal()
        return w.op("Mul", w.value(a, dtype), w.value(factor, dtype))  # a product is faster
    if not dtype.is_floating_point:
        exact = w.op("Div", w.value(a, torch.float64), w.value(b, torch.float64))
        return w.cast(w.op("Floor", exact) if rounding == "floor" else exact, dtype)
    quotient = w.op("Div", w.value(a, dtype), w.value(b, dtype))
    if rounding == "floor":
        return w.op("Floor", quotient)
    return _towards_zero(w, quotient) if rounding == "trunc" else quotient


@writes(aten.remainder)
def remainder(w: Writer, a: Operand, b: Operand) -> Value:
    x, y = w.value(a, w.result.dtype), w.value(b, w.result.dtype)
    if not w.result.dtype.is_floating_point:
        if isinstance(b, Traced):  # what may be 0 or -1 would end the process
            x, y = w.cast(x, torch.float64), w.cast(y, torch.float64)
            return w.cast(w.op("Sub", x, w.op("Mul", y, w.op("Floor", w.op("Div", x, y)))), w.result.dtype)
        divisor = w.array(b, w.result.dtype)
        return w.op("Mod", x, w.graph.constant(np.where(divisor == -1, 1, divisor).astype(divisor.dtype)))
    return w.op("Sub", x, w.op("Mul", y, w.op("Floor", w.op("Div", x, y))))


@writes(aten.pow)
def power(w: Writer, a: Operand, b: Operand) -> Value:
    x = w.value(a, w.result.dtype)
    if isinstance(b, int | float) and b in (0.5, 1, 2, 3, -1):
        if b in (0.5, -1):
            return w.op("Sqrt" if b == 0.5 else "Reciprocal", x)
        square = w.op("Mul", x, x) if b > 1 else x
        return w.op("Mul", square, x) if b == 3 else square
    return w.op("Pow", x, w.value(b, w.result.dtype))


@writes(aten.expm1)
def expm1(w: Writer, x: Operand) -> Value:
    """2 tanh(x / 2) / (1 - tanh(x / 2)): without the loss of digits near 0 that exp(x) - 1 has."""
    value = w.value(x, w.result.dtype)
    t = w.op("Tanh", w.op("Mul", value, w.scalar(0.5)))
    near = w.op("Div", w.op("Add", t, t), w.op("Sub", w.scalar(1.0), t))
    far = w.op("Sub", w.op("Exp", value), w.scalar(1.0))
    return w.op("Where", w.op("Less", value, w.scalar(1.0)), near, far)


@writes(aten.log1p)
def log1p(w: Writer, x: Operand) -> Value:
    """log(u) x / (u - 1) with u = 1 + x, and x where u is 1 (Kahan): no digits lost near 0."""
    value = w.value(x, w.result.dtype)
    u = w.op("Add", value, w.scalar(1.0))
    less = w.op("Sub", u, w.scalar(1.0))
    plain = w.op("Or", w.op("Equal", less, w.scalar(0.0)), w.op("Equal", less, w.scalar(math.inf)))
    exact = w.op("Mul", w.op("Log", u), w.op("Div", value, less))
    return w.op("Where", plain, w.op("Where", w.op("Equal", less, w.scalar(0.0)), value, w.op("Log", u)), exact)


@writes(aten.round)
def rounded(w: Writer, x: Operand, *, decimals: int = 0) -> Value:
    value = w.value(x, w.result.dtype)
    if not decimals:
        return w.op("Round", value)
    return w.op("Mul", w.op("Round", w.op("Mul", value, w.scalar(10.0**decimals))), w.scalar(10.0**-decimals))


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
    return elu(w, x, alpha, 1, 1 / alpha)


@writes(aten.prelu)
def prelu(w: Writer, x: Traced, slope: Operand) -> Value:
    sizes = shape_of(slope)
    if isinstance(slope, torch.Tensor) and len(sizes) == 1 and len(x.shape) > 2 and sizes[0] > 1:
        slope = slope.reshape(-1, *[1] * (len(x.shape) - 2))
    return w.op("PRelu", w.value(x), w.value(slope))


@writes(aten.softplus)
def softplus(w: Writer, x: Operand, beta: float = 1, threshold: float = 20) -> Value:
    if beta == 1:
        return w.op("Softplus", w.value(x))
    return w.op("Mul", w.op("Softplus", w.op("Mul", w.value(x), w.scalar(beta))), w.scalar(1 / beta))


@writes(aten.clamp, aten.clamp_min, aten.clamp_max)
def clamp(w: Writer, x: Operand, *_: Any, **__: Any) -> Value:
    low, high = w.asked.get("min"), w.asked.get("max")
    value = w.value(x, w.result.dtype)
    if all(bound is None or isinstance(bound, int | float) for bound in (low, high)):
        bounds = ["" if bound is None else w.scalar(float(bound)) for bound in (low, high)]
        return w.op("Clip", value, *(bounds[:1] if not bounds[1] else bounds))
    value = value if low is None else w.op("Max", value, w.value(low, w.result.dtype))
    return value if high is None else w.op("Min", value, w.value(high, w.result.dtype))


_COMPARISONS = {
    aten.eq: "Equal",
    aten.ne: "Equal",
    aten.lt: "Less",
    aten.le: "LessOrEqual",
    aten.gt: "Greater",
    aten.ge: "GreaterOrEqual",
}


@writes(*_COMPARISONS)
def compared(w: Writer, a: Operand, b: Operand) -> Value:
    kind, dtype = _COMPARISONS[w.packet], common_dtype(a, b)
    dtype = torch.int64 if dtype == torch.bool and kind != "Equal" else dtype
    found = w.op(kind, w.value(a, dtype), w.value(b, dtype))
    return w.op("Not", found) if w.packet is aten.ne else found


@writes(aten.logical_and, aten.bitwise_and, aten.logical_or, aten.bitwise_or, aten.logical_xor, aten.bitwise_xor)
@writes(aten.logical_not, aten.bitwise_not)
def of_truths(w: Writer, *operands: Operand) -> Value:
    if w.result.dtype != torch.bool:
        raise w.refusal("bits of whole numbers are not known here")
    kind = {"and": "And", "or": "Or", "xor": "Xor", "not": "Not"}[w.name.rpartition("_")[2]]
    return w.op(kind, *(w.value(operand, torch.bool) for operand in operands))


@writes(aten.isnan)
def isnan(w: Writer, x: Operand) -> Value:
    return w.op("IsNaN", w.value(x))


@writes(aten.where)
def where(w: Writer, condition: Operand, a: Operand, b: Operand) -> Value:
    return w.op("Where", w.value(condition, torch.bool), w.value(a, w.result.dtype), w.value(b, w.result.dtype))
