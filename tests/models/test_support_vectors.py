"""Support vectors against scikit-learn's own decisions, and against a calculation by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import SVC

from annvil.models.jobs import Shape
from annvil.models.support_vectors import MOST_CLASSES, MOST_ROWS, SHARPNESS, Pairs, SupportVectors, pairs_of
from annvil.tasks.union import make_task


def blobs(n_classes: int, n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n_classes)
    y = random.integers(0, n_classes, n)
    return random.normal(size=(n, 4)) + 1.2 * random.normal(size=(n_classes, 4))[y], y


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_pairs_decide_as_scikit_learn_does(n_classes: int) -> None:
    """Every pair's margin, and with two classes its sign, is that of `SVC.decision_function`."""
    x, y = blobs(n_classes)
    pairs = pairs_of(x, y, 3.0, 0.2, n_classes)
    machine = SVC(C=3.0, gamma=0.2, decision_function_shape="ovo").fit(x, y)
    squares = ((x[:, None] - pairs.points[None]) ** 2).sum(axis=2)
    margins = np.exp(-0.2 * squares) @ pairs.weights + pairs.intercepts
    theirs = machine.decision_function(x)
    np.testing.assert_allclose(margins, -theirs[:, None] if n_classes == 2 else theirs, atol=1e-9)
    agree = (pairs.outputs(x).argmax(axis=1) == machine.predict(x)).mean()  # of votes, where ours have margins
    assert agree == 1 if n_classes == 2 else agree > 0.9


def test_probabilities_by_hand() -> None:
    """Two classes of three, one support vector: a margin of 0.5 speaks for one and against the other."""
    pairs = Pairs(np.zeros((1, 1)), np.array([[0.5]]), np.zeros(1), 1.0, np.array([0, 2]), 3)
    found = pairs.outputs(np.array([[0.0], [100.0]]))
    sure = np.exp(SHARPNESS * 0.5), np.exp(-SHARPNESS * 0.5)
    np.testing.assert_allclose(found[0, [0, 2]], np.array(sure) / sum(sure), atol=1e-4)
    np.testing.assert_allclose(found[1, [0, 2]], 0.5, atol=1e-4)
    assert (found[:, 1] < 1e-4).all()


def test_one_class_alone_is_said_of_everything() -> None:
    found = pairs_of(np.ones((5, 2)), np.full(5, 1), 1.0, 1.0, 3).outputs(np.zeros((4, 2)))
    assert (found.argmax(axis=1) == 1).all()
    assert found[:, 1].min() > 0.9


def test_what_it_declines() -> None:
    classes, numbers = make_task("binary", "y", (0, 1)), make_task("regression", "y", ())
    many = make_task("multiclass", "y", tuple(range(MOST_CLASSES + 1)))
    contender = SupportVectors()
    assert contender.declines(Shape(100, 4, 0, 0, classes)) is None
    assert "one class" in str(contender.declines(Shape(100, 4, 0, 0, numbers)))
    assert "examples" in str(contender.declines(Shape(MOST_ROWS + 1, 4, 0, 0, classes)))
    assert "classes" in str(contender.declines(Shape(100, 4, 0, 0, many)))
