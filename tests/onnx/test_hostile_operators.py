"""Allowed operators with arguments that nobody writes: refused, failing in a sentence or harmless; nothing else.

Each is one operator on three numbers of a row, on two maps of 8 × 8, or one thing changed in a graph that Annvil wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, numpy_helper
from tests.onnx import sample_graphs
from tests.onnx.test_hostile_graphs_run import _made as maps, _set, _trees, outcomes

from annvil.onnx.builder import ML, Graph

X = object()
"""The numbers of the row."""

FAR, LOW = 1 << 62, -(1 << 63)


def row(kind: str, *more: Any, dtype: str = "float32", n: int = 1, **attributes: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        graph = Graph()
        x = graph.cast(graph.input("x0", "float32", ["rows", 3]), dtype)
        inputs = [x if one is X else graph.constant(np.array(one) if isinstance(one, list) else one) for one in more]
        value = graph.ops(kind, *inputs, n_outputs=n, **attributes)[0]
        return graph.finish({"y0": (graph.op("ReduceMax", graph.cast(value, "float32"), keepdims=0), "float32", [])})

    return make


def f4(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def scales(*values: float) -> Any:
    return np.array(values, np.float32)


def changed(change: Callable[[ModelProto], Any]) -> Callable[[], bytes]:
    def make() -> bytes:
        model = onnx.load_from_string(sample_graphs.table())
        change(model)
        return bytes(model.SerializeToString())

    return make


def size_of(axis: int, size: int) -> Callable[[], bytes]:
    return changed(lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[axis], "dim_value", size))


def element(kind: int) -> Callable[[], bytes]:
    return changed(lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", kind))


def encoder(**other: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        graph = Graph()
        told = {"keys_strings": ["a", "b"], "values_floats": [0.5, -0.5], "default_float": 0.0} | other
        value = graph.op("LabelEncoder", graph.input("x0", "string", ["rows", 1]), domain=ML, **told)
        return graph.finish({"y0": (value, "float32", ["rows", 1])})

    return make


def recurrent(**told: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        graph = Graph()
        x = graph.op("Transpose", graph.input("x0", "float32", ["rows", 5, 3]), perm=[1, 0, 2])
        weights = [graph.constant(f4(1, 16, 3)), graph.constant(f4(1, 16, 4))]
        value = graph.ops("LSTM", x, *weights, n_outputs=1, **told)[0]
        return graph.finish({"y0": (graph.op("ReduceMax", value, keepdims=0), "float32", [])})

    return make


def einsum(equation: str, *shapes: tuple[int, ...]) -> Callable[[], bytes]:
    return row("Einsum", *(f4(*shape) for shape in shapes), equation=equation)


def many_outputs() -> bytes:
    graph = Graph()
    x = graph.input("x0", "float32", ["rows", 3])
    return graph.finish({f"y{k}": (graph.op("Abs", x), "float32", ["rows", 3]) for k in range(3_000)})


REFUSED: dict[str, Callable[[], bytes]] = {
    "Pad to 2^62": lambda: maps("Pad", np.array([0, 0, 0, 0, 0, 0, 0, FAR])),
    "Pad to 10^9 rows": lambda: maps("Pad", np.array([0, 0, 0, 0, 0, 0, 10**9, 0])),
    "Pad below nothing": lambda: maps("Pad", np.array([0, 0, 0, 0, 0, 0, 0, -100])),
    "Pad of one axis": lambda: maps("Pad", np.array([1])),
    "Resize to 2^40": lambda: maps("Resize", "", "", np.array([1, 2, 1 << 40, 8])),
    "Resize to -1": lambda: maps("Resize", "", "", np.array([1, 2, -1, 8])),
    **{
        f"Resize {scale} times": lambda scale=scale: maps("Resize", "", scales(1, 1, scale, 1))
        for scale in (0, -2, np.nan, np.inf)
    },
    "Reshape to 2^64": row("Reshape", X, [1 << 32, 1 << 32]),
    "Reshape to -2": row("Reshape", X, [-2, 3]),
    "Reshape to 300 axes": row("Reshape", X, [1] * 300),
    "Expand to 2^80": row("Expand", X, [1 << 40, 1 << 40, 1, 1]),
    "Slice by 0": row("Slice", X, [0], [3], [1], [0]),
    "Slice of axis 9": row("Slice", X, [0], [3], [9]),
    "TopK of 2^40": row("TopK", X, [1 << 40], n=2, axis=1),
    "Transpose of one axis twice": row("Transpose", X, perm=[0, 0]),
    "Concat along 2^40": row("Concat", X, X, axis=1 << 40),
    "Unsqueeze at 77": row("Unsqueeze", X, [77]),
    "ReduceSum over 44": row("ReduceSum", X, [44]),
    **{f"Cast to type {kind}": row("Cast", X, to=kind) for kind in (14, 16, 17, 22, 99)},
    "Conv of 2^40 groups": lambda: maps("Conv", f4(4, 1, 2, 2), group=1 << 40),
    "Conv of another kernel": lambda: maps("Conv", f4(1, 2, 2, 2), kernel_shape=[5, 5]),
    "Conv 2^62 apart": lambda: maps("Conv", f4(1, 2, 2, 2), dilations=[FAR, 1]),
    "Conv with 2^30 around": lambda: maps("Conv", f4(1, 2, 2, 2), pads=[1 << 30, 0, 1 << 30, 0]),
    "ConvTranspose to 2^40": lambda: maps("ConvTranspose", f4(2, 1, 2, 2), output_padding=[1 << 40, 0]),
    "MaxPool of 2^40": lambda: maps("MaxPool", kernel_shape=[1 << 40, 1]),
    "Einsum to 300^4": einsum("a,b,c,d->abcd", *[(300,)] * 4),
    "Einsum of nothing": einsum("ab->->", (2, 2)),
    "LSTM of 2^40": recurrent(hidden_size=1 << 40),
    "LSTM of -4": recurrent(hidden_size=-4),
    "LSTM of another size": recurrent(hidden_size=7),
    "MatMul of other sizes": row("Gemm", X, f4(7, 9)),
    "Mod by 0 as fmod": row("Mod", X, [0], dtype="int64", fmod=1),
    "And of numbers": row("And", X, X),
    "BatchNormalization of other sizes": lambda: maps("BatchNormalization", f4(2), f4(2), f4(5), f4(2)),
    "one name for two values": changed(
        lambda model: model.graph.node[1].output.__setitem__(0, model.graph.node[0].output[0])
    ),
    "a value of itself": changed(lambda model: model.graph.node[0].input.__setitem__(0, model.graph.node[0].output[0])),
    "a constant twice": changed(lambda model: model.graph.initializer.append(model.graph.initializer[0])),
    "a constant for an input": changed(
        lambda model: model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 3)), "x0"))
    ),
    "a text of 20 MB": changed(lambda model: setattr(model, "doc_string", "d" * (20 << 20))),
    "an input 2^40 wide": size_of(1, 1 << 40),
    "an input -1 wide": size_of(1, -1),
    "a number of rows that is fixed": size_of(0, 7),
    **{f"an input of type {kind}": element(kind) for kind in (0, 8, 14, 17, 22, 99)},
    "an input that is a sequence": changed(
        lambda model: setattr(model.graph.input[0].type.sequence_type.elem_type.tensor_type, "elem_type", 1)
    ),
    **{
        f"opset {version}": changed(lambda model, version=version: setattr(model.opset_import[0], "version", version))
        for version in (-1, 0, 999, FAR)
    },
    "a tree of number -1": lambda: _trees(_set("nodes_treeids", 0, -1)),
    "a node twice": lambda: _trees(_set("nodes_nodeids", 1, 0)),
    "branches of no kind": lambda: _trees(
        lambda values: values.update(nodes_modes=[b"BRANCH_NOPE"] * len(values["nodes_modes"]))
    ),
}

HARMLESS: dict[str, Callable[[], bytes]] = {
    "Pad in a circle": lambda: maps("Pad", np.array([0, 0, 0, 0, 0, 0, 0, 10**5]), mode="wrap"),
    "Pad by a mirror too small": lambda: maps("Pad", np.array([0, 0, 0, 0, 0, 0, 0, 100]), mode="reflect"),
    "Resize to nothing": lambda: maps("Resize", "", "", np.array([1, 2, 0, 8])),
    "Slice from and by the least": row("Slice", X, [LOW], [(1 << 63) - 1], [1], [LOW]),
    "Gather from beyond": row("Gather", X, [1 << 40], axis=1),
    "Gather from below": row("Gather", X, [-(1 << 40)], axis=1),
    "GatherElements from beyond": row("GatherElements", X, [[99, 99, 99]], axis=1),
    "CumSum along 55": row("CumSum", X, np.array(55)),
    "Einsum of a diagonal that is none": einsum("aa->a", (3, 4)),
    "QuantizeLinear by NaN": row("QuantizeLinear", X, np.float32(np.nan), np.int8(0)),
    "QuantizeLinear by 0": row("QuantizeLinear", X, np.float32(0), np.int8(0)),
    "QuantizeLinear along 9": row("QuantizeLinear", X, f4(3), np.zeros(3, np.int8), axis=9),
    "BatchNormalization by NaN": lambda: maps("BatchNormalization", f4(2), f4(2), f4(2), f4(2) * np.nan),
    "whole numbers to -1": row("Pow", X, [-1], dtype="int64"),
    "Clip the wrong way": row("Clip", X, np.float32(1), np.float32(-1)),
    "one text twice": encoder(keys_strings=["a", "a"]),
    "300 000 texts": encoder(keys_strings=[f"k{k}" for k in range(300_000)], values_floats=[0.0] * 300_000),
    "trees that part by NaN": lambda: _trees(
        lambda values: values.update(nodes_values=[np.nan] * len(values["nodes_values"]))
    ),
    "3000 outputs": many_outputs,
}
"""They run, or onnxruntime says why not: then predicting ends in a sentence."""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    both = {name: make() for name, make in (REFUSED | HARMLESS).items()}
    numbered = {str(number): content for number, content in enumerate(both.values())}
    found = outcomes(tmp_path_factory.mktemp("graphs"), numbered)
    return dict(zip(both, found.values(), strict=True))


def test_what_floods_or_fits_nothing_is_refused(said):
    assert {name: said[name] for name in REFUSED if not said[name].startswith("refused: ")} == {}


def test_the_rest_ends_in_a_result_or_a_sentence(said):
    assert {name: said[name] for name in HARMLESS if not said[name].startswith(("ran", "failed: "))} == {}
    assert all("\n" not in one and len(one) < 400 for one in said.values())


def test_there_are_many():
    assert len(REFUSED | HARMLESS) >= 80
    assert TensorProto.FLOAT == 1  # as `element` counts
