"""A recorded step as it is run, and what of it is in bfloat16 by the operations that processors do fastest."""

from __future__ import annotations

from dataclasses import replace as with_changes
from functools import partial

import torch

from annvil.training.graph.convolutions import with_wide_gradients
from annvil.training.graph.nodes import Node, Trace, aten
from annvil.training.graph.pooling import with_fused_pools
from annvil.training.graph.precision import in_bfloat16
from annvil.training.graph.rewriting import Change, Rebuilding, changed, gone, improved, users


def prepared(recorded: Trace, n_weights: int, bfloat16: bool) -> Trace:
    """The step as it is run: tidied and, if asked for, rounded.

    The first ``n_weights`` inputs are weights and settings, the others data.
    """
    better = improved(recorded)
    return lowered(in_bfloat16(better, n_weights)) if bfloat16 else better


def lowered(rounded: Trace) -> Trace:
    """The graph with cheaper operations for what `in_bfloat16` made; results differ by roundings at most."""
    return in_whole_numbers(with_summands(with_wide_gradients(with_fused_pools(rounded))))


_WITH_A_SUMMAND = {aten.bmm.default: aten.baddbmm.default, aten.mm.default: aten.addmm.default}


def with_summands(rounded: Trace) -> Trace:
    """A product and the bias added to it as one operation, which rounds once instead of twice."""
    using = users(rounded)
    changes: dict[int, Change] = {}
    for node in rounded.nodes:
        product = _product_in(node, using)
        if product is not None:
            changes |= {id(product): gone, id(node): partial(_with_summand, product)}
    return changed(rounded, changes)


def _with_summand(product: Node, new: Rebuilding, node: Node) -> Node:
    (bias,) = (new.now[id(summand)] for summand in node.args if summand is not product)
    factors = (new.now[id(factor)] for factor in product.args)
    return new.call(_WITH_A_SUMMAND[product.op], product.form, bias, *factors)


def _product_in(node: Node, using: dict[int, list[Node]]) -> Node | None:
    """The product in bfloat16 to which nothing but a bias is added here, and which nobody else needs."""
    if node.op is not aten.add.Tensor or node.kwargs or not all(isinstance(summand, Node) for summand in node.args):
        return None
    product: Node
    for product, bias in (node.args, reversed(node.args)):
        fits = product.op in _WITH_A_SUMMAND and product.form.dtype == bias.form.dtype == torch.bfloat16
        alone = using.get(id(product)) == [node] and product.form.alike(node.form)
        if fits and alone and bias.form.size < product.form.size:
            return product
    return None


def in_whole_numbers(rounded: Trace) -> Trace:
    """ReLU and its gradient on the bits, as 16-bit whole numbers, which is four times as fast (measured, in the cache).

    A number in bfloat16 is positive, zero or negative if its bits are as a whole number. So the results are the same;
    but a NaN with a sign, which processors make, becomes 0, as if it were negative. `Pack.mean_losses` therefore looks
    at the weights.
    """
    return changed(rounded, {id(node): _on_bits for node in rounded.nodes if _is_rectifier(node)})


def _is_rectifier(node: Node) -> bool:
    relu = node.op in (aten.clamp_min.default, aten.threshold_backward.default)
    return relu and node.form.dtype == torch.bfloat16 and node.args[-1] == 0


def _on_bits(new: Rebuilding, node: Node) -> Node:
    numbers = (new.now[id(argument)] for argument in node.args[:-1])
    bits = [new.add(Node(with_changes(n.form, dtype=torch.int16), base=n.root)) for n in numbers]
    return new.add(Node(node.form, base=new.call(node.op, with_changes(node.form, dtype=torch.int16), *bits, 0)))
