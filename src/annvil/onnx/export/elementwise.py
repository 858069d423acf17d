"""Operations on each number by itself: arithmetic, comparisons, activations, element types."""

from __future__ import annotations

import math
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, shape_of, writes

aten = torch.ops.aten

_SAME_NAME = {
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
}


def _enter(operation: Any, kind: str) -> None:
    @writes(operation)
    def write(w: Writer, x: Operand) -> Value:
        return w.op(kind, w.value(x, w.result.dtype))


for _operation, _kind in _SAME_NAME.items():
    _enter(_operation, _kind)


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


@writes(aten.add)
def add(w: Writer, a: Operand, b: Operand, *, alpha: float = 1) -> Value:
    return _sum(w, "Add", a, b, alpha)


@writes(aten.sub)
def sub(w: Writer, a: Operand, b: Operand, *, alpha: float = 1) -> Value:
    return _sum(w, "Sub", a, b, alpha)


@writes(aten.rsub)
def rsub(w: Writer, a: Operand, b: Operand, alpha: float = 1) -> Value:
    return _sum(w, "Sub", b, a, alpha)


def _sum(w: Writer, kind: str, a: Operand, b: Operand, alpha: float) -> Value:
    if w.result.dtype == torch.bool:
        return w.op("Or", w.value(a, torch.bool), w.value(b, torch.bool))
    second = w.value(b, w.result.dtype)
    second = second if alpha == 1 else w.op("Mul", second, w.scalar(alpha))
    return w.op(kind, w.value(a, w.result.dtype), second)


@writes(aten.mul)
def mul(w: Writer, a: Operand, b: Operand) -> Value:
    kind = "And" if w.result.dtype == torch.bool else "Mul"
    return w.op(kind, w.value(a, w.result.dtype), w.value(b, w.result.dtype))


@writes(aten.div)
def div(w: Writer, a: Operand, b: Operand, *, rounding_mode: str | None = None) -> Value:
    dtype = w.result.dtype
    if rounding_mode is None and dtype.is_floating_point and not isinstance(b, Traced):
        factor = torch.as_tensor(w.array(b, torch.float64)).reciprocal()
        return w.op("Mul", w.value(a, dtype), w.value(factor, dtype))  # a product is faster
    if not dtype.is_floating_point:
        exact = w.op("Div", w.value(a, torch.float64), w.value(b, torch.float64))
        return w.cast(w.op("Floor", exact) if rounding_mode == "floor" else exact, dtype)
    quotient = w.op("Div", w.value(a, dtype), w.value(b, dtype))
    if rounding_mode == "floor":
        return w.op("Floor", quotient)
    if rounding_mode == "trunc":
        return w.op("Mul", w.op("Sign", quotient), w.op("Floor", w.op("Abs", quotient)))
    return quotient


@writes(aten.floor_divide)
def floor_divide(w: Writer, a: Operand, b: Operand) -> Value:
    return div(w, a, b, rounding_mode="floor")  # type: ignore[no-any-return]


@writes(aten.remainder)
def remainder(w: Writer, a: Operand, b: Operand) -> Value:
    x, y = w.value(a, w.result.dtype), w.value(b, w.result.dtype)
    if not w.result.dtype.is_floating_point:
        return w.op("Mod", x, y)
    return w.op("Sub", x, w.op("Mul", y, w.op("Floor", w.op("Div", x, y))))


@writes(aten.fmod)
def fmod(w: Writer, a: Operand, b: Operand) -> Value:
    return w.op("Mod", w.value(a, w.result.dtype), w.value(b, w.result.dtype), fmod=1)


@writes(aten.pow)
def power(w: Writer, a: Operand, b: Operand) -> Value:
    dtype = w.result.dtype
    x = w.value(a, dtype)
    if isinstance(b, int | float) and b in (0.5, 1, 2, 3, -1):
        if b == 0.5:
            return w.op("Sqrt", x)
        if b == -1:
            return w.op("Reciprocal", x)
        square = w.op("Mul", x, x) if b > 1 else x
        return w.op("Mul", square, x) if b == 3 else square
    return w.op("Pow", x, w.value(b, dtype))


@writes(aten.square)
def square(w: Writer, x: Operand) -> Value:
    return power(w, x, 2)  # type: ignore[no-any-return]


@writes(aten.rsqrt)
def rsqrt(w: Writer, x: Operand) -> Value:
    return w.op("Reciprocal", w.op("Sqrt", w.value(x, w.result.dtype)))


@writes(aten.exp2)
def exp2(w: Writer, x: Operand) -> Value:
    return w.op("Pow", w.scalar(2.0), w.value(x, w.result.dtype))


@writes(aten.expm1)
def expm1(w: Writer, x: Operand) -> Value:
    """2 tanh(x / 2) / (1 - tanh(x / 2)): without the loss of digits near 0 that exp(x) - 1 has."""
    t = w.op("Tanh", w.op("Mul", w.value(x, w.result.dtype), w.scalar(0.5)))
    near = w.op("Div", w.op("Add", t, t), w.op("Sub", w.scalar(1.0), t))
    far = w.op("Sub", w.op("Exp", w.value(x, w.result.dtype)), w.scalar(1.0))
    return w.op("Where", w.op("Less", w.value(x, w.result.dtype), w.scalar(1.0)), near, far)


@writes(aten.log1p)
def log1p(w: Writer, x: Operand) -> Value:
    """log(u) x / (u - 1) with u = 1 + x, and x where u is 1 (Kahan): no digits lost near 0."""
    value = w.value(x, w.result.dtype)
    u = w.op("Add", value, w.scalar(1.0))
    less = w.op("Sub", u, w.scalar(1.0))
    plain = w.op("Or", w.op("Equal", less, w.scalar(0.0)), w.op("Equal", less, w.scalar(math.inf)))
    exact = w.op("Mul", w.op("Log", u), w.op("Div", value, less))
    return w.op("Where", plain, w.op("Where", w.op("Equal", less, w.scalar(0.0)), value, w.op("Log", u)), exact)


@writes(aten.log2, aten.log10)
def log_to_base(w: Writer, x: Operand) -> Value:
    base = 2 if w.node.op.overloadpacket is aten.log2 else 10
    return w.op("Mul", w.op("Log", w.value(x, w.result.dtype)), w.scalar(1 / math.log(base)))


@writes(aten.round)
def rounded(w: Writer, x: Operand, *, decimals: int = 0) -> Value:
    value = w.value(x, w.result.dtype)
    if not decimals:
        return w.op("Round", value)
    return w.op("Mul", w.op("Round", w.op("Mul", value, w.scalar(10.0**decimals))), w.scalar(10.0**-decimals))


@writes(aten.trunc)
def trunc(w: Writer, x: Operand) -> Value:
    value = w.value(x, w.result.dtype)
    return w.op("Mul", w.op("Sign", value), w.op("Floor", w.op("Abs", value)))


@writes(aten.maximum, aten.minimum)
def extreme(w: Writer, a: Operand, b: Operand) -> Value:
    kind = "Max" if w.node.op.overloadpacket is aten.maximum else "Min"
    return w.op(kind, w.value(a, w.result.dtype), w.value(b, w.result.dtype))


@writes(aten.addcmul, aten.addcdiv)
def addcmul(w: Writer, x: Operand, a: Operand, b: Operand, *, value: float = 1) -> Value:
    kind = "Mul" if w.node.op.overloadpacket is aten.addcmul else "Div"
    dtype = w.result.dtype
    product = w.op(kind, w.value(a, dtype), w.value(b, dtype))
    product = product if value == 1 else w.op("Mul", product, w.scalar(value))
    return w.op("Add", w.value(x, dtype), product)


@writes(aten.lerp)
def lerp(w: Writer, start: Operand, end: Operand, weight: Operand) -> Value:
    a = w.value(start, w.result.dtype)
    way = w.op("Sub", w.value(end, w.result.dtype), a)
    return w.op("Add", a, w.op("Mul", w.value(weight, w.result.dtype), way))


@writes(aten.fill, aten.zero)
def fill(w: Writer, x: Traced, number: Operand = 0) -> Any:
    if isinstance(number, Traced):
        return w.op("Expand", w.value(number, w.result.dtype), w.sizes(x.shape))
    return Traced(x.shape, x.dtype, fill=float(w.array(number)))


@writes(aten.copy)
def copy(w: Writer, x: Traced, source: Operand, non_blocking: bool = False) -> Value:
    value = w.value(source, w.result.dtype)
    same_shape = shape_of(source) == x.shape
    return value if same_shape else w.op("Expand", value, w.sizes(x.shape))
