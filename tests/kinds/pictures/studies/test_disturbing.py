"""Pictures disturbed on purpose, against arrays worked out by hand."""

import numpy as np
import pytest

from annvil.kinds.pictures.studies.perturbation import disturbances, shifted, shrunk, shuffled, turned


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 6, 7, 3)).astype(np.uint8)


def test_every_picture_is_shuffled_in_the_same_way(pictures):
    places = np.broadcast_to(np.arange(42, dtype=np.uint8).reshape(1, 6, 7, 1), (5, 6, 7, 3))
    order = shuffled(np.ascontiguousarray(places), seed=3)
    assert len(np.unique(order.reshape(5, -1), axis=0)) == 1
    assert sorted(order[0, :, :, 0].ravel()) == list(range(42))
    assert not np.array_equal(order, places)
    moved = pictures.reshape(5, 42, 3)[:, order[0, :, :, 0].ravel()].reshape(pictures.shape)
    np.testing.assert_array_equal(shuffled(pictures, seed=3), moved)


def test_a_shift_moves_and_repeats_the_border():
    picture = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    np.testing.assert_array_equal(shifted(picture, 1, 0)[0, :, :, 0], [[0, 1, 2], [0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(shifted(picture, 0, -1)[0, :, :, 0], [[1, 2, 2], [4, 5, 5], [7, 8, 8]])


def test_a_quarter_turn_is_a_quarter_turn(pictures):
    square = pictures[:, :6, :6]
    quarter = turned(square, 90)
    assert quarter.dtype == np.uint8
    assert np.array_equal(quarter, np.rot90(square, 1, axes=(1, 2))) or np.array_equal(
        quarter, np.rot90(square, -1, axes=(1, 2))
    )


def test_shrinking_takes_means_of_squares():
    picture = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(shrunk(picture, 4)[0, :, :, 0], [[2, 4], [10, 12]])  # 2.5, 4.5, 10.5, 12.5 to even
    assert shrunk(picture, 16) is picture
    assert np.prod(shrunk(np.zeros((2, 41, 30, 3), np.uint8), 784).shape[1:]) <= 784


def test_shifts_stay_below_a_quarter_of_the_picture():
    names = [way.name for way in disturbances(8, 40)]
    assert [name for name in dict.fromkeys(names) if "shifted" in name] == ["shifted by 1 pixel", "shifted by 2 pixels"]
    assert names.count("shifted by 2 pixels") == 4
    assert names.count("turned by 10°") == 2
    assert sum("shifted" in name for name in dict.fromkeys(way.name for way in disturbances(28, 28))) == 4
