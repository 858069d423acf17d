"""A traced graph bound to memory: a list of operations that write where they are told.

Every tensor of the step gets its place before the first step: views become fixed windows, buffers are used again once
what they held is no longer needed (small, so that they stay in the processor's cache), pointwise operations overwrite
their argument, and the outputs are written straight into the memory that the caller gives (the flat gradient). A step
is then a plain loop over operations, without allocation, autograd or views.

Operations that only know how to make their own result (convolutions, pooling) do so; where the result is large, those
who need it are pointed at it, and it is let go after its last use. PyTorch hands such memory out again at once, if it
was told to keep it (`annvil.training.system.allocator`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from annvil.training.graph.nodes import Form, Kernel, Node, Trace, nodes_in, replace

aten = torch.ops.aten

Instruction = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Arena:
    """Memory that programs which never run at the same time use one after another."""

    def __init__(self, device: torch.device | None = None) -> None:
        self.chunks: list[Tensor] = []
        self.held_bytes = 0  # most that results which operations made for themselves take at a time
        self._device = device

    def grow(self, n_bytes: int) -> Tensor:
        """A new chunk of at least that many bytes, starting on a cache line."""
        chunk = torch.zeros(-(-max(n_bytes, 1) // 64) * 64, dtype=torch.uint8, device=self._device)
        self.chunks.append(chunk)
        return chunk

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return sum(chunk.numel() for chunk in self.chunks) + self.held_bytes


class Program:
    """``run()`` reads the bound inputs and fills the bound outputs."""

    def __init__(self, instructions: list[Instruction]) -> None:
        self.instructions = instructions
        self._calls = [partial(_quick(operation), *args, **kwargs) for operation, args, kwargs in instructions]

    def run(self) -> None:
        """One pass; call it under ``torch.no_grad()``."""
        for call in self._calls:
            call()


def bind(recorded: Trace, inputs: Sequence[Tensor], outputs: Sequence[Tensor], arena: Arena) -> Program:
    """The program that computes ``recorded`` from ``inputs`` into ``outputs`` (tensors of the recorded shapes).

    Everything in between lies in ``arena``, whose content another program may change between two runs.
    """
    binder = _Binder(recorded, inputs, arena)
    binder.direct_outputs(outputs)
    for moment, node in enumerate(recorded.nodes):
        binder.place(moment, node)
    for node, target in zip(recorded.outputs, outputs, strict=True):
        source = binder.tensors[id(node)]
        if source.data_ptr() != target.data_ptr() or source.stride() != target.stride():
            binder.instructions.append((target.copy_, (source,), {}))
    arena.held_bytes = max(arena.held_bytes, binder.most_held)
    return Program(binder.instructions)


class _Binder:
    def __init__(self, recorded: Trace, inputs: Sequence[Tensor], arena: Arena) -> None:
        self._trace = recorded
        self._inputs = inputs
        self._arena = arena
        self._device = inputs[0].device
        self._targets: dict[int, Tensor] = {}
        self._last_use = self._find_last_uses()
        self._dying: dict[int, list[Node]] = {}
        for node in recorded.nodes:
            self._dying.setdefault(self._last_use.get(id(node), -1), []).append(node)
        self._free: list[Tensor] = list(arena.chunks)
        self._chunks: dict[int, Tensor] = {}  # root node → the scratch memory it lies in
        self._held: dict[int, _Held] = {}  # root node → the result of an operation that made it for itself
        self._held_bytes = self.most_held = 0
        self._ending: list[_Held] = []  # those that the operation being placed needs for the last time
        self.tensors: dict[int, Tensor] = {}
        self.instructions: list[Instruction] = []

    def _find_last_uses(self) -> dict[int, int]:
        last: dict[int, int] = {}
        for moment, node in enumerate(self._trace.nodes):
            for needed in node.needs:
                last[id(needed.root)] = moment
        for node in self._trace.nodes:
            # A view lives as long as the memory it looks into, and is used wherever it is an argument.
            if node.base is not None:
                last[id(node.base)] = max(last.get(id(node.base), -1), last.get(id(node), -1))
        for node in self._trace.outputs:
            last[id(node.root)] = len(self._trace.nodes)
        return last

    def direct_outputs(self, outputs: Sequence[Tensor]) -> None:
        """Let the operation that computes an output write into the caller's memory, where shapes allow it."""
        for node, target in zip(self._trace.outputs, outputs, strict=True):
            root = node.root
            whole = node.form.size == root.form.size and node.form.is_dense and root.form.is_dense
            computed = root.op is not None and root.n_results == 1
            if computed and whole and target.is_contiguous() and id(root) not in self._targets:
                self._targets[id(root)] = target.view(root.form.shape)

    def place(self, moment: int, node: Node) -> None:
        """Give the node its memory and, if it is computed, append its instruction."""
        if node.value is not None:
            self.tensors[id(node)] = node.value.to(self._device)
        elif node.base is not None:
            self.tensors[id(node)] = self._view(node, node.base)
        elif node.source is not None:
            return  # placed with its operation
        elif node.op is None:
            self.tensors[id(node)] = self._inputs[node.position]
        else:
            self._compute(moment, node)
            for held in self._ending:
                self.instructions.append((held.let_go, (), {}))
            self._ending.clear()

    def _view(self, node: Node, base: Node) -> Tensor:
        held, form = self._held.get(id(base)), node.form
        if held is not None:
            return held.view(form)
        memory = self.tensors[id(base)]
        memory = memory if form.dtype == memory.dtype else memory.view(form.dtype)
        return memory.as_strided(form.shape, form.plain_stride, memory.storage_offset() + form.offset)

    def _compute(self, moment: int, node: Node) -> None:
        args, kwargs = replace((node.args, node.kwargs), Node, lambda n: self.tensors[id(n)])
        if node.n_results > 1:
            self._compute_several(node, args, kwargs)
            self._release(moment)
            return
        variant = _writing_form(node.op)
        copies = node.op._opname in ("_to_copy", "clone")
        if variant is None and not copies and self._is_large(node):
            self.instructions.append((_call_and_hold, (node.op, args, kwargs, self._hold(node)), {}))
            self._release(moment)
            return
        inherited = self._inherit(moment, node)
        out = inherited if inherited is not None else self._allocate(node)
        self.tensors[id(node)] = out
        self._release(moment)
        if variant is not None:
            form, name = variant
            self.instructions.append((form, args, {**kwargs, name: out}))
        elif copies:
            self.instructions.append((out.copy_, (args[0],), {}))
        else:
            self.instructions.append((_call_and_copy, (node.op, args, kwargs, out), {}))

    def _compute_several(self, node: Node, args: Any, kwargs: Any) -> None:
        outs: list[Tensor | _Held | None] = [None] * node.n_results
        for result in self._trace.nodes:
            if result.source is not node:
                continue
            if self._is_large(result):
                outs[result.position] = self._hold(result)
            else:
                outs[result.position] = self.tensors[id(result)] = self._allocate(result)
        self.instructions.append((_call_and_share, (node.op, args, kwargs, outs), {}))

    def _is_large(self, node: Node) -> bool:
        return id(node) not in self._targets and node.form.size * node.form.dtype.itemsize >= LARGE

    def _hold(self, node: Node) -> _Held:
        held = self._held[id(node)] = _Held(node.form, self._device)
        self.tensors[id(node)] = held.tensor
        self._held_bytes += held.n_bytes
        self.most_held = max(self.most_held, self._held_bytes)
        return held

    def _inherit(self, moment: int, node: Node) -> Tensor | None:
        """The memory of an argument that is used here for the last time, if the operation may overwrite it."""
        if id(node) in self._targets or torch.Tag.pointwise not in node.op.tags:
            return None
        arguments = nodes_in((node.args, node.kwargs))
        for argument in arguments:
            candidate = argument.root
            chunk = self._chunks.get(id(candidate))
            alone = sum(other.root is candidate for other in arguments) == 1
            if chunk is None or not alone or self._last_use[id(candidate)] != moment:
                continue
            if argument.form.alike(node.form) and argument.form.covers(candidate.form):
                self._chunks[id(node)] = self._chunks.pop(id(candidate))
                return self.tensors[id(argument)]
        return None

    def _allocate(self, node: Node) -> Tensor:
        if id(node) in self._targets:
            return self._targets[id(node)]
        form: Form = node.form
        extent = 1 + sum((size - 1) * stride for size, stride in zip(form.shape, form.stride, strict=True))
        n_bytes = max(extent, 1) * form.dtype.itemsize
        fitting = [chunk for chunk in self._free if n_bytes <= chunk.numel() <= 4 * n_bytes]
        if fitting:
            chunk = min(fitting, key=Tensor.numel)
            self._free = [other for other in self._free if other is not chunk]
        else:
            chunk = self._arena.grow(n_bytes)
        self._chunks[id(node)] = chunk
        return chunk.view(form.dtype).as_strided(form.shape, form.stride)

    def _release(self, moment: int) -> None:
        for node in self._dying.get(moment, ()):
            chunk = self._chunks.pop(id(node), None)
            if chunk is not None:
                self._free.append(chunk)
            held = self._held.get(id(node))
            if held is not None:
                self._held_bytes -= held.n_bytes
                self._ending.append(held)


LARGE = 1 << 18
"""Bytes from which pointing at a result is cheaper than copying it (2 µs against 10 µs, measured)."""


class _Held:
    """A tensor, and views of it, that are pointed at whatever an operation returned."""

    def __init__(self, form: Form, device: torch.device) -> None:
        self.tensor = torch.empty(0, dtype=form.dtype, device=device)
        self.n_bytes = form.size * form.dtype.itemsize
        self._form = form
        self._views: list[tuple[Tensor, Form]] = []

    def view(self, form: Form) -> Tensor:
        """A tensor that will look into the result."""
        view = torch.empty(0, dtype=form.dtype, device=self.tensor.device)
        self._views.append((view, form))
        return view

    def take(self, value: Tensor) -> None:
        """Look at ``value`` from now on."""
        if value.stride() != self._form.stride:
            value = value.new_empty_strided(self._form.shape, self._form.stride).copy_(value)
        self.tensor.set_(value)  # type: ignore[call-overload]
        for view, form in self._views:
            view.set_(value.untyped_storage(), value.storage_offset() + form.offset, form.shape, form.plain_stride)

    def let_go(self) -> None:
        """Look at nothing, so that the memory can be used for something else."""
        self.tensor.set_()  # type: ignore[call-overload]
        for view, _ in self._views:
            view.set_()  # type: ignore[call-overload]


def _call_and_copy(op: Any, args: Any, kwargs: Any, out: Tensor) -> None:
    out.copy_(op(*args, **kwargs))


def _call_and_hold(op: Any, args: Any, kwargs: Any, held: _Held) -> None:
    held.take(op(*args, **kwargs))


def _call_and_share(op: Any, args: Any, kwargs: Any, outs: Sequence[Tensor | _Held | None]) -> None:
    for value, out in zip(op(*args, **kwargs), outs, strict=True):
        if isinstance(out, _Held):
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


_WRITING_FORMS: dict[Any, tuple[Any, str] | None] = {}


def _writing_form(op: Any) -> tuple[Any, str] | None:
    """The overload of ``op`` that writes into given memory, and that argument's name; None where it would only copy."""
    if isinstance(op, Kernel):
        return op.write, "out"
    if op not in _WRITING_FORMS:
        _WRITING_FORMS[op] = _find_writing_form(op)
    return _WRITING_FORMS[op]


def _find_writing_form(op: Any) -> tuple[Any, str] | None:
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
