"""What features of pictures are, and that a graph makes the same."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from tests.battery import LITTLE, fit_one, made_job

from annvil.kinds.pictures.contenders.features import Blocks, GradientFeatures, PixelFeatures
from annvil.kinds.pictures.contenders.registry import contenders_for_pictures
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.tiny import tiny
from annvil.models.on_features import table_of
from annvil.onnx.builder import Graph
from annvil.onnx.validator import check_graph

CONTENDERS = {contender.name: contender for contender in contenders_for_pictures()}


def written(features, images):
    """Features of the pictures, as a graph makes them."""
    graph = Graph()
    pixels = graph.input("pixels", "uint8", ["rows", *images.form.shape])
    outputs = features.write(graph, pixels), "float64", ["rows", len(features.names)]
    model = graph.finish({"features": outputs})
    check_graph(model)
    return ort.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, images.feeds())[0]


@pytest.mark.parametrize("name", [name for name in CONTENDERS if "linear" in name or "neighbours" in name])
def test_simple_contenders_read_digits(name):
    dataset = tiny()["multiclass"].dataset
    fitted = fit_one(CONTENDERS[name], dataset, made_job(dataset, np.arange(20, 200), folds=2), LITTLE)
    unseen = np.arange(20)
    right = fitted.predict(dataset.inputs.take(unseen)).argmax(axis=1) == dataset.y[unseen]
    assert right.mean() >= 0.8
    assert (fitted.out_of_fold.argmax(axis=1) == dataset.y[fitted.job.rows]).mean() >= 0.8


def test_pixels_are_means_of_the_middle():
    """By hand: 5 × 4 pixels in squares of two leave out the last row."""
    pixels = np.arange(20, dtype=np.uint8).reshape(1, 5, 4, 1)
    features = PixelFeatures(Blocks(5, 4, 1, 2))
    assert features.names == ("pixel 1, 1", "pixel 1, 2", "pixel 2, 1", "pixel 2, 2")
    np.testing.assert_array_equal(features.of(pixels)[0] * 255, [2.5, 4.5, 10.5, 12.5])


def test_a_ramp_has_edges_in_its_own_direction():
    ramp = np.tile(np.arange(0, 160, 16, dtype=np.uint8), (10, 1))[None, :, :, None]
    features = GradientFeatures.choose(images_from_arrays(ramp).form, 1, most=8)
    found = dict(zip(features.names, features.of(ramp)[0], strict=True))
    assert max(found, key=found.get) == "edge 1, 1 at 0°"
    assert found["edge 1, 1 at 45°"] == pytest.approx(found["edge 1, 1 at 0°"] / np.sqrt(2))
    assert found["edge 1, 1 at 180°"] == 0
    down = features.of(ramp.transpose(0, 2, 1, 3))[0]
    assert features.names[down.argmax()] == "edge 1, 1 at 90°"


@pytest.mark.parametrize("choose", [PixelFeatures.choose, GradientFeatures.choose])
@pytest.mark.parametrize("shape", [(3, 3, 1), (3, 40, 3), (13, 17, 1), (20, 24, 3)])
def test_features_are_the_same_in_a_graph_and_few_enough(choose, shape):
    pixels = np.random.default_rng(0).integers(0, 256, size=(3, *shape), dtype=np.uint8)
    images = images_from_arrays(pixels)
    features = choose(images.form, 3, most=200)
    table = table_of(images, features)
    assert table.names == features.names
    assert len(set(features.names)) == len(features.names) <= 200
    found = written(features, images)
    exact = 0 if choose == PixelFeatures.choose else 1e-13
    np.testing.assert_allclose(found, table.numbers(), rtol=0, atol=exact)
    assert written(features, images.take(slice(0, 0))).shape == (0, len(features.names))


def test_columns_become_fewer_where_rows_are_many():
    form = PictureForm(20, 24, 3)
    n_rows = 10_000_000
    for choose in (PixelFeatures.choose, GradientFeatures.choose):
        assert len(choose(form, n_rows, most=800).names) * n_rows * 8 <= 1e9
