"""Bodies under new heads: resizing, channels, restoring, graphs."""

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch.nn import functional

from annvil.errors import BundleError
from annvil.networks.bodies import scaling
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.networks.restoring import restore
from annvil.networks.transfer import LAYER_DECAY, transfer_network, working_size
from annvil.onnx.builder import Graph
from annvil.onnx.export import export_module
from annvil.onnx.validator import check_graph

SMALL = ConvolutionalArchitecture(16, 16, 1, 5, stem_channels=4, layers=(Layer(6, True), Layer(8)))


def trained(architecture=SMALL):
    """A network whose statistics and weights are not those of a new one."""
    generator = torch.Generator().manual_seed(3)
    network = ConvolutionalNetwork(architecture)
    network.initialise(generator)
    pixels = torch.randint(0, 256, (64, *(architecture.height, architecture.width, architecture.channels)))
    network.look_at(pixels.byte())
    with torch.no_grad():
        network.train()(pixels.byte())
    return network.eval()


def start_of(network):
    return network.architecture.to_json(), {n: v.numpy() for n, v in network.state_dict().items()}


def pictures(*shape):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


@pytest.mark.parametrize(("before", "after"), [(8, 32), (28, 32), (96, 32), (33, 32), (5, 5)])
def test_scaling_is_that_of_pytorch_with_antialiasing(before, after):
    row = torch.rand(1, 1, 1, before)
    expected = functional.interpolate(row, (1, after), mode="bilinear", antialias=True, align_corners=False)[0, 0, 0]
    np.testing.assert_allclose(scaling(before, after) @ row[0, 0, 0].numpy(), expected.numpy(), atol=2e-6)


@pytest.mark.parametrize("size", [(28, 28), (64, 128), (200, 30), (9, 9)])
def test_the_working_size_keeps_aspect_and_area(size):
    height, width = working_size(*size, 32, 32)
    assert height * width == pytest.approx(32 * 32, rel=0.3)
    assert height / width == pytest.approx(size[0] / size[1], rel=0.05)


def test_of_the_same_size_and_channels_features_are_those_of_the_start():
    network = trained()
    pixels = pictures(3, 16, 16, 1)
    body = transfer_network(start_of(network), (16, 16, 1), 2).eval().body
    torch.testing.assert_close(body.features(pixels), network.features(pixels))


def test_grey_pictures_shown_in_colour_look_the_same_to_a_grey_body():
    network = trained()
    pixels = pictures(3, 16, 16, 1)
    body = transfer_network(start_of(network), (16, 16, 3), 2).eval().body
    torch.testing.assert_close(body.features(pixels.expand(-1, -1, -1, 3)), network.features(pixels))


def test_a_coloured_body_sees_grey_pictures_as_three_equal_channels():
    network = trained(ConvolutionalArchitecture(16, 16, 3, 5, stem_channels=4, layers=SMALL.layers))
    network.mean.fill_(100.0)
    network.deviation.fill_(50.0)
    pixels = pictures(3, 16, 16, 1)
    body = transfer_network(start_of(network), (16, 16, 1), 2).eval().body
    torch.testing.assert_close(body.features(pixels), network.features(pixels.expand(-1, -1, -1, 3)))


def test_statistics_of_the_body_stay_in_training_and_lower_layers_learn_more_slowly():
    network = transfer_network(start_of(trained()), (16, 16, 1), 2).train()
    before = network.body.network.stem.norm.running_mean.clone()
    network(pictures(4, 16, 16, 1)).sum().backward()
    assert torch.equal(network.body.network.stem.norm.running_mean, before)
    rates = {name: rate for name, (rate, _) in network.parameter_groups().items()}
    assert rates["head.weight"] == 1
    assert rates["body.network.blocks.1.convolution.weight"] == pytest.approx(LAYER_DECAY)
    assert rates["body.network.blocks.0.norm.bias"] == pytest.approx(LAYER_DECAY**2)
    assert rates["body.network.stem.convolution.weight"] == pytest.approx(LAYER_DECAY**3)
    assert set(rates) == {name for name, value in network.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("shape", [(16, 16, 1), (10, 30, 3)])
def test_graph_and_memory_agree_and_a_saved_one_is_restored(shape):
    network = transfer_network(start_of(trained()), shape, 3).eval()
    width = network.body.n_features
    random = np.random.default_rng(1)
    network.set_head(random.normal(size=width), random.random(width) + 0.5, random.normal(size=(width, 3)), [1, 2, 3])
    pixels = pictures(5, *shape)
    graph = Graph()
    given = graph.input("pixels", "uint8", ["rows", *shape])
    (output,) = export_module(graph, network, given, examples=network.examples())
    content = graph.finish({"prediction": (output, "float32", ["rows", 3])})
    check_graph(content)
    found = ort.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels.numpy()})[0]
    expected = network(pixels).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=2e-4)
    weights = {n: v.numpy() for n, v in network.state_dict().items()}
    again = restore(network.architecture.to_json(), weights)
    np.testing.assert_array_equal(again(pixels).detach().numpy(), expected)
    onward = transfer_network((network.architecture.to_json(), weights), shape, 2).eval()
    torch.testing.assert_close(onward.body.features(pixels), network.body.features(pixels))


def test_what_is_no_body_is_refused():
    with pytest.raises(BundleError, match=r"'dense'.*nothing to go on from"):
        transfer_network(({"kind": "dense"}, {}), (16, 16, 1), 2)
    architecture, weights = start_of(trained())
    del weights["stem.norm.bias"]
    with pytest.raises(BundleError, match="not those of the network"):
        transfer_network((architecture, weights), (16, 16, 1), 2)
