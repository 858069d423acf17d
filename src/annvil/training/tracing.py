"""From a step written in PyTorch to a short list of tensor operations without autograd.

`trace` runs a function once under a dispatch mode, which sees every elementary operation below `vmap` and autograd, and
builds a graph (`annvil.training.nodes`), simplifying as it goes: a chain of views becomes one strided view of the
tensor it looks into, so that transposing twice, expanding to the same shape or reshaping back costs nothing; what
depends on no input is computed once; equal operations are done once; multiplying by one is dropped.
`annvil.training.program` binds the graph to memory.

`torch.fx.experimental.proxy_tensor.make_fx` records the same operations, but takes seven times as long, and importing
what it needs takes another two seconds (docs/decisions/0010-recording-the-step.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from annvil.errors import RequestError
from annvil.training.nodes import Form, Node, Trace, live_nodes, nodes_in, replace

aten = torch.ops.aten


def trace(function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor]) -> Trace:
    """The operations that ``function(*inputs)`` performs, simplified.

    Raises
    ------
    RequestError
        When the function draws random numbers or changes one of its inputs: replaying it would not repeat it.
    """
    builder = _Builder()
    recorder = _Recorder(builder, inputs)
    with recorder:
        results = function(*inputs)
    outputs = [builder.untransposed(recorder.node(result)) for result in results]
    return Trace(live_nodes(builder.nodes, outputs), outputs)


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hands every elementary operation to the builder, and knows which tensor is which node."""

    def __init__(self, builder: _Builder, inputs: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._builder = builder
        self._known: dict[int, _Known] = {}
        self._rewritten: dict[int, float] = {}  # memory → when it was last changed in place
        for position, tensor in enumerate(inputs):
            self._remember(tensor, builder.add(Node(Form.of(tensor), position=position)))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keeps PyTorch from importing its compiler (one to two seconds), which has no part in this."""
        return False

    def node(self, tensor: Tensor) -> Node:
        """The node of a tensor; one that was not computed here is a constant."""
        if id(tensor) not in self._known:
            self._remember(tensor, self._builder.constant(tensor))
        known = self._known[id(tensor)]
        if known.moment < self._rewritten.get(_memory(tensor), -1.0):
            raise RequestError("The network changes a tensor in place and then looks at it through an older view.")
        return known.node

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        _refuse_chance(op)
        before: tuple[Any, Any] = replace((args, kwargs), Tensor, self.node)
        first = next(iter(_tensors(args)), None)
        offset = 0 if first is None else first.storage_offset()
        if op._schema.is_mutable and isinstance(before[0][0], Node):
            root = before[0][0].root
            root.value = None if root.value is None else root.value.clone()  # the tensor itself is about to change
        results = op(*args, **kwargs)
        several = results if isinstance(results, list | tuple) else [results]
        found: Sequence[Node]
        if op._schema.is_mutable:
            found = [self._rewrite(op, before, args[0])]
        elif _is_view(op):
            found = [self._builder.view(before[0][0], view, view.storage_offset() - offset) for view in several]
        else:
            found = self._builder.call(op, before[0], before[1], several)
        for result, node in zip(several, found, strict=True):
            if result is not None:
                self._remember(result, node)
        return results

    def _rewrite(self, op: Any, before: tuple[Any, Any], changed: Tensor) -> Node:
        """An operation in place, such as ReLU(inplace=True), as the one that returns a new tensor."""
        packet = getattr(aten, op._opname.removesuffix("_"), None)
        functional = getattr(packet, op._overloadname, None)
        old = before[0][0]
        if functional is None or not isinstance(old, Node) or (old.root.position >= 0 and old.root.source is None):
            raise RequestError(
                f"The network changes its own buffers or inputs while it trains ({op}), as BatchNorm's running "
                "statistics do; use LayerNorm, or BatchNorm with track_running_stats=False."
            )
        (node,) = self._builder.call(functional, before[0], before[1], [changed])
        self._rewritten[_memory(changed)] = self._builder.moment
        return node

    def _remember(self, tensor: Tensor, node: Node) -> None:
        self._known[id(tensor)] = _Known(tensor, node, self._builder.moment)


@dataclass(frozen=True)
class _Known:
    tensor: Tensor  # kept, so that no id is used twice
    node: Node
    moment: float


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _tensors(values: Any) -> list[Tensor]:
    found: list[Tensor] = []
    replace(values, Tensor, found.append)
    return found


def _refuse_chance(op: Any) -> None:
    if torch.Tag.nondeterministic_seeded in op.tags:
        raise RequestError(
            f"The network draws random numbers while it trains ({op}), so a run could not be repeated; "
            "use annvil.networks.Dropout in place of torch.nn.Dropout."
        )


def _is_view(op: Any) -> bool:
    if op is aten._unsafe_view.default:
        return True
    return any(returned.alias_info is not None for returned in op._schema.returns)


# Their results depend on the shape of the argument alone.
_BY_SHAPE = {"ones_like", "zeros_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty"}
_COPIES = {"_to_copy", "clone", "lift_fresh", "lift_fresh_copy"}
_TRANSPOSABLE = (aten.bmm.default, aten.mm.default)
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
        self.moment = 0.0
        self._numbered: dict[Any, Node] = {}

    def add(self, node: Node) -> Node:
        node.order = self.moment
        self.nodes.append(node)
        return node

    def constant(self, tensor: Tensor) -> Node:
        """The node of a tensor that no input changes; small ones of equal content are one."""
        tensor = tensor.detach()
        content = _content(tensor) if tensor.numel() <= 4096 else id(tensor)
        form = Form.of(tensor)
        return self._number(("constant", form, content), lambda: Node(form, value=tensor))

    def call(self, op: Any, args: Any, kwargs: Any, results: Sequence[Tensor]) -> Sequence[Node]:
        """The nodes of the results of ``op(*args, **kwargs)``: new ones, or equal ones that exist."""
        self.moment += 1
        if op._opname == "fill" and not nodes_in(args[1]):
            args = ()
        if op._opname in _BY_SHAPE or all(node.root.value is not None for node in nodes_in((args, kwargs))):
            return [self.constant(result) for result in results]
        op, args, kwargs = _rephrased(op, args, kwargs)
        form = Form.of(next(result for result in results if result is not None))
        same = _unchanged(op, args, form)
        if same is not None:
            return [same]
        computed = self._computed(op, args, kwargs, form, len(results))
        if len(results) == 1:
            return [computed]
        return [computed if r is None else self._result(computed, i, r) for i, r in enumerate(results)]

    def view(self, seen: Node, view: Tensor, shift: int) -> Node:
        """The node of ``view``, which looks into what ``seen`` looks into, ``shift`` elements further on."""
        return self._view(seen.root, Form.of(view, seen.form.offset * (seen.base is not None) + shift))

    def untransposed(self, node: Node) -> Node:
        """A product seen through a transposition, (A B)^T, as the product B^T A^T, whose memory can be given."""
        product = node.base
        if product is None or product.op not in _TRANSPOSABLE or node.form != product.form.transposed:
            return node
        self.moment = product.order
        left, right = (self._view(factor.root, factor.form.transposed) for factor in reversed(product.args))
        return self._computed(product.op, (left, right), {}, Form.dense(node.form.shape, node.form.dtype), 1)

    def _view(self, base: Node, form: Form) -> Node:
        if base.form == form:
            return base
        return self._number(("view", id(base), form), lambda: Node(form, base=base))

    def _computed(self, op: Any, args: Any, kwargs: Any, form: Form, n_results: int) -> Node:
        key = (op, _key(args), _key(kwargs), form.dtype)
        return self._number(key, lambda: Node(form, op=op, args=tuple(args), kwargs=dict(kwargs), n_results=n_results))

    def _result(self, source: Node, position: int, result: Tensor) -> Node:
        form = Form.of(result)
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
        return aten.sub.Tensor, (torch.tensor(float(args[1])), args[0]), {}
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


def _unchanged(op: Any, args: Any, form: Form) -> Node | None:
    """The argument that the operation would only copy, if there is one."""
    if op is aten.mul.Tensor:
        kept = [one for one, other in ((args[0], args[1]), (args[1], args[0])) if _is_one(other)]
    elif op is aten.div.Tensor:
        kept = [args[0]] if _is_one(args[1]) else []
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
