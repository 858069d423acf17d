"""A program with fewer operations: what is linear and constant goes into the layer before or after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from annvil.onnx.export.aten_trace import Meta, Node, Output, Recording, found_in, replace
from annvil.onnx.export.dynamic_batch import live
from annvil.onnx.export.normalisation import channel_affine

aten = torch.ops.aten

CONVOLUTIONS = (aten.conv1d, aten.conv2d, aten.conv3d)
POOLS = (aten.max_pool1d, aten.max_pool2d, aten.max_pool3d)


def fold(found: Recording) -> Recording:
    """The same program, shorter.

    Batch normalisation goes into the convolution or linear layer before it, also past a max pooling where its factors
    are positive; a factor before or behind a linear layer goes into its weights; rows that are put into one line for a
    linear layer stay as they are; small products that lie side by side become one.
    """
    uses = Counter(one for node in found.nodes for one in found_in((node.args, node.kwargs), Output))
    uses.update(found.outputs)
    instead: dict[Output, Output] = {}

    def current(output: Output) -> Output:
        while output in instead:
            output = instead[output]
        return output

    def alone(output: Any, *packets: Any) -> Node | None:
        """The node that makes it, if it is one of these operations and nobody else uses the result."""
        is_lone = isinstance(output, Output) and uses[output] == 1
        return output.node if is_lone and output.node.packet in packets else None

    for node in found.nodes:
        node.args, node.kwargs = replace((node.args, dict(node.kwargs)), Output, current)
        rule = RULES.get(node.packet)
        made = rule(node, alone) if rule is not None else None
        if made is not None:
            instead[Output(node)] = made
            uses[made] += uses[Output(node)] - 1
    return live(Recording(found.nodes, [current(one) for one in found.outputs]))


Alone = Callable[..., Node | None]


def _batch_norm(node: Node, alone: Alone) -> Output | None:
    x, training, eps = node.args[0], node.args[5], node.args[7]
    weight, bias, mean, variance = map(_constant, node.args[1:5])
    if training or mean is None or variance is None:
        return None
    layer = alone(x, *CONVOLUTIONS, aten.linear)
    pool = alone(x, *POOLS) if layer is None else None
    if pool is not None:
        layer = alone(pool.args[0], *CONVOLUTIONS)
    if layer is None or _weight(layer) is None:
        return None
    if layer.packet is aten.linear and len(layer.results[0].shape) != 2:  # type: ignore[union-attr]
        return None  # it normalises the second axis, the layer makes the last
    factor, shift = channel_affine(weight, bias, mean, variance, eps)
    if pool is not None and not bool((factor > 0).all()):
        return None
    return x if _scaled(layer, factor, shift) else None


def _multiplied(node: Node, alone: Alone) -> Output | None:
    """A factor behind a linear layer."""
    for x, other in ((node.args[0], node.args[1]), (node.args[1], node.args[0])):
        layer = alone(x, aten.linear)
        factor = _constant(other)
        if layer is None or factor is None or factor.dim() > 1 or not factor.is_floating_point():
            continue
        width = layer.results[0].shape[-1]  # type: ignore[union-attr]
        if node.results[0] == layer.results[0] and _weight(layer) is not None:
            wide = factor.expand(width)
            return x if _scaled(layer, wide, torch.zeros_like(wide)) else None
    return None


def _linear(node: Node, alone: Alone) -> Output | None:
    """A factor before a linear layer; rows that were put into one line for it."""
    x, weight = node.args[0], _weight(node)
    before = alone(x, aten.mul, aten.div)
    if before is not None and weight is not None:
        divides = before.packet is aten.div
        sides = [before.args[:2]] if divides or before.kwargs else [before.args[:2], before.args[1::-1]]
        for own, other in sides:
            factor = _constant(other)
            if factor is None or factor.dim() > 1 or not isinstance(own, Output) or own.node.constant is not None:
                continue
            if own.meta == x.meta and factor.is_floating_point() and not before.kwargs:
                wide = factor.double().reciprocal() if divides else factor.double()
                node.args = (own, _new(weight.double() * wide, weight.dtype), *node.args[2:])
                break
    return None


def _viewed(node: Node, alone: Alone) -> Output | None:
    """``linear(x.reshape(-1, n)).reshape(…)`` with the rows of x again: a linear layer over x as it is."""
    layer = alone(node.args[0], aten.linear)
    before = alone(layer.args[0], aten.view, aten.reshape, aten.flatten) if layer is not None else None
    if layer is None or before is None or not isinstance(before.args[0], Output):
        return None
    x = before.args[0]
    after = node.results[0]
    assert after is not None
    if x.meta.shape[:-1] != after.shape[:-1] or x.meta.shape[-1] != before.results[0].shape[-1]:  # type: ignore[union-attr]
        return None
    layer.args = (x, *layer.args[1:])
    layer.results = [Meta(after.shape, after.dtype)]
    return Output(layer)


MOST_ZEROS = 1 << 15
"""Numbers of a matrix that is zero but for blocks, above which products of the blocks one by one are as fast (measured:
embeddings of 20 columns gain a tenth with one row, those of 100 columns lose a third with 1000)."""


def _side_by_side(node: Node, alone: Alone) -> Output | None:
    """Products of each column's numbers with a matrix of its own, as one with a matrix that holds all of them.

    ``baddbmm(bias, x.transpose(0, 1), weight).transpose(0, 1)`` with x ``(rows, columns, n)`` and constant bias
    ``(columns, 1, m)`` and weight ``(columns, n, m)``.
    """
    product = alone(node.args[0], aten.baddbmm) if node.args[1:] == (0, 1) else None
    first = alone(product.args[1], aten.transpose) if product is not None and not product.kwargs else None
    if product is None or first is None or first.args[1:] != (0, 1):
        return None
    bias, weight = _constant(product.args[0]), _constant(product.args[2])
    x, result = first.args[0], node.results[0]
    if bias is None or weight is None or result is None:
        return None
    if bias.shape[1] != 1 or weight.numel() * len(weight) > MOST_ZEROS:
        return None
    columns, n, m = weight.shape
    rows, dtype = x.meta.shape[0], result.dtype
    wide = torch.block_diag(*weight).T  # type: ignore[no-untyped-call]
    first.op, first.args = aten.view.default, (x, [rows, columns * n])
    first.results = [Meta((rows, columns * n), dtype)]
    product.op, product.results = aten.linear.default, [Meta((rows, columns * m), dtype)]
    product.args = (Output(first), _new(wide, dtype), _new(bias.expand(columns, 1, m).reshape(-1), dtype))
    node.op, node.args = aten.view.default, (Output(product), list(result.shape))
    return None


def _scaled(layer: Node, factor: Tensor, shift: Tensor) -> bool:
    """Let a layer give ``factor`` times its outputs plus ``shift``, channel by channel; False where it cannot."""
    weight, bias = _weight(layer), layer.args[2] if len(layer.args) > 2 else None
    values = _constant(bias)
    if weight is None or (bias is not None and values is None):
        return False
    wide = factor.double().reshape(-1, *[1] * (weight.dim() - 1))
    moved = shift.double() if values is None else shift.double() + values.double() * factor.double()
    nothing = values is None and not bool(shift.any())
    rest = (None if nothing else _new(moved, weight.dtype), *layer.args[3:])
    layer.args = (layer.args[0], _new(weight.double() * wide, weight.dtype), *rest)
    return True


def _weight(layer: Node) -> Tensor | None:
    return layer.args[1].node.constant if isinstance(layer.args[1], Output) else None


def _constant(operand: Any) -> Tensor | None:
    if isinstance(operand, Output):
        return operand.node.constant
    return torch.tensor(float(operand)) if isinstance(operand, int | float) else None


def _new(values: Tensor, dtype: torch.dtype) -> Output:
    tensor = values.detach().to(dtype)
    return Output(Node(None, results=[Meta(tuple(tensor.shape), tensor.dtype)], constant=tensor))


RULES: dict[Any, Callable[[Node, Alone], Output | None]] = {
    aten.batch_norm: _batch_norm,
    aten.mul: _multiplied,
    aten.linear: _linear,
    aten.view: _viewed,
    aten.reshape: _viewed,
    aten.unflatten: _viewed,
    aten.transpose: _side_by_side,
}
"""Operation → what may make it superfluous: the output to take instead, or None."""
