"""Maps against models whose answer is known, and against Captum where it is installed."""

import numpy as np
import pytest
import torch
from torch import nn

from annvil.kinds.pictures.explanation.saliency import (
    COMPLETE,
    grad_cam,
    integrated_gradients,
    last_maps,
    occlusion,
    plain,
)
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer


def first(outputs):
    return outputs[:, 0]


def picture(seed, height=12, width=10, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.fixture(scope="module")
def network():
    architecture = ConvolutionalArchitecture(12, 10, 3, 4, stem_channels=6, layers=(Layer(8, True), Layer(8)))
    network = ConvolutionalNetwork(architecture)
    network.initialise(torch.Generator().manual_seed(0))
    return network.eval()


class Linear(nn.Module):
    """The sum of weights times pixels."""

    def __init__(self, weight):
        super().__init__()
        self.weight = torch.from_numpy(weight.astype(np.float32))

    def forward(self, x):
        return (x.float() * self.weight).sum((1, 2, 3))[:, None]


def test_the_plain_picture_has_the_mean_colour_of_the_border():
    pixels = np.zeros((4, 3, 1), np.uint8)
    pixels[0] = 100  # 3 of the 10 pixels of the border
    assert (plain(pixels) == 30).all()
    assert plain(pixels).shape == pixels.shape


def test_integrated_gradients_of_a_linear_network_are_its_terms():
    pixels, weight = picture(1), np.random.default_rng(2).standard_normal((12, 10, 3))
    found = integrated_gradients(Linear(weight), pixels, first)
    terms = (weight * (pixels.astype(float) - plain(pixels))).sum(axis=2)
    np.testing.assert_allclose(found.values, terms, atol=1e-3)


def test_integrated_gradients_add_up_to_what_they_explain(network):
    for seed in range(5):
        pixels = picture(seed)
        found = integrated_gradients(network, pixels, first)
        ends = network(torch.from_numpy(np.stack([plain(pixels), pixels]))).detach().double()[:, 0]
        assert found.complete_within <= COMPLETE
        assert found.values.sum() == pytest.approx(float(ends[1] - ends[0]), abs=2e-3 * float(ends.abs().max() + 1))


def test_points_are_doubled_until_the_sum_is_right(network):
    coarse = integrated_gradients(network, picture(3), first, most_points=4)
    assert coarse.complete_within > integrated_gradients(network, picture(3), first).complete_within


def test_integrated_gradients_are_those_of_captum(network):
    attr = pytest.importorskip("captum.attr")
    pixels = picture(4)
    theirs = attr.IntegratedGradients(lambda x: network(x)[:, 0]).attribute(
        torch.from_numpy(pixels[None]).float(), torch.from_numpy(plain(pixels)[None]).float(), n_steps=400
    )
    ours = integrated_gradients(network, pixels, first).values
    np.testing.assert_allclose(ours, theirs.sum(-1)[0].detach().numpy(), atol=0.03 * np.abs(ours).max())


def test_grad_cam_is_that_of_captum(network):
    attr = pytest.importorskip("captum.attr")
    cam = attr.LayerGradCam(network, network.blocks[-1])
    for target in range(4):
        pixels = picture(5 + target)
        float_pixels = torch.from_numpy(pixels[None]).float().requires_grad_()
        theirs = cam.attribute(float_pixels, target=target, relu_attributions=True)
        theirs = attr.LayerAttribution.interpolate(theirs, (12, 10), interpolate_mode="bilinear")
        ours = grad_cam(network, pixels, lambda outputs, chosen=target: outputs[:, chosen]).values
        np.testing.assert_allclose(ours, theirs[0, 0].detach().numpy(), atol=1e-5)


def test_grad_cam_shows_only_what_speaks_for_the_output(network):
    for sign in (1, -1):
        assert grad_cam(network, picture(5), lambda outputs, sign=sign: sign * outputs[:, 1]).values.min() >= 0


def test_the_last_maps_are_those_of_the_last_layer(network):
    assert last_maps(network, picture(0)) in (network.blocks, network.blocks[-1])


def test_a_network_without_maps_has_no_grad_cam():
    assert grad_cam(Linear(np.ones((12, 10, 3))), picture(0), first) is None


def test_a_network_that_looks_at_one_corner_is_found_out():
    weight = np.zeros((14, 14, 1))
    weight[:4, :4] = 1
    pixels = picture(6, 14, 14, 1)
    pixels[:4, :4] = 250
    for found in (
        integrated_gradients(Linear(weight), pixels, first),
        occlusion(lambda pictures: (pictures.astype(float) * weight).sum(axis=(1, 2, 3)), pixels),
    ):
        sizes = np.abs(found.values)
        assert sizes[:5, :5].sum() > 0.99 * sizes.sum()


def test_occlusion_by_hand():
    """2 × 2 pixels, squares of one pixel's steps and two pixels' width: one square, all covered."""
    pixels = np.array([[[10], [20]], [[30], [40]]], np.uint8)  # the border's mean is 25
    found = occlusion(lambda pictures: pictures[:, 1, 1, 0].astype(float), pixels)
    np.testing.assert_allclose(found.values, 15.0)
    wide = np.array([[[0], [100], [0]], [[0], [0], [0]]], np.uint8)  # mean 17; two squares, which share the middle
    found = occlusion(lambda pictures: pictures[:, 0, 1, 0].astype(float), wide)
    np.testing.assert_allclose(found.values, 83.0)
    found = occlusion(lambda pictures: -pictures[:, 0, 0, 0].astype(float), wide)
    np.testing.assert_allclose(found.values, [[17, 8.5, 0]] * 2)
