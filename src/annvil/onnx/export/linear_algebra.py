"""Products of matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, shape_of, writes

aten = torch.ops.aten


@writes(aten.linear)
def linear(w: Writer, x: Operand, weight: Operand, bias: Operand | None = None) -> Value:
    turned = w.op("Transpose", w.value(weight), perm=[1, 0]) if isinstance(weight, Traced) else w.value(weight.T)  # type: ignore[union-attr]
    return _affine(w, w.value(x), len(shape_of(x)), turned, bias)


@writes(aten.addmm)
def addmm(w: Writer, bias: Operand, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1) -> Value:
    return w.op("Gemm", w.value(a), w.value(b), w.value(bias), alpha=float(alpha), beta=float(beta))


def _affine(w: Writer, x: Value, n_axes: int, weight: Value, bias: Operand | None) -> Value:
    if bias is not None and n_axes == 2:
        return w.op("Gemm", x, weight, w.value(bias))
    product = w.op("MatMul", x, weight)
    return product if bias is None else w.op("Add", product, w.value(bias))


@writes(aten.matmul, aten.mm, aten.bmm, aten.mv, aten.dot)
def matmul(w: Writer, a: Operand, b: Operand) -> Value:
    return w.op("MatMul", w.value(a), w.value(b))


@writes(aten.baddbmm)
def baddbmm(w: Writer, bias: Operand, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1) -> Value:
    product = w.op("MatMul", w.value(a), w.value(b))
    product = product if alpha == 1 else w.op("Mul", product, w.scalar(alpha))
    if beta == 0:
        return product
    added = w.value(bias) if beta == 1 else w.op("Mul", w.value(bias), w.scalar(beta))
    return w.op("Add", product, added)


@writes(aten.einsum)
def einsum(w: Writer, equation: str, operands: Sequence[Operand], **_: Any) -> Value:
    return w.op("Einsum", *(w.value(one, w.result.dtype) for one in operands), equation=equation.replace(" ", ""))


@writes(aten.outer)
def outer(w: Writer, a: Operand, b: Operand) -> Value:
    return w.op("Mul", w.op("Unsqueeze", w.value(a), w.ints(1)), w.op("Unsqueeze", w.value(b), w.ints(0)))


@writes(aten.bilinear)
def bilinear(w: Writer, a: Traced, b: Traced, weight: Operand, bias: Operand | None = None) -> Value:
    if len(a.shape) != 2:
        raise w.refusal("a bilinear form of more than one vector a row is not known here")
    found = w.op("Einsum", w.value(a), w.value(weight), w.value(b), equation="bi,oij,bj->bo")
    return found if bias is None else w.op("Add", found, w.value(bias))
