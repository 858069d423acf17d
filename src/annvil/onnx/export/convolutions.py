"""Convolutions and their transposes, pooling of windows over one to three axes, and maps brought to another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Operand, Traced, Writer, fixed, shape_of, writes

aten = torch.ops.aten


def _spread(numbers: int | Sequence[int], n_axes: int) -> list[int]:
    """One number for each axis."""
    found = [numbers] if isinstance(numbers, int) else list(numbers)
    return found * n_axes if len(found) == 1 else found


@writes(aten.conv1d, aten.conv2d, aten.conv3d, aten.convolution)
@writes(aten.conv_transpose1d, aten.conv_transpose2d, aten.conv_transpose3d)
def conv(w: Writer, x: Traced, weight: Tensor, bias: Operand | None = None, *_: Any, **__: Any) -> Value:
    n_axes, asked = len(shape_of(weight)) - 2, w.asked
    kernel, gaps = list(shape_of(weight)[2:]), _spread(asked["dilation"], n_axes)
    attributes: dict[str, Any] = {"strides": _spread(asked["stride"], n_axes), "dilations": gaps}
    if asked["padding"] == "same":  # the larger half goes behind, as in PyTorch
        total = [gap * (side - 1) for gap, side in zip(gaps, kernel, strict=True)]
        pads = [one // 2 for one in total] + [one - one // 2 for one in total]
    else:
        pads = _spread(0 if asked["padding"] == "valid" else asked["padding"], n_axes) * 2
    transposed = asked.get("transposed", "transpose" in w.name)
    if transposed:
        attributes["output_padding"] = _spread(asked["output_padding"], n_axes)
    operands = [w.value(weight)] + ([] if bias is None else [w.value(bias)])
    attributes |= {"kernel_shape": kernel, "pads": pads, "group": asked["groups"]}
    return _windowed(w, "ConvTranspose" if transposed else "Conv", x, *operands, n_axes=n_axes, **attributes)


def _windowed(w: Writer, kind: str, x: Traced, *operands: Value, n_axes: int, **attributes: Any) -> Value:
    """A node that takes a batch, also of one row without it."""
    if len(x.shape) == n_axes + 2:
        return w.op(kind, w.value(x), *operands, **attributes)
    row = w.op("Unsqueeze", w.value(x), w.ints(0))
    return w.op("Squeeze", w.op(kind, row, *operands, **attributes), w.ints(0))


@writes(aten.max_pool1d, aten.max_pool2d, aten.max_pool3d, aten.avg_pool1d, aten.avg_pool2d, aten.avg_pool3d)
def pool(w: Writer, x: Traced, kernel: Any, *_: Any, **__: Any) -> Value:
    asked, n_axes = w.asked, int(w.name[-2])
    if asked.get("divisor_override"):
        raise w.refusal("a divisor of one's own is not known here")
    sides = _spread(kernel, n_axes)
    attributes = {
        "kernel_shape": sides,
        "strides": _spread(asked["stride"], n_axes) if asked["stride"] else sides,
        "pads": _spread(asked["padding"], n_axes) * 2,
        "ceil_mode": int(asked["ceil_mode"]),
    }
    if w.name.startswith("max"):
        attributes["dilations"] = _spread(asked["dilation"], n_axes)
        return _windowed(w, "MaxPool", x, n_axes=n_axes, **attributes)
    attributes["count_include_pad"] = int(asked["count_include_pad"])
    return _windowed(w, "AveragePool", x, n_axes=n_axes, **attributes)


@writes(aten.adaptive_avg_pool1d, aten.adaptive_avg_pool2d, aten.adaptive_avg_pool3d)
@writes(aten.adaptive_max_pool1d, aten.adaptive_max_pool2d, aten.adaptive_max_pool3d)
def adaptive_pool(w: Writer, x: Traced, output_size: Any) -> Value:
    """Windows that are all alike are pooled; of others each axis is averaged by a product with a fixed matrix."""
    largest = "max" in w.name
    n_axes = int(w.name[-2])
    before = fixed(w, x.shape[-n_axes:], "the size of the maps")
    after = fixed(w, w.result.shape[-n_axes:], "the size of the maps")
    if all(size == 1 for size in after):
        axes = w.ints(*range(len(x.shape) - n_axes, len(x.shape)))
        return w.op("ReduceMax" if largest else "ReduceMean", w.value(x), axes, keepdims=1)
    if all(one % other == 0 for one, other in zip(before, after, strict=True)):
        sides = [one // other for one, other in zip(before, after, strict=True)]
        kind = "MaxPool" if largest else "AveragePool"
        return _windowed(w, kind, x, n_axes=n_axes, kernel_shape=sides, strides=sides)
    if largest:
        raise w.refusal(f"maps of {before} do not divide into {after} equal windows")
    value, last = w.value(x), len(x.shape) - 1
    for axis, (one, other) in enumerate(zip(before, after, strict=True), start=len(x.shape) - n_axes):
        order = list(range(last + 1))
        order[axis], order[last] = last, axis
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
@writes(aten.upsample_linear1d, aten.upsample_bilinear2d, aten.upsample_trilinear3d, aten.upsample_bicubic2d)
def resize(w: Writer, x: Traced, *_: Any, **__: Any) -> Value:
    asked = w.asked
    attributes: dict[str, Any] = {"mode": "linear"}
    if "nearest" in w.name:
        attributes |= {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        attributes["coordinate_transformation_mode"] = "align_corners" if asked["align_corners"] else "half_pixel"
        attributes |= {"mode": "cubic", "cubic_coeff_a": -0.75} if "cubic" in w.name else {}
    before = fixed(w, x.shape[2:], "the size of the maps")
    after = fixed(w, w.result.shape[2:], "the size of the maps")
    scales = [asked.get(name) for name in ("scales", "scales_d", "scales_h", "scales_w")]
    given = asked.get("scale_factors") or [one for one in scales if one is not None]
    if given and any(round(one * factor, 6) != size for one, factor, size in zip(before, given, after, strict=True)):
        raise w.refusal("sizes times scale_factor are no whole numbers; give the size, or recompute_scale_factor=True")
    factors = [1.0, 1.0, *(new / old for new, old in zip(after, before, strict=True))]
    if all(factor == int(factor) for factor in factors):
        return w.op("Resize", w.value(x), "", w.graph.constant(factors, "float32"), **attributes)
    axes = list(range(2, len(x.shape)))
    return w.op("Resize", w.value(x), "", "", w.ints(*after), axes=axes, **attributes)
