"""What a module computes, as a list of ATen operations, seen by a dispatch mode while the module runs once.

In inference mode PyTorch shows a dispatch mode its operations before taking them apart: a linear layer, an LSTM or an
attention is one operation, as ONNX has it. What has no counterpart there is taken apart here, first by PyTorch's own
composition, then by its reference decompositions in Python.

ONNX knows no memory, so changes in place are followed: a tensor has a new value from then on, and so have the tensors
that look into the same memory, through whatever view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from annvil.errors import RequestError
from annvil.onnx.export.aten_trace import Meta, Node, Output, Recording, found_in, replace

aten = torch.ops.aten


def record(
    module: nn.Module, inputs: Sequence[Tensor], known: Callable[[Any], bool], *, differentiates: bool = False
) -> Recording:
    """Run ``module(*inputs)`` once, in inference mode, and return what it did.

    Parameters
    ----------
    known : whether an operation is to be kept whole
    differentiates : the module asks for gradients on its way: there is no inference mode then, and layers are seen as
        autograd takes them apart

    Raises
    ------
    RequestError
        When another run would not repeat this one: it reads values, draws random numbers, makes shapes from values, or
        changes what lives on beyond it.
    """
    with _settings(differentiates), _paths(module) as path:
        own = [tensor.clone() for tensor in inputs]
        recorder = _Recorder(own, known, path)
        with recorder:
            returned = module(*own)
        outputs = [recorder.output(tensor) for tensor in _tensors_in(returned)]
    if not outputs:
        raise RequestError(f"{type(module).__name__} returns no tensor, so there is nothing to export.")
    return Recording(recorder.nodes, outputs)


@contextmanager
def _settings(differentiates: bool) -> Iterator[None]:
    """Inference unless gradients are asked for; no fused transformer layers, which are no composition of others."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad() if differentiates else torch.inference_mode():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _paths(module: nn.Module) -> Iterator[list[str]]:
    """The names of the modules that are being computed, outermost first, while the context lasts."""
    path: list[str] = []
    handles = []
    for name, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        label = f"{name} ({type(part).__name__})" if name else type(part).__name__

        def enter(_module: Any, _args: Any, label: str = label) -> None:
            path.append(label)

        def leave(_module: Any, _args: Any, _result: Any) -> None:
            path.pop()

        handles += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
    try:
        yield path
    finally:
        for handle in handles:
            handle.remove()


@dataclass
class _Seen:
    """A tensor and what it holds. A view knows whose memory it looks into, and by which operation."""

    tensor: Tensor
    output: Output
    version: int = 0
    base: _Seen | None = None
    view: Callable[[Output], Output] | None = None
    undo: Callable[[Output, Output], Output] | None = None  # base's value and ours → base's new value
    base_version: int = 0
    was_there: bool = False


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, inputs: Sequence[Tensor], known: Callable[[Any], bool], path: Sequence[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.nodes: list[Node] = []
        self._known, self._path = known, path
        self._seen: dict[int, _Seen] = {}  # keeps tensors, so that no id is used twice
        for tensor in inputs:
            node = self._add(Node(None, hangs_on_inputs=True), [tensor])
            self._seen[id(tensor)] = _Seen(tensor, Output(node))

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Keeps PyTorch from importing its compiler, which has no part in this."""
        return False

    def output(self, tensor: Tensor) -> Output:
        """What a tensor holds now; one that was not computed here is a constant."""
        if id(tensor) not in self._seen:
            node = self._add(Node(None, constant=tensor), [tensor])
            self._seen[id(tensor)] = _Seen(tensor, Output(node), was_there=True)
        return self._current(self._seen[id(tensor)])

    def __torch_dispatch__(self, op: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.inplace_view in op.tags:
            if op is aten.detach_.default:
                return op(*args, **kwargs)
            raise self._refusal(f"changes the shape of a tensor in place ({op})")
        if not self._known(op) and op._can_decompose() and op is not aten.contiguous.default:
            with self:
                return op.decompose(*args, **kwargs)
        before = replace((args, kwargs), Tensor, self.output)
        live = any(output.node.hangs_on_inputs for output in found_in(before, Output))
        self._refuse(op, before, live)
        if op._schema.is_mutable:
            return self._in_place(op, args, kwargs, before)
        if live and not self._known(op):
            from torch._decomp import decomposition_table  # PyTorch's references for operations in terms of others

            if op in decomposition_table:
                with self:
                    return decomposition_table[op](*args, **kwargs)
        results = op(*args, **kwargs)
        several = results if isinstance(results, list | tuple) else [results]
        if not any(isinstance(one, Tensor) for one in several):
            return results  # a number read off a constant
        if len(several) == 1 and any(one is several[0] for one in args):
            return results  # contiguous() of what is contiguous
        node = self._add(Node(op, before[0], before[1], hangs_on_inputs=live), several)
        for place, result in enumerate(several):
            if isinstance(result, Tensor):
                self._seen[id(result)] = self._remembered(result, Output(node, place), op, args, kwargs)
        return results

    def _add(self, node: Node, results: Sequence[Any]) -> Node:
        node.results = [
            Meta(tuple(one.shape), one.dtype) if isinstance(one, Tensor | Meta) else None for one in results
        ]
        node.path, node.place = " > ".join(self._path), len(self.nodes)
        self.nodes.append(node)
        return node

    def _call(self, op: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], like: Tensor | Meta) -> Output:
        """An operation of ours whose one result has the shape and type of ``like``."""
        live = any(output.node.hangs_on_inputs for output in found_in((args, kwargs), Output))
        return Output(self._add(Node(op, args, kwargs, hangs_on_inputs=live), [like]))

    def _remembered(self, result: Tensor, output: Output, op: Any, args: Any, kwargs: Any) -> _Seen:
        base = args[0] if args else None
        unowned = op._opname.startswith("unsafe_")  # whoever splits so promises not to use the whole again
        if not isinstance(base, Tensor) or unowned or not _same_memory(base, result):
            return _Seen(result, output)
        seen = self._seen[id(base)]

        def view(value: Output) -> Output:
            again = Node(op, (value, *args[1:]), kwargs, hangs_on_inputs=value.node.hangs_on_inputs)
            return Output(self._add(again, output.node.results), output.place)

        def undo(whole: Output, part: Output) -> Output:
            if output.place or len(output.node.results) > 1:
                return self._rejoined(op, args, kwargs, whole, part, output)
            return self._scattered(op, args, kwargs, whole, part, base)

        return _Seen(result, output, base=seen, view=view, undo=undo, base_version=seen.version)

    def _current(self, seen: _Seen) -> Output:
        if seen.base is not None and seen.view is not None:
            value = self._current(seen.base)
            if seen.base.version != seen.base_version:
                seen.output = seen.view(value)
                seen.base_version = seen.base.version
                seen.version += 1
        return seen.output

    def _in_place(self, op: Any, args: Any, kwargs: Any, before: tuple[Any, Any]) -> Any:
        """``relu_`` and the like, as the operation that returns a new tensor."""
        functional = getattr(getattr(aten, op._opname.removesuffix("_"), None), op._overloadname, None)
        if functional is None or functional._schema.is_mutable or not isinstance(args[0], Tensor):
            raise self._refusal(f"changes tensors in place by an operation that cannot be followed ({op})")
        if self._known(functional):
            new = self._call(functional, *before, like=args[0])
        else:  # taken apart
            with self:
                new = self.output(functional(*args, **kwargs).to(args[0].dtype))
        results = op(*args, **kwargs)
        self._change(self._seen[id(args[0])], new)
        return results

    def _change(self, seen: _Seen, new: Output) -> None:
        if seen.was_there:
            raise self._refusal("changes a tensor in place that lives on, such as a buffer")
        whole = None if seen.base is None else self._current(seen.base)
        seen.output, seen.version = new, seen.version + 1
        if seen.base is not None and whole is not None and seen.undo is not None:
            self._change(seen.base, seen.undo(whole, new))
            seen.base_version = seen.base.version

    def _scattered(self, op: Any, args: Any, kwargs: Any, whole: Output, part: Output, base: Tensor) -> Output:
        """The memory of ``base`` after a view of it, made by ``op``, was given the value ``part``."""
        name = op._opname
        if name in ("select", "slice"):
            return self._call(_SCATTERS[name], (whole, part, *args[1:]), kwargs, base)
        if name in ("transpose", "t"):
            return self._call(op, (part, *args[1:]), kwargs, base)
        if name == "permute":
            dims = [dim % base.dim() for dim in args[1]]
            return self._call(op, (part, [dims.index(dim) for dim in range(base.dim())]), {}, base)
        if name in ("view", "reshape", "unsqueeze", "squeeze", "flatten", "detach", "alias", "_unsafe_view"):
            return self._call(aten.view.default, (part, list(base.shape)), {}, base)
        raise self._refusal(f"changes a view in place that cannot be followed ({op})")

    def _rejoined(self, op: Any, args: Any, kwargs: Any, whole: Output, part: Output, was: Output) -> Output:
        """The memory of a tensor after one of the parts that it was split into was given another value."""
        dim = args[2] if len(args) > 2 else kwargs.get("dim", 0)
        if "split" not in op._opname and "chunk" not in op._opname:
            raise self._refusal(f"changes a view in place that cannot be followed ({op})")
        start = sum(meta.shape[dim] for meta in was.node.results[: was.place] if meta is not None)
        args = (whole, part, dim, start, start + was.meta.shape[dim])
        return self._call(aten.slice_scatter.default, args, {}, whole.meta)

    def _refuse(self, op: Any, before: tuple[Any, Any], live: bool) -> None:
        if torch.Tag.nondeterministic_seeded in op.tags and not self._known(op):
            raise self._refusal(f"draws random numbers ({op})")
        if not live:
            return
        reads = op in (aten._local_scalar_dense.default, aten.equal.default, aten.is_nonzero.default)
        if reads or torch.Tag.data_dependent_output in op.tags:
            raise self._refusal(f"reads values while it computes ({op}: .item(), or an `if` on a tensor)")
        if op is aten.index.Tensor:
            chosen = [output.meta.dtype for output in before[0][1] if output is not None]
            by_values = torch.bool in chosen or torch.uint8 in chosen
        else:
            by_values = torch.Tag.dynamic_output_shape in op.tags and not self._known(op)
        if by_values:
            raise self._refusal(f"makes tensors whose shape hangs on values ({op})")

    def _refusal(self, reason: str) -> RequestError:
        where = " > ".join(self._path) or "the module"
        return RequestError(
            f"{where} {reason}, which a graph cannot repeat. Change its forward, or export a part of it."
        )


_SCATTERS = {"select": aten.select_scatter.default, "slice": aten.slice_scatter.default}


def _same_memory(one: Tensor, other: Tensor) -> bool:
    if one.numel() == 0 or other.numel() == 0:
        return False
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()


def _tensors_in(returned: Any) -> list[Tensor]:
    if isinstance(returned, Tensor):
        return [returned]
    if isinstance(returned, Mapping):
        returned = list(returned.values())
    if isinstance(returned, list | tuple):
        return [tensor for part in returned for tensor in _tensors_in(part)]
    return []
