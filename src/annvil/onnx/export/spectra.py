"""The short-time Fourier transform as a convolution with cosines and sines, and what is made of complex numbers.

A complex value is kept as real numbers with one more axis, the last: real and imaginary part.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from annvil.onnx.builder import Value
from annvil.onnx.export.writer import Traced, Writer, fixed, writes

aten = torch.ops.aten


@writes(aten.stft)
def stft(w: Writer, x: Traced, n_fft: int, *_: Any, **__: Any) -> Value:
    """Of the overload whose signal was padded before, or of the one that pads (``center``)."""
    asked = w.asked
    hop, length, window = asked["hop_length"] or n_fft // 4, asked["win_length"] or n_fft, asked["window"]
    if isinstance(window, Traced):
        raise w.refusal("a window that is computed from inputs is not known here")
    shape = torch.ones(length) if window is None else window.detach().cpu()
    left = (n_fft - length) // 2
    shape = torch.nn.functional.pad(shape.double(), (left, n_fft - length - left))
    bins = n_fft if asked["onesided"] is False else n_fft // 2 + 1
    angle = 2 * math.pi / n_fft * torch.outer(torch.arange(bins), torch.arange(n_fft)).remainder(n_fft).double()
    filters = torch.cat([angle.cos() * shape, -angle.sin() * shape])[:, None]
    filters = filters / math.sqrt(n_fft) if asked["normalized"] else filters
    value = w.value(x)
    if asked.get("center"):
        around = [0] * (len(x.shape) - 1) + [n_fft // 2]
        mode = {"reflect": "reflect", "constant": "constant", "replicate": "edge"}[asked["pad_mode"]]
        value = w.op("Pad", value, w.ints(*around, *around), mode=mode)
    axis = len(x.shape) - 1
    value = w.op("Unsqueeze", value, w.ints(*([0, 1] if axis == 0 else [1])))
    found = w.op("Conv", value, w.value(filters, x.dtype), kernel_shape=[n_fft], strides=[hop])
    frames = fixed(w, [w.result.shape[axis + 1]], "the number of frames")[0]
    lead = x.shape[:1] if axis else (1,)
    pairs = w.transpose(w.reshape(found, [*lead, 2, bins, frames]), [0, 2, 3, 1])
    return pairs if axis else w.op("Squeeze", pairs, w.ints(0))


@writes(aten.view_as_real, aten.real, aten.imag)
def part(w: Writer, x: Traced) -> Value:
    if w.packet is aten.view_as_real:
        return w.value(x)
    return w.op("Gather", w.value(x), w.graph.constant(int(w.packet is aten.imag), "int64"), axis=-1)


TAKE_COMPLEX = frozenset({aten.abs, aten.view_as_real, aten.real, aten.imag})
"""Operations that are written for complex numbers."""
