"""Right maps pass, maps of noise and maps of the picture alone do not."""

import numpy as np
import pytest
import torch

from annvil.explanation.deletion import BY_CHANCE, COVERINGS, LEAST_GAIN, ORDERS, Deletion, _order
from annvil.kinds.pictures.explanation.deletion import _moved, _squares, deletions
from annvil.kinds.pictures.explanation.faithfulness import (
    CheckedMap,
    alike_when_shuffled,
    shuffled,
)
from annvil.kinds.pictures.explanation.saliency import Saliency, integrated_gradients, plain
from annvil.networks.convolutional import ConvolutionalArchitecture, ConvolutionalNetwork, Layer

WEIGHT = np.zeros((28, 28, 1))
WEIGHT[8:16, 4:12] = 1


@pytest.fixture
def pixels():
    pixels = np.random.default_rng(0).integers(100, 256, (28, 28, 1), dtype=np.uint8)
    pixels[[0, -1]] = pixels[:, [0, -1]] = 0
    return pixels


def losses(pixels):
    """Of a model that adds up one square of eight pixels."""
    whole = (pixels * WEIGHT).sum()
    return lambda others: 1 - (others * WEIGHT).sum(axis=(1, 2, 3)) / whole


def a_map(values):
    return Saliency("occlusion", np.asarray(values, dtype=np.float64))


def test_the_right_map_passes_and_its_opposite_does_not(pixels):
    right, opposite = deletions(losses(pixels), pixels, [a_map(WEIGHT[:, :, 0]), a_map(-WEIGHT[:, :, 0])])
    assert right.passed
    assert right.first[3] < 0.2  # 9 of 49 squares; the model looks at 4, and 2 more in part
    assert right.last[1] == 1
    assert right.first[0] == 1
    assert right.first[-1] == pytest.approx(0)
    assert opposite.gap == pytest.approx(-right.gap, abs=0.02)  # what is marked alike comes as chance has it
    assert not opposite.passed


def test_maps_of_noise_pass_about_as_often_as_chance_has_it(pixels):
    rng, passed = np.random.default_rng(1), []
    for seed in range(20):
        noise = [a_map(rng.standard_normal((28, 28))) for _ in range(5)]
        passed += [found.passed for found in deletions(losses(pixels), pixels, noise, seed=seed)]
    assert 0 < np.mean(passed) <= 0.1  # of 100


def test_a_map_passes_as_second_of_all_orders_but_not_as_third():
    """Which is what the power was measured with: 2 of 61 by chance."""
    covered = np.array([0.0, 0.5, 1.0])
    plain_curve, good = np.array([1, 0.8, 0.6]), np.array([1, 0.5, 0.6])
    for n_better, passes in ((0, True), (1, True), (2, False)):
        random = np.array([plain_curve] * 2 * ORDERS)
        random[:n_better] = [1, 0.3, 0.6]
        found = Deletion(covered, good, plain_curve, random)
        assert found.by_chance == pytest.approx((1 + n_better) / 61)
        assert (found.by_chance <= BY_CHANCE) is passes
        assert found.passed is passes


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9), (28, 28), (20, 40)])
def test_pictures_of_any_shape_are_covered_and_no_more_often_than_needed(shape):
    pixels = np.full((*shape, 1), 100, np.uint8)
    pixels[0, 0] = 250
    given = []

    def loss(others):
        given.append(len(others))
        return 1 - others[:, 0, 0, 0] / 250

    (found,) = deletions(loss, pixels, [a_map(pixels[:, :, 0])])
    assert found.random.shape == (2 * ORDERS, len(found.covered))
    for curve in (found.first, found.last, *found.random):
        assert curve[0] == 1
        assert curve[-1] == pytest.approx(found.first[-1])
    assert sum(given) <= 2 + (2 + 2 * ORDERS) * (COVERINGS - 1)


def test_for_a_number_the_size_counts_not_the_sign(pixels):
    def distance(others):
        return 7 * np.abs(losses(pixels)(others))

    (signed,) = deletions(distance, pixels, [a_map(-WEIGHT[:, :, 0])], of_number=False)
    (unsigned,) = deletions(distance, pixels, [a_map(-WEIGHT[:, :, 0])], of_number=True)
    assert unsigned.passed
    assert unsigned.first.min() == 0
    assert not signed.passed


@pytest.mark.parametrize("of_number", [False, True])
@pytest.mark.parametrize("slope", [0.0, 1e-9, 1e-3])
def test_without_an_effect_there_is_nothing_to_test(pixels, slope, of_number):
    """100% beside 100% is no test passed: what the model says does not depend on the picture."""
    right = losses(pixels)
    (found,) = deletions(
        lambda others: slope * right(others), pixels, [a_map(WEIGHT[:, :, 0])], of_number=of_number, least=2e-3
    )
    assert not found.passed
    for values, alike in ((WEIGHT[:, :, 0], 0.0), (WEIGHT[:, :, 0], 0.9), (np.ones((28, 28)), None)):
        checked_map = CheckedMap(a_map(values), found, alike)
        assert not checked_map.trusted
        assert not checked_map.testable
        conclusion, why = checked_map.sentences()
        assert conclusion == "This map cannot be tested: do not rely on it."
        assert "no effect to test" in why


def test_an_effect_that_is_hardly_beyond_chance_is_no_pass():
    covered = np.array([0.0, 0.5, 1.0])
    curve, other = np.array([1, 0.79, 0.6]), np.array([1, 0.81, 0.6])
    found = Deletion(covered, curve, other, np.array([[1, 0.8, 0.6]] * 40))
    assert found.by_chance < 0.05
    assert found.has_effect
    assert 0 < found.gain < LEAST_GAIN
    assert not found.passed
    assert found.in_words().startswith("Its order is hardly better than chance.")


def test_where_covering_only_adds_nothing_of_what_is_marked_speaks_for_the_answer():
    """As of a picture from elsewhere: less of it makes the model surer, in whatever order."""
    curve, other = np.array([1, 0.93, 1.3]), np.array([1, 1.4, 1.3])
    found = Deletion(np.array([0.0, 0.5, 1.0]), curve, other, np.array([[1, 1.2, 1.3]] * 2 * ORDERS))
    assert found.has_effect
    assert found.by_chance <= BY_CHANCE
    assert found.gain >= LEAST_GAIN
    assert not found.passed
    assert found.in_words().startswith("Covering what it marks most takes hardly anything.")


def test_random_orders_are_the_maps_own_somewhere_else(pixels):
    """So that a smooth map is compared with smooth ones; squares marked alike come in no order."""
    square = _squares(28, 28)
    random = np.random.default_rng(0)
    marked = np.arange(49.0)
    for _ in range(50):
        moved = _moved(square, random)
        assert sorted(moved) == list(range(49))
        assert not np.array_equal(moved, np.arange(49))
        near = np.abs(np.diff(moved.reshape(7, 7), axis=1))
        assert np.isin(near, (1, 6)).all()  # neighbours stay neighbours, but for the edges
        assert _order(marked[moved], random)[0] == np.argmax(marked[moved])
    assert len({tuple(_order(np.zeros(49), random)) for _ in range(5)}) == 5


def test_the_gap_by_hand():
    covered = np.array([0.0, 0.5, 1.0])
    found = Deletion(covered, np.array([1, 0, 0.0]), np.array([1, 1, 0.0]), np.array([[1, 0.5, 0], [1, 0.75, 0]]))
    assert found.gap == pytest.approx(0.5)
    assert found.gain == pytest.approx(0.5625 - 0.25)
    np.testing.assert_allclose(found.random_gaps, [0.125, -0.125])
    assert found.by_chance == pytest.approx(1 / 3)  # itself among three


@pytest.fixture(scope="module")
def network():
    architecture = ConvolutionalArchitecture(28, 28, 1, 3, stem_channels=6, layers=(Layer(8, True), Layer(8)))
    network = ConvolutionalNetwork(architecture)
    network.initialise(torch.Generator().manual_seed(0))
    return network.eval()


def test_shuffling_keeps_the_weights_but_not_their_places(network, pixels):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    other, same = shuffled(network, pixels, 1), shuffled(network, pixels, 1)
    weight = other.blocks[0].convolution.weight
    assert not torch.equal(weight, network.blocks[0].convolution.weight)
    sizes, before_sizes = (one.abs().flatten().sort()[0] for one in (weight, network.blocks[0].convolution.weight))
    assert torch.equal(sizes, before_sizes)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), same.parameters(), strict=True))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not other.training
    assert torch.isfinite(other(torch.from_numpy(pixels[None]))).all()


def test_a_map_of_the_picture_alone_is_found_out(network, pixels):
    def contrast(any_network):
        return a_map(np.abs(pixels.astype(float) - plain(pixels)).sum(axis=2))

    def gradients(some_network):
        return integrated_gradients(some_network, pixels, lambda outputs: outputs[:, 0], most_points=16)

    assert alike_when_shuffled(network, pixels, contrast(network), contrast) == pytest.approx(1)
    assert alike_when_shuffled(network, pixels, gradients(network), gradients) < 0.2


def checked(passed, alike, values=WEIGHT[:, :, 0]):
    curve, other = np.array([1, 0, 0.0]), np.array([1, 1, 0.0])
    first, last = (curve, other) if passed else (other, curve)
    deletion = Deletion(np.array([0, 0.25, 1]), first, last, np.array([[1, 0.5, 0]] * 40), thing="picture")
    return CheckedMap(a_map(values), deletion, alike)


def test_what_is_said():
    assert checked(True, 0.05).sentences() == (
        "This map passed its tests.",
        (
            "Covered bit by bit, from what it marks most to what it marks least, the picture keeps 12% of the "
            "probability on average; in reverse 62%, in random order 38%."
        ),
        "With shuffled weights the map becomes another (rank correlation 0.05).",
    )
    assert checked(True, None).sentences()[-1] == (
        "No weights were at hand to shuffle, so that only this test was made."
    )
    failed = checked(False, 0.6)
    assert not failed.trusted
    assert failed.sentences()[0] == "Do not trust this map."
    assert "Its order is no better than chance" in failed.sentences()[1]
    assert "rank correlation 0.60, at most 0.2 is asked" in failed.sentences()[2]
    assert checked(True, 0.0, np.ones((28, 28))).sentences() == (
        "Do not trust this map.",
        "It is the same everywhere.",
    )


def test_one_failed_test_is_enough():
    assert checked(True, 0.2).trusted
    assert not checked(True, 0.21).trusted
    assert not checked(False, 0.0).trusted
