"""Sections by hand: what is mixed up, what is typical, what filters look for, what tests say of a method."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from tests.kinds.pictures.explanation.conftest import crosses

from annvil.kinds.pictures.explanation.explain import explain_picture
from annvil.kinds.pictures.explanation.feature_maps import filters_and_maps, first_filters, layer_maps, sorts
from annvil.kinds.pictures.explanation.galleries import (
    MethodResult,
    mixed_up,
    results_of,
    typical_pictures,
    where_it_looks,
)
from annvil.kinds.pictures.explanation.render import overlaid, with_number
from annvil.kinds.pictures.explanation.subject import open_subject
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer
from annvil.networks.restoring import restore
from annvil.tasks.union import make_task

PETS = make_task("multiclass", "pet", ("cat", "dog", "cow"))


def opened(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)))


def shades(chosen):
    """A picture of one shade for each position."""
    return np.array(chosen, np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)


def test_the_matrix_shows_the_most_certain_mistake_of_each_cell():
    y = np.array([0, 0, 0, 1, 1, 2])
    decided = np.array([1, 1, 0, 1, 0, 2])
    sure = np.array([0.6, 0.9, 0.8, 0.7, 0.5, 0.99])
    asked = []

    def gather(rows):
        asked.extend(rows.tolist())
        return shades(rows)

    section = mixed_up(PETS, y, decided, sure, gather, "6 pictures")
    assert section.sentences[0] == "Most often cat was taken for dog: 2 of 3 among 6 pictures."
    assert section.tables[0].rows == (("cat", "dog", "2", "66.7%"), ("dog", "cat", "1", "50.0%"))
    assert sorted(asked) == [1, 2, 3, 4, 5]  # row 0 is the less certain one of its cell
    assert opened(section.pictures[0]).shape[2] == 3


def test_without_a_mistake_there_is_no_matrix():
    y = np.array([0, 1, 2])
    assert mixed_up(PETS, y, y, np.ones(3), shades, "3 pictures") is None


def test_of_many_classes_the_most_mixed_up_are_shown():
    task = make_task("multiclass", "n", tuple(range(20)))
    y = np.repeat(np.arange(20), 2)
    decided = y.copy()
    decided[[38, 39]] = 0
    section = mixed_up(task, y, decided, np.ones(40), shades, "40 pictures")
    assert "12 of 20 classes" in section.sentences[-1]
    assert section.tables[0].rows[0] == ("19", "0", "2", "100.0%")


def test_typical_pictures_are_near_the_mean_of_their_class():
    features = np.array([[0.0], [0.1], [0.2], [-0.1], [-0.2], [9.0], [0.05], [5.0]])
    asked = []

    def gather(rows):
        asked.append(rows.tolist())
        return shades(rows)

    section = typical_pictures(PETS, features - 1.7, np.zeros(8, np.int64), gather, "8 pictures")
    assert [picture.caption for picture in section.pictures] == ["cat"]
    assert asked[0][-2:] == [5, 7]  # the odd ones, the oddest first
    assert "2 of 3 classes are not shown" in section.sentences[-1]
    assert typical_pictures(make_task("regression", "y"), features, np.zeros(8), gather, "") is None
    assert typical_pictures(PETS, features[:3], np.zeros(3, np.int64), gather, "") is None


def test_typical_pictures_of_several_labels():
    y = np.tile([[1, 1]], (6, 1))
    task = make_task("multilabel", "tags", ("a", "b"))
    section = typical_pictures(task, np.arange(6.0)[:, None], y, shades, "6 pictures")
    assert [picture.caption for picture in section.pictures] == ["a", "b"]


def test_maps_are_shown_with_what_the_tests_found(network_model):
    pixels, _ = crosses(6, seed=5)
    subject = open_subject(network_model)
    left = iter([9e9, 0.0])
    section = where_it_looks(subject, pixels[1:4], ["cross", "a", "a"], seen=True, left=lambda: next(left))
    assert len(section.pictures) == 2
    assert section.pictures[0].caption.startswith("cross (")
    assert section.pictures[1].caption.startswith("a, predicted none (")
    assert "learnt from these pictures" in section.sentences[-2]
    assert section.sentences[-1] == "Time allowed 2 of 3 pictures."
    assert [row[0] for row in section.tables[0].rows] == ["Integrated gradients", "Grad-CAM", "Occlusion"]


@pytest.mark.parametrize(
    ("trusted", "alike", "gain", "error", "testable", "verdict"),
    [
        (6, 0.1, 0.2, 0.05, 8, "can be trusted"),
        (6, None, 0.2, 0.05, 8, "can be trusted"),
        (3, 0.1, 0.2, 0.05, 8, "weak: trust only maps without a frame"),
        (6, 0.3, 0.2, 0.05, 8, "do not trust"),
        (6, 0.1, 0.09, 0.05, 8, "do not trust"),
        (6, 0.1, 0.01, 0.001, 8, "do not trust"),
        (0, 0.1, 0.0, 0.0, 4, "do not trust"),
        (0, 0.1, 0.0, 0.0, 0, "no effect to test"),
    ],
)
def test_the_verdict_on_a_method(trusted, alike, gain, error, testable, verdict):
    assert MethodResult("occlusion", trusted, 8, alike, gain, error, testable).verdict == verdict


def test_where_nothing_has_an_effect_no_map_is_called_passed(graph_model):
    plain_pictures = np.full((2, 24, 24, 1), 10, np.uint8)
    section = where_it_looks(open_subject(graph_model), plain_pictures, ["a", "b"], seen=False)
    assert section.sentences[0].startswith("These maps cannot be tested")
    assert section.tables[0].rows[0][-1] == "no effect to test"
    assert all(picture.flagged for picture in section.pictures)


def test_one_picture_is_no_ground_for_a_verdict(graph_model):
    pixels = np.full((24, 24, 1), 10, np.uint8)
    pixels[2:12, 2:12] = 250
    explanation = explain_picture(open_subject(graph_model), pixels)
    (result,) = results_of([explanation])
    assert (result.method, result.n, result.alike) == ("occlusion", 1, None)
    assert result.verdict == "one map is too few to tell"
    section = where_it_looks(open_subject(graph_model), pixels[None], ["a"], seen=False)
    assert section.sentences[0].startswith("One picture is too few")


def test_sorts_of_filters():
    bright, edge, colour = np.ones((3, 3, 3)), np.zeros((3, 3, 3)), np.ones((3, 3, 3))
    edge[:, :, 0], edge[:, :, 2] = 1, -1
    colour[1] = -1
    colour[2] = 0
    assert sorts(np.array([bright])) == (1, 0, 0)
    assert sorts(np.array([colour])) == (0, 1, 0)
    assert sorts(np.array([edge, -edge])) == (0, 0, 2)


@pytest.fixture(scope="module")
def network():
    """As it is drawn, before any training: 16 filters, then 32; lifted so far that every map is above zero."""
    torch.manual_seed(0)
    layers = (Layer(32), Layer(32))
    drawn = ConvolutionalNetwork(ConvolutionalArchitecture(24, 24, 1, 2, "small", 16, layers)).eval()
    with torch.no_grad():
        for block in (drawn.stem, *drawn.blocks):
            block.norm.bias.fill_(100.0)
    return drawn


def test_filters_and_maps(network):
    pixels, _ = crosses(10, seed=1)
    section = filters_and_maps(network, pixels[1], pixels)
    n_layers = 1 + len(network.blocks)
    assert len(section.pictures) == 2 + n_layers
    assert section.pictures[0].caption == "16 filters of the first layer"
    np.testing.assert_array_equal(first_filters(network), network.stem.convolution.weight.detach())
    with torch.no_grad():
        expected = network.maps(torch.from_numpy(pixels))
    for ours, theirs in zip(layer_maps(network, pixels), expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_filters_that_do_nothing_are_told(network):
    with torch.no_grad():
        weights = {name: value.numpy().copy() for name, value in network.state_dict().items()}
    weights["blocks.0.norm.bias"][:3] = -1e6
    broken = restore(network.architecture.to_json(), weights)
    section = filters_and_maps(broken, crosses(2)[0][1], crosses(10)[0])
    assert any("3 of 32 in layer 2" in sentence for sentence in section.sentences)
    assert filters_and_maps(torch.nn.Sequential(torch.nn.Flatten()), crosses(2)[0][1], crosses(2)[0]) is None


def test_red_is_for_and_blue_against():
    values = np.array([[1.0, 0.0, -1.0]])
    painted = overlaid(np.full((1, 3, 1), 100, np.uint8), values).astype(int)
    assert painted[0, 0, 0] > painted[0, 0, 2] + 100
    assert painted[0, 2, 2] > painted[0, 2, 0] + 100
    assert len(set(painted[0, 1].tolist())) == 1


def test_a_number_in_the_corner():
    made = {number: with_number(np.full((30, 40, 1), 77, np.uint8), number) for number in (1, 100)}
    for one in made.values():
        assert one.shape == (30, 40, 3)
        assert one[:14, :6].max() == 255 > 100 > one[:14, :6].min()  # dark on white
        assert (one[20:] == 77).all()
    assert (made[100] != 77).sum() > 2 * (made[1] != 77).sum()  # three figures want more room than one
    assert (made[1][:, 15:] == 77).all()
