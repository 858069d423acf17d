"""When a model ships in 8 bits, and what is said when it does not."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from annvil.bundle import Predictor, export
from annvil.data.images import images_from_arrays
from annvil.data.table import Dataset
from annvil.models import Context, Deadline, Effort, Job, Split, contenders_for
from annvil.run import eight_bits
from annvil.run.eight_bits import try_eight_bits
from annvil.task import Task

COMPARISON = SimpleNamespace(metric="accuracy", worth=0.01)
NUMBERS = re.compile(
    r"[\d.,]+ times as fast on one picture and [\d.,]+ times as fast on 64 at once, \d+% of the size; [Aa]ccuracy "
    r"\d\.\d{3} instead of \d\.\d{3} on 60 pictures held out \(allowed: a loss of 0\.1 points\), outputs at most "
    r"[\d.e-]+ apart\.$"
)


@pytest.fixture(scope="module")
def trained():
    """A small network for digits, its data and its graph."""
    digits = load_digits()
    pixels, y = np.rint(digits.images[:400] * 255 / 16).astype(np.uint8), digits.target[:400].astype(np.int64)
    dataset = Dataset(
        images_from_arrays(pixels), y, Task("multiclass", "digit", tuple("0123456789")), np.arange(len(y))
    )
    contender = next(c for c in contenders_for(dataset) if c.name == "convolutional")
    rows = np.arange(400)
    job = Job("final", rows, (Split(rows[60:], rows[:60]),), 0)
    effort = Effort(configuration={"size": "small", "epochs": 6})
    (fitted,) = contender.fit(dataset, [job], effort, Context())
    return dataset, fitted, export(fitted, dataset.inputs.schema, dataset.task)


def trial(trained, seconds=1e9):
    dataset, fitted, graph = trained
    return try_eight_bits(dataset, fitted, graph, COMPARISON, None, Deadline(seconds))


def test_faster_and_as_accurate_ships(trained, monkeypatch):
    monkeypatch.setattr(eight_bits, "LEAST_SPEED_UP", 0.0)
    monkeypatch.setattr(eight_bits, "SHARE_OF_WORTH", 100.0)
    dataset, fitted, graph = trained
    found = trial(trained)
    assert found.said.startswith("Its convolutions compute in 8 bits: ")
    assert len(found.graph) < 0.6 * len(graph)
    held_out = dataset.inputs.take(np.arange(60))
    outputs = Predictor.from_graph(found.graph, dataset.inputs.schema, dataset.task).raw(held_out)
    assert np.mean(outputs.argmax(axis=1) == dataset.y[:60]) > 0.8
    assert not np.array_equal(outputs, fitted.predict(held_out))


@pytest.mark.parametrize(
    ("constant", "value", "reason"),
    [("LEAST_SPEED_UP", 1e9, "not faster on this machine"), ("SHARE_OF_WORTH", -1e9, "not as accurate")],
)
def test_otherwise_it_is_said_why_not(trained, monkeypatch, constant, value, reason):
    monkeypatch.setattr(eight_bits, "LEAST_SPEED_UP", 0.0)
    monkeypatch.setattr(eight_bits, "SHARE_OF_WORTH", 100.0)
    monkeypatch.setattr(eight_bits, constant, value)
    found = trial(trained)
    assert found.graph is None
    assert found.said.startswith(f"8 bits were tried and left, being {reason}: ")


def test_the_numbers_are_told(trained):
    said = trial(trained).said
    assert NUMBERS.search(said), said


def test_no_time_is_said(trained):
    found = trial(trained, 0.0)
    assert found.graph is None
    assert found.said.startswith("There was no time")


def test_a_model_without_convolutions_is_left_alone(trained):
    dataset, fitted, _ = trained
    dummy = next(c for c in contenders_for(dataset) if c.name == "dummy")
    (simple,) = dummy.fit(dataset, [fitted.job], Effort(), Context())
    graph = export(simple, dataset.inputs.schema, dataset.task)
    assert try_eight_bits(dataset, simple, graph, COMPARISON, None, Deadline(1e9)) is None
