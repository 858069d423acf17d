"""Finished models made into one that averages them."""

from __future__ import annotations

from collections.abc import Sequence

from annvil.onnx.builder import Graph


def averaged(models: Sequence[bytes], weights: Sequence[float]) -> bytes:
    """The model whose output is the weighted sum of those of ``models``, which have equal inputs and one equal output.

    Parameters
    ----------
    models : what `annvil.bundle.export` returned, at least one; their output is float64
    weights : one for each, adding up to 1
    """
    import onnx

    output = onnx.load_from_string(models[0]).graph.output[0]
    shape = [dim.dim_param or dim.dim_value for dim in output.type.tensor_type.shape.dim]
    graph = Graph()
    parts = [
        graph.op("Mul", graph.include(model), graph.constant(float(weight)))
        for model, weight in zip(models, weights, strict=True)
    ]
    return graph.finish({output.name: (graph.op("Sum", *parts), "float64", shape)})
