"""The same values mean the same picture, in any type, alone and in company, or are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.errors import DataError
from annvil.kinds.pictures.conform import conform_images
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.reading.given_arrays import eight_bits

TYPES = ["uint8", "int16", "uint16", "int32", "int64", "float32", "float64"]


def learnt(low: float, high: float) -> PictureForm:
    return PictureForm(4, 4, 1, low=low, high=high)


def batch(seed: int, n: int, low: int, high: int) -> np.ndarray:
    """Whole values, no picture of which is nearly black."""
    X = np.random.default_rng(seed).integers(low, high + 1, (n, 4, 4))
    X[:, 0, 0] = high
    return X


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 5),
    st.sampled_from([(0, 0, 255), (0, 255, 255), (0, 1, 255), (0, 16, 16), (10, 200, 180), (0, 100, 100)]),
)
def test_the_type_changes_nothing(seed: int, n: int, case: tuple[int, int, int]) -> None:
    low, high, most = case
    X = batch(seed, n, low, most)
    form = learnt(low, high)
    pixels = {kind: conform_images(X.astype(kind), form)[0].pixels() for kind in TYPES}
    for kind, found in pixels.items():
        assert np.array_equal(found, pixels["uint8"]), kind


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from(TYPES),
    st.sampled_from([(0, 0), (0, 255), (0, 1), (0, 16), (-3, 3), (0, 4095)]),
    st.sampled_from([1, 3, 200, 255, 300, 4095]),
    st.sampled_from([1.0, 1 / 255, 0.5, -0.5]),
)
def test_a_picture_alone_is_read_as_in_a_batch_or_refused(
    seed: int, kind: str, learnt_from: tuple[int, int], most: int, scale: float
) -> None:
    """Pictures of any range, each dimmed on its own: a batch that is read gives what its pictures give alone."""
    generator = np.random.default_rng(seed)
    X = (generator.integers(0, most + 1, (4, 4, 4)) * scale * generator.choice([1, 0.5, 0.01, 0], (4, 1, 1))).astype(
        kind
    )
    form = learnt(*learnt_from)
    try:
        together = conform_images(X, form)[0].pixels()
    except DataError:
        return
    for row in range(4):
        assert np.array_equal(conform_images(X[row : row + 1], form)[0].pixels()[0], together[row])


@pytest.mark.parametrize("learnt_from", [(0, 0), (0, 1)])
def test_fractions_are_parts_of_255(learnt_from: tuple[int, int]) -> None:
    X = batch(0, 5, 0, 255)
    form = learnt(*learnt_from)
    for kind in ("float32", "float64"):
        assert np.array_equal(conform_images((X / 255).astype(kind), form)[0].pixels()[..., 0], X)


@pytest.mark.parametrize(
    ("low", "high", "values", "said"),
    [
        (0, 0, np.full((1, 4, 4), 4095, "uint16"), "holds values from 4095 to 4095. The model"),
        (0, 0, np.full((1, 4, 4), -1.0), "learnt from values of 0 to 255"),
        (0, 0, np.full((1, 4, 4), 1.7), "it could be either"),
        (0, 255, np.full((1, 4, 4), 0.5), "Multiply fractions by 255"),
        (
            0,
            0,
            np.stack([np.full((4, 4), 200.5), np.full((4, 4), 0.5)]),
            "Picture 2 of the array holds",
        ),
        (0, 16, np.full((1, 4, 4), 255, "uint8"), "learnt from values of 0 to 16"),
        (0, 0, np.full((1, 4, 4), np.nan), "not finite numbers"),
    ],
)
def test_what_could_mean_something_else_is_refused(low: float, high: float, values: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        conform_images(values, learnt(low, high))


@pytest.mark.parametrize("kind", ["uint8", "bool", "int64", "float32"])
def test_masks_are_learnt_and_read_as_black_and_white(kind: str) -> None:
    X = np.random.default_rng(0).integers(0, 2, (9, 4, 4))
    trained = images_from_arrays(X.astype(kind))
    assert trained.pixels().max() == 255
    for other in ("uint8", "bool", "int64", "float32"):
        assert np.array_equal(conform_images(X.astype(other), trained.form)[0].pixels(), trained.pixels()), other


def test_values_of_the_training_pictures_come_out_as_in_training() -> None:
    for low, high in ((0, 1), (0, 16), (0, 255), (-5, 5), (0, 4095), (30, 170)):
        X = np.random.default_rng(1).uniform(low, high, (20, 4, 4))
        X[0, 0, :2] = low, high
        trained = images_from_arrays(X)
        given_again = np.concatenate([eight_bits(picture[None, ..., None], trained.form) for picture in X])
        assert np.array_equal(given_again, trained.pixels()), (low, high)
