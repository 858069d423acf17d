"""Examples that are shown to people: which come first, and what is said of them."""

from __future__ import annotations

import numpy as np

from annvil.tasks.union import make_task

PETS = make_task("binary", "pet", ("cat", "dog"))


def test_the_most_certain_mistake_is_first():
    outputs = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.3, 0.7]])
    shown = PETS.examples(np.array([0, 0, 0, 1]), outputs, None, "4 held-out pictures", 16, 24)
    assert shown.rows.tolist()[:2] == [1, 2]
    assert sorted(shown.rows.tolist()[2:]) == [0, 3]
    assert shown.captions[:2] == ("cat, predicted dog (80%)", "cat, predicted dog (60%)")
    assert shown.wrong.tolist() == [True, True, False, False]
    assert "2 were misclassified" in shown.sentences[0]
    alone = PETS.examples(np.array([0, 1, 0, 1]), outputs, None, "4 held-out pictures", 16, 24)
    assert alone.sentences[0] == "Of 4 held-out pictures, 1 was misclassified; it comes first."


def test_without_a_mistake_none_is_spoken_of():
    outputs = np.array([[1.0, 0.0], [0.0004, 0.9996]])
    shown = PETS.examples(np.array([0, 1]), outputs, None, "2 held-out pictures of the first fold", 16, 24)
    assert sorted(shown.captions) == ["cat (100%)", "dog (>99.9%)"]
    assert not shown.wrong.any()
    expected = "All 2 held-out pictures of the first fold were classified correctly; these are drawn at random."
    assert shown.sentences[0] == expected


def test_the_gravest_mistake_of_labels_is_first():
    task = make_task("multilabel", "pet", ("cat", "dog", "sea"))
    y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]])
    outputs = np.array([[0.9, 0.1, 0.1], [0.6, 0.45, 0.1], [0.2, 0.1, 0.05], [0.7, 0.05, 0.9]])
    shown = task.examples(y, outputs, (0.5, 0.5, 0.5), "4 rows", 16, 24)
    assert shown.rows.tolist()[:2] == [3, 1]
    assert shown.captions[:2] == ("dog, sea; missed dog; wrongly predicted cat", "cat, dog; missed dog")
    assert sorted(shown.captions[2:]) == ["cat", "no label"]
    assert shown.wrong.tolist() == [True, True, False, False]
    assert "2 have a label missed or wrongly predicted" in shown.sentences[0]
    assert "All labels of 1 row" in task.examples(y[:1], outputs[:1], None, "1 row", 16, 24).sentences[0]


def test_the_largest_errors_of_numbers_are_shown():
    shown = make_task("regression", "y").examples(
        np.array([1.0, 2, 3]), np.array([[1.5], [2], [0]]), None, "3 rows", 1, 2
    )
    assert shown.rows.tolist() == [2, 0]
    assert shown.captions == ("3, predicted 0", "1, predicted 1.5")
    assert not shown.wrong.any()
