"""From a step written in PyTorch to a short list of tensor operations without autograd.

`trace` records a function once (`make_fx`, which sees through `vmap` and `grad`) and rebuilds the record as a graph of
`Node`s, simplifying as it goes: a chain of views becomes one strided view of the tensor it looks into, so that transposing
twice, expanding to the same shape or reshaping back costs nothing; what depends on no input is computed once; equal
operations are done once; multiplying by one is dropped. `annvil.training.program` binds the graph to memory.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from annvil.errors import RequestError

aten = torch.ops.aten


@dataclass(eq=False)
class Node:
    """A tensor of the graph.

    ``like`` is a tensor on the meta device: it carries shape, strides and dtype. A node is an input (``position``), a
    constant (``value``), a view of another node (``base``), computed (``op``), or one of several results of an operation
    (``base`` is None, ``source`` the operation and ``position`` the number of the result).
    """

    like: Tensor
    order: float = 0.0
    position: int = -1
    value: Tensor | None = None
    base: Node | None = None
    op: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    source: Node | None = None
    n_results: int = 1

    @property
    def root(self) -> Node:
        """The node whose memory this one looks into: itself unless it is a view."""
        return self if self.base is None else self.base

    @property
    def needs(self) -> list[Node]:
        """The nodes that must exist before this one."""
        direct = [node for node in (self.base, self.source) if node is not None]
        return direct + nodes_in((self.args, self.kwargs))


@dataclass
class Trace:
    """A recorded function: its nodes in an order in which they can be computed, and those it returns."""

    nodes: list[Node]
    outputs: list[Node]


def trace(function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> Trace:
    """The operations that ``function(*inputs)`` performs, simplified.

    Raises
    ------
    RequestError
        When the function draws random numbers or changes one of its inputs: replaying it would not repeat it.
    """
    graph = _record(function, inputs)
    builder = _Builder()
    known: dict[torch.fx.Node, Any] = {}
    outputs: list[Node] = []
    for recorded in graph.nodes:
        if recorded.op == "placeholder":
            position = len(builder.nodes)
            known[recorded] = builder.add(Node(like=_meta(inputs[position]), position=position))
        elif recorded.op == "get_attr":
            known[recorded] = builder.constant(operator.attrgetter(recorded.target)(graph.owning_module))
        elif recorded.op == "output":
            outputs = [known[value] for value in recorded.args[0]]
        else:
            args, kwargs = torch.fx.node.map_arg((recorded.args, recorded.kwargs), known.__getitem__)
            known[recorded] = builder.call(recorded.target, args, kwargs)
    outputs = [builder.untransposed(node) for node in outputs]
    return Trace(live_nodes(builder.nodes, outputs), outputs)


def live_nodes(nodes: Sequence[Node], outputs: Sequence[Node]) -> list[Node]:
    """The nodes that the outputs need, in order."""
    wanted: set[int] = set()
    waiting = list(outputs)
    while waiting:
        node = waiting.pop()
        if id(node) not in wanted:
            wanted.add(id(node))
            waiting += node.needs
    return sorted((node for node in nodes if id(node) in wanted), key=lambda node: node.order)


def nodes_in(values: Any) -> list[Node]:
    """Every node in nested arguments."""
    if isinstance(values, Node):
        return [values]
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [node for value in values for node in nodes_in(value)]
    return []


def replace(values: Any, by: Callable[[Node], Any]) -> Any:
    """Nested arguments with every node replaced."""
    if isinstance(values, Node):
        return by(values)
    if isinstance(values, dict):
        return {name: replace(value, by) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return tuple(replace(value, by) for value in values)
    return values


def geometry(tensor: Tensor) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Shape, strides and offset: what tells views of one memory apart."""
    return tuple(tensor.shape), tuple(tensor.stride()), int(tensor.storage_offset())


def _record(function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> torch.fx.Graph:
    graph = make_fx(function)(*inputs).graph
    if any(_changes_something(node.target) for node in graph.nodes):
        graph = make_fx(torch.func.functionalize(function, remove="mutations"))(*inputs).graph
    for node in graph.nodes:
        if _changes_something(node.target):
            raise RequestError(
                f"The network changes its own buffers while it trains ({node.target}, as BatchNorm's running statistics "
                "do); use LayerNorm, or BatchNorm with track_running_stats=False."
            )
        tags = getattr(node.target, "tags", ())
        if torch.Tag.nondeterministic_seeded in tags:
            raise RequestError(
                f"The network draws random numbers while it trains ({node.target}), so a run could not be repeated; "
                "use annvil.networks.Dropout in place of torch.nn.Dropout."
            )
    graph.eliminate_dead_code()
    return graph


def _changes_something(target: Any) -> bool:
    schema = getattr(target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


# Their results depend on the shape of the argument alone.
_BY_SHAPE = {"ones_like", "zeros_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"}
_COPIES = {"_to_copy", "clone", "lift_fresh", "lift_fresh_copy"}
# The same arithmetic under a name that has a form writing into given memory.
_SYNONYMS = {
    aten.mul.Scalar: aten.mul.Tensor,
    aten.div.Scalar: aten.div.Tensor,
    aten.add.Scalar: aten.add.Tensor,
    aten.sub.Scalar: aten.sub.Tensor,
}


class _Builder:
    """Adds operations one by one and simplifies as it goes."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._moment = 0.0
        self._numbered: dict[Any, Node] = {}

    def add(self, node: Node) -> Node:
        node.order = self._moment
        self.nodes.append(node)
        return node

    def constant(self, tensor: Tensor) -> Node:
        tensor = tensor.detach()
        small = tensor.numel() <= 4096
        content = tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes() if small and tensor.dim() else tensor
        key = ("constant", str(tensor.dtype), geometry(tensor), content if isinstance(content, bytes) else id(tensor))
        return self._number(key, lambda: Node(like=_meta(tensor), value=tensor))

    def call(self, op: Any, args: Any, kwargs: Any) -> Any:
        """The node of ``op(*args, **kwargs)`` (a tuple of nodes for several results), or an equal one that exists."""
        self._moment += 1
        if op is operator.getitem:
            return args[0][args[1]]
        op = _SYNONYMS.get(op, op)
        if op is aten.relu.default:  # relu itself cannot write into given memory
            op, args = aten.clamp_min.default, (args[0], 0)
        tensors = nodes_in((args, kwargs))
        if op._opname in _BY_SHAPE or all(node.root.value is not None for node in tensors):
            return replace_tensors(op(*replace(args, _real), **replace(kwargs, _real)), self.constant)
        like = op(*replace(args, _like), **replace(kwargs, _like))
        if _is_view(op):
            return replace_tensors(like, lambda view: self.view(tensors[0].root, view))
        same = _unchanged(op, args, like)
        if same is not None:
            return same
        key = (op, _key(args), _key(kwargs))
        if isinstance(like, Tensor):
            return self._number(key, lambda: Node(like=_meta(like), op=op, args=tuple(args), kwargs=dict(kwargs)))
        several = Node(like=_meta(like[0]), op=op, args=tuple(args), kwargs=dict(kwargs), n_results=len(like))
        several = self._number(key, lambda: several)
        return tuple(
            self._number(("result", id(several), i), lambda i=i: Node(like=_meta(like[i]), source=several, position=i))  # type: ignore[misc]
            for i in range(len(like))
        )

    def view(self, base: Node, like: Tensor) -> Node:
        """Part of ``base`` seen with the geometry of ``like``."""
        seen = geometry(like)
        if seen == geometry(base.like) and like.dtype == base.like.dtype:
            return base
        return self._number(("view", id(base), seen), lambda: Node(like=base.like.as_strided(*seen), base=base))

    def untransposed(self, node: Node) -> Node:
        """A product seen through a transposition, (A B)^T, as the product B^T A^T, whose memory can be given."""
        base = node.base
        if base is None or base.op not in (aten.bmm.default, aten.mm.default):
            return node
        if geometry(node.like) != geometry(base.like.transpose(-1, -2)):
            return node
        self._moment = base.order
        left, right = (self.view(arg.root, arg.like.transpose(-1, -2)) for arg in reversed(base.args))
        like = _meta(base.op(left.like, right.like))
        return self._number((base.op, id(left), id(right)), lambda: Node(like=like, op=base.op, args=(left, right)))

    def _number(self, key: Any, make: Callable[[], Node]) -> Node:
        if key not in self._numbered:
            self._numbered[key] = self.add(make())
        return self._numbered[key]


def replace_tensors(values: Any, by: Callable[[Tensor], Any]) -> Any:
    """Nested results with every tensor replaced."""
    if isinstance(values, Tensor):
        return by(values)
    return tuple(replace_tensors(value, by) for value in values)


def _meta(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tuple(tensor.shape), tensor.stride(), dtype=tensor.dtype, device="meta")


def _like(node: Node) -> Tensor:
    return node.like


def _real(node: Node) -> Tensor:
    """A constant's value; for an operation that only looks at the shape, anything of that shape."""
    if node.value is not None:
        return node.value
    return torch.empty_strided(tuple(node.like.shape), node.like.stride(), dtype=node.like.dtype)


def _is_view(op: Any) -> bool:
    if op is aten._unsafe_view.default:
        return True
    return any(returned.alias_info is not None and not returned.alias_info.is_write for returned in op._schema.returns)


def _unchanged(op: Any, args: Any, like: Any) -> Node | None:
    """The argument that the operation would only copy, if there is one."""
    if op in (aten.mul.Tensor, aten.div.Tensor):
        pairs = [(args[0], args[1])] + ([(args[1], args[0])] if op is aten.mul.Tensor else [])
        kept = [value for value, factor in pairs if _is_one(factor)]
    elif op in (aten.add.Tensor, aten.sub.Tensor):
        kept = [args[0]] if not isinstance(args[1], Node) and args[1] == 0 else []
    else:
        kept = [args[0]] if op._opname in _COPIES else []
    for value in kept:
        if isinstance(value, Node) and geometry_alike(value.like, like) and value.like.dtype == like.dtype:
            return value
    return None


def geometry_alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and strides."""
    return one.shape == other.shape and one.stride() == other.stride()


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
    return (type(values).__name__, str(values))
