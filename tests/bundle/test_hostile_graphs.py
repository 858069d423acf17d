"""Graphs whose size and SHA-256 are right: only the list of operators and the limits stand before onnxruntime."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from annvil.bundle import load
from annvil.errors import BundleError
from annvil.onnx.validator import ALLOWED_OPERATORS, check_graph

Build = Callable[[Path, Any], Path]
CASES: dict[str, Build] = {}


def _case(name: str) -> Callable[[Build], Build]:
    def keep(build: Build) -> Build:
        assert name not in CASES
        CASES[name] = build
        return build

    return keep


# Graphs whose size and SHA-256 are right ------------------------------------------------------------------------------


def _model(nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto] = [], **more: Any) -> bytes:  # noqa: B006
    """The example's inputs and output around some nodes that should make ``prediction``."""
    inputs = [
        helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, ["rows", 2]),
        helper.make_tensor_value_info("texts", TensorProto.STRING, ["rows", 1]),
    ]
    outputs = [helper.make_tensor_value_info("prediction", TensorProto.DOUBLE, ["rows", 2])]
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    body = helper.make_graph(nodes, "g", inputs, outputs, constants, **more)
    return bytes(helper.make_model(body, opset_imports=opsets, ir_version=10).SerializeToString())


def _graph(name: str) -> Callable[[Callable[[Path], bytes]], None]:
    def keep(make: Callable[[Path], bytes]) -> None:
        CASES[f"a graph {name}"] = lambda folder, example: example.with_graph(folder, make(folder))

    return keep


def _body(*nodes: onnx.NodeProto, inputs: Any = (), outputs: Any = ()) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "body", list(inputs), list(outputs))


def _endless_loop() -> bytes:
    """A model of some 200 bytes that counts to 2^63."""
    body = _body(
        helper.make_node("Identity", ["go"], ["on"]),
        helper.make_node("Identity", ["value"], ["again"]),
        inputs=[
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.DOUBLE, None),
        ],
        outputs=[
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("again", TensorProto.DOUBLE, None),
        ],
    )
    most = numpy_helper.from_array(np.array(2**63 - 1), "most")
    go = numpy_helper.from_array(np.array(True), "go_on")
    return _model([helper.make_node("Loop", ["most", "go_on", "numbers"], ["prediction"], body=body)], [most, go])


def _huge_constant() -> bytes:
    """A model of a few bytes that asks for 4 TB."""
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 19]), "shape")
    value = numpy_helper.from_array(np.zeros(1), "value")
    return _model([helper.make_node("ConstantOfShape", ["shape"], ["prediction"], value=value)], [shape])


_graph("that loops for ever")(lambda folder: _endless_loop())
_graph("that makes 4 TB of zeros")(lambda folder: _huge_constant())


@_graph("with an If")
def _(folder: Path) -> bytes:
    branch = _body(
        helper.make_node("Identity", ["numbers"], ["out"]),
        outputs=[helper.make_tensor_value_info("out", TensorProto.DOUBLE, None)],
    )
    constant = numpy_helper.from_array(np.array(True), "yes")
    return _model([helper.make_node("If", ["yes"], ["prediction"], then_branch=branch, else_branch=branch)], [constant])


@_graph("with a Scan")
def _(folder: Path) -> bytes:
    body = _body(
        helper.make_node("Identity", ["row"], ["out"]),
        inputs=[helper.make_tensor_value_info("row", TensorProto.DOUBLE, [2])],
        outputs=[helper.make_tensor_value_info("out", TensorProto.DOUBLE, [2])],
    )
    return _model([helper.make_node("Scan", ["numbers"], ["prediction"], body=body, num_scan_inputs=1)])


@_graph("that hides a subgraph in an allowed operator")
def _(folder: Path) -> bytes:
    return _model([helper.make_node("Identity", ["numbers"], ["prediction"], body=_body())])


@_graph("that hides subgraphs in a list in an allowed operator")
def _(folder: Path) -> bytes:
    return _model([helper.make_node("Identity", ["numbers"], ["prediction"], bodies=[_body(), _body()])])


@_graph("with a function of its own")
def _(folder: Path) -> bytes:
    model = onnx.load_from_string(_model([helper.make_node("Identity", ["numbers"], ["prediction"])]))
    operators = [helper.make_node("Loop", ["a"], ["b"])]
    model.functions.append(helper.make_function("", "Identity", ["a"], ["b"], operators, [helper.make_opsetid("", 20)]))
    return bytes(model.SerializeToString())


@_graph("with training steps")
def _(folder: Path) -> bytes:
    model = onnx.load_from_string(_model([helper.make_node("Identity", ["numbers"], ["prediction"])]))
    model.training_info.add().algorithm.CopyFrom(_body(helper.make_node("Loop", ["a"], ["b"])))
    return bytes(model.SerializeToString())


@_graph("with a sparse constant")
def _(folder: Path) -> bytes:
    values = numpy_helper.from_array(np.ones(1), "values")
    indices = numpy_helper.from_array(np.array([0]), "indices")
    sparse = helper.make_sparse_tensor(values, indices, [1 << 40])
    return _model([helper.make_node("Identity", ["values"], ["prediction"])], sparse_initializer=[sparse])


@_graph("with an operator of another domain")
def _(folder: Path) -> bytes:
    return _model([helper.make_node("Identity", ["numbers"], ["prediction"], domain="com.microsoft")])


@_graph("whose operator has two names")
def _(folder: Path) -> bytes:
    loop = helper.make_node("Identity", ["numbers"], ["prediction"]).SerializeToString() + b"\x22\x04Loop"
    content = _model([helper.make_node("Identity", ["numbers"], ["prediction"])])
    model = onnx.load_from_string(content)
    del model.graph.node[:]
    graph = model.graph.SerializeToString() + b"\x0a" + bytes([len(loop)]) + loop
    model.ClearField("graph")
    return bytes(model.SerializeToString()) + b"\x3a" + _varint(len(graph)) + graph


@_graph("with another graph behind it, which readers would merge into it")
def _(folder: Path) -> bytes:
    content = _model([helper.make_node("Identity", ["numbers"], ["prediction"])])
    more = _body(helper.make_node("Loop", ["a"], ["b"])).SerializeToString()
    return content + b"\x3a" + _varint(len(more)) + more


@_graph("with 20 001 nodes")
def _(folder: Path) -> bytes:
    names = ["numbers", *(f"v{step}" for step in range(20_000)), "prediction"]
    return _model([helper.make_node("Sqrt", [a], [b]) for a, b in pairwise(names)])


@_graph("with a constant that claims 2^60 elements")
def _(folder: Path) -> bytes:
    constant = TensorProto(name="c", data_type=TensorProto.DOUBLE, dims=[1 << 30, 1 << 30], raw_data=bytes(8))
    return _model([helper.make_node("Identity", ["c"], ["prediction"])], [constant])


@_graph("with a constant of 9 axes")
def _(folder: Path) -> bytes:
    constant = TensorProto(name="c", data_type=TensorProto.DOUBLE, dims=[1] * 9, raw_data=bytes(8))
    return _model([helper.make_node("Identity", ["c"], ["prediction"])], [constant])


@_graph("with a constant of negative size")
def _(folder: Path) -> bytes:
    constant = TensorProto(name="c", data_type=TensorProto.DOUBLE, dims=[-1], raw_data=bytes(8))
    return _model([helper.make_node("Identity", ["c"], ["prediction"])], [constant])


@_graph("with a constant shorter than its sizes")
def _(folder: Path) -> bytes:
    constant = TensorProto(name="c", data_type=TensorProto.DOUBLE, dims=[2, 2], raw_data=bytes(8))
    return _model([helper.make_node("Identity", ["c"], ["prediction"])], [constant])


@_graph("without nodes")
def _(folder: Path) -> bytes:
    return _model([])


@_graph("whose nodes do not fit together")
def _(folder: Path) -> bytes:
    return _model([helper.make_node("MatMul", ["numbers", "texts"], ["prediction"])])


@_graph("that reads a value nobody makes")
def _(folder: Path) -> bytes:
    return _model([helper.make_node("Identity", ["nothing"], ["prediction"])])


@_graph("that goes in a circle")
def _(folder: Path) -> bytes:
    return _model([helper.make_node("Sqrt", ["b"], ["a"]), helper.make_node("Sqrt", ["a"], ["b"])])


@_graph("with a third input")
def _(folder: Path) -> bytes:
    model = onnx.load_from_string(_model([helper.make_node("Identity", ["numbers"], ["prediction"])]))
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
    return bytes(model.SerializeToString())


@_graph("with a second output")
def _(folder: Path) -> bytes:
    model = onnx.load_from_string(_model([helper.make_node("Identity", ["numbers"], ["prediction"])]))
    model.graph.output.append(helper.make_tensor_value_info("numbers", TensorProto.DOUBLE, ["rows", 2]))
    return bytes(model.SerializeToString())


def _varint(value: int) -> bytes:
    content = bytearray()
    while value > 0x7F:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])


for label, content in {
    "in a group": b"\x3b\x3c",
    "of field 0": b"\x02\x00",
    "of an endless number": b"\x08" + b"\xff" * 50,
    "longer than itself": b"\x3a\xff\xff\xff\xff\x0f",
    "of an unknown wire type": b"\x0f",
    "with a string where it should be": b"\x3a\x05hello",
    "with a number where it should be": b"\x38\x05",
    "of nothing but a version": b"\x08\x0a",
}.items():
    _graph(label)(lambda folder, content=content: content)


def _external(location: str, place: Callable[[Path], None]) -> Callable[[Path], bytes]:
    """A constant kept in another file: a secret of eight bytes."""

    def make(folder: Path) -> bytes:
        (folder / "secret.bin").write_bytes(np.array([42.0]).tobytes())
        (folder / "model").mkdir(exist_ok=True)
        place(folder)
        constant = TensorProto(name="c", data_type=TensorProto.DOUBLE, dims=[1], data_location=TensorProto.EXTERNAL)
        constant.external_data.add(key="location", value=location.format(folder=folder))
        return _model([helper.make_node("Add", ["numbers", "c"], ["prediction"])], [constant])

    return make


for label, location, place in (
    ("one folder up", "../secret.bin", lambda folder: None),
    ("at an absolute path", "{folder}/secret.bin", lambda folder: None),
    ("by a detour", "a/../../secret.bin", lambda folder: None),
    ("through a symbolic link", "link.bin", lambda folder: (folder / "link.bin").symlink_to(folder / "secret.bin")),
    ("through a hard link", "hard.bin", lambda folder: os.link(folder / "secret.bin", folder / "hard.bin")),
    ("in a plain file beside it", "secret.bin", lambda folder: None),
):

    @_case(f"a graph with data {label}")
    def _(folder: Path, example: Any, location: str = location, place: Any = place) -> Path:
        graph = _external(location, place)(folder)
        (folder / "model").rmdir()
        path = example.with_graph(folder, graph)
        for name in (
            "secret.bin",
            "link.bin",
            "hard.bin",
        ):  # beside the graph, where a relative name would be looked up
            if (folder / name).exists() and "/" not in location:
                (folder / name).rename(path / name)
        return path

    @_case(f"a graph with a tensor attribute {label}")
    def _(folder: Path, example: Any, location: str = location) -> Path:
        tensor = TensorProto(name="c", data_type=TensorProto.DOUBLE, dims=[1], data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location.format(folder=folder))
        node = helper.make_node("LabelEncoder", ["texts"], ["prediction"], domain="ai.onnx.ml", values_tensor=tensor)
        return example.with_graph(folder, _model([node]))


FOREIGN = sorted(
    {(schema.domain, schema.name) for schema in onnx.defs.get_all_schemas()}
    - {(domain, name) for domain, names in ALLOWED_OPERATORS.items() for name in names}
)


REASONS = {
    "loops for ever|4 TB|an If|a Scan|another domain": "the operator '(Loop|ConstantOfShape|If|Scan|Identity)'",
    "subgraph|function|training|sparse|another graph|two names": r"a part that Annvil does not write \(field",
    "with (data|a tensor attribute)": r"its tensor has a part that Annvil does not write \(field 1[34]\)",
    "claims|9 axes|negative": "claims more elements than it has bytes",
    "20 001": "more than 20000 nodes",
    "third input|second output": "not have the inputs and output of its manifest",
    "without nodes": "onnxruntime cannot read its graph",
    "shorter": "claims other elements than it has",
    "fit together": "MatMul does not fit what it is given",
    "nobody makes|in a circle": "reads a value '.*' that nobody made before it",
    "group|field 0|endless|longer|unknown wire": "not an ONNX model",
}
"""Which wall should stop what, by a pattern of the name: behind most of them stands another."""


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name, tmp_path, example, refuse):
    message = refuse(CASES[name](tmp_path, example), canary=tmp_path / "canary")
    for pattern, reason in REASONS.items():
        if re.search(pattern, name):
            assert re.search(reason, message), message


def test_there_are_many():
    assert len(CASES) >= 40


@pytest.mark.parametrize(("domain", "operator"), FOREIGN)
def test_every_operator_that_annvil_does_not_write_is_refused(domain, operator):
    node = helper.make_node(operator, ["numbers"], ["prediction"], domain=domain)
    with pytest.raises(BundleError, match=operator):
        check_graph(_model([node]))


@pytest.mark.parametrize("make", [_endless_loop, _huge_constant])
def test_a_program_in_few_bytes_is_refused_at_once(make, tmp_path, example):
    path = example.with_graph(tmp_path, make())
    started = time.perf_counter()
    with pytest.raises(BundleError, match=r"operator '(Loop|ConstantOfShape)'"):
        load(path)
    assert time.perf_counter() - started < 2


def test_graphs_that_these_tests_make_are_accepted(tmp_path, example):
    load(example.with_graph(tmp_path, _model([helper.make_node("Identity", ["numbers"], ["prediction"])])))
