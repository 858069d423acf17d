"""Matrix products in bfloat16, everything else in float32."""

from __future__ import annotations

from dataclasses import replace as with_changes

import torch

from annvil.training.nodes import PRODUCTS, Form, Node, Trace, aten, live_nodes, replace

_WITH_A_SUMMAND = {aten.baddbmm.default: aten.bmm.default, aten.addmm.default: aten.mm.default}


def in_bfloat16(recorded: Trace) -> Trace:
    """The same graph with its matrix products in bfloat16, summed in float32 by the hardware.

    Weights, their gradients, the optimiser, sums, activations and the loss stay float32; each factor is rounded on its
    way into a product, once however many products it is in, and the product is widened again. Products with an input
    that is data, not a weight, cannot be told apart here; see `Job.bfloat16` for who decides.
    """
    rounding = _Rounding()
    for node in recorded.nodes:
        rounding.copy(node)
    outputs = [rounding.now[id(node)] for node in recorded.outputs]
    return Trace(live_nodes(rounding.nodes, outputs), outputs)


def _pays(factors: tuple[Node, ...]) -> bool:
    """Whether a product is large enough in every direction for rounding its factors to be worth it."""
    (*_, rows, inner), (*_, columns) = factors[0].form.shape, factors[1].form.shape
    return factors[0].form.dtype == torch.float32 and min(rows, inner, columns) >= LEAST


LEAST = 192
"""Rows, columns and inner length that a product must have. Rounding gains nothing with 64; with 128 the whole step is
1.0 to 1.2 times as fast, with 256 1.3 to 1.7, with 512 2.0 (measured on one core with AMX, batch 256)."""


class _Rounding:
    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.now: dict[int, Node] = {}  # old node → its counterpart
        self._narrow: dict[int, Node] = {}  # counterpart of a root → its bfloat16 copy

    def copy(self, node: Node) -> None:
        args, kwargs = replace((node.args, node.kwargs), Node, lambda n: self.now[id(n)])
        base = None if node.base is None else self.now[id(node.base)]
        source = None if node.source is None else self.now[id(node.source)]
        new = with_changes(node, args=args, kwargs=kwargs, base=base, source=source)
        if node.op in PRODUCTS and not kwargs and _pays(args[-2:]):
            new = self._rounded_product(new, args)
        self.now[id(node)] = new
        self.nodes.append(new)

    def _rounded_product(self, node: Node, args: tuple[Node, ...]) -> Node:
        if node.op not in _WITH_A_SUMMAND:
            return self._widened(node, args)
        product = self._widened(with_changes(node, op=_WITH_A_SUMMAND[node.op]), args[-2:])
        self.nodes.append(product)
        return with_changes(node, op=aten.add.Tensor, args=(args[0], product))

    def _widened(self, node: Node, factors: tuple[Node, ...]) -> Node:
        narrow_form = Form.dense(node.form.shape, torch.bfloat16)
        product = Node(narrow_form, node.order, op=node.op, args=tuple(self._rounded(factor) for factor in factors))
        self.nodes.append(product)
        return Node(node.form, node.order, op=aten._to_copy.default, args=(product,), kwargs={"dtype": torch.float32})

    def _rounded(self, factor: Node) -> Node:
        root = factor.root
        if id(root) not in self._narrow:
            form = with_changes(root.form, dtype=torch.bfloat16)
            narrow = Node(form, root.order, op=aten._to_copy.default, args=(root,), kwargs={"dtype": torch.bfloat16})
            self.nodes.append(narrow)
            self._narrow[id(root)] = narrow
        narrow = self._narrow[id(root)]
        if factor is root:
            return narrow
        view = Node(with_changes(factor.form, dtype=torch.bfloat16), narrow.order, base=narrow)
        self.nodes.append(view)
        return view
