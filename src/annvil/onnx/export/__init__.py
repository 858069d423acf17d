"""Any torch module as nodes of an ONNX graph, from what it does: a network is written once, as its ``forward``.

The module runs three times in evaluation mode, with different numbers of rows, while a dispatch mode takes down its
operations (`aten_tracer`). The recordings are made one for any number of rows, and for any length where inputs have a
free axis (`dynamic_batch`), constants are computed and normalisations put into the layers before them (`folding`), and
every operation is written by the function that is entered for it (`elementwise`, `shapes`, `convolutions`, …).

>>> import torch
>>> from annvil.onnx.builder import Graph
>>> graph = Graph()
>>> x = graph.input("x", "float32", ["rows", 3])
>>> (y,) = export_module(graph, torch.nn.Linear(3, 2), x, examples=(torch.zeros(1, 3),))
>>> model = graph.finish({"y": (y, "float32", ["rows", 2])})
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.onnx.builder import Graph, Value
from annvil.onnx.export import (  # noqa: F401  (the writers enter themselves)
    convolutions,
    elementwise,
    indexing,
    linear_algebra,
    normalisation,
    recurrent,
    reductions,
    shapes,
    spectra,
)
from annvil.onnx.export.aten_trace import Node, Output, found_in, replace
from annvil.onnx.export.dynamic_batch import has_rows, program
from annvil.onnx.export.folding import fold
from annvil.onnx.export.writer import WRITERS, Traced, Writer, known

__all__ = ["export_module"]


def export_module(
    graph: Graph,
    module: nn.Module,
    *inputs: Value,
    examples: tuple[Tensor, ...],
    free: Mapping[int, int] = MappingProxyType({}),
    differentiates: bool = False,
) -> tuple[Value, ...]:
    """Add what ``module`` computes, in evaluation mode, to ``graph``; returns the names of what it returns.

    Parameters
    ----------
    inputs : names in the graph, one for each argument of ``forward``; "" for one that it does not read
    examples : a tensor for each input, of its type and shape; the first axis is the batch, whose size is free in the
        graph (a single row will do), the others are fixed
    free : for inputs with one more axis of any length, such as the time of series, by their place: that axis. All have
        one length there, in the examples as in the graph.
    differentiates : whether ``forward`` itself asks for gradients (`torch.autograd.grad`), which are written too

    Tensors inside tuples, lists and dictionaries that the module returns come one after another.

    Raises
    ------
    RequestError
        When it uses an operation that is not known here, naming it and where it is; when it draws random numbers, reads
        values while it computes, or computes something else for another number of rows or length.
    """
    if len(inputs) != len(examples) or not inputs:
        raise RequestError(f"There are {len(inputs)} inputs and {len(examples)} examples; each input needs one.")
    if any(example.dim() == 0 or len(example) == 0 for example in examples):
        raise RequestError("An example needs at least one row; its first axis is the batch.")
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        found = fold(program(module, examples, known, free, differentiates=differentiates))
    finally:
        for part, training in modes.items():
            part.training = training
    first = next(iter(free.items()), None)
    writer = Writer(graph, inputs[0], None if first is None else (inputs[first[0]], first[1]))
    values: dict[Output, Any] = {}
    names = iter(inputs)
    for node in found.nodes:
        if node.op is None:
            meta = node.results[0]
            assert meta is not None
            values[Output(node)] = Traced(meta.shape, meta.dtype, next(names))
        else:
            _write(writer, node, values)
    return tuple(writer.value(_settled(one, values)) for one in found.outputs)


def _settled(output: Output, values: dict[Output, Any]) -> Any:
    return output.node.constant if output.node.constant is not None else values[output]


def _write(writer: Writer, node: Node, values: dict[Output, Any]) -> None:
    args, kwargs = replace((node.args, dict(node.kwargs)), Output, lambda one: _settled(one, values))
    writer.begin(node, args, kwargs)
    moving = found_in((args, kwargs), Traced)
    if any(one.dtype.is_complex for one in moving) and node.packet not in spectra.TAKE_COMPLEX:
        raise writer.refusal("of complex numbers only sizes, real and imaginary parts are known here")
    if not moving and not has_rows((args, kwargs)):
        made = node.run(args, kwargs)
    elif node.packet in WRITERS:
        made = WRITERS[node.packet](writer, *args, **kwargs)
    else:
        raise writer.refusal("Annvil knows no ONNX for it; compute it outside of the network, or by other operations")
    several = made if isinstance(made, list | tuple) else [made]
    for place, (one, meta) in enumerate(zip(several, node.results, strict=False)):
        if meta is not None:
            values[Output(node, place)] = Traced(meta.shape, meta.dtype, one) if isinstance(one, str) else one
