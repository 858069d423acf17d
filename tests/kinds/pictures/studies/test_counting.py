"""Operations and weights of graphs small enough to count by hand."""

import numpy as np

from annvil.kinds.pictures.studies.operation_counts import count_graph
from annvil.onnx.builder import Graph


def test_a_convolution_is_counted_at_every_place():
    graph = Graph()
    pixels = graph.input("pixels", "uint8", ["rows", 6, 5, 2])
    x = graph.op("Transpose", graph.cast(pixels, "float32"), perm=[0, 3, 1, 2])
    weight = graph.constant(np.ones((4, 2, 3, 3), dtype=np.float32))
    x = graph.op("Conv", x, weight, pads=[1, 1, 1, 1])
    x = graph.op("ReduceMax", x, graph.constant([2, 3], "int64"), keepdims=0)
    x = graph.op("MatMul", x, graph.constant(np.ones((4, 3), dtype=np.float32)))
    found = count_graph(graph.finish({"output": (x, "float32", ["rows", 3])}))
    assert found.shared_weights == 4 * 2 * 9
    assert found.weights_at_every_place == 72 * 30
    assert found.weights_joining_all == (2 * 30) * (4 * 30)
    assert found.operations == 2 * 72 * 30 + 2 * 4 * 3


def test_a_dense_layer_is_counted_once():
    graph = Graph()
    numbers = graph.input("numbers", "float64", ["rows", 5])
    x = graph.op("Gemm", numbers, graph.constant(np.ones((5, 7))), graph.constant(np.ones(7)))
    found = count_graph(graph.finish({"output": (x, "float64", ["rows", 7])}))
    assert (found.operations, found.shared_weights) == (2 * 5 * 7, 0)
