"""Large products and convolutions in bfloat16, and what lies between them; all else in float32."""

from __future__ import annotations

from dataclasses import replace as with_changes

import torch

from annvil.training.graph.nodes import (
    CONVOLUTIONS,
    PRODUCTS,
    Node,
    TensorForm,
    Trace,
    aten,
    multiplications,
    nodes_in,
    replace,
)
from annvil.training.graph.rewriting import Rebuilding


def in_bfloat16(recorded: Trace, n_weights: int) -> Trace:
    """The same graph with its large products in bfloat16, summed in float32 by the hardware.

    The first ``n_weights`` inputs are weights and settings, the others data. What only carries numbers from one rounded
    product to the next (biases, activations, pooling, normalisation, sums over rows) stays in bfloat16 on the way, in
    which it is rounded once an operation. Weights, their gradients, the optimiser, statistics of normalisation, the
    loss and whatever meets data of the batch, such as targets, are float32.
    """
    narrow = _plan(recorded, n_weights)
    rounding = _Rounding(narrow)
    for node in recorded.nodes:
        rounding.take(node)
    return rounding.result(recorded, rounding.output)


def rounds(recorded: Trace) -> bool:
    """Whether there is anything large enough to be rounded."""
    return any(_pays(node) for node in recorded.nodes)


LEAST = 128
"""Rows, columns and inner length that a product must have. Rounding gains nothing with 64; with 128 the whole step is
1.0 to 1.2 times as fast, with 256 1.3 to 1.7, with 512 2.0 (measured on one core with AMX, batch 256)."""

LEAST_CONVOLVED = 10_000_000
"""Multiplications that a convolution must have (assumed: a tenth of a millisecond in float32)."""


def _pays(node: Node) -> bool:
    """Whether an operation is large enough for rounding its factors to be worth it."""
    if node.op in PRODUCTS and not node.kwargs:
        left, right = node.args[-2:]
        (*_, rows, inner), (*_, columns) = left.form.shape, right.form.shape
        return bool(left.form.dtype == torch.float32 and min(rows, inner, columns) >= LEAST)
    if node.op in CONVOLUTIONS:
        return bool(node.args[0].form.dtype == torch.float32 and multiplications(node) >= LEAST_CONVOLVED)
    return False


_EXACT = (
    aten.clamp_min.default,
    aten.threshold_backward.default,
    aten.max_pool2d_with_indices.default,
    aten.max_pool2d_with_indices_backward.default,
    aten.clone.default,
    aten.cat.default,
    aten.neg.default,
)
"""Operations that choose among numbers or move them: it is all the same whether these are rounded before or after."""

_SUMS = (aten.sum.dim_IntList, aten.mean.dim)
_POOLS = (
    aten.max_pool2d_with_indices.default,
    aten.max_pool2d_with_indices_backward.default,
    aten.avg_pool2d.default,
    aten.avg_pool2d_backward.default,
    aten._adaptive_avg_pool2d.default,
    aten._adaptive_avg_pool2d_backward.default,
    aten.constant_pad_nd.default,
    aten.cat.default,
    aten.leaky_relu_backward.default,
    aten.hardtanh_backward.default,
)
_NORMALISATIONS = (
    aten.native_batch_norm.default,
    aten._native_batch_norm_legit_functional.default,
    aten.native_batch_norm_backward.default,
    aten.native_layer_norm.default,
    aten.native_layer_norm_backward.default,
    aten.native_group_norm.default,
    aten.native_group_norm_backward.default,
)
"""These take numbers in bfloat16 beside weights and statistics in float32."""


def _carries(node: Node) -> bool:
    """Whether the operation can be done on numbers in bfloat16."""
    if node.op is None or not _of_floats(node):
        return False
    if node.op in _SUMS:
        return "dtype" not in node.kwargs
    return torch.Tag.pointwise in node.op.tags or node.op in _POOLS or node.op in _NORMALISATIONS


def _of_floats(node: Node) -> bool:
    return node.form.dtype == torch.float32


def _maker(node: Node) -> Node:
    """The operation, input or constant that a node's numbers come from."""
    root = node.root
    return root if root.source is None else root.source


def _plan(recorded: Trace, n_weights: int) -> set[int]:
    """The operations whose results are in bfloat16: those that pay and those that carry between them."""
    paying = {id(node) for node in recorded.nodes if _pays(node)}
    settled = _settled(recorded, n_weights)
    apart = paying | settled
    carrying = {id(node): node for node in recorded.nodes if _carries(node) and id(node) not in apart}
    takers = _takers(recorded)
    while True:
        narrow = paying | carrying.keys()
        left = {
            key: node for key, node in carrying.items() if _may(node, narrow, settled) and _should(node, narrow, takers)
        }
        if len(left) == len(carrying):
            return narrow
        carrying = left


def _settled(recorded: Trace, n_weights: int) -> set[int]:
    """What follows from weights and settings alone, such as a dropout's mask: computed as it is, rounded when used.

    A comparison must not see rounded noise, or a share of 0.1 would not be 0.1.
    """
    found: set[int] = set()
    for node in recorded.nodes:
        if node.op is not None:
            needs = [_maker(needed) for needed in nodes_in((node.args, node.kwargs))]
            is_settled = all(id(needed) in found for needed in needs)
        else:
            is_settled = node.value is not None or (node.source is None and 0 <= node.position < n_weights)
        if is_settled:
            found.add(id(node))
    return found


def _takers(recorded: Trace) -> dict[int, list[Node]]:
    """Operations by the maker of what they take; an output of the graph takes nothing."""
    found: dict[int, list[Node]] = {}
    for node in recorded.nodes:
        for needed in nodes_in((node.args, node.kwargs)):
            found.setdefault(id(_maker(needed)), []).append(node)
    return found


def _may(node: Node, narrow: set[int], settled: set[int]) -> bool:
    """Whether nothing that the operation takes would lose by being rounded."""
    if node.op in _EXACT:
        return True
    makers = [_maker(needed) for needed in nodes_in((node.args, node.kwargs)) if _of_floats(needed)]
    return all(id(maker) in narrow or id(maker) in settled for maker in makers)


def _should(node: Node, narrow: set[int], takers: dict[int, list[Node]]) -> bool:
    """Whether the result is wanted in bfloat16."""
    wanted = [id(taker) in narrow for taker in takers.get(id(node), [])]
    if node.op in _EXACT:
        fed = any(id(_maker(needed)) in narrow for needed in nodes_in(node.args) if _of_floats(needed))
        return fed or (bool(wanted) and all(wanted))
    return any(wanted) or (node.op in _SUMS and "dtype" not in node.kwargs)


class _Rounding(Rebuilding):
    """Builds the graph; ``now`` holds the counterparts as they are computed, in one or the other type."""

    def __init__(self, narrow: set[int]) -> None:
        super().__init__()
        self._narrow = narrow
        self._other: dict[tuple[int, torch.dtype], Node] = {}  # counterpart of a root, in another type

    def take(self, old: Node) -> None:
        self.at(old)
        if id(old) in self._narrow:
            self._computed(old)
        elif old.op is not None:
            args, kwargs = replace((old.args, old.kwargs), Node, lambda node: self.typed(node, node.form.dtype))
            self.now[id(old)] = self.add(with_changes(old, args=args, kwargs=kwargs))
        elif old.source is not None and id(old.source) in self._narrow:
            new = self.copy(old)
            if _is_rounded(old):
                new.form = with_changes(new.form, dtype=torch.bfloat16)
        elif old.base is not None:
            self.now[id(old)] = self._view(self.now[id(old.base)], old.form)
        else:
            self.copy(old)

    def output(self, old: Node) -> Node:
        """What the graph returns for an old output; rounded ones are widened as they are written."""
        new = self.now[id(old)]
        if new.form.dtype == old.form.dtype:
            return new
        form = TensorForm.dense(old.form.shape, old.form.dtype)
        return self.call(aten._to_copy.default, form, new, dtype=old.form.dtype)

    def typed(self, old: Node, dtype: torch.dtype) -> Node:
        """The counterpart in that type."""
        new = self.now[id(old)]
        if new.form.dtype == dtype:
            return new
        root = new.root
        if (id(root), dtype) not in self._other:
            form = with_changes(root.form, dtype=dtype, offset=0)
            self._other[id(root), dtype] = self.call(aten._to_copy.default, form, root, dtype=dtype)
        other = self._other[id(root), dtype]
        return other if new.base is None else self._view(other, new.form)

    def _view(self, base: Node, form: TensorForm) -> Node:
        return self.add(Node(with_changes(form, dtype=base.form.dtype), base=base))

    def _computed(self, old: Node) -> None:
        """An operation whose result is in bfloat16."""
        keep = _kept_wide(old)

        def narrowed(node: Node) -> Node:
            rounded = _of_floats(node) and id(node) not in keep
            return self.typed(node, torch.bfloat16 if rounded else node.form.dtype)

        args, kwargs = replace((old.args, old.kwargs), Node, narrowed)
        form = with_changes(old.form, dtype=torch.bfloat16) if old.n_results == 1 else old.form
        if old.op in PRODUCTS:
            form = TensorForm.dense(old.form.shape, torch.bfloat16)
        self.now[id(old)] = self.add(with_changes(old, form=form, args=args, kwargs=kwargs))


def _kept_wide(node: Node) -> set[int]:
    """Arguments that stay as they are: statistics and weights of a normalisation, what a comparison compares."""
    if node.op in _NORMALISATIONS:
        numbers = 2 if "backward" in node.op._opname else 1
        return {id(argument) for argument in nodes_in(node.args)[numbers:]}
    return set()


def _is_rounded(result: Node) -> bool:
    """Whether a result of an operation with several is numbers in bfloat16, not statistics or places."""
    if not _of_floats(result) or result.source is None:
        return False
    return result.source.op not in _NORMALISATIONS or result.position == 0
