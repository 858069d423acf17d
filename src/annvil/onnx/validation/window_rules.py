"""Sizes and work of operators on maps and sequences: convolutions, pooling, margins, other sizes, recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from annvil.onnx.validation.operator_call import Call, Shape


def pad(call: Call) -> list[Shape]:
    shape, pads = list(call.shape()), call.known(1)
    axes = call.axes(3, len(shape))
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        shape[axis] += before + after
    return [tuple(shape)]


def resize(call: Call) -> list[Shape]:
    shape = list(call.shape())
    axes = call.axes(9, len(shape))
    if call.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise ValueError("a ratio is kept")
    if call.has(3):
        sizes = call.known(3)
    else:
        sizes = [int(shape[axis] * scale) for axis, scale in zip(axes, call.known(2), strict=True)]
    for axis, size in zip(axes, sizes, strict=True):
        shape[axis] = size
    return [tuple(shape)]


def recurrent(call: Call) -> list[Shape]:
    length, n_rows, width = call.shape()
    if call.get("layout", 0):
        raise ValueError("rows first")
    ways, gates, taken = call.shape(1)
    hidden = call.get("hidden_size", 0)
    if taken != width or call.shape(2) != (ways, gates, hidden) or not hidden or gates % hidden:
        raise ValueError("unlike shapes")
    call.work = length * n_rows * ways * gates * (width + hidden)
    call.scratch = 4 * length * n_rows * ways * gates
    end = (ways, n_rows, hidden)
    return [(length, ways, n_rows, hidden), end, end]


@dataclass(frozen=True)
class _Window:
    """Of a convolution or pooling along one axis."""

    size: int
    stride: int
    dilation: int
    pads: int

    @property
    def extent(self) -> int:
        return self.dilation * (self.size - 1) + 1

    def swept(self, length: int, rounds_up: bool) -> int:
        free = length + self.pads - self.extent
        if free < 0:
            raise ValueError("a window beyond its map")
        return (-(-free // self.stride) if rounds_up else free // self.stride) + 1


def _windows(call: Call, kernel: Sequence[int]) -> list[_Window]:
    n_axes = len(kernel)
    strides, dilations = (call.get(name, []) or [1] * n_axes for name in ("strides", "dilations"))
    pads = call.get("pads", []) or [0] * (2 * n_axes)
    declared = call.get("kernel_shape", []) or list(kernel)
    lengths = {len(strides), len(dilations), len(pads) // 2, len(declared)}
    if min([*kernel, *strides, *dilations]) < 1 or min(pads) < 0 or lengths != {n_axes} or declared != list(kernel):
        raise ValueError("a window of no size")
    if call.get("auto_pad", "NOTSET") != "NOTSET":
        raise ValueError("margins are left to the runtime")
    found = zip(kernel, strides, dilations, pads[:n_axes], pads[n_axes:], strict=True)
    return [_Window(size, stride, dilation, before + after) for size, stride, dilation, before, after in found]


def pooled(call: Call) -> list[Shape]:
    shape = call.shape()
    windows = _windows(call, call.get("kernel_shape", []))
    rounds_up = bool(call.get("ceil_mode", 0))
    sizes = [window.swept(size, rounds_up) for window, size in zip(windows, shape[2:], strict=True)]
    call.work = prod(shape[:2]) * prod(sizes) * prod(window.size for window in windows)
    return [(*shape[:2], *sizes)] * 2


def convolved(call: Call) -> list[Shape]:
    shape, (n_outputs, per_group, *kernel) = call.shape(), call.shape(1)
    groups = call.get("group", 1)
    if groups < 1 or shape[1] != per_group * groups or n_outputs % groups:
        raise ValueError("unlike shapes")
    windows = _windows(call, kernel)
    sizes = [window.swept(size, False) for window, size in zip(windows, shape[2:], strict=True)]
    call.work = shape[0] * n_outputs * prod(sizes) * per_group * prod(kernel)
    call.scratch = 4 * shape[1] * prod(kernel) * prod(sizes)  # one picture's windows side by side
    return [(shape[0], n_outputs, *sizes)]


def convolved_back(call: Call) -> list[Shape]:
    shape, (n_inputs, per_group, *kernel) = call.shape(), call.shape(1)
    groups = call.get("group", 1)
    if groups < 1 or shape[1] != n_inputs or n_inputs % groups or "output_shape" in call.node.attributes:
        raise ValueError("unlike shapes")
    windows, more = _windows(call, kernel), call.get("output_padding", []) or [0] * len(kernel)
    sizes = [
        window.stride * (size - 1) + extra + window.extent - window.pads
        for window, size, extra in zip(windows, shape[2:], more, strict=True)
    ]
    if min(more) < 0:
        raise ValueError("a margin below 0")
    call.work = shape[0] * n_inputs * prod(shape[2:]) * per_group * prod(kernel)
    call.scratch = 4 * per_group * groups * prod(kernel) * prod(shape[2:])
    return [(shape[0], per_group * groups, *sizes)]
