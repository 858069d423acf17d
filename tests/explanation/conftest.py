"""Saved models of small pictures: one with a network inside, one without, each with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.bundle import export, save
from annvil.data.images import images_from_arrays
from annvil.data.table import Dataset
from annvil.graph import Graph, Value
from annvil.models import Context, Effort, Job, Split
from annvil.models.convolutional import Convolutional
from annvil.task import Task

PATCH = slice(4, 12), slice(12, 20)
"""Where pictures of the class "cross" have their cross; rows and columns of 24 × 24 pixels."""


def crosses(n: int, seed: int = 0):
    """Noise, and for half of the pictures a bright cross in it: pixels and classes."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 120, (n, 24, 24, 1), dtype=np.uint8)
    y = np.arange(n) % 2
    pixels[y == 1, 7:9, 12:20] = 230
    pixels[y == 1, 4:12, 15:17] = 230
    return pixels, y


@pytest.fixture(scope="session")
def network_model(tmp_path_factory):
    """A convolutional network that learnt crosses."""
    pixels, y = crosses(160)
    dataset = Dataset(images_from_arrays(pixels), y, Task("binary", "shape", ("none", "cross")), np.arange(len(y)))
    rows = np.arange(160)
    job = Job("final", rows, (Split(rows[40:], rows[:40]),), 0)
    effort = Effort(configuration={"size": "small", "epochs": 8})
    (fitted,) = Convolutional().fit(dataset, [job], effort, Context(threads=1))
    origin, path = fitted.origin(), tmp_path_factory.mktemp("explained") / "model"
    graph = export(fitted, dataset.inputs.schema, dataset.task)
    info = {"architecture": dict(origin.architecture), "title": "Convolutional network"}
    return save(path, graph, schema=dataset.inputs.schema, task=dataset.task, info=info, weights=origin.weights)


class UpperLeft:
    """The mean of the upper left 12 × 12 pixels, in parts of 255: a probability, or a number."""

    def __init__(self, number: bool = False) -> None:
        self.number = number

    def write(self, graph: Graph, pixels: Value) -> Value:
        x = graph.cast(pixels, "float32")
        corner = [graph.constant(np.array(values)) for values in ([0, 0], [12, 12], [1, 2])]
        x = graph.op("ReduceMean", graph.op("Slice", x, *corner), graph.constant(np.array([1, 2])), keepdims=0)
        light = graph.op("Div", x, graph.constant(np.float32(255)))
        return light if self.number else graph.concat([graph.op("Sub", graph.constant(np.float32(1)), light), light])


@pytest.fixture(scope="session")
def graph_model(tmp_path_factory):
    """A model without a network."""
    schema = images_from_arrays(np.zeros((1, 24, 24), dtype=np.uint8)).schema
    task = Task("binary", "corner", ("dark", "light"))
    path = tmp_path_factory.mktemp("explained") / "model"
    return save(path, export(UpperLeft(), schema, task), schema=schema, task=task, info={"title": "Boosted trees"})


@pytest.fixture(scope="session")
def number_model(tmp_path_factory):
    """A model that predicts a number."""
    schema = images_from_arrays(np.zeros((1, 24, 24), dtype=np.uint8)).schema
    task = Task("regression", "light")
    path = tmp_path_factory.mktemp("explained") / "model"
    return save(path, export(UpperLeft(number=True), schema, task), schema=schema, task=task, info={})
