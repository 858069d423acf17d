from __future__ import annotations

import os

import numpy as np
import pytest
from tests.pictures import drawn, folder_of

from annvil.kinds.pictures.images import images_in_memory
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.reading.read_images import read_images


@pytest.fixture
def mapped(tmp_path):
    X = np.random.default_rng(0).integers(0, 256, (50, 6, 5, 3)).astype(np.uint8)
    np.save(tmp_path / "X.npy", X)
    return X, np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("part", [slice(None), slice(7, None), slice(0, 40, 3)])
def test_pixels_of_a_mapped_file_are_those_of_the_array(mapped, part):
    X, on_disk = mapped
    images = images_from_arrays(on_disk[part])
    rows = np.array([3, 0, 11, 3])
    assert np.array_equal(images.pixels(), X[part])
    assert np.array_equal(images.pixels(rows), X[part][rows])
    assert np.array_equal(images.take(rows).take(slice(1, 3)).pixels(), X[part][rows[1:3]])
    assert np.array_equal(np.concatenate([pixels for _, pixels in images.blocks(200)]), X[part])


def test_a_file_that_was_swept_away_can_still_be_read(mapped):
    X, on_disk = mapped
    images = images_from_arrays(on_disk)
    os.unlink(on_disk.filename)
    assert np.array_equal(images.pixels(np.array([4, 2])), X[[4, 2]])


def test_taking_rows_reads_nothing(tmp_path, monkeypatch):
    folder_of(tmp_path, {"cat": 12, "dog": 12})
    dataset = read_images(tmp_path)
    monkeypatch.setattr(type(dataset.inputs.store), "gather", lambda *_: pytest.fail("pixels were read"))
    half = dataset.take(np.arange(0, 24, 2))
    assert half.inputs.names() == dataset.inputs.names()[::2]
    assert half.inputs.digest() != dataset.inputs.digest()


def test_what_a_saved_graph_takes():
    images = images_in_memory(
        np.zeros((2, 4, 6, 3), dtype=np.uint8), images_from_arrays(np.zeros((1, 4, 6, 3), np.uint8)).form
    )
    (spec,) = images.form.graph_inputs()
    assert (spec.name, spec.dtype, spec.shape) == ("pixels", "uint8", ("height", "width", 3))
    assert images.feeds()["pixels"].shape == (2, 4, 6, 3)
    assert images.form.columns == (("image", "image"),)


def test_digests_tell_pixels_order_and_form_apart():
    X = np.stack([drawn(row) for row in range(3)])
    images = images_from_arrays(X)
    changed = X.copy()
    changed[1, 2, 3, 0] ^= 1
    digests = {
        images.digest(),
        images_from_arrays(changed).digest(),
        images.take(np.array([1, 0, 2])).digest(),
        images_from_arrays(X.transpose(0, 2, 1, 3)[:, :, :11].copy()).digest(),
    }
    assert len(digests) == 4
    assert images_from_arrays(X.copy()).digest() == images.digest()
