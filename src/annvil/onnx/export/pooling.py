"""Pooling of windows, and maps brought to another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.convolutions import spread
from annvil.onnx.export.writer import Traced, Writer, fixed, writes

aten = torch.ops.aten


@writes(aten.max_pool1d, aten.max_pool2d, aten.max_pool3d)
def max_pool(
    w: Writer, x: Traced, kernel: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> Value:
    n_axes = int(w.node.op._opname[-2])
    sides = spread(kernel, n_axes)
    return _pooled(
        w,
        x,
        n_axes,
        "MaxPool",
        kernel_shape=sides,
        strides=spread(stride, n_axes) if stride else sides,
        pads=spread(padding, n_axes) * 2,
        dilations=spread(dilation, n_axes),
        ceil_mode=int(ceil_mode),
    )


@writes(aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d)
def avg_pool(
    w: Writer,
    x: Traced,
    kernel: Any,
    stride: Any = (),
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Value:
    if divisor_override:
        raise w.refusal("a divisor of one's own is not known here")
    n_axes = int(w.node.op._opname[-2])
    sides = spread(kernel, n_axes)
    return _pooled(
        w,
        x,
        n_axes,
        "AveragePool",
        kernel_shape=sides,
        strides=spread(stride, n_axes) if stride else sides,
        pads=spread(padding, n_axes) * 2,
        ceil_mode=int(ceil_mode),
        count_include_pad=int(count_include_pad),
    )


def _pooled(w: Writer, x: Traced, n_axes: int, kind: str, **attributes: Any) -> Value:
    if len(x.shape) == n_axes + 2:
        return w.op(kind, w.value(x), **attributes)
    return w.op("Squeeze", w.op(kind, w.op("Unsqueeze", w.value(x), w.ints(0)), **attributes), w.ints(0))


@writes(aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d, aten.adaptive_avg_pool3d)
@writes(aten.adaptive_max_pool1d, aten.adaptive_max_pool2d, aten.adaptive_max_pool3d)
def adaptive_pool(w: Writer, x: Traced, output_size: Any) -> Value:
    """Windows that are all alike are pooled; of others each axis is averaged by a product with a fixed matrix."""
    largest = "max" in w.node.op._opname
    n_axes = int(w.node.op._opname[-2])
    before = fixed(w, x.shape[-n_axes:], "the size of the maps")
    after = fixed(w, w.result.shape[-n_axes:], "the size of the maps")
    if all(size == 1 for size in after):
        axes = w.ints(*range(len(x.shape) - n_axes, len(x.shape)))
        return w.op("ReduceMax" if largest else "ReduceMean", w.value(x), axes, keepdims=1)
    if all(one % other == 0 for one, other in zip(before, after, strict=True)):
        sides = [one // other for one, other in zip(before, after, strict=True)]
        return _pooled(w, x, n_axes, "MaxPool" if largest else "AveragePool", kernel_shape=sides, strides=sides)
    if largest:
        raise w.refusal(f"maps of {before} do not divide into {after} equal windows")
    value, last = w.value(x), len(x.shape) - 1
    for axis, (one, other) in enumerate(zip(before, after, strict=True), start=len(x.shape) - n_axes):
        order = [place if place not in (axis, last) else (last if place == axis else axis) for place in range(last + 1)]
        product = w.op("MatMul", w.transpose(value, order), w.value(_averaging(one, other)))
        value = w.transpose(product, order)
    return value


def _averaging(before: int, after: int) -> torch.Tensor:
    """``(before, after)``: window i goes from floor(i before / after) to ceil((i + 1) before / after)."""
    matrix = torch.zeros(before, after)
    for place in range(after):
        start, stop = place * before // after, -(-(place + 1) * before // after)
        matrix[start:stop, place] = 1 / (stop - start)
    return matrix


@writes(aten.upsample_nearest1d, aten.upsample_nearest2d, aten.upsample_nearest3d)
def nearest(w: Writer, x: Traced, output_size: Any, *scales: Any, **named: Any) -> Value:
    return _resized(w, x, scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


@writes(aten.upsample_linear1d, aten.upsample_bilinear2d, aten.upsample_trilinear3d)
def linear(w: Writer, x: Traced, output_size: Any, align_corners: bool, *scales: Any, **named: Any) -> Value:
    return _resized(w, x, scales, mode="linear", coordinate_transformation_mode=_corners(align_corners))


@writes(aten.upsample_bicubic2d)
def cubic(w: Writer, x: Traced, output_size: Any, align_corners: bool, *scales: Any, **named: Any) -> Value:
    corners = _corners(align_corners)
    return _resized(w, x, scales, mode="cubic", coordinate_transformation_mode=corners, cubic_coeff_a=-0.75)


def _corners(align: bool) -> str:
    return "align_corners" if align else "half_pixel"


def _resized(w: Writer, x: Traced, scales: Sequence[Any], **attributes: Any) -> Value:
    n_axes = len(x.shape) - 2
    before = fixed(w, x.shape[2:], "the size of the maps")
    after = fixed(w, w.result.shape[2:], "the size of the maps")
    given = [one for scale in scales if scale is not None for one in (scale if isinstance(scale, list) else [scale])]
    if given and any(round(one * factor, 6) != size for one, factor, size in zip(before, given, after, strict=True)):
        raise w.refusal("sizes times scale_factor are no whole numbers; give the size, or recompute_scale_factor=True")
    factors = [1.0, 1.0, *(new / old for new, old in zip(after, before, strict=True))]
    if all(factor == int(factor) for factor in factors):
        scale = w.graph.constant(factors, "float32")
        return w.op("Resize", w.value(x), "", scale, **attributes)
    axes = list(range(2, 2 + n_axes))
    return w.op("Resize", w.value(x), "", "", w.ints(*after), axes=axes, **attributes)
