"""Which pictures of a run are explained, what is found of its model, and that nothing is explained without time."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tests.kinds.pictures.explanation.conftest import UpperLeft, WrittenByHand, crosses

from annvil.bundle import export, save
from annvil.comparison.cost import seconds_to_explain
from annvil.comparison.results import Cost
from annvil.data.dataset import Dataset
from annvil.kinds.found import Found
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.sections import explained
from annvil.models.jobs import Deadline
from annvil.tasks.union import make_task

TASK = make_task("multiclass", "pet", ("cat", "dog", "cow"))


def looked(y, outputs):
    pixels = np.zeros((len(y), 2, 2, 1), np.uint8)
    return explained._Looked(images_from_arrays(pixels), pixels, y, outputs, "", True, 0.0)


def subject(task):
    return SimpleNamespace(task=task, decided=task.foremost)


def test_the_most_certain_mistakes_come_first_then_one_of_each_class():
    y = np.array([0] * 6 + [1] * 6 + [2] * 6)
    outputs = np.eye(3)[y] * 0.8 + 0.1
    outputs[0], outputs[1], outputs[2], outputs[3] = [0.3, 0.7, 0], [0.1, 0.9, 0], [0.2, 0, 0.8], [0.4, 0.6, 0]
    chosen = explained._chosen(subject(TASK), looked(y, outputs))
    assert chosen.tolist() == [1, 2, 0, 4, 6, 12, 5, 7]


def test_the_largest_errors_of_a_number_come_first():
    y, outputs = np.arange(12.0), np.arange(12.0)[:, None].copy()
    outputs[[3, 5], 0] += (-9, 4)
    chosen = explained._chosen(subject(make_task("regression", "y")), looked(y, outputs))
    assert chosen.tolist()[:2] == [3, 5]
    assert len(chosen) == 8


def test_truths_in_words():
    assert TASK.answer(2) == "cow"
    assert make_task("regression", "y").answer(1.23456) == "1.235"
    tags = make_task("multilabel", "tags", ("a", "b"))
    assert tags.answer(np.array([1, 1])) == "a, b"
    assert tags.answer(np.array([0, 0])) == "none"


def comparison_and_store(outputs):
    """Of a finished race with one contender whose two folds hold all pictures out between them."""
    n = len(outputs)
    halves = {"first": np.arange(n - n // 3), "second": np.arange(n - n // 3, n)}
    store = SimpleNamespace(predictions=lambda contender, fold, rung: (halves[fold], outputs[halves[fold]]))
    standings = (SimpleNamespace(contender="pixels-linear", rung=1),)
    folds = [SimpleNamespace(contender="pixels-linear", repeat=0, job=name, rung=1) for name in halves]
    verdict = SimpleNamespace(recommended="pixels-linear")
    return SimpleNamespace(verdict=verdict, standings=standings, folds=folds), store


class Opened(Exception):
    """The model was opened."""


def test_without_time_only_what_costs_nothing_is_shown(monkeypatch):
    """Mistakes are known from the comparison; the model is not even opened after the deadline."""
    images = images_from_arrays(np.zeros((6, 8, 8), np.uint8))
    dataset = Dataset(images, np.array([0, 1, 2, 0, 1, 2]), TASK, np.arange(6))
    outputs = np.eye(3)[[1, 1, 2, 0, 1, 2]]
    comparison, store = comparison_and_store(outputs)

    def opened(path):
        raise Opened

    monkeypatch.setattr(explained, "open_subject", opened)
    manifest = SimpleNamespace(info=SimpleNamespace(threshold=None))
    monkeypatch.setattr(explained, "load", lambda path: SimpleNamespace(manifest=manifest))

    def shown(seconds):
        return list(explained.explained(Found(dataset, comparison, store, "run", "model", Deadline(seconds))))

    found = shown(-1.0)
    assert [section.key for section in found] == ["mixed-up"]
    assert found[0].sentences[0] == "Most often cat was taken for dog: 1 of 2 among 6 held-out pictures."
    with pytest.raises(Opened):
        shown(60.0)


def test_a_run_finds_that_its_model_reads_the_shape_of_the_files(tmp_path):
    """Light rims make the bands of wide pictures light, and the model looks at the upper left corner alone."""
    form, task = PictureForm(24, 24, 1), make_task("binary", "corner", ("dark", "light"))
    pixels = np.zeros((8, 24), np.uint8)
    pixels[[0, -1]] = 250
    for i in range(3):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    images = form.conform(tmp_path).inputs
    model = save(tmp_path / "model", export(UpperLeft(), form, task), form=form, task=task)
    dataset = Dataset(images, np.array([1, 1, 1]), task, np.arange(3))
    comparison, store = comparison_and_store(np.array([[0.1, 0.9]] * 3))
    found = Found(dataset, comparison, store, Path("run"), model, Deadline(600.0))
    (finding,) = [one for section in explained.explained(found) for one in section.findings]
    assert (finding.kind, finding.severity) == ("evidence in the padding", "serious")


WITH, WITHOUT = SimpleNamespace(network="some"), SimpleNamespace(network=None)
ALL = ("grad-cam", "occlusion", "integrated-gradients")


@pytest.mark.parametrize(
    ("subject", "had", "passes", "methods"),
    [
        (WITH, ALL, 12_000, ALL),
        (WITH, ALL, 11_000, ALL[:2]),
        (WITH, ALL, 7_000, ALL[:1]),
        (WITH, ALL, 1_300, ALL[:1]),
        (WITH, ALL, 1_100, ()),
        (WITH, ALL[1:], 6_000, ALL[1:2]),
        (WITH, ALL[1:], 3_000, ()),
        (WITHOUT, ALL[1:2], 1_600, ALL[1:2]),
        (WITHOUT, ALL[1:2], 1_400, ()),
        (WITHOUT, ALL[1:2], -1.0, ()),
    ],
)
def test_where_time_is_short_maps_become_fewer_before_there_are_none(subject, had, passes, methods):
    assert explained._affordable(subject, had, passes) == methods


@pytest.mark.parametrize(("seconds", "kinds"), [(200.0, 3), (30.0, 1), (5.0, 0)])
def test_a_run_makes_the_maps_that_there_is_time_for(tmp_path, monkeypatch, seconds, kinds):
    """Of a network that is said to take a hundredth of a second a picture."""
    pixels, y = crosses(6, seed=5)
    images, task, written = images_from_arrays(pixels), make_task("binary", "shape", ("none", "cross")), WrittenByHand()
    architecture = written.network.architecture.to_json()
    weights = {name: value.numpy() for name, value in written.network.state_dict().items()}
    graph, form = export(written, images.form, task), images.form
    model = save(tmp_path / "m", graph, form=form, task=task, info={"architecture": architecture}, weights=weights)
    dataset = Dataset(images, y, task, np.arange(len(y)))
    comparison, store = comparison_and_store(np.eye(len(task.classes))[y])
    monkeypatch.setattr(explained, "MOST_EXPLAINED", 3)
    looks = explained._look
    monkeypatch.setattr(explained, "_look", lambda *asked: replace(looks(*asked), seconds_each=0.01))
    found = Found(dataset, comparison, store, Path("run"), model, Deadline(seconds))
    (section,) = [one for one in explained.explained(found) if one.key == "where-it-looks"]
    rows = section.tables[0].rows if section.tables else ()
    made = {3: ["Integrated gradients", "Grad-CAM", "Occlusion"], 1: ["Grad-CAM"], 0: []}
    assert [row[0] for row in rows] == made[kinds]
    told = section.sentences[-1]
    again = "annvil explain run PICTURE"
    assert (again in told) == (kinds < 3)
    if kinds == 1:
        assert told == f"There was no time for Occlusion and Integrated gradients; for all: {again}"


@pytest.mark.parametrize(
    ("passes", "rows_per_second", "budget", "seconds"),
    [(12_000, 4_000.0, 60.0, 3.0), (12_000, 300.0, 60.0, 4.8), (12_000, None, 60.0, 0.0), (0, 300.0, 60.0, 0.0)],
)
def test_time_for_explaining_is_kept_as_measured_up_to_a_share(passes, rows_per_second, budget, seconds):
    cost = Cost(1.0, 1.0, 1, 1, rows_per_second=rows_per_second)
    assert seconds_to_explain(passes, cost, budget) == pytest.approx(seconds)
    assert seconds_to_explain(passes, None, budget) == 0.0
