"""A graph read from its bytes, without the onnx package, which loading a bundle does not need.

Only what `annvil.onnx.builder` writes is read; every other field, a second copy of a field that may come once, a name
that is no text or a constant that is not as large as it says is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from annvil.onnx.protobuf import BYTES, WireError, parts
from annvil.onnx.validation.tensor_reader import (
    Constant,
    Message,
    attribute,
    fields,
    name_of,
    number_of,
    refusal,
    tensor,
)

MOST_NODES = 20_000  # assumed: a 5-member ensemble writes some hundreds

_MODEL = Message("model", frozenset({1, 2, 7, 8}), frozenset({7}))  # ir_version, producer_name, graph, opset_import
_OPSET = Message("operator set", frozenset({1, 2}), frozenset({1, 2}))  # domain, version
_GRAPH = Message("graph", frozenset({1, 2, 5, 11, 12}))  # node, name, initializer, input, output
_NODE = Message("node", frozenset({1, 2, 3, 4, 5, 7}), frozenset({3, 4, 7}))  # …, 4 op_type, 5 attribute, 7 domain
_VALUE = Message("input", frozenset({1, 2}), frozenset({1, 2}))  # name, type
_TYPE = Message("type", frozenset({1}), frozenset({1}))  # tensor
_TENSOR_TYPE = Message("type", frozenset({1, 2}), frozenset({1, 2}))  # element type, shape
_SIZE = Message("size", frozenset({1, 2}), frozenset({1, 2}))  # a number, or a name of what varies


@dataclass(frozen=True)
class Node:
    """``attributes``: numbers, texts, a `Constant`, int64 or float32 ``(n,)``, or the undivided bytes of many texts."""

    operator: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def title(self) -> str:
        """For messages."""
        return f"its operator {self.operator}"


@dataclass(frozen=True)
class ReadGraph:
    """``inputs`` by name: element type and sizes, None where they vary."""

    nodes: tuple[Node, ...]
    constants: dict[str, Constant]
    inputs: dict[str, tuple[int, tuple[int | None, ...]]]
    opsets: dict[str, int]


def read_graph(content: bytes, allowed: Mapping[str, Set[str]]) -> ReadGraph:
    """The graph in the bytes of a model; ``allowed`` are the operators by domain.

    Raises
    ------
    BundleError
        When there is none, or anything in it that Annvil does not write.
    """
    try:
        found = list(fields(content, 0, len(content), _MODEL))
        graphs = [part for part in found if part[0] == 7]
        if not graphs:
            raise refusal("it holds no graph")
        for _, _, first, last in (part for part in found if part[0] == 2):
            name_of(content, first, last)
        opsets = dict(_opset(content, *part[2:]) for part in found if part[0] == 8)
        return _graph(content, *graphs[0][2:], allowed, opsets)
    except WireError as error:
        raise refusal(f"it is not an ONNX model: {error}") from None


def _opset(content: bytes, start: int, end: int) -> tuple[str, int]:
    domain, version = "", 0
    for number, kind, first, last in fields(content, start, end, _OPSET):
        if number == 1:
            domain = name_of(content, first, last)
        else:
            version = number_of(content, kind, first, last)
    return domain, version


def _graph(content: bytes, start: int, end: int, allowed: Mapping[str, Set[str]], opsets: dict[str, int]) -> ReadGraph:
    nodes: list[Node] = []
    constants: dict[str, Constant] = {}
    inputs: dict[str, tuple[int, tuple[int | None, ...]]] = {}
    for number, kind, first, last in fields(content, start, end, _GRAPH):
        if kind != BYTES:
            raise WireError("a part of the graph is a number")
        if number == 1:
            if len(nodes) == MOST_NODES:
                raise refusal(f"its graph has more than {MOST_NODES} nodes")
            nodes.append(_node(content, first, last, allowed))
        elif number == 5:
            name, constant = tensor(content, first, last)
            if constants.setdefault(name, constant) is not constant:
                raise refusal("its graph has two values of one name")
        elif number == 11:
            name, described = _value(content, first, last)
            if inputs.setdefault(name, described) is not described:
                raise refusal("its graph has two values of one name")
        elif number == 12:
            _value(content, first, last)
        else:
            name_of(content, first, last)
    return ReadGraph(tuple(nodes), constants, inputs, opsets)


def _node(content: bytes, start: int, end: int, allowed: Mapping[str, Set[str]]) -> Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: [""], 7: [""]}
    written: list[tuple[int, int]] = []
    for number, kind, first, last in fields(content, start, end, _NODE):
        if kind != BYTES:
            raise WireError("a part of a node is a number")
        if number == 5:
            written.append((first, last))
        else:
            texts[number].append(name_of(content, first, last))
    operator, domain = texts[4][-1], texts[7][-1]
    if operator not in allowed.get(domain, ()):
        raise refusal(f"its graph uses the operator {operator[:60]!r}, which Annvil does not write")
    attributes: dict[str, Any] = {}
    for first, last in written:
        name, value = attribute(content, first, last)
        if attributes.setdefault(name, value) is not value:
            raise refusal("its graph has a node with two attributes of one name")
    return Node(operator, domain, tuple(texts[1]), tuple(texts[2]), attributes)


def _value(content: bytes, start: int, end: int) -> tuple[str, tuple[int, tuple[int | None, ...]]]:
    """Name, element type and sizes of an input or output, which are tensors."""
    name, element, sizes = "", 0, list[int | None]()
    for number, _, first, last in fields(content, start, end, _VALUE):
        if number == 1:
            name = name_of(content, first, last)
            continue
        for _, _, inner, past in fields(content, first, last, _TYPE):
            for field, wire, one, two in fields(content, inner, past, _TENSOR_TYPE):
                if field == 1:
                    element = number_of(content, wire, one, two)
                    continue
                for what, _, begin, stop in parts(content, one, two):
                    if what != 1 or len(sizes) == 8:
                        raise refusal("its graph has an input that is not written as Annvil writes it")
                    sizes.append(_size(content, begin, stop))
    return name, (element, tuple(sizes))


def _size(content: bytes, start: int, end: int) -> int | None:
    found = None
    for number, kind, first, last in fields(content, start, end, _SIZE):
        if number == 1:
            found = number_of(content, kind, first, last)
        else:
            name_of(content, first, last)
    return found
