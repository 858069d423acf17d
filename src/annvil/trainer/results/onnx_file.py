"""A trained network as one ONNX graph, from rows to outputs and probabilities, checked against the network."""

from __future__ import annotations

import inspect

import numpy as np
import torch
from torch import Tensor, nn

from annvil.errors import RequestError
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.system import onnx_runtime
from annvil.trainer.results.predictions import Predictor
from annvil.training.loop.step_spec import widened

CLOSE = 1e-4
"""Largest difference between graph and network, in units of the largest output (assumed: sums in another order differ
by a tenth of it in deep networks)."""


def graph_of(predictor: Predictor) -> bytes:
    """The network, and what its outputs stand for, as a checked model.

    Inputs have the names of the arguments of ``forward`` and the types of training; their first axis, ``rows``, is
    free. Outputs are ``output``, float32, as the network gives it, and where there are classes ``probability``.

    Raises
    ------
    RequestError
        When the network does what ONNX cannot, see `annvil.onnx.export`, or the graph computes something else than it.
    """
    shipped = _Shipped(predictor)
    graph = Graph()
    inputs = [
        graph.input(name, str(dtype).removeprefix("torch."), ["rows", *shape])
        for name, (dtype, shape) in zip(input_names(predictor), predictor.forms, strict=True)
    ]
    values = export_module(graph, shipped, *inputs, examples=predictor.examples)
    with torch.inference_mode():
        expected = shipped(*predictor.examples)
    named = zip(("output", "probability"), values, expected, strict=False)
    content = graph.finish({name: (value, "float32", ["rows", *one.shape[1:]]) for name, value, one in named})
    session = onnx_runtime.session(content)
    given = zip(input_names(predictor), predictor.examples, strict=True)
    taken = {value.name for value in session.get_inputs()}
    found = session.run(None, {name: tensor.numpy() for name, tensor in given if name in taken})
    for one, other in zip(found, (tensor.numpy() for tensor in expected), strict=True):
        difference = float(np.abs(one - other).max(initial=0.0)) / float(np.abs(other).max(initial=1e-6))
        if not difference <= CLOSE:
            raise RequestError(
                f"The graph of the network differs from it by {difference:.1g} of its largest output on "
                f"{len(other)} training rows, so it was not written. Values so large that float32 cannot hold them "
                "apart, or that are not finite, do this."
            )
    return content


def input_names(predictor: Predictor) -> list[str]:
    """Of the arguments of ``forward``, or x, x_1, … where they have no names of their own."""
    parameters = inspect.signature(predictor.network.forward).parameters.values()
    count = len(predictor.forms)
    if any(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters) or len(parameters) < count:
        return ["x", *(f"x_{place}" for place in range(1, count))]
    return [one.name for one in parameters][:count]


class _Shipped(nn.Module):
    """The network behind what is done to bytes, before what its outputs stand for."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.network = predictor.network
        self._target, self._byte_inputs = predictor.target, predictor.byte_inputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(*widened(inputs, self._byte_inputs)).float()
        return (outputs, self._target.shares(outputs)) if self._target.has_probabilities else (outputs,)
