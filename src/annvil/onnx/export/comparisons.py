"""Comparisons, truth values, and choices by them."""

from __future__ import annotations

from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Writer, common_dtype, writes

aten = torch.ops.aten


def _enter_pair(operation: Any, kind: str, negated: bool) -> None:
    @writes(operation)
    def write(w: Writer, a: Operand, b: Operand) -> Value:
        dtype = common_dtype(a, b)
        dtype = torch.int64 if dtype == torch.bool and kind not in ("Equal",) else dtype
        found = w.op(kind, w.value(a, dtype), w.value(b, dtype))
        return w.op("Not", found) if negated else found


for _operation, _kind, _negated in (
    (aten.eq, "Equal", False),
    (aten.ne, "Equal", True),
    (aten.lt, "Less", False),
    (aten.le, "LessOrEqual", False),
    (aten.gt, "Greater", False),
    (aten.ge, "GreaterOrEqual", False),
):
    _enter_pair(_operation, _kind, _negated)


@writes(aten.logical_and, aten.bitwise_and)
def both(w: Writer, a: Operand, b: Operand) -> Value:
    return _of_truths(w, "And", a, b)


@writes(aten.logical_or, aten.bitwise_or)
def either(w: Writer, a: Operand, b: Operand) -> Value:
    return _of_truths(w, "Or", a, b)


@writes(aten.logical_xor, aten.bitwise_xor)
def exactly_one(w: Writer, a: Operand, b: Operand) -> Value:
    return _of_truths(w, "Xor", a, b)


@writes(aten.logical_not, aten.bitwise_not)
def negation(w: Writer, a: Operand) -> Value:
    if w.result.dtype != torch.bool:
        raise w.refusal("bits of whole numbers are not known here")
    return w.op("Not", w.value(a, torch.bool))


def _of_truths(w: Writer, kind: str, a: Operand, b: Operand) -> Value:
    if w.result.dtype != torch.bool:
        raise w.refusal("bits of whole numbers are not known here")
    return w.op(kind, w.value(a, torch.bool), w.value(b, torch.bool))


@writes(aten.isnan)
def isnan(w: Writer, x: Operand) -> Value:
    return w.op("IsNaN", w.value(x))


@writes(aten.where)
def where(w: Writer, condition: Operand, a: Operand, b: Operand) -> Value:
    return w.op("Where", w.value(condition, torch.bool), w.value(a, w.result.dtype), w.value(b, w.result.dtype))


@writes(aten.masked_fill)
def masked_fill(w: Writer, x: Operand, mask: Operand, fill: Operand) -> Value:
    return w.op("Where", w.value(mask, torch.bool), w.value(fill, w.result.dtype), w.value(x, w.result.dtype))
