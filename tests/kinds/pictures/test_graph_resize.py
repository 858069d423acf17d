"""Scaling inside a graph against Pillow, which scales what is read."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from PIL import Image
from tests.pictures import drawn

from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.graph_resize import write_in_form
from annvil.kinds.pictures.reading.decoding import placed
from annvil.onnx.builder import Graph


def scaled_in_graph(pixels, form):
    graph = Graph()
    raw = graph.input("pixels", "uint8", ["rows", "height", "width", form.channels])
    model = graph.finish({"output": (write_in_form(graph, raw, form), "uint8", ["rows", *form.shape])})
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"pixels": pixels})[0]


def scaled_by_pillow(pixels, form):
    squeezed = pixels[..., 0] if form.channels == 1 else pixels
    return np.stack([placed(Image.fromarray(picture), form) for picture in squeezed])


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 5, 3), (28, 28, 1), (32, 48, 3)])
def test_pictures_of_the_forms_size_stay_as_they_are(fit, shape):
    pixels = noise(4, *shape)
    np.testing.assert_array_equal(scaled_in_graph(pixels, PictureForm(*shape, fit)), pixels)


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("size", "form"),
    [
        ((40, 40), (20, 20)),  # halves
        ((10, 10), (20, 20)),  # doubles
        ((33, 57), (20, 24)),
        ((57, 60), (20, 24)),
        ((480, 640), (32, 32)),
        ((13, 90), (20, 20)),  # padded to two rows
        ((1, 300), (16, 16)),
        ((2, 1), (9, 9)),
        ((19, 20), (20, 19)),
    ],
)
def test_other_sizes_become_what_pillow_makes_of_them(fit, channels, size, form):
    form = PictureForm(*form, channels, fit)
    pixels = noise(3, *size, channels)
    found, expected = scaled_in_graph(pixels, form).astype(int), scaled_by_pillow(pixels, form)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1
    assert np.mean(found != expected) <= 0.04


@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_tall_pictures_differ_by_one_at_most(fit):
    """Pillow 13 scales them down before across."""
    form = PictureForm(20, 20, 1, fit)
    pixels = noise(3, 165, 41, 1)
    found = scaled_in_graph(pixels, form).astype(int)
    assert np.abs(found - scaled_by_pillow(pixels, form)).max() <= 1


def test_a_smooth_picture_is_framed_in_the_colour_of_its_border():
    pixels = drawn(3, 30, 60)[None]
    form = PictureForm(24, 24, 3)
    found = scaled_in_graph(pixels, form)[0]
    assert (found[0] == found[-1, -1]).all()
    np.testing.assert_array_equal(found[0], scaled_by_pillow(pixels, form)[0, 0])
