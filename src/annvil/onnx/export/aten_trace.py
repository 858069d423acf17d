"""What a module computed: ATen operations in their order, and helpers that look into their arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

K = TypeVar("K")


@dataclass(frozen=True)
class Meta:
    """Shape and element type of a value; sizes are numbers, or `Moving` once recordings were compared."""

    shape: tuple[Any, ...]
    dtype: torch.dtype


@dataclass(eq=False)
class Node:
    """One operation; without one (``op`` None) an input, or a ``constant`` that was there before."""

    op: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    results: list[Meta | None] = field(default_factory=list)
    path: str = ""
    constant: Tensor | None = None
    place: int = 0  # among the nodes of its recording
    hangs_on_inputs: bool = False

    @property
    def packet(self) -> Any:
        """The operation, whichever of its overloads; None without one."""
        return None if self.op is None else self.op.overloadpacket

    def run(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Any]:
        """Compute the operation of these arguments; its results."""
        with torch.inference_mode():
            results = self.op(*args, **kwargs)
        return list(results) if isinstance(results, list | tuple) else [results]


@dataclass(frozen=True)
class Output:
    """Result ``place`` of a node."""

    node: Node
    place: int = 0

    @property
    def meta(self) -> Meta:
        """Its shape and type."""
        found = self.node.results[self.place]
        assert found is not None
        return found


@dataclass
class Recording:
    """Nodes in the order of computing, and which of their results the module returned."""

    nodes: list[Node]
    outputs: list[Output]


def replace(value: Any, kind: type, change: Callable[[Any], Any]) -> Any:
    """``value`` with everything of ``kind`` inside its tuples, lists and dictionaries changed."""
    if isinstance(value, kind):
        return change(value)
    if isinstance(value, tuple):
        return tuple(replace(part, kind, change) for part in value)
    if isinstance(value, list):
        return [replace(part, kind, change) for part in value]
    if isinstance(value, dict):
        return {name: replace(part, kind, change) for name, part in value.items()}
    return value


def found_in(value: Any, kind: type[K]) -> list[K]:
    """Everything of ``kind`` inside tuples, lists and dictionaries."""
    found: list[K] = []
    replace(value, kind, found.append)
    return found
