"""Products of matrices, and attention: multi-head attention is that between linear layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, dtype_of, fixed, shape_of, writes

aten = torch.ops.aten


@writes(aten.linear)
def linear(w: Writer, x: Operand, weight: Operand, bias: Operand | None = None) -> Value:
    turned = w.value(weight.T) if isinstance(weight, torch.Tensor) else w.transpose(w.value(weight), [1, 0])
    if bias is not None and len(shape_of(x)) == 2:
        return w.op("Gemm", w.value(x), turned, w.value(bias))
    product = w.op("MatMul", w.value(x), turned)
    return product if bias is None else w.op("Add", product, w.value(bias))


@writes(aten.addmm)
def addmm(w: Writer, bias: Operand, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1) -> Value:
    return w.op("Gemm", w.value(a), w.value(b), w.value(bias), alpha=float(alpha), beta=float(beta))


@writes(aten.matmul, aten.mm, aten.bmm, aten.mv, aten.dot)
def matmul(w: Writer, a: Operand, b: Operand) -> Value:
    return w.op("MatMul", w.value(a), w.value(b))


@writes(aten.baddbmm)
def baddbmm(w: Writer, bias: Operand, a: Operand, b: Operand, *, beta: float = 1, alpha: float = 1) -> Value:
    product = matmul(w, a, b)
    product = product if alpha == 1 else w.op("Mul", product, w.scalar(alpha))
    if beta == 0:
        return product
    return w.op("Add", product, w.value(bias) if beta == 1 else w.op("Mul", w.value(bias), w.scalar(beta)))


@writes(aten.einsum)
def einsum(w: Writer, equation: str, operands: Sequence[Operand], **_: Any) -> Value:
    return w.op("Einsum", *(w.value(one, w.result.dtype) for one in operands), equation=equation.replace(" ", ""))


@writes(aten.bilinear)
def bilinear(w: Writer, a: Traced, b: Traced, weight: Operand, bias: Operand | None = None) -> Value:
    if len(a.shape) != 2:
        raise w.refusal("a bilinear form of more than one vector a row is not known here")
    found = w.op("Einsum", w.value(a), w.value(weight), w.value(b), equation="bi,oij,bj->bo")
    return found if bias is None else w.op("Add", found, w.value(bias))


@writes(aten.scaled_dot_product_attention)
def attention(
    w: Writer, query: Traced, key: Traced, value: Traced, mask: Operand | None = None, *_: Any, **__: Any
) -> Value:
    asked, n_axes = w.asked, len(query.shape)
    if asked["dropout_p"]:
        raise w.refusal("it draws random numbers in evaluation mode (dropout_p)")
    if asked["enable_gqa"]:
        raise w.refusal("heads of keys that are shared among queries (enable_gqa) are not known here")
    scale = asked["scale"]
    factor = 1 / math.sqrt(fixed(w, query.shape[-1:], "the width of a head")[0]) if scale is None else scale
    turned = w.transpose(w.value(key), [*range(n_axes - 2), n_axes - 1, n_axes - 2])
    scores = w.op("MatMul", w.op("Mul", w.value(query), w.scalar(factor)), turned)
    if asked["is_causal"]:
        rows, columns = fixed(w, [query.shape[-2], key.shape[-2]], "the length of a causal sequence")
        mask = torch.ones(rows, columns, dtype=torch.bool).tril()
    if mask is not None:
        added = w.value(mask)
        if dtype_of(mask) == torch.bool:
            added = w.op("Where", added, w.scalar(0.0), w.scalar(-math.inf))
        scores = w.op("Add", scores, added)
    return w.op("MatMul", w.op("Softmax", scores, axis=-1), w.value(value))
