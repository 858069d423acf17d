"""Recordings at several batch sizes, made one program: sizes that follow the batch are formulas from then on.

Sizes are numbers while a module runs. What differs between runs with 2, 3 and 5 rows follows from the number of rows;
a line through the first two must meet the third. Where inputs have an axis of any length, such as the time of a series,
further runs with other lengths tell what follows from it. This needs no symbolic shapes, whose import alone costs
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.onnx.export.aten_trace import Meta, Node, Output, Recording, found_in, replace
from annvil.onnx.export.aten_tracer import record

BATCHES = (2, 3, 5)
"""Rows of the runs that are compared. Not 1: that is a size which broadcasts and squeezes."""


LENGTHS = (1, 12), (8, 157), (12, 274)
"""Lengths of a free axis in the runs, as a factor of the example's and more. None is 1, as for rows; none is a multiple
of another, so that what is rounded shows; and what reads 100 steps at a time finds another number of parts."""


@dataclass(frozen=True)
class Moving:
    """A size that is another one in another call."""


@dataclass(frozen=True)
class Rows(Moving):
    """A size that follows the batch: ``factor * rows + extra``."""

    factor: int
    extra: int = 0


@dataclass(frozen=True)
class Steps(Moving):
    """A size that follows the length of the free axis: ``factor * length + extra``."""

    factor: int
    extra: int = 0


@dataclass(frozen=True)
class Free(Moving):
    """A size that follows the length, perhaps the batch too, in a way that nobody has to know."""


def program(
    module: nn.Module,
    examples: Sequence[Tensor],
    known: Callable[[Any], bool],
    free: Mapping[int, int] = MappingProxyType({}),
    *,
    differentiates: bool = False,
) -> Recording:
    """What ``module`` computes for any number of rows, what is constant computed already.

    Parameters
    ----------
    free : for inputs with an axis of any length, by their place: that axis. The examples have one length there.
    differentiates : see `record`

    Raises
    ------
    RequestError
        When it cannot be repeated, see `record`, or computes something else for another number of rows or length.
    """
    runs, sizes = [], _sizes(examples, free)
    for batch, length in sizes:
        inputs = [_stretched(one, batch, free.get(place), length) for place, one in enumerate(examples)]
        runs.append(record(module, inputs, known, differentiates=differentiates))
    return with_constants(_compared(module, runs, sizes))


def _sizes(examples: Sequence[Tensor], free: Mapping[int, int]) -> list[tuple[int, int]]:
    """Rows and length of each run."""
    if not free:
        return [(batch, 0) for batch in BATCHES]
    first, axis = next(iter(free.items()))
    usual, *longer = (factor * examples[first].shape[axis] + more for factor, more in LENGTHS)
    return [*((batch, usual) for batch in BATCHES), *((BATCHES[0], length) for length in longer)]


def _stretched(example: Tensor, batch: int, axis: int | None, length: int) -> Tensor:
    """The example's rows repeated to a batch, and its free axis to a length."""
    found = example.detach()[(torch.arange(batch) % len(example)).to(example.device)]
    if axis is None:
        return found
    return found.index_select(axis, (torch.arange(length) % found.shape[axis]).to(found.device))


def _compared(module: nn.Module, runs: Sequence[Recording], sizes: Sequence[tuple[int, int]]) -> Recording:
    if len({tuple(node.op for node in run.nodes) for run in runs}) > 1:
        raise _unlike(module, f"computes other operations for another number of rows{_or_length(sizes)}")
    merged: list[Node] = []
    for nodes in zip(*(run.nodes for run in runs), strict=True):
        first = nodes[0]

        def same(values: Sequence[Any], where: str = first.path or type(module).__name__) -> Any:
            return _same(module, values, merged, where, sizes)

        constant = first.constant if first.constant is None else same([node.constant for node in nodes])
        metas = [None if m[0] is None else _meta(same, m) for m in zip(*(node.results for node in nodes), strict=True)]
        args, kwargs = same([node.args for node in nodes]), same([dict(node.kwargs) for node in nodes])
        merged.append(Node(first.op, args, kwargs, metas, first.path, constant, first.place, first.hangs_on_inputs))
    outputs = [Output(merged[one.node.place], one.place) for one in runs[0].outputs]
    return Recording(merged, outputs)


def _meta(same: Callable[[Sequence[Any]], Any], metas: Sequence[Any]) -> Meta:
    return Meta(same([meta.shape for meta in metas]), same([meta.dtype for meta in metas]))


def _same(
    module: nn.Module, values: Sequence[Any], merged: Sequence[Node], where: str, sizes: Sequence[tuple[int, int]]
) -> Any:
    """What the runs have in common: the value where it is one, a formula where it follows the batch or the length."""
    first = values[0]
    if isinstance(first, Output):
        return Output(merged[first.node.place], first.place)
    if isinstance(first, tuple | list) and len({len(value) for value in values}) == 1:
        return type(first)([_same(module, parts, merged, where, sizes) for parts in zip(*values, strict=True)])
    if isinstance(first, dict):
        return {name: _same(module, [value[name] for value in values], merged, where, sizes) for name in first}
    if isinstance(first, Tensor):
        if all(value is first or _equal(value, first) for value in values[1:]):
            return first
    elif all(value == first or value is first or (value != value and first != first) for value in values[1:]):
        return first
    elif all(isinstance(value, int) for value in values):
        batches, lengths = zip(*sizes, strict=True)
        line = _line(batches, values)
        if line is not None:
            return Rows(*line)
        if len(set(lengths)) > 1:
            n = len(BATCHES)
            line = _line(lengths[n - 1 :], values[n - 1 :]) if len(set(values[:n])) == 1 else None
            return Free() if line is None else Steps(*line)
    follows = f"the number of rows{_or_length(sizes)}"
    raise _unlike(module, f"uses a value at {where} that follows {follows} in no simple way")


def _line(at: Sequence[int], values: Sequence[int]) -> tuple[int, int] | None:
    """Factor and extra of the line through the points, of whole numbers; None where there is none."""
    factor = (values[1] - values[0]) // (at[1] - at[0])
    extra = values[0] - factor * at[0]
    return (factor, extra) if all(factor * x + extra == y for x, y in zip(at, values, strict=True)) else None


def _or_length(sizes: Sequence[tuple[int, int]]) -> str:
    return " or another length" if len(sizes) > len(BATCHES) else ""


def _equal(one: Tensor, other: Tensor) -> bool:
    """The same type, shape and values; what is no number is equal to its like."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())


def _unlike(module: nn.Module, reason: str) -> RequestError:
    return RequestError(
        f"{type(module).__name__} {reason}, so one graph cannot serve every batch. "
        "Rows come first in every input, and what is computed of one must not hang on how many there are."
    )


def with_constants(found: Recording) -> Recording:
    """The same with what hangs neither on inputs nor on the batch computed, and what nobody needs left out."""
    values: dict[Output, Tensor] = {}
    for node in found.nodes:
        if node.constant is not None:
            values[Output(node)] = node.constant
        elif node.op is not None and not node.hangs_on_inputs:
            needed = found_in((node.args, node.kwargs), Output)
            if all(one in values for one in needed) and not has_rows((node.args, node.kwargs)):
                args, kwargs = replace((node.args, dict(node.kwargs)), Output, values.__getitem__)
                values |= {Output(node, place): result for place, result in enumerate(node.run(args, kwargs))}
    made: dict[Output, Output] = {}

    def settled(output: Output) -> Output:
        if output not in values:
            return output
        if output not in made:
            constant = values[output]
            meta = Meta(tuple(constant.shape), constant.dtype)
            made[output] = Output(Node(None, results=[meta], constant=constant, path=output.node.path))
        return made[output]

    for node in found.nodes:
        node.args, node.kwargs = replace((node.args, dict(node.kwargs)), Output, settled)
    return live(Recording(found.nodes, [settled(one) for one in found.outputs]))


def live(found: Recording) -> Recording:
    """The same without operations that nobody needs; inputs stay, constants stand in the arguments."""
    needed = {id(one.node) for one in found.outputs}
    for node in reversed(found.nodes):
        if id(node) in needed:
            needed |= {id(one.node) for one in found_in((node.args, node.kwargs), Output)}
    stay = [node.constant is None if node.op is None else id(node) in needed for node in found.nodes]
    return Recording([node for node, stays in zip(found.nodes, stay, strict=True) if stays], found.outputs)


def has_rows(value: Any) -> bool:
    """Whether a size inside follows the batch, or the length of a free axis."""
    return bool(found_in(value, Moving))
