"""Convolutions as this machine does them fast: images with their channels last, small ones side by side."""

from __future__ import annotations

from dataclasses import replace as with_changes
from typing import Any

import torch
from torch import Tensor, nn

from annvil.training.graph.nodes import CustomOp, Node, TensorForm, Trace, aten
from annvil.training.graph.rewriting import Change, Rebuilding, changed, is_channels_last


def channels_last(network: nn.Module) -> nn.Module:
    """The network itself, whose 2-D convolutions take their input channels last from now on, whatever it came in.

    Results follow the input, so that what stands between convolutions (activations, pooling, normalisation) works on
    the same memory format. Values are the same; sums may be taken in another order.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_pre_hook(_take_channels_last)
    return network


def _take_channels_last(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    (x, *rest) = args
    return (with_channels_last(x), *rest) if isinstance(x, Tensor) and x.dim() == 4 else args


def with_channels_last(x: Tensor) -> Tensor:
    """``x (batch, channels, height, width)`` with strides that say so even where there is one channel only.

    PyTorch calls one channel both first and last, and then takes it for the former, which makes a convolution in
    bfloat16 four times as slow (2.2 against 0.6 ms for 128 × 28 × 28, 1 to 32 channels, measured).
    """
    if x.shape[1] == 1:
        return x.reshape(x.shape[0], x.shape[2], x.shape[3], 1).permute(0, 3, 1, 2)
    return x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)


_SMALL = 8
"""Width up to which images are laid side by side (measured, 3 × 3, batch 128, one core with AMX: 7 wide 1.2 instead of
2.2 ms, 4 wide 0.30 instead of 0.89; 14 wide 1.5 instead of 1.2)."""

_WIDE = 32  # columns that oneDNN multiplies at a time in bfloat16


def side_by_side(images: Tensor, out: Tensor) -> None:
    """Lay images ``(batch, channels, height, width)`` beside each other, with zeros between, both channels last."""
    batch, channels, height, width = images.shape
    groups, _, _, total = out.shape
    pitch = total * groups // batch
    spread = out.permute(0, 2, 3, 1).view(groups, height, batch // groups, pitch, channels)
    spread[:, :, :, width:].zero_()
    source = images.permute(0, 2, 3, 1).view(groups, batch // groups, height, width, channels)
    spread[:, :, :, :width].copy_(source.transpose(1, 2))


_LAY = CustomOp("side_by_side", side_by_side)


def with_wide_gradients(recorded: Trace) -> Trace:
    """Weight gradients of convolutions over small images in bfloat16, with several images as one wide one.

    The sum over an image's columns is what oneDNN then has to multiply at a time, and seven are too few. Zeros between
    the images (as many as the padding) keep them apart: the sums are the same, in another order.
    """
    apart: dict[int, tuple[Node, Node]] = {}  # old convolution → its gradient by the input, and by weight and bias

    def take_apart(new: Rebuilding, node: Node) -> None:
        apart[id(node)] = _by_weight_apart(new, node)

    def result(new: Rebuilding, node: Node) -> Node:
        return new.add(with_changes(node, source=apart[id(node.source)][min(node.position, 1)]))

    small = {id(node) for node in recorded.nodes if _is_small(node)}
    results: dict[int, Change] = {id(node): result for node in recorded.nodes if id(node.source) in small}
    return changed(recorded, results | dict.fromkeys(small, take_apart))


def _is_small(node: Node) -> bool:
    """Whether this is the gradient of a convolution of small images that keeps their size."""
    if node.op is not aten.convolution_backward.default:
        return False
    gradient, x, weight, _, stride, padding, dilation, transposed, _, groups, wanted = node.args
    same_size = gradient.form.shape[2:] == x.form.shape[2:] and not transposed and groups == 1
    plain = list(stride) == [1, 1] and list(dilation) == [1, 1] and weight.form.shape[2] > 1 and wanted[1]
    lie_well = all(is_channels_last(image.form) and image.form.dtype == torch.bfloat16 for image in (gradient, x))
    return same_size and plain and lie_well and x.form.shape[3] <= _SMALL and _together(x, padding[1]) > 1


def _together(x: Node, gap: int) -> int:
    """How many images to lay side by side."""
    count = 1
    while count * (x.form.shape[3] + gap) < _WIDE and x.form.shape[0] % (2 * count) == 0:
        count *= 2
    return count


def _by_weight_apart(new: Rebuilding, node: Node) -> tuple[Node, Node]:
    gradient, x, weight = (new.now[id(argument)] for argument in node.args[:3])
    rest, (by_input, *by_weight) = node.args[3:-1], node.args[-1]
    count = _together(node.args[1], node.args[5][1])

    def laid(images: Node) -> Node:
        batch, channels, height, width = images.form.shape
        shape = batch // count, channels, height, count * (width + node.args[5][1])
        return new.call(_LAY, TensorForm.channels_last(shape, images.form.dtype), images)

    def convolution(gradient: Node, x: Node, wanted: list[bool]) -> Node:
        args = gradient, x, weight, *rest, wanted
        return new.add(Node(node.form, op=node.op, args=args, n_results=3))

    by_x = convolution(gradient, x, [True, False, False]) if by_input else weight  # never looked at in the latter case
    return by_x, convolution(laid(gradient), laid(x), [False, *by_weight])
