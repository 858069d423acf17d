"""From a step written in PyTorch to a short list of tensor operations without autograd.

`trace` runs a function once under a dispatch mode, which sees every elementary operation below `vmap` and autograd, and
hands it to `annvil.training.graph.builder`, which simplifies as the graph grows. What the function changes in place is
followed: the graph has a new tensor from then on, and whoever looks at the changed memory, through whatever view, sees
it. `annvil.training.graph.program` binds the graph to memory.

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

from annvil.training.graph.builder import Builder, CannotRecord
from annvil.training.graph.nodes import Node, TensorForm, Trace, aten, live_nodes, nodes_in, replace

MOST_NODES = 4000
"""Nodes beyond which a step is not recorded (measured): of a loop of 3,100 operations recording took 0.4 s, and the
replay was no faster than autograd."""


def trace(
    function: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor],
    *,
    may_draw: bool = False,
    most_nodes: int = MOST_NODES,
    stand_ins: Sequence[Tensor] = (),
) -> Trace:
    """The operations that ``function(*inputs)`` performs, simplified.

    With ``may_draw`` random numbers of PyTorch's default generator are drawn anew whenever the trace is replayed, in
    the order of the function. No two ``inputs`` share memory. ``stand_ins`` are tensors that inputs take the place of:
    they must not be met.

    Raises
    ------
    CannotRecord
        When replaying would not repeat the function: it reads values, draws random numbers that it may not, makes
        tensors whose shape hangs on values, or changes what lives on beyond it and is no argument of it.
    """
    builder = Builder(most_nodes)
    recorder = _Recorder(builder, inputs, may_draw, stand_ins)
    with recorder:
        results = function(*inputs)
    outputs = [builder.untransposed(recorder.node(result)) for result in results]
    return Trace(live_nodes(builder.nodes, outputs), outputs)


@dataclass
class _Region:
    """Memory as the function sees it: ``node`` is what lies there now, ``offset`` where it begins in the storage."""

    node: Node
    offset: int
    is_lasting: bool = False  # it was there before the recording, and is none of the inputs
    address: int = 0  # of its memory, which is held so that this is used once; 0 where it has none
    memory: Any = None


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Hands every elementary operation to the builder, and knows which tensor looks into which region."""

    def __init__(self, builder: Builder, inputs: Sequence[Tensor], may_draw: bool, stand_ins: Sequence[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._builder = builder
        self._may_draw = may_draw
        self._stand_ins = {id(tensor) for tensor in stand_ins}
        self._known: dict[int, tuple[Tensor, _Region]] = {}  # tensors are kept, so that no id is used twice
        self._regions: dict[int, list[_Region]] = {}  # by their memory's address, for tensors made unseen
        for position, tensor in enumerate(inputs):
            self._remember(tensor, builder.add(Node(TensorForm.of(tensor), position=position)))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keeps PyTorch from importing its compiler (one to two seconds), which has no part in this."""
        return False

    def node(self, tensor: Tensor) -> Node:
        """The node of what a tensor holds now; one that was not computed here is a constant."""
        region = self._region(tensor)
        return self._builder.view(region.node, tensor, int(tensor.storage_offset()) - region.offset)

    def _region(self, tensor: Tensor) -> _Region:
        """What the tensor looks into now: nobody sees the view that ``.data`` makes, nor where ``.data =`` leads."""
        address, known = _address(tensor), self._known.get(id(tensor))
        if known is not None and known[1].address == address:
            return known[1]
        offset = int(tensor.storage_offset()) if address else 0
        there = [region for region in self._regions.get(address, ()) if region.offset <= offset]
        if there:
            return max(there, key=lambda region: region.offset)
        if id(tensor) in self._stand_ins:
            raise CannotRecord("computes again while gradients go back, as activation checkpointing does")
        return self._remember(tensor, self._builder.constant(tensor), is_lasting=True)

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        before: tuple[Any, Any] = replace((args, kwargs), Tensor, self.node)
        by_chance = _draws(op, args, kwargs)
        if by_chance and not self._may_draw:
            raise CannotRecord(f"draws random numbers ({op})")
        _refuse_values(op, before)
        if op is aten.native_batch_norm.default and args[3] is not None and args[5]:
            return self._batch_norm(args, before)
        if op._schema.is_mutable and isinstance(before[0][0], Node):
            root = before[0][0].root
            root.value = None if root.value is None else root.value.clone()  # the tensor itself is about to change
        results = op(*args, **kwargs)
        if op._schema.is_mutable:
            self._rewrite(op, args, before, by_chance)
            return results
        several = results if isinstance(results, list | tuple) else [results]
        if not any(isinstance(value, Tensor) for value in several):
            return results  # a number read off a constant
        if _is_view(op):
            for view in several:
                self._known[id(view)] = (view, self._region(args[0]))
            return results
        found = self._builder.call(op, before[0], before[1], several, by_chance)
        for result, node in zip(several, found, strict=True):
            if result is not None:
                self._remember(result, node)
        return results

    def _rewrite(self, op: Any, args: Any, before: tuple[Any, Any], by_chance: bool) -> None:
        """An operation in place, such as ReLU(inplace=True), as the one that returns a new tensor."""
        if torch.Tag.inplace_view in op.tags and op._opname not in ("set_", "resize_", "resize_as_"):
            return  # the tensor looks elsewhere into the same region, as `node` will see
        packet = getattr(aten, op._opname.removesuffix("_"), None)
        functional = _FUNCTIONAL.get(op) or getattr(packet, op._overloadname, None)
        if functional is None or functional._schema.is_mutable or not isinstance(before[0][0], Node):
            raise CannotRecord(f"changes tensors in place by an operation that cannot be followed ({op})")
        given = (*before[0], 0.5) if op is aten.bernoulli_.float and len(args) == 1 else before[0]
        (node,) = self._builder.call(functional, given, before[1], [args[0]], by_chance)
        self._change(args[0], node)

    def _batch_norm(self, args: Any, before: tuple[Any, Any]) -> Any:
        """Batch norm in training, which changes its running statistics although its schema does not say so."""
        results = aten.native_batch_norm.default(*args)
        op = aten._native_batch_norm_legit_functional.default
        statistics = (args[3], args[4])
        found = self._builder.call(op, before[0], {}, [*results, *statistics])
        for result, node in zip(results, found, strict=False):
            self._remember(result, node)
        for tensor, node in zip(statistics, found[3:], strict=True):
            self._change(tensor, node)
        return results

    def _change(self, tensor: Tensor, node: Node) -> None:
        """From now on the memory that ``tensor`` looks into holds what ``node`` computes."""
        region = self._region(tensor)
        if region.is_lasting:
            raise CannotRecord("changes a tensor in place that is neither one of its parameters nor of its buffers")
        where = TensorForm.of(tensor, int(tensor.storage_offset()) - region.offset)
        whole = region.node
        if where.offset == 0 and where.size == whole.form.size and node.form.alike(where):
            region.node = node
        else:
            region.node = self._builder.scattered(whole, node, where)

    def _remember(self, tensor: Tensor, node: Node, is_lasting: bool = False) -> _Region:
        address = _address(tensor)
        memory = tensor.untyped_storage() if address else None
        region = _Region(node, int(tensor.storage_offset()), is_lasting, address, memory)
        self._known[id(tensor)] = (tensor, region)
        if address:
            self._regions.setdefault(address, []).append(region)
        return region


def _address(tensor: Tensor) -> int:
    """Of its memory; 0 where it has none."""
    return tensor.untyped_storage().data_ptr() if tensor.layout is torch.strided else 0


# What is drawn in place has no functional form of the same name.
_FUNCTIONAL = {aten.bernoulli_.float: aten.bernoulli.p, aten.normal_.default: aten.normal_functional.default}


def _draws(op: Any, args: Any, kwargs: Any) -> bool:
    """Whether an operation draws random numbers; attention without dropout is only said to."""
    if torch.Tag.nondeterministic_seeded not in op.tags:
        return False
    for place, argument in enumerate(op._schema.arguments):
        if argument.name == "dropout_p":
            rate = args[place] if place < len(args) else kwargs.get("dropout_p", argument.default_value)
            return bool(rate)
    return True


def _refuse_values(op: Any, before: tuple[Any, Any]) -> None:
    """Raise `CannotRecord` where Python reads a value, or a shape follows from values, that other rows would change."""
    if all(node.root.value is not None for node in nodes_in(before)):
        return
    if op in (aten._local_scalar_dense.default, aten.equal.default, aten.is_nonzero.default):
        raise CannotRecord("reads values while it computes (.item(), or an `if` on a tensor)")
    if torch.Tag.data_dependent_output in op.tags or op is aten._pack_padded_sequence.default:
        raise CannotRecord(f"reads values while it computes ({op})")
    if op is aten.index.Tensor:
        chosen = [node for node in before[0][1] if node is not None and node.root.value is None]
        by_values = any(node.form.dtype in (torch.bool, torch.uint8) for node in chosen)
    else:
        by_values = torch.Tag.dynamic_output_shape in op.tags
    if by_values:
        raise CannotRecord(f"makes tensors whose shape hangs on values ({op})")


def _is_view(op: Any) -> bool:
    return op is aten._unsafe_view.default or any(returned.alias_info is not None for returned in op._schema.returns)
