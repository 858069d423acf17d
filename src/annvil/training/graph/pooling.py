"""ReLU and 2 × 2 max-pooling of images in bfloat16, in one go and without a table of places."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from annvil.training.graph.nodes import CustomOp, Node, Trace, aten
from annvil.training.graph.rewriting import Change, changed, gone, is_channels_last, users

_AT_ONCE = 200_000
"""Numbers of ``x`` in one part of the work, so that it stays in the second-level cache (measured; up to twice as many
are as fast)."""


def relu_pool(x: Tensor, out: Tensor) -> None:
    """``out = relu(max_pool2d(x, 2))``; both bfloat16 with their channels last.

    Numbers in bfloat16 that are not negative are in the order of their bits, and negative ones are negative as whole
    numbers too. So the largest of four can be found among 16-bit whole numbers, which is four times as fast, if
    negative results become 0 afterwards. (A NaN with a sign becomes 0 too; see `in_whole_numbers`.)
    """
    x, out = _bits(x), _bits(out)
    _, height, width, _ = out.shape
    for images in _parts(x):
        part, target = x[images], out[images]
        higher = torch.maximum(part[:, 0 : 2 * height : 2], part[:, 1 : 2 * height : 2])
        torch.maximum(higher[:, :, 0 : 2 * width : 2], higher[:, :, 1 : 2 * width : 2], out=target)
        target.clamp_min_(0)


def relu_pool_backward(gradient: Tensor, x: Tensor, out: Tensor) -> None:
    """The gradient of `relu_pool` by ``x`` into ``out``, from that by its result; bfloat16, channels last.

    Of equal numbers the left one gets it, then the upper one; PyTorch looks along the first row first. Where nothing is
    positive nobody gets anything.
    """
    gradient, x, out = _bits(gradient), _bits(x), _bits(out)
    _, height, width, _ = gradient.shape
    out[:, 2 * height :].zero_()
    out[:, :, 2 * width :].zero_()
    for images in _parts(x):
        part, target = x[images], out[images, :, : 2 * width]
        upper, lower = part[:, 0 : 2 * height : 2, : 2 * width], part[:, 1 : 2 * height : 2, : 2 * width]
        higher = torch.maximum(upper, lower)
        left, right = higher[:, :, 0::2], higher[:, :, 1::2]
        passed = aten.threshold_backward.default(gradient[images], torch.maximum(left, right), 0)
        chosen = torch.empty_like(higher)
        _divide(passed, left, right, chosen[:, :, 0::2], chosen[:, :, 1::2])
        _divide(chosen, upper, lower, target[:, 0 : 2 * height : 2], target[:, 1 : 2 * height : 2])


def _divide(gradient: Tensor, one: Tensor, other: Tensor, for_one: Tensor, for_other: Tensor) -> None:
    """The gradient goes to ``other`` where that is larger, else to ``one``: bits times 0 or 1."""
    torch.gt(other, one, out=for_other)
    for_other.mul_(gradient)
    torch.sub(gradient, for_other, out=for_one)


def _bits(images: Tensor) -> Tensor:
    """``(batch, height, width, channels)`` as 16-bit whole numbers."""
    return images.permute(0, 2, 3, 1).view(torch.int16)


def _parts(x: Tensor) -> list[slice]:
    step = max(1, _AT_ONCE // x[0].numel())
    return [slice(start, start + step) for start in range(0, len(x), step)]


_FORWARD = CustomOp("relu_pool", relu_pool)
_BACKWARD = CustomOp("relu_pool_backward", relu_pool_backward)


def with_fused_pools(recorded: Trace) -> Trace:
    """Pooling followed by ReLU, and their gradients, as one operation each, where they are in bfloat16 and 2 × 2."""
    using = users(recorded)
    changes: dict[int, Change] = {}
    for node in recorded.nodes:
        changes |= _fused(node, using)
    return changed(recorded, changes)


def _fused(pool: Node, using: dict[int, list[Node]]) -> dict[int, Change]:
    """The changes where a pooling's result goes through ReLU alone, and its gradient back through both."""
    if pool.op is not aten.max_pool2d_with_indices.default or not _halves(pool):
        return {}
    results = {result.position: result for result in using[id(pool)]}
    pooled, places = results.get(0), results.get(1)
    if pooled is None or len(using.get(id(pooled), [])) != 1:
        return {}
    (relu,) = using[id(pooled)]
    if relu.op is not aten.clamp_min.default or relu.args != (pooled, 0):
        return {}
    x = id(pool.args[0])
    changes: dict[int, Change] = dict.fromkeys(map(id, (pool, *results.values())), gone)
    changes[id(relu)] = lambda new, node: new.call(_FORWARD, node.form, new.now[x])
    backs = [] if places is None else using.get(id(places), [])
    if not backs:
        return changes
    mask = backs[0].args[0]
    fits = len(backs) == 1 and mask.op is aten.threshold_backward.default and mask.args[1:] == (relu, 0)
    if not fits or using[id(mask)] != backs or not is_channels_last(mask.args[0].form):
        return {}
    gradient = id(mask.args[0])
    changes[id(backs[0])] = lambda new, node: new.call(_BACKWARD, node.form, new.now[gradient], new.now[x])
    return changes | {id(mask): gone}


def _halves(pool: Node) -> bool:
    x, kernel, *rest = pool.args
    usual: list[Any] = [[2, 2], [0, 0], [1, 1], False]  # stride (none: the kernel's), padding, dilation, rounding up
    same = all(given == value or given == [] for given, value in zip(rest, usual, strict=False))
    return same and list(kernel) == [2, 2] and x.form.dtype == torch.bfloat16 and is_channels_last(x.form)
