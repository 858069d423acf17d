"""Saved models of small pictures: one with a network inside, one without, each with a known answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from annvil.bundle import export, save
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.onnx.builder import Graph, Value
from annvil.onnx.export import export_module
from annvil.tasks.union import make_task

PATCH = slice(4, 12), slice(12, 20)
"""Where pictures of the class "cross" have their cross; rows and columns of 24 × 24 pixels."""


def crosses(n: int, seed: int = 0):
    """Noise, and for half of the pictures a bright cross in it: pixels and classes."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (n, 24, 24, 1), dtype=np.uint8)
    y = np.arange(n) % 2
    pixels[y == 1, 7:9, 12:20] = 230
    pixels[y == 1, 4:12, 15:17] = 230
    return pixels, y


class WrittenByHand:
    """A convolutional network whose weights are written: only what is brighter than all noise counts as a cross.

    The first channel passes pixels above 128 on, and three means of 3 × 3 add up what is bright in 7 × 7 pixels; its
    largest value speaks for "cross". The second channel is the constant 2, and speaks for "none".
    """

    def __init__(self) -> None:
        layers = (Layer(8), Layer(8), Layer(8))
        architecture = ConvolutionalArchitecture(24, 24, 1, 2, "small", 8, layers, head_scale=1.0)
        self.network = ConvolutionalNetwork(architecture).eval()
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.fill_(1.0 if name.endswith("norm.weight") else 0.0)
            self.network.mean.fill_(128)
            self.network.deviation.fill_(128)
            self.network.stem.convolution.weight[0, 0, 1, 1] = 1
            for block in self.network.blocks:
                block.convolution.weight[0, 0] = 1 / 9
            self.network.blocks[-1].norm.bias[1] = 2
            self.network.head.weight[1, 0] = 20
            self.network.head.weight[0, 1] = 1

    def write(self, graph: Graph, pixels: Value) -> Value:
        (scores,) = export_module(graph, self.network, pixels, examples=self.network.examples())
        return graph.op("Softmax", scores, axis=1)


@pytest.fixture(scope="session")
def network_model(tmp_path_factory):
    """A model with a network inside that looks at bright crosses and at nothing else."""
    written = WrittenByHand()
    form, task = images_from_arrays(crosses(1)[0]).form, make_task("binary", "shape", ("none", "cross"))
    info = {"architecture": written.network.architecture.to_json(), "title": "Convolutional network"}
    weights = {name: value.numpy() for name, value in written.network.state_dict().items()}
    path = tmp_path_factory.mktemp("explained") / "model"
    return save(path, export(written, form, task), form=form, task=task, info=info, weights=weights)


class UpperLeft:
    """The mean of the upper left 12 × 12 pixels, in parts of 255: a probability, or a number."""

    def __init__(self, number: bool = False) -> None:
        self.number = number

    def write(self, graph: Graph, pixels: Value) -> Value:
        x = graph.cast(pixels, "float32")
        corner = [graph.constant(np.array(values)) for values in ([0, 0], [12, 12], [1, 2])]
        x = graph.op("ReduceMean", graph.op("Slice", x, *corner), graph.constant(np.array([1, 2])), keepdims=0)
        light = graph.op("Div", x, graph.constant(np.float32(255)))
        return light if self.number else graph.concat([graph.op("Sub", graph.constant(np.float32(1)), light), light])


@pytest.fixture(scope="session")
def graph_model(tmp_path_factory):
    """A model without a network."""
    form = images_from_arrays(np.zeros((1, 24, 24), dtype=np.uint8)).form
    task = make_task("binary", "corner", ("dark", "light"))
    path = tmp_path_factory.mktemp("explained") / "model"
    return save(path, export(UpperLeft(), form, task), form=form, task=task, info={"title": "Boosted trees"})


@pytest.fixture(scope="session")
def number_model(tmp_path_factory):
    """A model that predicts a number."""
    form = images_from_arrays(np.zeros((1, 24, 24), dtype=np.uint8)).form
    task = make_task("regression", "light")
    path = tmp_path_factory.mktemp("explained") / "model"
    return save(path, export(UpperLeft(number=True), form, task), form=form, task=task, info={})
