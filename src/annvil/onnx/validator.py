"""What an ONNX graph may contain, checked on its bytes before onnxruntime sees them.

A graph is a program. Annvil runs one only if it could have written it: the fields that `annvil.onnx.builder` writes
and no others (so no subgraphs, functions, sparse or external tensors), operators on the list below (so no Loop, If,
Scan), no tensor that claims more elements than it has bytes, and bounded counts. The bytes are read here without the
onnx package, which loading a bundle does not need.

What this does not promise: a stranger's graph of allowed operators can still ask for much memory or time when it
predicts (an outer product does). Run bundles of strangers where that is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from annvil.errors import BundleError
from annvil.onnx.protobuf import BYTES, VARINT, Part, WireError, integers, parts

_OPERATORS = """
    Abs Acos Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Ceil Clip Concat Conv ConvTranspose
    Cos Cosh CumSum DequantizeLinear Div Einsum Elu Equal Erf Exp Expand Flatten Floor GRU Gather GatherElements
    Gelu Gemm Greater GreaterOrEqual HardSigmoid HardSwish Identity IsNaN LSTM LayerNormalization LeakyRelu Less
    LessOrEqual Log LogSoftmax MatMul Max MaxPool Min Mod Mul Neg Not Or PRelu Pad Pow QuantizeLinear RNN Reciprocal
    ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round Selu Shape Sigmoid
    Sign Sin Sinh Slice Softmax Softplus Sqrt Squeeze Sub Sum Tan Tanh TopK Transpose Unsqueeze Where Xor
"""

ALLOWED_OPERATORS: Mapping[str, frozenset[str]] = {
    "": frozenset(_OPERATORS.split()),
    "ai.onnx.ml": frozenset({"LabelEncoder", "TreeEnsembleRegressor"}),
}
"""Operators by domain: those that the rooms of Annvil write and no others; a test compares this with the source.

Once released, an operator stays: models that use it are on people's disks."""

MOST_NODES = 20_000  # assumed: a 5-member ensemble writes some hundreds
LONGEST_NAME = 60  # bytes; the longest operator has 22

SIZES = {"ConvTranspose": (), "Pad": (1,), "Resize": (1, 2, 3)}
"""Operators that make more numbers than they get, and which of their inputs say how many, in any version of ONNX: those
must be constants."""

LARGEST_SIZE = 1 << 14
"""Of a margin, or of a map that is brought to another size (assumed: pictures and sounds are no larger)."""

LARGEST_STRIDE = 1 << 10
"""Of a transposed convolution, which makes maps larger by as much, and of all their other attributes (assumed)."""


@dataclass(frozen=True)
class _Message:
    """Fields of one message of onnx.proto (ONNX 1.21, IR version 10) that `annvil.onnx.builder` writes."""

    name: str
    fields: frozenset[int]
    single: frozenset[int] = frozenset()  # may come once: readers merge or overwrite second copies


_MODEL = _Message("model", frozenset({1, 2, 7, 8}), frozenset({7}))  # ir_version, producer_name, graph, opset_import
_GRAPH = _Message("graph", frozenset({1, 2, 5, 11, 12}))  # node, name, initializer, input, output
_NODE = _Message("node", frozenset({1, 2, 3, 4, 5, 7}), frozenset({4, 7}))  # …, 4 op_type, 5 attribute, 7 domain
_ATTRIBUTE = _Message("attribute", frozenset({1, 2, 3, 4, 5, 7, 8, 9, 20}), frozenset({5}))  # …, 5 t, 7 to 9 lists
_TENSOR = _Message("tensor", frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10, 11}))  # dims, data_type, data; no 13, 14: external

# Runs of unpacked floats (tag 0x3d), integers (0x40) and short strings (0x4a: the node modes of tree ensembles) in an
# attribute: a forest has millions, and this passes over them some 20 times as fast as `parts` does.
_PLAIN_VALUES = re.compile(
    rb"(?:\x3d[\s\S]{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x4a(?:\x0a[\s\S]{10}|\x04[\s\S]{4}|\x09[\s\S]{9}))*+"
)


def check_graph(content: bytes) -> None:
    """Return if ``content`` is a graph that Annvil could have written.

    Raises
    ------
    BundleError
        When it has an operator that is not allowed, a subgraph, external data, a tensor larger than its bytes, too many
        nodes, or is no ONNX model at all.
    """
    try:
        graphs = [part for part in _fields(content, 0, len(content), _MODEL) if part[0] == 7]
        if not graphs:
            raise _refusal("it holds no graph")
        _check_nodes_and_constants(content, *graphs[0][2:])
    except WireError as error:
        raise _refusal(f"it is not an ONNX model: {error}") from None


def _refusal(reason: str) -> BundleError:
    return BundleError(f"The saved model is refused: {reason}. Only models that Annvil wrote can be loaded.")


def _fields(content: bytes, start: int, end: int, message: _Message) -> Iterator[Part]:
    """The fields of a message; refuses those that are not allowed and second copies of single ones."""
    seen = set()
    for part in parts(content, start, end):
        number = part[0]
        if number not in message.fields or number in seen:
            raise _refusal(f"its {message.name} has a part that Annvil does not write (field {number})")
        if number in message.single:
            seen.add(number)
        yield part


def _check_nodes_and_constants(content: bytes, start: int, end: int) -> None:
    n_nodes, sizes = 0, set()
    for number, _, first, last in _fields(content, start, end, _GRAPH):
        if number == 1:
            n_nodes += 1
            if n_nodes > MOST_NODES:
                raise _refusal(f"its graph has more than {MOST_NODES} nodes")
            sizes |= _check_node(content, first, last)
        elif number == 5:
            _check_tensor(content, first, last)
    if sizes:
        _check_sizes(content, start, end, sizes)


def _check_node(content: bytes, start: int, end: int) -> set[bytes]:
    """Returns the names of constants that say how much the node makes."""
    operator = domain = ""
    attributes = []
    for number, _, first, last in _fields(content, start, end, _NODE):
        if number == 4:
            operator = content[first : min(last, first + LONGEST_NAME)].decode("utf-8", "replace")
        elif number == 7:
            domain = content[first : min(last, first + LONGEST_NAME)].decode("utf-8", "replace")
        elif number == 5:
            attributes.append((first, last))
    if operator not in ALLOWED_OPERATORS.get(domain, ()):
        raise _refusal(f"its graph uses the operator {operator!r}, which Annvil does not write")
    for first, last in attributes:
        _check_attribute(content, first, last)
        if operator in SIZES:
            _check_strides(content, first, last)
    if not SIZES.get(operator):
        return set()
    inputs = [content[first:last] for number, _, first, last in _fields(content, start, end, _NODE) if number == 1]
    return {inputs[place] for place in SIZES[operator] if place < len(inputs) and inputs[place]}


def _check_strides(content: bytes, start: int, end: int) -> None:
    for number, kind, first, last in _fields(content, start, end, _ATTRIBUTE):
        if number in (3, 8) and any(one > LARGEST_STRIDE for one in integers(content, kind, first, last)):
            raise _refusal(f"its graph makes maps larger by more than {LARGEST_STRIDE}")


def _check_sizes(content: bytes, start: int, end: int, names: set[bytes]) -> None:
    """Each of ``names`` must be a constant, once, of few numbers, none of which is large."""
    waiting = set(names)
    for number, _, first, last in parts(content, start, end):
        if number != 5:
            continue
        fields = {part[0]: content[part[2] : part[3]] for part in parts(content, first, last) if part[3] - part[2] < 99}
        if fields.get(8) not in names:
            continue
        form = {b"\x01": "<f4", b"\x07": "<i8"}.get(fields.get(2, b""))
        if fields[8] not in waiting or form is None or 9 not in fields or len(fields[9]) % int(form[2]):
            raise _refusal("its graph has a size that is not written as Annvil writes it")
        values = np.frombuffer(fields[9], form)
        if not bool((np.abs(values.astype(np.float64)) <= LARGEST_SIZE).all()):
            raise _refusal(f"its graph makes a margin or a map larger than {LARGEST_SIZE}")
        waiting.discard(fields[8])
    if waiting:
        raise _refusal("its graph computes how large a margin or a map is")


def _check_attribute(content: bytes, start: int, end: int) -> None:
    at, tensors = start, 0
    while at < end:
        values = _PLAIN_VALUES.match(content, at, end)
        at = values.end() if values else at
        for number, _, first, last in _fields(content, at, end, _ATTRIBUTE):
            at = last
            if number == 5:
                tensors += 1
                _check_tensor(content, first, last)
            if tensors > 1:
                raise _refusal("its graph has an attribute with two tensors")
            if number in (7, 8, 9):
                break  # the next ones are quicker by the pattern


def _check_tensor(content: bytes, start: int, end: int) -> None:
    sizes: list[int] = []
    for number, kind, first, last in _fields(content, start, end, _TENSOR):
        if number == 1:
            if kind not in (VARINT, BYTES) or last - first > 100:
                raise WireError("a tensor's sizes are no list of integers")
            sizes.extend(integers(content, kind, first, last))
    if len(sizes) > 8 or prod(sizes) > end - start:
        raise _refusal("its graph has a tensor that claims more elements than it has bytes")
