"""When a model ships in 8 bits, and what is said when it does not."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from annvil.bundle import Predictor, export
from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.kinds.pictures import eight_bits
from annvil.kinds.pictures.eight_bits import try_eight_bits
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.registry import holder
from annvil.models.jobs import Context, Deadline, Effort, Job
from annvil.tasks.union import make_task

COMPARISON = SimpleNamespace(metric="accuracy", worth=0.01)
NUMBERS = re.compile(
    r"[\d.,]+ times as fast on one picture and [\d.,]+ times as fast on 64 at once, \d+% of the size; [Aa]ccuracy "
    r"\d\.\d{3} instead of \d\.\d{3} on 60 pictures held out, with 95% certainty (no loss|a loss of at most [\d.]+)"
    r" \(allowed: 0\.001 measured, 0\.01 possible\)\.$"
)


@pytest.fixture(autouse=True)
def few_judges(monkeypatch):
    """Sixty pictures are enough here."""
    monkeypatch.setattr(eight_bits, "FEWEST_JUDGES", 60)


@pytest.fixture(scope="module")
def trained():
    """A small network for digits, its data and its graph."""
    digits = load_digits()
    pixels, y = np.rint(digits.images[:400] * 255 / 16).astype(np.uint8), digits.target[:400].astype(np.int64)
    dataset = Dataset(
        images_from_arrays(pixels), y, make_task("multiclass", "digit", tuple("0123456789")), np.arange(len(y))
    )
    contender = next(c for c in holder(dataset).contenders(dataset) if c.name == "convolutional")
    rows = np.arange(400)
    job = Job("final", rows, (Split(rows[60:], rows[:60]),), 0)
    effort = Effort(configuration={"size": "small", "epochs": 6})
    (fitted,) = contender.fit(dataset, [job], effort, Context())
    return dataset, fitted, export(fitted, dataset.inputs.form, dataset.task)


def trial(trained, seconds=1e9):
    dataset, fitted, graph = trained
    return try_eight_bits(graph, dataset, fitted, COMPARISON, None, Deadline(seconds))


def test_faster_and_as_accurate_ships(trained, monkeypatch):
    monkeypatch.setattr(eight_bits, "LEAST_SPEED_UP", 0.0)
    monkeypatch.setattr(COMPARISON, "worth", 0.5)
    dataset, fitted, graph = trained
    found = trial(trained)
    assert found.said.startswith("Its convolutions compute in 8 bits: ")
    assert len(found.graph) < 0.6 * len(graph)
    held_out = dataset.inputs.take(np.arange(60))
    outputs = Predictor.from_graph(found.graph, dataset.inputs.form, dataset.task).raw(held_out)
    assert np.mean(outputs.argmax(axis=1) == dataset.y[:60]) > 0.8
    assert not np.array_equal(outputs, fitted.predict(held_out))


@pytest.mark.parametrize(
    ("constant", "value", "reason"),
    [("LEAST_SPEED_UP", 1e9, "not faster on this machine"), ("SHARE_OF_WORTH", -1e9, "not as accurate")],
)
def test_otherwise_it_is_said_why_not(trained, monkeypatch, constant, value, reason):
    monkeypatch.setattr(eight_bits, "LEAST_SPEED_UP", 0.0)
    monkeypatch.setattr(COMPARISON, "worth", 0.5)
    monkeypatch.setattr(eight_bits, constant, value)
    found = trial(trained)
    assert found.graph is None
    assert found.said.startswith(f"8 bits were tried and left, being {reason}: ")


def test_the_numbers_are_told(trained):
    said = trial(trained).said
    assert NUMBERS.search(said), said


def test_few_judges_are_said(trained, monkeypatch):
    monkeypatch.setattr(eight_bits, "FEWEST_JUDGES", 61)
    assert trial(trained).said.startswith("8 bits were not tried: 60 pictures were held out, and fewer than 61 cannot")


@pytest.mark.parametrize(("wrong", "accurate"), [(0, True), (1, True), (5, False), (8, False)])
def test_a_loss_must_be_small_and_certainly_less_than_what_is_worth_a_change(trained, wrong, accurate):
    """Of a thousand answers some become wrong: 1 is within a tenth of a hundredth, 5 and 8 are not."""
    dataset, _, _ = trained
    rows = np.tile(np.arange(200), 5)
    before = np.eye(10)[dataset.y[rows]]
    after = before.copy()
    after[:wrong] = np.eye(10)[(dataset.y[rows[:wrong]] + 1) % 10]
    assert eight_bits._judged(dataset, COMPARISON, rows, before, after, None)[0] == accurate


def test_what_cannot_be_told_from_a_loss_is_refused(trained):
    """As many answers become right as wrong, but so many change that a loss of more than a hundredth is possible."""
    dataset, _, _ = trained
    rows = np.tile(np.arange(200), 5)
    truth = np.eye(10)[dataset.y[rows]]
    other = np.eye(10)[(dataset.y[rows] + 1) % 10]
    before, after = truth.copy(), truth.copy()
    before[:100], after[100:200] = other[:100], other[100:200]
    judged, said = eight_bits._judged(dataset, COMPARISON, rows, before, after, None)
    assert not judged
    assert "0.900 instead of 0.900" in said


def test_no_time_is_said(trained):
    found = trial(trained, 0.0)
    assert found.graph is None
    assert found.said.startswith("There was no time")


def test_a_model_without_convolutions_is_left_alone(trained):
    dataset, fitted, _ = trained
    dummy = next(c for c in holder(dataset).contenders(dataset) if c.name == "dummy")
    (simple,) = dummy.fit(dataset, [fitted.job], Effort(), Context())
    graph = export(simple, dataset.inputs.form, dataset.task)
    assert try_eight_bits(graph, dataset, simple, COMPARISON, None, Deadline(1e9)) is None
