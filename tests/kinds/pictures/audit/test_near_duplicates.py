from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from tests.pictures import drawn

from annvil.kinds.pictures.audit import near_duplicates as duplicates
from annvil.kinds.pictures.audit.near_duplicates import hash_bits, near_groups, near_pairs, thumbnails
from annvil.kinds.pictures.reading.arrays import images_from_arrays


def pictures(n, side=100):
    return [drawn(seed, side, side) for seed in range(n)]


def recompressed(pixels, quality):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def resized(pixels, side):
    small = Image.fromarray(pixels).resize((side, side), Image.Resampling.LANCZOS)
    return np.asarray(small.resize(pixels.shape[1::-1], Image.Resampling.BICUBIC))


def darker(pixels):
    return (pixels * 0.8 + 10).astype(np.uint8)


@pytest.mark.parametrize(
    "change",
    [lambda p: p, lambda p: recompressed(p, 60), lambda p: resized(p, 60), darker],
    ids=["copy", "jpeg", "size", "dark"],
)
@pytest.mark.parametrize("small", [4096, 0], ids=["all pairs", "hash"])
def test_changed_copies_are_found_and_nothing_else(change, small, monkeypatch):
    monkeypatch.setattr(duplicates, "_SMALL", small)
    plain = pictures(60)
    images = images_from_arrays(np.stack([*plain, *(change(p) for p in plain[10:30])]))
    groups = near_groups(images)
    expected = [*range(60), *range(10, 30)]
    assert groups.tolist() == expected


def test_different_pictures_are_not_alike():
    pairs = near_pairs(images_from_arrays(np.stack(pictures(300, 20))))
    assert len(pairs.first) == 0


def test_blends_of_two_pictures_are_alike_from_the_threshold_on():
    """Pictures that correlate by .985 stay apart, by .998 they do not."""
    noise = np.random.default_rng(0)
    plain = pictures(40, 32)
    for error, alike in ((0.17, False), (0.06, True)):
        changed = []
        for picture in plain:
            spread = picture.mean(axis=2).std()
            wave = noise.normal(0, error * spread, (32, 32, 1))
            changed.append(np.clip(np.rint(picture + wave), 0, 255).astype(np.uint8))
        groups = near_groups(images_from_arrays(np.stack([*plain, *changed])))
        assert (len(np.unique(groups)) < 45) == alike
        assert (len(np.unique(groups)) > 75) == (not alike)


def test_thumbnails_are_means_of_areas():
    X = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 1)).astype(np.uint8)
    expected = X.reshape(3, 16, 2, 16, 3).mean(axis=(2, 4))
    assert np.abs(thumbnails(images_from_arrays(X), 16).reshape(3, 16, 16) - expected).max() <= 0.5 + 1e-4


def test_the_hash_is_the_cosine_transform_against_the_median():
    from scipy.fft import dctn

    thumbs = np.random.default_rng(0).integers(0, 256, (11, 256)).astype(np.uint8)
    values = thumbs.reshape(11, 16, 16).astype(float)
    low = np.stack([dctn(one - one.mean())[:8, :8].ravel()[1:] / np.linalg.norm(one - one.mean()) for one in values])
    assert np.array_equal(hash_bits(thumbs), (low > np.median(low, axis=0)).astype(int))


def test_flat_pictures_are_alike_only_if_equal():
    X = np.zeros((6, 9, 9), dtype=np.uint8)
    X[2:4] = 50
    X[4:] = 200
    assert near_groups(images_from_arrays(X)).tolist() == [0, 0, 1, 1, 2, 2]


def test_frames_of_one_film_are_grouped_by_exact_copies_alone():
    first, last = drawn(1, 40, 40).astype(float), drawn(2, 40, 40).astype(float)
    film = [np.rint(first + (last - first) * t).astype(np.uint8) for t in np.linspace(0, 1, 50)]
    images = images_from_arrays(np.stack([*film, film[0]]))
    assert len(near_pairs(images).first) > 20
    assert near_groups(images).tolist() == [*range(50), 0]


def test_one_picture_and_one_pixel():
    assert near_groups(images_from_arrays(np.zeros((1, 1, 1), dtype=np.uint8))).tolist() == [0]
    assert near_groups(images_from_arrays(np.arange(5, dtype=np.uint8).reshape(5, 1, 1))).tolist() == [0, 1, 2, 3, 4]
