"""A traced graph bound to memory: a list of operations that write where they are told.

Every tensor of the step gets its place before the first step (`annvil.training.graph.memory_plan`): a step is then a
plain loop over operations, without allocation, autograd or views.

Operations that only know how to make their own result (convolutions, pooling) do so; where the result is large, those
who need it are pointed at it, and it is let go after its last use. PyTorch hands such memory out again at once, if it
was told to keep it (`annvil.training.system.allocator`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from annvil.training.graph.memory_plan import Arena, Held, MemoryPlan
from annvil.training.graph.nodes import CustomOp, Node, Trace, aten, replace

Instruction = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class StepProgram:
    """``run()`` reads the bound inputs and fills the bound outputs."""

    def __init__(self, instructions: list[Instruction]) -> None:
        self.instructions = instructions
        self._calls = [partial(_quick(operation), *args, **kwargs) for operation, args, kwargs in instructions]

    def run(self) -> None:
        """One pass; call it under ``torch.no_grad()``."""
        for call in self._calls:
            call()


def bind(recorded: Trace, inputs: Sequence[Tensor], outputs: Sequence[Tensor], arena: Arena) -> StepProgram:
    """The program that computes ``recorded`` from ``inputs`` into ``outputs`` (tensors of the recorded shapes).

    Everything in between lies in ``arena``, whose content another program may change between two runs.
    """
    plan, instructions = planned(recorded, inputs, outputs, arena)
    arena.held_bytes = max(arena.held_bytes, plan.most_held)
    return StepProgram(instructions)


def planned(
    recorded: Trace, inputs: Sequence[Tensor], outputs: Sequence[Tensor], arena: Arena
) -> tuple[MemoryPlan, list[Instruction]]:
    """Where everything lies, and what `StepProgram` does with it."""
    plan = MemoryPlan(recorded, inputs, arena)
    plan.direct_outputs(outputs)
    instructions: list[Instruction] = []
    for moment, node in enumerate(recorded.nodes):
        if node.op is None and node.source is None:
            plan.look_at(node)
        elif node.op is not None:  # one of several results is placed with its operation
            instructions.append(_computing(plan, moment, node, recorded))
            instructions += [(held.let_go, (), {}) for held in plan.release(moment)]
    for node, target in zip(recorded.outputs, outputs, strict=True):
        source = plan.tensors[id(node)]
        if source.data_ptr() != target.data_ptr() or source.stride() != target.stride():
            instructions.append((target.copy_, (source,), {}))
    return plan, instructions


def _computing(plan: MemoryPlan, moment: int, node: Node, recorded: Trace) -> Instruction:
    """The instruction that computes a node, whose result gets its place."""
    args, kwargs = replace((node.args, node.kwargs), Node, lambda n: plan.tensors[id(n)])
    if node.n_results > 1:
        outs: list[Tensor | Held | None] = [None] * node.n_results  # None: a result that nobody needs
        for result in recorded.nodes:
            if result.source is node:
                large = plan.is_large(result)
                outs[result.position] = (
                    plan.hold(moment, result) if large else plan.give(moment, result, overwrites=False)
                )
        return _call_and_share, (node.op, args, kwargs, outs), {}
    variant = _writing_form(node.op)
    copies = node.op._opname in ("_to_copy", "clone")
    if variant is None and not copies and plan.is_large(node):
        return _call_and_hold, (node.op, args, kwargs, plan.hold(moment, node)), {}
    out = plan.give(moment, node)
    if variant is not None:
        form, name = variant
        return form, args, {**kwargs, name: out}
    if copies:
        return out.copy_, (args[0],), {}
    return _call_and_copy, (node.op, args, kwargs, out), {}


def _call_and_copy(op: Any, args: Any, kwargs: Any, out: Tensor) -> None:
    out.copy_(op(*args, **kwargs))


def _call_and_hold(op: Any, args: Any, kwargs: Any, held: Held) -> None:
    held.take(op(*args, **kwargs))


def _call_and_share(op: Any, args: Any, kwargs: Any, outs: Sequence[Tensor | Held | None]) -> None:
    for value, out in zip(op(*args, **kwargs), outs, strict=True):
        if isinstance(out, Held):
            out.take(value)
        elif out is not None:
            out.copy_(value)


_NAMES = (
    "bmm mm addmm baddbmm add sub mul div addcmul clamp_min maximum minimum _log_softmax _softmax "
    "exp log tanh sigmoid sqrt rsqrt neg index_select"
)
_OF_PYTHON: dict[Any, Callable[..., Any]] = {getattr(aten, name).out: getattr(torch, name) for name in _NAMES.split()}
_OF_PYTHON[aten.sum.IntList_out] = torch.sum


def _quick(operation: Any) -> Callable[..., Any]:
    """The same operation by the way that costs least: PyTorch's Python functions take a microsecond less to call."""
    found: Callable[..., Any] = _OF_PYTHON.get(operation, getattr(operation, "_op", operation))
    return found


@cache
def _writing_form(op: Any) -> tuple[Any, str] | None:
    """The overload of ``op`` that writes into given memory, and that argument's name; None where it would only copy."""
    if isinstance(op, CustomOp):
        return op.write, "out"
    asked = [(argument.name, str(argument.type)) for argument in op._schema.arguments]
    packet = op.overloadpacket
    for name in packet.overloads():
        form = getattr(packet, name)
        outs = [argument for argument in form._schema.arguments if argument.is_out]
        rest = [(argument.name, str(argument.type)) for argument in form._schema.arguments if not argument.is_out]
        # Forms generated from the functional one exist for every operation, but compute elsewhere and copy.
        if len(outs) == 1 and rest == asked and torch._C._dispatch_has_kernel_for_dispatch_key(form.name(), "CPU"):
            return form, outs[0].name
    return None
