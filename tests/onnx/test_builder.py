"""The graph under construction keeps one of equal nodes and constants, and the shapes of its constants."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from annvil.onnx.builder import Graph


def test_equal_nodes_are_one_and_different_ones_are_not():
    graph = Graph()
    x = graph.input("x", "float64", ["rows", 2])
    assert graph.op("Add", x, graph.constant(1.0)) == graph.op("Add", x, graph.constant(1.0))
    assert graph.op("Add", x, graph.constant(1.0)) != graph.op("Add", x, graph.constant(2.0))
    assert graph.op("Softmax", x, axis=1) == graph.op("Softmax", x, axis=1)
    assert graph.op("Softmax", x, axis=1) != graph.op("Softmax", x, axis=0)
    parts = graph.ops("Split", x, n_outputs=2, axis=1, num_outputs=2)
    assert graph.ops("Split", x, n_outputs=2, axis=1, num_outputs=2) == parts
    model = onnx.load_from_string(graph.finish({"y": (graph.concat(parts), "float64", ["rows", 2])}))
    assert [node.op_type for node in model.graph.node] == [
        "Add",
        "Add",
        "Softmax",
        "Softmax",
        "Split",
        "Concat",
        "Identity",
    ]


def test_a_scalar_constant_is_a_scalar():
    graph = Graph()
    x = graph.input("x", "float64", ["rows", 3])
    column = graph.op("Gather", x, graph.constant(np.int64(1)), axis=1)
    session = onnxruntime.InferenceSession(graph.finish({"y": (column, "float64", ["rows"])}))
    (y,) = session.run(None, {"x": np.arange(6.0).reshape(2, 3)})
    assert y.tolist() == [1, 4]
