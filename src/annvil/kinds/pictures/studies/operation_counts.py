"""What a saved graph does for one picture: multiplications and additions, and weights that are used in many places."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec


class GraphCount(msgspec.Struct, frozen=True):
    """Counted in an ONNX graph, for one row.

    Attributes
    ----------
    operations : multiplications and additions of matrix products and convolutions; all else is small beside them
    shared_weights : weights of convolutions, each used at every place of the map
    weights_at_every_place : how many they would be if every place had weights of its own
    weights_joining_all : how many if every value of a map were joined to every value of the one before, as in a dense
        layer
    """

    operations: float = 0.0
    shared_weights: float = 0.0
    weights_at_every_place: float = 0.0
    weights_joining_all: float = 0.0


def count_graph(content: bytes) -> GraphCount:
    """Count in the graph, its bytes in ONNX's format; products of two computed values are passed over."""
    import onnx
    from onnx import shape_inference

    model = onnx.load_from_string(content)
    for value in model.graph.input:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_value = 1
    del model.graph.value_info[:]
    shapes = _shapes(shape_inference.infer_shapes(model, data_prop=True).graph)
    operations = shared = placed = joined = 0.0
    for node in model.graph.node:
        weight = next((shapes[name] for name in list(node.input)[1:] if name in shapes), None)
        if node.op_type == "Conv" and weight is not None:
            # (outputs, inputs / groups, height, width) at every place of the map it makes
            places = prod(shapes[node.output[0]][2:])
            operations += 2.0 * prod(weight) * places
            shared += prod(weight)
            placed += prod(weight) * places
            joined += float(prod(shapes[node.input[0]][1:])) * prod(shapes[node.output[0]][1:])
        elif node.op_type in ("Gemm", "MatMul", "Einsum") and weight is not None:
            operations += 2.0 * prod(weight)
    return GraphCount(operations, shared, placed, joined)


def _shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    """Of constants and of values whose sizes are all known."""
    shapes = {constant.name: tuple(constant.dims) for constant in graph.initializer}
    for value in (*graph.value_info, *graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if all(dim.HasField("dim_value") for dim in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes
