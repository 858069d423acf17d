"""Finished graphs on the same inputs become one that averages them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime

from annvil.onnx.averaging import averaged
from annvil.onnx.builder import Graph


def scaled(factor: float, texts: bool = False) -> bytes:
    graph = Graph()
    x = graph.input("numbers", "float64", ["rows", 2])
    if texts:
        graph.input("texts", "string", ["rows", 1])
    shared = graph.op("Tanh", graph.op("Add", x, graph.constant(np.ones(2))))
    return graph.finish({"prediction": (graph.op("Mul", shared, graph.constant(factor)), "float64", ["rows", 2])})


def test_the_average_of_graphs_is_one_graph() -> None:
    whole = averaged([scaled(2.0), scaled(-1.0), scaled(4.0)], [0.5, 0.25, 0.25])
    x = np.array([[0.0, 1.0], [-2.0, 3.0]])
    (found,) = onnxruntime.InferenceSession(whole).run(["prediction"], {"numbers": x})
    np.testing.assert_allclose(found, np.tanh(x + 1) * (0.5 * 2 - 0.25 + 0.25 * 4), atol=1e-12)


def test_what_members_share_is_in_it_once() -> None:
    body = onnx.load_from_string(averaged([scaled(2.0), scaled(-1.0)], [0.5, 0.5])).graph
    assert [node.op_type for node in body.node].count("Tanh") == 1
    assert [node.op_type for node in body.node].count("Mul") == 4
    assert [one.name for one in body.input] == ["numbers"]


def test_inputs_of_all_are_inputs() -> None:
    body = onnx.load_from_string(averaged([scaled(2.0), scaled(1.0, texts=True)], [0.5, 0.5])).graph
    assert [one.name for one in body.input] == ["numbers", "texts"]
    (output,) = body.output
    assert output.name == "prediction"
    dims = [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]
    assert dims == ["rows", 2]


def test_it_can_be_of_one_alone() -> None:
    x = np.array([[0.5, 1.0]])
    alone, one = (
        onnxruntime.InferenceSession(g).run(None, {"numbers": x})[0]
        for g in (scaled(2.0), averaged([scaled(2.0)], [1.0]))
    )
    np.testing.assert_array_equal(alone, one)
