"""Convolutions, and their transposes, over one to three axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, shape_of, writes

aten = torch.ops.aten


def spread(numbers: int | Sequence[int], n_axes: int) -> list[int]:
    """One number for each axis."""
    found = [numbers] if isinstance(numbers, int) else list(numbers)
    return found * n_axes if len(found) == 1 else found


@writes(aten.conv1d, aten.conv2d, aten.conv3d)
def conv(
    w: Writer,
    x: Traced,
    weight: Tensor,
    bias: Operand | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Value:
    n_axes = len(shape_of(weight)) - 2
    kernel, steps, gaps = list(shape_of(weight)[2:]), spread(stride, n_axes), spread(dilation, n_axes)
    if padding == "same":  # the larger half goes behind, as in PyTorch
        total = [gap * (side - 1) for gap, side in zip(gaps, kernel, strict=True)]
        pads = [one // 2 for one in total] + [one - one // 2 for one in total]
    else:
        pads = spread(0 if padding == "valid" else padding, n_axes) * 2
    operands = [_batched(w, x, n_axes), w.value(weight)] + ([] if bias is None else [w.value(bias)])
    found = w.op("Conv", *operands, kernel_shape=kernel, strides=steps, pads=pads, dilations=gaps, group=groups)
    return found if len(x.shape) == n_axes + 2 else w.op("Squeeze", found, w.ints(0))


@writes(aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d)
def conv_transpose(
    w: Writer,
    x: Traced,
    weight: Tensor,
    bias: Operand | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Value:
    n_axes = len(shape_of(weight)) - 2
    operands = [_batched(w, x, n_axes), w.value(weight)] + ([] if bias is None else [w.value(bias)])
    found = w.op(
        "ConvTranspose",
        *operands,
        kernel_shape=list(shape_of(weight)[2:]),
        strides=spread(stride, n_axes),
        pads=spread(padding, n_axes) * 2,
        output_padding=spread(output_padding, n_axes),
        dilations=spread(dilation, n_axes),
        group=groups,
    )
    return found if len(x.shape) == n_axes + 2 else w.op("Squeeze", found, w.ints(0))


@writes(aten.convolution)
def convolution(
    w: Writer,
    x: Traced,
    weight: Tensor,
    bias: Operand | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
) -> Value:
    if transposed:
        made = conv_transpose(w, x, weight, bias, stride, padding, output_padding, groups, dilation)
    else:
        made = conv(w, x, weight, bias, stride, padding, dilation, groups)
    return made  # type: ignore[no-any-return]


def _batched(w: Writer, x: Traced, n_axes: int) -> Value:
    return w.value(x) if len(x.shape) == n_axes + 2 else w.op("Unsqueeze", w.value(x), w.ints(0))
