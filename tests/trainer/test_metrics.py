"""Scores while training, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from annvil.trainer.arguments.metrics import read_scores
from annvil.trainer.inputs.targets import IGNORED, Target

GENERATOR = np.random.default_rng(0)
LOGITS = torch.from_numpy(GENERATOR.normal(size=(60, 3)).astype(np.float32))
CODES = torch.from_numpy(np.arange(60) % 3)
THREE = Target("classes", (3,), ("a", "b", "c"))
SHARES = LOGITS.softmax(1).double().numpy()


def score(name, target, outputs, truth):
    return read_scores(name, target)[0].compute(outputs, truth)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", reference.accuracy_score(CODES, SHARES.argmax(1))),
        ("auc", reference.roc_auc_score(CODES, SHARES / SHARES.sum(1, keepdims=True), multi_class="ovr")),
        ("log-loss", reference.log_loss(CODES, SHARES / SHARES.sum(1, keepdims=True))),
        ("f1", reference.f1_score(CODES, SHARES.argmax(1), average="macro")),
    ],
)
def test_scores_of_classes(name, expected):
    assert score(name, THREE, LOGITS, CODES) == pytest.approx(expected, rel=1e-5)


def test_one_hot_targets_and_probabilities_are_scored_as_classes():
    hot = torch.nn.functional.one_hot(CODES).float()
    matrix = Target("classes", (3,), (0, 1, 2), "softmax", matrix=True)
    assert score("accuracy", matrix, LOGITS.softmax(1), hot) == score("accuracy", THREE, LOGITS, CODES)
    assert score("log_loss", matrix, LOGITS.softmax(1), hot) == pytest.approx(score("log_loss", THREE, LOGITS, CODES))


def test_scores_of_a_yes_or_no():
    yes = (CODES > 0).float()[:, None]
    target = Target("binary", (1,), (0, 1))
    expected = reference.roc_auc_score(yes.squeeze(1), LOGITS[:, 0])
    assert score("auc", target, LOGITS[:, :1], yes) == pytest.approx(expected)
    expected = reference.accuracy_score(yes.squeeze(1), LOGITS[:, 0] > 0)
    assert score("accuracy", target, LOGITS[:, :1], yes) == pytest.approx(expected)
    ended = Target("binary", (1,), (0, 1), "sigmoid")
    assert score("accuracy", ended, LOGITS[:, :1].sigmoid(), yes) == pytest.approx(expected)


def test_scores_of_several_labels_are_means_over_them():
    labels = torch.from_numpy(GENERATOR.integers(0, 2, (60, 3)).astype(np.float32))
    target = Target("multi-label", (3,), matrix=True)
    expected = reference.roc_auc_score(labels, SHARES * 0 + LOGITS.numpy(), average="macro")
    assert score("roc_auc", target, LOGITS, labels) == pytest.approx(expected)
    assert score("accuracy", target, LOGITS, labels) == pytest.approx(
        float(((LOGITS > 0) == (labels > 0)).float().mean())
    )


def test_scores_of_numbers():
    truth = torch.from_numpy(GENERATOR.normal(size=(60, 3)).astype(np.float32))
    target = Target("numbers", (3,), matrix=True)
    for name, function in (
        ("r2", reference.r2_score),
        ("mae", reference.mean_absolute_error),
        ("mse", reference.mean_squared_error),
        ("rmse", reference.root_mean_squared_error),
    ):
        assert score(name, target, LOGITS, truth) == pytest.approx(function(truth, LOGITS), rel=1e-5)
    flat = Target("numbers", (1,), flat=True)
    assert score("r2", flat, LOGITS[:, :1], truth[:, :1]) == pytest.approx(
        reference.r2_score(truth[:, 0], LOGITS[:, 0])
    )


def test_positions_without_a_class_are_not_scored():
    outputs = torch.eye(3).expand(2, 3, 3)
    truth = torch.tensor([[0, 1, 0], [0, IGNORED, IGNORED]])
    assert score("accuracy", Target("positions", (3, 3)), outputs, truth) == pytest.approx(3 / 4)
    with pytest.raises(ValueError, match="scored by 'accuracy' or a function; got 'f1'"):
        read_scores("f1", Target("positions", (3, 3)))


def test_sub_networks_are_averaged_before_they_are_scored():
    outputs = torch.stack([LOGITS, -LOGITS], 1)
    assert score("log_loss", THREE, outputs, CODES) > 0
    assert score("mse", Target("numbers", (2, 3), matrix=True), outputs, torch.zeros(60, 3)) == pytest.approx(0)


def test_functions_get_numpy_arrays_and_may_say_which_way_is_better():
    def furthest(y_true, outputs):
        assert isinstance(y_true, np.ndarray)
        assert isinstance(outputs, np.ndarray)
        return np.abs(outputs).max()

    (one,) = read_scores(furthest, THREE)
    assert one.name == "furthest"
    assert one.compute(LOGITS, CODES) == pytest.approx(float(LOGITS.abs().max()))
    assert one.gain(LOGITS, CODES) == one.compute(LOGITS, CODES)
    furthest.greater_is_better = False
    (one,) = read_scores({"far": furthest}, THREE)
    assert one.name == "far"
    assert one.gain(LOGITS, CODES) == -one.compute(LOGITS, CODES)
    (classes,) = read_scores(reference.accuracy_score, THREE)
    with pytest.raises(
        ValueError, match=r"accuracy_score failed on y_true of shape \(60,\) and outputs of shape \(60, 3\)"
    ):
        classes.compute(LOGITS, CODES)
    (error,) = read_scores("mae", Target("numbers", (3,)))
    assert not error.greater_is_better
