"""Metrics against scikit-learn and against values worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as truth

from annvil.errors import RequestError
from annvil.tasks.class_metrics import decide
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import resolve_worth
from annvil.tasks.union import make_task

BINARY = make_task("binary", "sick", ("no", "yes"))
THREE = make_task("multiclass", "wine", ("a", "b", "c"))
NUMBER = make_task("regression", "price")


def made(n_classes: int, n_rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n_rows)
    outputs = rng.dirichlet(np.ones(n_classes), size=n_rows)
    outputs[np.arange(n_rows), y] += 0.3
    return y, outputs / outputs.sum(axis=1, keepdims=True)


def test_binary_scores_agree_with_scikit_learn() -> None:
    y, outputs = made(2)
    scores = BINARY.scores(y, outputs)
    positive, decided = outputs[:, 1], outputs.argmax(axis=1)
    expected = {
        "roc_auc": truth.roc_auc_score(y, positive),
        "accuracy": truth.accuracy_score(y, decided),
        "balanced_accuracy": truth.balanced_accuracy_score(y, decided),
        "f1": truth.f1_score(y, decided),
        "average_precision": truth.average_precision_score(y, positive),
        "log_loss": truth.log_loss(y, outputs),
        "brier": truth.brier_score_loss(y, positive),
    }
    assert scores == pytest.approx(expected, abs=1e-12)


def test_multiclass_scores_agree_with_scikit_learn() -> None:
    y, outputs = made(3)
    scores = THREE.scores(y, outputs)
    decided = outputs.argmax(axis=1)
    expected = {
        "roc_auc": truth.roc_auc_score(y, outputs, multi_class="ovr", average="macro"),
        "accuracy": truth.accuracy_score(y, decided),
        "balanced_accuracy": truth.balanced_accuracy_score(y, decided),
        "f1": truth.f1_score(y, decided, average="macro"),
        "average_precision": truth.average_precision_score(np.eye(3)[y], outputs, average="macro"),
        "log_loss": truth.log_loss(y, outputs),
        "brier": truth.brier_score_loss(y, outputs, labels=[0, 1, 2]),
    }
    assert scores == pytest.approx(expected, abs=1e-12)


def test_regression_scores_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    y = rng.normal(size=100)
    outputs = y[:, None] + rng.normal(size=(100, 1))
    expected = {
        "r2": truth.r2_score(y, outputs),
        "rmse": truth.root_mean_squared_error(y, outputs),
        "mae": truth.mean_absolute_error(y, outputs),
    }
    assert NUMBER.scores(y, outputs) == pytest.approx(expected, abs=1e-12)


def test_a_hand_calculation() -> None:
    # Four rows, the positive class at .9 .8 (right) .7 (a false alarm) and .1: precision 2/3, recall 1, F1 .8.
    y = np.array([1, 1, 0, 0])
    positive = np.array([0.9, 0.8, 0.7, 0.1])
    scores = BINARY.scores(y, np.stack([1 - positive, positive], axis=1))
    assert scores["roc_auc"] == 1.0
    assert scores["accuracy"] == 0.75
    assert scores["balanced_accuracy"] == 0.75
    assert scores["f1"] == pytest.approx(0.8)
    assert scores["brier"] == pytest.approx((0.01 + 0.04 + 0.49 + 0.01) / 4)
    assert scores["log_loss"] == pytest.approx(-np.log([0.9, 0.8, 0.3, 0.9]).mean())


@pytest.mark.parametrize("present", [[0], [1], [2], [0, 1], [0, 2]])
def test_absent_classes_never_crash_nor_give_nan(present: list[int]) -> None:
    _, outputs = made(3, 30)
    y = np.resize(np.array(present), 30)
    assert all(np.isfinite(v) for v in THREE.scores(y, outputs).values())
    if max(present) < 2:
        assert all(np.isfinite(v) for v in BINARY.scores(y, outputs[:, :2]).values())


def test_an_absent_class_is_left_out_of_averages() -> None:
    y, outputs = made(3)
    two = y != 2
    kept = THREE.scores(y[two], outputs[two])
    decided = outputs[two].argmax(axis=1)
    aucs = [truth.roc_auc_score(y[two] == k, outputs[two, k]) for k in (0, 1)]
    assert kept["roc_auc"] == pytest.approx(np.mean(aucs))
    assert kept["balanced_accuracy"] == pytest.approx(
        truth.recall_score(y[two], decided, labels=[0, 1], average="macro")
    )
    assert kept["f1"] == pytest.approx(truth.f1_score(y[two], decided, labels=[0, 1], average="macro"))


def test_degenerate_rows_follow_the_stated_rules() -> None:
    _, outputs = made(2, 10)
    one_class = BINARY.scores(np.zeros(10, dtype=np.int64), outputs)
    assert one_class["roc_auc"] == 0.5
    assert one_class["average_precision"] == 0.0
    assert one_class["f1"] == 0.0
    constant = NUMBER.scores(np.ones(3), np.ones((3, 1)))
    assert constant == {"r2": 1.0, "rmse": 0.0, "mae": 0.0}
    assert NUMBER.scores(np.ones(3), np.zeros((3, 1)))["r2"] == 0.0
    assert NUMBER.scores(np.ones(1), np.zeros((1, 1)))["r2"] == 0.0
    sure_and_wrong = BINARY.scores(np.array([0]), np.array([[0.0, 1.0]]))
    assert np.isfinite(sure_and_wrong["log_loss"])
    assert sure_and_wrong["log_loss"] > 30


def test_a_threshold_moves_decisions_only() -> None:
    y, outputs = made(2)
    low, usual = BINARY.scores(y, outputs, decision=0.01), BINARY.scores(y, outputs)
    assert low["accuracy"] == pytest.approx(np.mean(y == 1), abs=0.05)
    assert low["roc_auc"] == usual["roc_auc"]
    assert decide(np.array([[0.5, 0.5]]), decision=0.5).tolist() == [1]
    assert decide(np.array([[0.5, 0.5]])).tolist() == [0]


@pytest.mark.parametrize("name", ["f1", "balanced_accuracy"])
def test_the_best_threshold_is_the_best_of_all(name: str) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(300) < 0.1).astype(np.int64)
    positive = np.clip(np.round(0.1 + 0.2 * y + 0.1 * rng.normal(size=300), 2), 0, 1)
    outputs = np.stack([1 - positive, positive], axis=1)
    metric = BINARY.metric(name)
    threshold = BINARY.choose(metric, y, outputs)
    assert threshold is not None
    tried = [metric.score(y, outputs, t) for t in np.linspace(0, 1, 201)]  # at and between all values
    assert metric.score(y, outputs, threshold) == pytest.approx(max(tried), abs=1e-12)
    assert max(tried) > metric.score(y, outputs) + 0.05


def test_no_threshold_where_none_is_to_be_chosen() -> None:
    y, outputs = made(3)
    assert THREE.choose(THREE.metric("f1"), y, outputs) is None
    y, outputs = made(2)
    assert BINARY.choose(BINARY.metric("roc_auc"), y, outputs) is None
    assert BINARY.choose(BINARY.metric("f1"), np.zeros_like(y), outputs) is None


def test_names_defaults_and_hints() -> None:
    assert [task.metrics[0].name for task in (BINARY, THREE, NUMBER)] == ["roc_auc", "accuracy", "r2"]
    assert BINARY.metric("Log-Loss").name == "log_loss"
    with pytest.raises(RequestError, match=r"No metric is called 'roc_acu'. Did you mean 'roc_auc'\?"):
        BINARY.metric("roc_acu")
    with pytest.raises(RequestError, match=r"RMSE does not score classes; .* accuracy, roc_auc"):
        THREE.metric("rmse")
    assert {m.name for m in NUMBER.metrics} == {"r2", "rmse", "mae"}


def test_worth() -> None:
    assert resolve_worth(METRICS["roc_auc"], None, 0.5) == 0.01
    assert resolve_worth(METRICS["rmse"], None, 5000.0) == pytest.approx(50.0)
    assert resolve_worth(METRICS["rmse"], 500.0, 5000.0) == 500.0
    assert resolve_worth(METRICS["rmse"], None, 0.0) > 0
    with pytest.raises(RequestError, match="positive number in units of RMSE; got -1"):
        resolve_worth(METRICS["rmse"], -1.0, 1.0)


def test_errors_gains_and_words() -> None:
    auc, rmse = METRICS["roc_auc"], METRICS["rmse"]
    assert (auc.error(0.9), rmse.error(0.9)) == (pytest.approx(0.1), 0.9)
    assert auc.gain(0.9, 0.8) > 0 > rmse.gain(0.9, 0.8)
    assert auc.tells(0.01) == "0.01"
    assert [auc.tells(d, sign=True) for d in (-0.0042, 0.00042, 0.1)] == ["-0.004", "+0.0004", "+0.10"]
    assert rmse.tells(51234.5) == "51,234"
    assert (auc.shows(0.91234), rmse.shows(0.25), METRICS["r2"].shows(-1e-5)) == ("0.912", "0.250", "0.000")
