"""The reader of graphs against the onnx package, and its list of operators against the rooms that write graphs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.onnx.sample_graphs import chains

import annvil
from annvil.errors import BundleError
from annvil.models.trees_onnx import write_forest
from annvil.onnx import protobuf as wire, quantization as eight_bits
from annvil.onnx.builder import ML, Graph, Value
from annvil.onnx.protobuf import BYTES, VARINT, WireError, integers, parts, varint
from annvil.onnx.validation import tensor_reader
from annvil.onnx.validator import ALLOWED_OPERATORS, check_graph

WRITERS = {"op", "ops", "_apply"}  # methods whose first argument is the name of an operator
PASS_IT_ON = {
    ("onnx/builder.py", "kind"),
    ("preparation/calendar.py", "kind"),
}  # places where such a method calls another


EARLIER = {"Flatten"}
"""Operators that earlier versions wrote, and that models on people's disks have."""


def written_operators() -> dict[str, set[str]]:
    """Every operator named in the source, by domain."""
    found: dict[str, set[str]] = {
        "": {"Identity", *EARLIER, *eight_bits.WRITTEN},
        ML: set(),
    }  # Graph.finish writes Identity
    package = Path(annvil.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent == package / "onnx" / "export":  # passes names through tables: every name in it counts
            texts = [n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)]
            found[""] |= {text for text in texts if isinstance(text, str) and onnx.defs.has(text)}
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS):
                continue
            name = node.args[0]
            if isinstance(name, ast.Constant):
                domain = any(
                    keyword.arg == "domain" and ast.unparse(keyword.value) == "ML" for keyword in node.keywords
                )
                found[ML if domain else ""].add(name.value)
            else:
                assert (path.relative_to(package).as_posix(), ast.unparse(name)) in PASS_IT_ON
    return found


def test_exactly_the_operators_that_annvil_writes_are_allowed():
    assert {domain: set(names) for domain, names in ALLOWED_OPERATORS.items()} == written_operators()


def test_no_operator_runs_others_or_makes_values_from_sizes_alone():
    programs = {"Loop", "If", "Scan", "SequenceMap", "ConstantOfShape", "Range", "Tile", "OneHot"}
    assert not programs & ALLOWED_OPERATORS[""]


def enlarged(kind: str, *sizes: Value | np.ndarray, **attributes: object) -> bytes:
    """A graph that makes more than it gets; sizes may be constants."""
    graph = Graph()
    x = graph.input("x", "float32", ["rows", 1, 4])
    inputs = [size if isinstance(size, str) else graph.constant(size) for size in sizes]
    return graph.finish({"y": (graph.op(kind, x, *inputs, **attributes), "float32", ["rows", 1, "size"])})


def test_margins_and_maps_of_moderate_size_are_accepted():
    check_graph(enlarged("Pad", np.array([0, 0, 2, 0, 0, -1])))
    check_graph(enlarged("Pad", np.array([0, 0, 2, 0, 0, -1]), np.zeros((), np.float32)))
    check_graph(enlarged("Resize", "", np.array([1, 1, 2], np.float32)))
    check_graph(enlarged("Resize", "", "", np.array([9]), axes=[2]))
    check_graph(enlarged("ConvTranspose", np.ones((1, 1, 3), np.float32), strides=[2]))


@pytest.mark.parametrize(
    "make",
    [
        lambda: enlarged("Pad", np.array([0, 0, 0, 0, 0, 2**40])),
        lambda: enlarged("Pad", np.array([0, 0, -(2**62), 0, 0, 0])),
        lambda: enlarged("Pad", np.array([0, 0, 2**62, 0, 0, 2**62])),
        lambda: enlarged("Pad", np.zeros(100, np.int64)),
        lambda: enlarged("Resize", "", np.array([1, 1, np.inf], np.float32)),
        lambda: enlarged("Resize", "", np.array([1, 1, np.nan], np.float32)),
        lambda: enlarged("Resize", "", np.array([1, 1, -1], np.float32)),
        lambda: enlarged("Resize", "", "", np.array([2**31]), axes=[2]),
        lambda: enlarged("ConvTranspose", np.ones((1, 1, 3), np.float32), strides=[2**30]),
        lambda: enlarged("ConvTranspose", np.ones((1, 1, 3), np.float32), pads=[-(2**20), 0]),
    ],
)
def test_margins_and_maps_without_measure_are_refused(make):
    with pytest.raises(BundleError, match=r"would take .* are the most|does not fit what it is given"):
        check_graph(make())


def test_sizes_may_not_hang_on_values_nor_be_written_twice():
    model = onnx.load_from_string(enlarged("Pad", np.array([0, 0, 2, 0, 0, 1])))
    model.graph.initializer.append(model.graph.initializer[0])
    with pytest.raises(BundleError, match="two values of one name"):
        check_graph(model.SerializeToString())
    del model.graph.initializer[1]
    model.graph.node[0].input[1] = "x"
    with pytest.raises(BundleError, match="computes from its inputs"):
        check_graph(model.SerializeToString())


def fields_by_onnx(message: onnx.ModelProto) -> list[int]:
    return [descriptor.number for descriptor, _ in message.ListFields()]


def test_fields_are_those_that_the_onnx_package_reads(example):
    model = onnx.load_from_string(example.graph)
    found = list(dict.fromkeys(number for number, *_ in parts(example.graph, 0, len(example.graph))))
    assert sorted(found) == fields_by_onnx(model)
    (start, end) = next((a, b) for number, _, a, b in parts(example.graph, 0, len(example.graph)) if number == 7)
    numbers = [number for number, *_ in parts(example.graph, start, end)]
    assert numbers.count(1) == len(model.graph.node)
    assert numbers.count(5) == len(model.graph.initializer)


def forest(n_nodes: int) -> bytes:
    """A graph with the long attribute lists of a forest: chains of nodes, each with a leaf to its left."""
    rng = np.random.default_rng(0)
    lengths = [3] * (n_nodes // 3) + [1] * (n_nodes % 3)
    graph = Graph()
    numbers = graph.input("numbers", "float64", ["rows", 3])
    graph.input("texts", "string", ["rows", 0])
    output = write_forest(graph, graph.cast(numbers, "float32"), chains(lengths, rng), 1)
    return graph.finish({"prediction": (output, "float32", ["rows", 1])})


@pytest.mark.parametrize("n_nodes", [1, 2, 127, 128, 5_000])
def test_forests_pass_with_the_short_cut_and_without(monkeypatch, n_nodes):
    content = forest(n_nodes)
    check_graph(content)
    monkeypatch.setattr(tensor_reader, "_RUNS", dict.fromkeys((7, 8, 9), re.compile(b"(?!)")))
    check_graph(content)


def test_the_short_cut_hides_nothing():
    """A subgraph between long lists is found, whatever is before and after it."""
    model = onnx.load_from_string(forest(100))
    body = onnx.helper.make_graph([onnx.helper.make_node("Loop", [], [])], "body", [], [])
    for attribute in next(node for node in model.graph.node if node.domain == ML).attribute:
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        target = next(node for node in changed.graph.node if node.domain == ML)
        next(a for a in target.attribute if a.name == attribute.name).g.CopyFrom(body)
        with pytest.raises(BundleError, match="field 6"):
            check_graph(changed.SerializeToString())


@pytest.mark.parametrize("value", [0, 1, 127, 128, 300, 2**32, 2**63 - 1, 2**64 - 1])
def test_varint(value):
    content = bytearray()
    rest = value
    while rest > 127:
        content.append(rest & 127 | 128)
        rest >>= 7
    content.append(rest)
    assert varint(bytes(content), 0, len(content)) == (value, len(content))
    assert list(integers(bytes(content) * 3, BYTES, 0, 3 * len(content))) == [value] * 3
    assert list(integers(bytes(content) * 3, VARINT, 0, 3 * len(content))) == [value]
    with pytest.raises(WireError):
        varint(bytes(content), 0, len(content) - 1)


@pytest.mark.parametrize(
    "content", [b"\x08", b"\x0a\x05abc", b"\x0d\x00\x00\x00", b"\x09\x00", b"\x0b", b"\x0c", b"\x00\x00", b"\xff" * 11]
)
def test_what_is_no_message(content):
    with pytest.raises(wire.WireError):
        list(parts(content, 0, len(content)))
