"""Where every tensor of a step lies in memory: decided once, so that a step itself allocates nothing.

A tensor lives from the operation that computes it to the last one that looks at it. Two layers and their gradients,
over time (`MemoryPlan` prints the same as a table)::

    step        0        1        2        3        4        5        6        7
    operation   mm       relu     mm       add      mm       mm       relu'    mm
    chunk 0     h ────── h ──────────────────────────────────────────┤            relu overwrites its argument
    chunk 1                       out ────┤                  g ────── g ──────┤   used again: out is needed no more
    chunk 2                                2 out ───────────┤
    outputs                                         ∂second                   ∂first

There are four places for what an operation computes, tried in this order:

1. *An output* of the step, where the caller wants it (the flat gradient): nothing is copied afterwards.
2. *Held*: large results of operations that only know how to make their own (convolutions, pooling). Those who need it
   are pointed at it (`Held`), and it is let go after its last use.
3. *Inherited*: a pointwise operation overwrites an argument that nobody looks at again.
4. *A chunk* of the arena, the smallest free one that fits and is at most four times too large, or a new one. Chunks
   that are used again while they still are in the processor's cache are why this is faster than an allocator that
   hands out fresh memory.

Views (transposed, sliced, reshaped) are no tensors of their own: they are windows into the memory of their *root*, and
keep it alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from annvil.training.graph.nodes import Node, TensorForm, Trace, nodes_in

LARGE = 1 << 18
"""Bytes from which pointing at a result is cheaper than copying it (2 µs against 10 µs, measured)."""


class Arena:
    """Memory that programs which never run at the same time use one after another."""

    def __init__(self) -> None:
        self.chunks: list[Tensor] = []
        self.held_bytes = 0  # most that results which operations made for themselves take at a time

    def grow(self, n_bytes: int) -> Tensor:
        """A new chunk of at least that many bytes, starting on a cache line."""
        chunk = torch.zeros(-(-max(n_bytes, 1) // 64) * 64, dtype=torch.uint8)
        self.chunks.append(chunk)
        return chunk

    @property
    def n_bytes(self) -> int:
        """Bytes held."""
        return sum(chunk.numel() for chunk in self.chunks) + self.held_bytes


class Held:
    """A tensor, and views of it, that are pointed at whatever an operation returned."""

    def __init__(self, form: TensorForm) -> None:
        self.tensor = torch.empty(0, dtype=form.dtype)
        self.n_bytes = form.size * form.dtype.itemsize
        self._form = form
        self._views: list[tuple[Tensor, TensorForm]] = []

    def view(self, form: TensorForm) -> Tensor:
        """A tensor that will look into the result."""
        view = torch.empty(0, dtype=form.dtype)
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


@dataclass(frozen=True)
class _Placed:
    """A computed tensor and where it was put, for `MemoryPlan.table`."""

    moment: int
    node: Node
    where: str
    chunk: Tensor | None = None


class MemoryPlan:
    """Gives the nodes of ``trace`` their memory, one after another in the order in which they are computed.

    Use: `direct_outputs`, then for every node either `look_at` (inputs, constants, views) or, if it is computed, one of
    `hold` and `give`, and after that `release`. ``tensors`` are those that operations read and write, by ``id(node)``.

    Examples
    --------
    Two layers without biases, 4 to 8 to 8, and 16 rows: the gradients of a sum of squares by both matrices.

    >>> from annvil.training.graph.tracing import trace
    >>> from annvil.training.graph.program import planned
    >>> def step(first, second, x):
    ...     with torch.enable_grad():
    ...         weights = [first.detach().requires_grad_(), second.detach().requires_grad_()]
    ...         output = torch.relu(x @ weights[0]) @ weights[1]
    ...         return torch.autograd.grad((output * output).sum(), weights)
    >>> example = [torch.zeros(4, 8), torch.zeros(8, 8), torch.zeros(16, 4)]
    >>> outputs = [torch.zeros(4, 8), torch.zeros(8, 8)]
    >>> plan, _ = planned(trace(step, example), example, outputs, Arena())
    >>> print(plan.table())  # PyTorch's names: clamp_min is the rectifier, threshold_backward its gradient
    0   mm                  (16, 8)  chunk 0, until 1
    1   clamp_min           (16, 8)  chunk 0, over its argument, until 6
    2   mm                  (16, 8)  chunk 1, until 3
    3   add                 (16, 8)  chunk 2, until 5
    4   mm                  (8, 8)   output, to the end
    5   mm                  (16, 8)  chunk 1, until 6
    6   threshold_backward  (16, 8)  chunk 1, over its argument, until 7
    7   mm                  (4, 8)   output, to the end
    """

    def __init__(self, trace: Trace, inputs: Sequence[Tensor], arena: Arena) -> None:
        self.tensors: dict[int, Tensor] = {}
        self.most_held = 0  # bytes that results take which are held at the same time
        self._trace, self._inputs, self._arena = trace, inputs, arena
        self._last_use = _last_uses(trace)
        self._dying: dict[int, list[Node]] = {}  # by the moment after which nobody looks at them
        for node in trace.nodes:
            self._dying.setdefault(self._last_use.get(id(node), -1), []).append(node)
        self._outputs: dict[int, Tensor] = {}  # root → the caller's memory that it is computed into
        self._free: list[Tensor] = list(arena.chunks)
        self._chunks: dict[int, Tensor] = {}  # root → the chunk it lies in
        self._held: dict[int, Held] = {}  # root → what points at the result that an operation makes for itself
        self._held_bytes = 0
        self._placed: list[_Placed] = []

    def direct_outputs(self, outputs: Sequence[Tensor]) -> None:
        """Let the operation that computes an output write into the caller's memory, where shapes allow it."""
        for node, target in zip(self._trace.outputs, outputs, strict=True):
            root = node.root
            whole = node.form.size == root.form.size and node.form.is_dense and root.form.is_dense
            computed = root.op is not None and root.n_results == 1
            if computed and whole and target.is_contiguous() and id(root) not in self._outputs:
                self._outputs[id(root)] = target.view(root.form.shape)

    def look_at(self, node: Node) -> None:
        """Place a node that is not computed: a constant, a view, or an input."""
        if node.value is not None:
            self.tensors[id(node)] = node.value
        elif node.base is not None:
            self.tensors[id(node)] = self._view(node.form, node.base)
        else:
            given = self._inputs[node.position]
            if not node.form.alike(TensorForm.of(given)) and given.stride() != node.form.plain_stride:
                # Views of it would look at other elements than those that were recorded.
                raise ValueError(f"input {node.position} lies otherwise than recorded: {given.stride()}, {node.form}")
            self.tensors[id(node)] = given

    def _view(self, form: TensorForm, base: Node) -> Tensor:
        held = self._held.get(id(base))
        if held is not None:
            return held.view(form)
        memory = self.tensors[id(base)]
        memory = memory if form.dtype == memory.dtype else memory.view(form.dtype)
        return memory.as_strided(form.shape, form.plain_stride, memory.storage_offset() + form.offset)

    def is_large(self, node: Node) -> bool:
        """Whether to `hold` the node's result where its operation makes it for itself, instead of copying it."""
        return id(node) not in self._outputs and node.form.size * node.form.dtype.itemsize >= LARGE

    def hold(self, moment: int, node: Node) -> Held:
        """Something that points at the result which the node's operation will make for itself."""
        held = self._held[id(node)] = Held(node.form)
        self.tensors[id(node)] = held.tensor
        self._held_bytes += held.n_bytes
        self.most_held = max(self.most_held, self._held_bytes)
        self._placed.append(_Placed(moment, node, "held"))
        return held

    def give(self, moment: int, node: Node, overwrites: bool = True) -> Tensor:
        """Memory for the node's result; ``overwrites``: whether it may be that of an argument."""
        inherited = self._inherit(moment, node) if overwrites else None
        tensor = inherited if inherited is not None else self._allocate(node)
        self.tensors[id(node)] = tensor
        chunk = self._chunks.get(id(node))
        where = "output" if chunk is None else "chunk" if inherited is None else "chunk, over its argument"
        self._placed.append(_Placed(moment, node, where, chunk))
        return tensor

    def _inherit(self, moment: int, node: Node) -> Tensor | None:
        """The memory of an argument that is used here for the last time, if the operation may overwrite it."""
        if id(node) in self._outputs or torch.Tag.pointwise not in node.op.tags:
            return None
        arguments = nodes_in((node.args, node.kwargs))
        for argument in arguments:
            candidate = argument.root
            chunk = self._chunks.get(id(candidate))
            # Two arguments that look at the same memory, say in another order, would read what was just written.
            alone = sum(other.root is candidate for other in arguments) == 1
            if chunk is None or not alone or self._last_use[id(candidate)] != moment:
                continue
            if argument.form.alike(node.form) and argument.form.covers(candidate.form):
                self._chunks[id(node)] = self._chunks.pop(id(candidate))
                return self.tensors[id(argument)]
        return None

    def _allocate(self, node: Node) -> Tensor:
        if id(node) in self._outputs:
            return self._outputs[id(node)]
        form = node.form
        extent = 1 + sum((size - 1) * stride for size, stride in zip(form.shape, form.stride, strict=True))
        n_bytes = max(extent, 1) * form.dtype.itemsize
        # A much larger chunk would be missed by the next large tensor, and is less likely to be in the cache.
        fitting = [chunk for chunk in self._free if n_bytes <= chunk.numel() <= 4 * n_bytes]
        if fitting:
            chunk = min(fitting, key=Tensor.numel)
            self._free = [other for other in self._free if other is not chunk]
        else:
            chunk = self._arena.grow(n_bytes)
        self._chunks[id(node)] = chunk
        return chunk.view(form.dtype).as_strided(form.shape, form.stride)

    def release(self, moment: int) -> list[Held]:
        """Take back what nobody looks at after this moment; what was held, to be let go when the operation is done.

        Chunks are free at once: whatever gets them next is computed later.
        """
        ending = []
        for node in self._dying.get(moment, ()):
            chunk = self._chunks.pop(id(node), None)
            if chunk is not None:
                self._free.append(chunk)
            held = self._held.get(id(node))
            if held is not None:
                self._held_bytes -= held.n_bytes
                ending.append(held)
        return ending

    def table(self) -> str:
        """The plan for a person: operations in their order, shapes, where the results lie, and until when."""
        numbers = {id(chunk): number for number, chunk in enumerate(self._arena.chunks)}
        moments = {place.moment: step for step, place in enumerate(self._placed)}
        lines = []
        for step, place in enumerate(self._placed):
            node = place.node
            name = (node if node.source is None else node.source).op._opname
            where = place.where.replace("chunk", f"chunk {numbers.get(id(place.chunk), 0)}")
            last = self._last_use.get(id(node), place.moment)
            until = "to the end" if last >= len(self._trace.nodes) else f"until {moments.get(last, step)}"
            lines.append(f"{step:<3} {name:<19} {node.form.shape!s:<8} {where}, {until}")
        return "\n".join(lines)


def _last_uses(trace: Trace) -> dict[int, int]:
    """The number of the last node that needs each root."""
    last: dict[int, int] = {}
    for moment, node in enumerate(trace.nodes):
        for needed in node.needs:
            last[id(needed.root)] = moment
    for node in trace.nodes:
        # A view lives as long as the memory it looks into, and is used wherever it is an argument.
        if node.base is not None:
            last[id(node.base)] = max(last.get(id(node.base), -1), last.get(id(node), -1))
    for node in trace.outputs:
        last[id(node.root)] = len(trace.nodes)
    return last
