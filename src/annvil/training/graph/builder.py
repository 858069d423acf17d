"""The graph of a recorded step, built operation by operation and simplified as it grows.

A chain of views becomes one strided view of the tensor it looks into, so that transposing twice, expanding to the same
shape or reshaping back costs nothing; what depends on no input is computed once; equal operations are done once;
multiplying by one is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from annvil.training.graph.nodes import Node, TensorForm, aten, nodes_in

# Their results depend on the shape of the argument alone.
_BY_SHAPE = {"ones_like", "zeros_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"}
_BY_SHAPE |= {"new_empty_strided"}
_COPIES = {"_to_copy", "clone", "lift_fresh", "lift_fresh_copy"}
_TRANSPOSABLE = (aten.bmm.default, aten.mm.default)
# The same arithmetic under a name that has a form writing into given memory.
_SYNONYMS = {
    aten.mul.Scalar: aten.mul.Tensor,
    aten.div.Scalar: aten.div.Tensor,
    aten.add.Scalar: aten.add.Tensor,
    aten.sub.Scalar: aten.sub.Tensor,
}


class CannotRecord(Exception):
    """A step that cannot be replayed as a list of operations; the message says what it does, after "the network"."""


class Builder:
    """Adds operations one by one and simplifies as it goes; gives up (`CannotRecord`) beyond ``most_nodes``."""

    def __init__(self, most_nodes: int) -> None:
        self.nodes: list[Node] = []
        self.moment = 0.0
        self._most_nodes = most_nodes
        self._numbered: dict[Any, Node] = {}

    def add(self, node: Node) -> Node:
        if len(self.nodes) >= self._most_nodes:
            raise CannotRecord(f"takes more than {self._most_nodes} operations in a step, as an unrolled loop does")
        node.order = self.moment
        self.nodes.append(node)
        return node

    def constant(self, tensor: Tensor) -> Node:
        """The node of a tensor that no input changes; small ones of equal content are one."""
        tensor = tensor.detach()
        content = _content(tensor) if tensor.numel() <= 4096 else id(tensor)
        form = TensorForm.of(tensor)
        return self._number(("constant", form, content), lambda: Node(form, value=tensor))

    def call(
        self, op: Any, args: Any, kwargs: Any, results: Sequence[Tensor], by_chance: bool = False
    ) -> Sequence[Node]:
        """The nodes of the results of ``op(*args, **kwargs)``: new ones, or equal ones that exist.

        What happens ``by_chance`` is never equal to anything.
        """
        self.moment += 1
        if by_chance:
            return self._all(op, (args, kwargs), results, ("chance", self.moment))
        if op._opname == "zero" or (op._opname == "fill" and not nodes_in(args[1])):
            args = ()
        if op is aten.copy.default:
            return [self._copied(args[1], results[0])]
        if op._opname in _BY_SHAPE or all(node.root.value is not None for node in nodes_in((args, kwargs))):
            return [self.constant(result) for result in results]
        op, args, kwargs = _rephrased(op, args, kwargs)
        form = TensorForm.of(next(result for result in results if result is not None))
        same = _unchanged(op, args, form)
        if same is not None:
            return [same]
        return self._all(op, (args, kwargs), results)

    def _all(self, op: Any, arguments: Any, results: Sequence[Tensor], own: Any = ()) -> Sequence[Node]:
        form = TensorForm.of(next(result for result in results if result is not None))
        args, kwargs = arguments
        computed = self._computed(op, args, kwargs, form, len(results), own)
        if len(results) == 1:
            return [computed]
        return [computed if r is None else self._result(computed, i, r) for i, r in enumerate(results)]

    def _copied(self, source: Node, result: Tensor) -> Node:
        """What ``result`` holds once ``source`` was copied into it."""
        form = TensorForm.of(result)
        if source.form.alike(form):
            return source
        return self.constant(result) if source.root.value is not None else self.copy(source, form)

    def copy(self, source: Node, form: TensorForm) -> Node:
        """The same numbers, expanded to ``form``, in memory of their own."""
        return self._computed(aten.clone.default, (source,), {}, form, 1)

    def scattered(self, whole: Node, part: Node, where: TensorForm) -> Node:
        """``whole`` with the elements at ``where`` replaced by those of ``part``."""
        self.moment += 1
        own = self.copy(whole, TensorForm(whole.form.shape, whole.form.stride, 0, whole.form.dtype))
        place = (list(where.shape), list(where.stride), where.offset)
        return self._computed(aten.as_strided_scatter.default, (own, part, *place), {}, own.form, 1)

    def view(self, seen: Node, view: Tensor, shift: int) -> Node:
        """The node of ``view``, which looks into what ``seen`` looks into, ``shift`` elements further on."""
        return self._view(seen.root, TensorForm.of(view, seen.form.offset * (seen.base is not None) + shift))

    def untransposed(self, node: Node) -> Node:
        """A product seen through a transposition, (A B)^T, as the product B^T A^T, whose memory can be given."""
        product = node.base
        if product is None or product.op not in _TRANSPOSABLE or node.form != product.form.transposed:
            return node
        now, self.moment = self.moment, product.order
        left, right = (self._view(factor.root, factor.form.transposed) for factor in reversed(product.args))
        for factor in (left, right):  # a view may have been asked for first further on: it is needed here already
            factor.order = min(factor.order, product.order)
        transposed = self._computed(
            product.op, (left, right), {}, TensorForm.dense(node.form.shape, node.form.dtype), 1
        )
        self.moment = now
        return transposed

    def _view(self, base: Node, form: TensorForm) -> Node:
        if base.form == form:
            return base
        return self._number(("view", id(base), form), lambda: Node(form, base=base))

    def _computed(self, op: Any, args: Any, kwargs: Any, form: TensorForm, n_results: int, own: Any = ()) -> Node:
        key = (op, _key(args), _key(kwargs), form.dtype, form.stride, own)
        return self._number(key, lambda: Node(form, op=op, args=tuple(args), kwargs=dict(kwargs), n_results=n_results))

    def _result(self, source: Node, position: int, result: Tensor) -> Node:
        form = TensorForm.of(result)
        return self._number(("result", id(source), position), lambda: Node(form, source=source, position=position))

    def _number(self, key: Any, make: Callable[[], Node]) -> Node:
        if key not in self._numbered:
            self._numbered[key] = self.add(make())
        return self._numbered[key]


def _rephrased(op: Any, args: Any, kwargs: Any) -> tuple[Any, Any, Any]:
    """The same result by an operation that can write into given memory, or with one operation less."""
    op = _SYNONYMS.get(op, op)
    if op is aten.relu.default:
        return aten.clamp_min.default, (args[0], 0), {}
    if op is aten.rsub.Scalar and len(args) == 2 and isinstance(args[0], Node):
        whole = isinstance(args[1], int) and not args[0].form.dtype.is_floating_point
        return aten.sub.Tensor, (torch.tensor(args[1] if whole else float(args[1])), args[0]), {}
    if op is aten.add.Tensor and not kwargs:
        for one, other in ((args[0], args[1]), (args[1], args[0])):
            if isinstance(other, Node) and other.op is aten.neg.default:
                return aten.sub.Tensor, (one, other.args[0]), {}
    if op is aten._to_copy.default and kwargs == {"dtype": torch.float32} and args[0].op in _COMPARISONS:
        return args[0].op, args[0].args, {}  # a comparison can write 0 and 1 as numbers at once
    return op, args, kwargs


_COMPARISONS = tuple(
    getattr(getattr(aten, name), kind) for name in ("ge", "gt", "le", "lt", "eq", "ne") for kind in ("Tensor", "Scalar")
)


def _unchanged(op: Any, args: Any, form: TensorForm) -> Node | None:
    """The argument that the operation would only copy, if there is one."""
    if op is aten.mul.Tensor:
        kept = [one for one, other in ((args[0], args[1]), (args[1], args[0])) if _is_one(other)]
    elif op is aten.div.Tensor:
        kept = [args[0]] if _is_one(args[1]) else []
    elif op is aten.where.self:
        kept = [args[1]] if args[1] is args[2] else []
    elif op in (aten.add.Tensor, aten.sub.Tensor):
        kept = [args[0]] if not isinstance(args[1], Node) and args[1] == 0 else []
    else:
        kept = [args[0]] if op._opname in _COPIES else []
    return next((node for node in kept if isinstance(node, Node) and node.form.alike(form)), None)


def _is_one(factor: Any) -> bool:
    if isinstance(factor, Node):
        return factor.root.value is not None and bool((factor.root.value == 1).all())
    return bool(factor == 1)


def _key(values: Any) -> Any:
    if isinstance(values, Node):
        return ("node", id(values))
    if isinstance(values, dict):
        return tuple((name, _key(value)) for name, value in sorted(values.items()))
    if isinstance(values, list | tuple):
        return tuple(_key(value) for value in values)
    if isinstance(values, Tensor):
        return ("tensor", values.dtype, tuple(values.shape), _content(values))
    return (type(values).__name__, str(values))


def _content(tensor: Tensor) -> bytes:
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())
