"""Convolutional networks: saved parts make the same network again, and its graph computes what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer, Stem
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module

PIXELS = torch.randint(0, 256, (5, 12, 10, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def made(stem: Stem, **settings: Any) -> ConvolutionalNetwork:
    layers = (Layer(6, pools=True), Layer(8))
    network = ConvolutionalNetwork(ConvolutionalArchitecture(12, 10, 3, 4, stem, 5, layers, **settings))
    network.initialise(torch.Generator().manual_seed(1))
    network.look_at(PIXELS)
    network.train()(PIXELS)  # gives batch normalisation statistics of its own
    return network.eval()


@pytest.mark.parametrize("stem", ["small", "plain", "strided"])
def test_architecture_and_weights_make_the_same_network(stem: Stem) -> None:
    network = made(stem)
    again = ConvolutionalNetwork(ConvolutionalArchitecture.from_json(network.architecture.to_json()))
    again.load_state_dict(network.state_dict())
    assert again.architecture == network.architecture
    assert torch.equal(again.eval()(PIXELS), network(PIXELS))


@pytest.mark.parametrize("stem", ["small", "plain", "strided"])
def test_the_graph_computes_the_same(stem: Stem) -> None:
    network, graph = made(stem), Graph()
    pixels = graph.input("pixels", "uint8", ["rows", 12, 10, 3])
    (output,) = export_module(graph, network, pixels, examples=network.examples())
    model = graph.finish({"output": (output, "float32", ["rows", 4])})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(None, {"pixels": PIXELS.numpy()})[0]
    np.testing.assert_allclose(found, network(PIXELS).detach().numpy(), atol=1e-5)


def test_operations_are_counted_by_hand() -> None:
    # 12 x 10 pictures: stem 3x3, 3 -> 5; then 6 x 5 maps: 5 -> 6; then 3 x 2.5: 6 -> 8 (two for each multiplication).
    by_hand = 2 * 120 * 9 * 3 * 5 + 2 * 30 * 9 * 5 * 6 + 2 * 7.5 * 9 * 6 * 8
    assert made("plain").architecture.operations == by_hand
