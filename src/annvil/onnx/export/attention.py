"""Scaled dot-product attention; multi-head attention is that between linear layers."""

from __future__ import annotations

import math

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, dtype_of, fixed, shape_of, writes

aten = torch.ops.aten


@writes(aten.scaled_dot_product_attention)
def attention(
    w: Writer,
    query: Traced,
    key: Traced,
    value: Traced,
    mask: Operand | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Value:
    if dropout_p:
        raise w.refusal("it draws random numbers in evaluation mode (dropout_p)")
    if enable_gqa:
        raise w.refusal("heads of keys that are shared among queries (enable_gqa) are not known here")
    n_axes = len(query.shape)
    factor = 1 / math.sqrt(fixed(w, query.shape[-1:], "the width of a head")[0]) if scale is None else scale
    turned = w.transpose(w.value(key), [*range(n_axes - 2), n_axes - 1, n_axes - 2])
    scores = w.op("MatMul", w.op("Mul", w.value(query), w.scalar(factor)), turned)
    if is_causal:
        rows, columns = fixed(w, [shape_of(query)[-2], shape_of(key)[-2]], "the length of a causal sequence")
        mask = torch.ones(rows, columns, dtype=torch.bool).tril()
    if mask is not None:
        added = w.value(mask)
        if dtype_of(mask) == torch.bool:
            added = w.op("Where", added, w.scalar(0.0), w.scalar(-math.inf))
        scores = w.op("Add", scores, added)
    return w.op("MatMul", w.op("Softmax", scores, axis=-1), w.value(value))
