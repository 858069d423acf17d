"""A network comes back as it was, and only from weights that are its own."""

import numpy as np
import pytest
import torch

from annvil.errors import BundleError
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.networks.restoring import restore


@pytest.fixture
def network():
    architecture = ConvolutionalArchitecture(12, 10, 3, 4, stem_channels=4, layers=(Layer(6, True), Layer(5)))
    network = ConvolutionalNetwork(architecture)
    network.initialise(torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.stem.norm.running_mean.normal_(generator=torch.Generator().manual_seed(1))
    return network.eval()


def saved(network):
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    return network.architecture.to_json(), weights


def test_the_restored_network_gives_the_same_numbers(network):
    pixels = torch.randint(0, 256, (5, 12, 10, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))
    restored = restore(*saved(network))
    assert torch.equal(restored(pixels), network(pixels))
    assert not restored.training
    assert [p.requires_grad for p in restored.parameters()] == [p.requires_grad for p in network.parameters()]


def test_the_arrays_are_copied(network):
    architecture, weights = saved(network)
    restored = restore(architecture, weights)
    weights["head.weight"][:] = 0
    assert restored.head.weight.abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "spiking"}, "'spiking' cannot be restored; known are convolutional"),
        ({"stem_channels": 8}, "size mismatch"),
        ({"stem_channels": "many"}, "not those of the network"),
        ({"stem": "secret"}, "secret"),
        ({"layers": [[10**9, False]] * 2}, "not those of the network"),
        ({"layers": 3}, "not those of the network"),
        ({"unheard": 1}, "unheard"),
    ],
)
def test_an_architecture_that_is_not_that_of_the_weights_is_refused(network, change, said):
    architecture, weights = saved(network)
    with pytest.raises(BundleError, match=said):
        restore({**architecture, **change}, weights)


def test_missing_weights_are_named(network):
    architecture, weights = saved(network)
    del weights["head.weight"]
    with pytest.raises(BundleError, match=r"head\.weight"):
        restore(architecture, weights)
    with pytest.raises(BundleError):
        restore(architecture, {**weights, "head.weight": np.zeros((1, 1), np.float32)})
