"""Convolutions in 8 bits: close to those of 32, quiet, repeatable, and without overflow on any processor."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from annvil.bundle import Predictor, export
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import images_in_memory
from annvil.onnx import quantization as eight_bits
from annvil.onnx.builder import Graph
from annvil.onnx.quantization import has_convolutions, in_eight_bits
from annvil.tasks.union import make_task

FORM = PictureForm(6, 6, 1)
TASK = make_task("regression", "edge")


class Edges:
    """The largest difference of neighbours, from 0 to 255, by one convolution; and half the brightness by another."""

    def write(self, graph: Graph, pixels: str) -> str:
        x = graph.op("Transpose", graph.cast(pixels, "float32"), perm=[0, 3, 1, 2])
        kernel = np.zeros((2, 1, 3, 3), np.float32)
        kernel[0, 0, 1] = [-1, 1, 0]
        kernel[1, 0, 1, 1] = 0.5
        bias = graph.constant(np.array([0.0, 10.0], np.float32))
        x = graph.op("Conv", x, graph.constant(kernel), bias, kernel_shape=[3, 3], pads=[1] * 4)
        x = graph.op("ReduceMax", graph.op("Relu", x), graph.constant([2, 3], "int64"), keepdims=0)
        return graph.op("ReduceSum", x, graph.constant([1], "int64"), keepdims=1)


@pytest.fixture(scope="module")
def pictures():
    return images_in_memory(np.random.default_rng(0).integers(0, 256, (50, 6, 6, 1), dtype=np.uint8), FORM)


@pytest.fixture(scope="module")
def graph() -> bytes:
    return export(Edges(), FORM, TASK)


@pytest.fixture(scope="module")
def quantised(graph, pictures) -> bytes:
    return in_eight_bits(graph, [pictures.feeds()])


def test_outputs_are_close(graph, quantised, pictures):
    """Values from -255 to 255 in 256 steps: each is wrong by less than a step of 2, and two are added."""
    expected, found = (Predictor.from_graph(g, FORM, TASK).raw(pictures) for g in (graph, quantised))
    assert 0 < np.abs(found - expected).max() < 4
    assert np.corrcoef(found[:, 0], expected[:, 0])[0, 1] > 0.999


class Means:
    """The mean of a convolution of a convolution, with weights that 7 bits cannot hold."""

    def write(self, graph: Graph, pixels: str) -> str:
        x = graph.op("Transpose", graph.cast(pixels, "float32"), perm=[0, 3, 1, 2])
        random = np.random.default_rng(1)
        for depth, width in ((1, 8), (8, 1)):
            kernel = random.normal(size=(width, depth, 3, 3)).astype(np.float32)
            bias = graph.constant(random.normal(size=width).astype(np.float32))
            x = graph.op("Conv", x, graph.constant(kernel), bias, kernel_shape=[3, 3])
        return graph.op("ReduceMean", x, graph.constant([2, 3], "int64"), keepdims=0)


def test_rounding_leaves_the_mean_where_it_was(pictures, monkeypatch):
    graph = export(Means(), FORM, TASK)
    expected = Predictor.from_graph(graph, FORM, TASK).raw(pictures)

    def shift() -> float:
        quantised = in_eight_bits(graph, [pictures.feeds()])
        return abs(float((Predictor.from_graph(quantised, FORM, TASK).raw(pictures) - expected).mean()))

    corrected = shift()
    monkeypatch.setattr(eight_bits, "_correct_biases", lambda *_: None)
    assert corrected < 0.1 * shift()
    assert corrected < 5e-3 * expected.std()


def test_sums_of_two_products_stay_within_sixteen_bits(quantised):
    """Weights of at most 64 times bytes of at most 255, twice: 32,640."""
    weights = [numpy_helper.to_array(t) for t in onnx.load_from_string(quantised).graph.initializer]
    weights = [w for w in weights if w.dtype == np.int8 and w.ndim == 4]
    assert len(weights) == 1
    assert np.abs(weights[0].astype(int)).max() == 64
    assert np.abs(weights[0][1].astype(int)).max() == 64  # each channel has a scale of its own


def test_the_same_pictures_give_the_same_bytes_and_nothing_is_said(graph, quantised, pictures, capfd):
    root = logging.getLogger()
    handlers, filters = list(root.handlers), list(root.filters)
    assert in_eight_bits(graph, [pictures.feeds()]) == quantised
    assert capfd.readouterr() == ("", "")
    assert (root.handlers, root.filters) == (handlers, filters)


def test_only_graphs_with_convolutions_are_worth_a_trial(graph, example):
    assert has_convolutions(graph)
    assert not has_convolutions(example.graph)
