"""Which pictures of a run are explained, and that nothing is explained without time."""

from types import SimpleNamespace

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.kinds.base import Found
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.kinds.pictures.sections import explained
from annvil.models.contract import Deadline
from annvil.tasks.union import make_task

TASK = make_task("multiclass", "pet", ("cat", "dog", "cow"))


def looked(y, outputs):
    return explained._Looked(np.zeros((len(y), 2, 2, 1), np.uint8), y, outputs, "", True, 0.0)


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


class Opened(Exception):
    """The model was opened."""


def test_without_time_only_what_costs_nothing_is_shown(monkeypatch):
    """Mistakes are known from the comparison; the model is not even opened after the deadline."""
    images = images_from_arrays(np.zeros((6, 8, 8), np.uint8))
    dataset = Dataset(images, np.array([0, 1, 2, 0, 1, 2]), TASK, np.arange(6))
    outputs = np.eye(3)[[1, 1, 2, 0, 1, 2]]
    halves = {"first": np.arange(4), "second": np.arange(4, 6)}
    store = SimpleNamespace(predictions=lambda contender, fold, rung: (halves[fold], outputs[halves[fold]]))

    def opened(path):
        raise Opened

    monkeypatch.setattr(explained, "open_subject", opened)
    standings = (SimpleNamespace(contender="pixels-linear", rung=1),)
    folds = [SimpleNamespace(contender="pixels-linear", repeat=0, job=name, rung=1) for name in halves]
    verdict = SimpleNamespace(recommended="pixels-linear")
    comparison = SimpleNamespace(verdict=verdict, standings=standings, folds=folds)
    manifest = SimpleNamespace(info=SimpleNamespace(threshold=None))
    monkeypatch.setattr(explained, "load", lambda path: SimpleNamespace(manifest=manifest))

    def shown(seconds):
        return list(explained.explained(Found(dataset, comparison, store, "run", "model", Deadline(seconds))))

    found = shown(-1.0)
    assert [section.key for section in found] == ["mixed-up"]
    assert found[0].sentences[0] == "Most often cat was taken for dog: 1 of 2 among 6 held-out pictures."
    with pytest.raises(Opened):
        shown(60.0)
