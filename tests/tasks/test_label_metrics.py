"""Scores of several labels at once, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from annvil.errors import RequestError
from annvil.tasks.label_metrics import FEWEST_WITH_LABEL, decide_labels, label_thresholds, scores_of_labels
from annvil.tasks.union import make_task

TASK = make_task("multilabel", "labels", ("cat", "dog", "sea"))


@pytest.fixture
def told():
    rng = np.random.default_rng(3)
    y = (rng.random((200, 3)) < [0.5, 0.2, 0.06]).astype(np.int64)
    outputs = np.clip(np.round(0.5 * rng.random((200, 3)) + 0.4 * y * rng.random((200, 3)), 2), 0.01, 0.99)  # with ties
    return y, outputs


def test_every_score_is_scikit_learns(told):
    y, outputs = told
    scores = TASK.scores(y, outputs)
    said = outputs >= 0.5
    assert scores == pytest.approx(
        {
            "roc_auc": sk.roc_auc_score(y, outputs, average="macro"),
            "average_precision": sk.average_precision_score(y, outputs, average="macro"),
            "f1": sk.f1_score(y, said, average="macro"),
            "micro_f1": sk.f1_score(y, said, average="micro"),
            "subset_accuracy": sk.accuracy_score(y, said),
            "hamming_loss": sk.hamming_loss(y, said),
            "log_loss": np.mean([sk.log_loss(y[:, k], outputs[:, k]) for k in range(3)]),
            "brier": np.mean([sk.brier_score_loss(y[:, k], outputs[:, k]) for k in range(3)]),
        },
        rel=1e-9,
    )
    assert [metric.name for metric in TASK.metrics] == list(scores)


def test_labels_that_are_on_no_row_count_for_nobody(told):
    y, outputs = told
    y = y.copy()
    y[:, 2] = 0
    for name in ("roc_auc", "average_precision", "f1"):
        assert TASK.metric(name).score(y, outputs) == TASK.metric(name).score(y[:, :2], outputs[:, :2])
    nothing = np.zeros_like(y)
    scores = TASK.scores(nothing, outputs)
    assert np.isfinite(list(scores.values())).all()
    assert (scores["roc_auc"], scores["average_precision"], scores["f1"]) == (0.5, 0.0, 0.0)
    assert TASK.metric("roc_auc").score(np.ones_like(y), outputs) == 0.5


def test_thresholds_give_every_label_its_best_f1(told):
    y, outputs = told
    chosen = label_thresholds(y, outputs)
    for k, threshold in enumerate(chosen):
        cuts = [*np.unique(outputs[:, k]), 2.0]
        best = max(sk.f1_score(y[:, k], outputs[:, k] >= cut, zero_division=0) for cut in cuts)
        assert sk.f1_score(y[:, k], outputs[:, k] >= threshold) == pytest.approx(best)
    (one,) = set(label_thresholds(y, outputs, together=True))
    best = max(sk.f1_score(y, outputs >= cut, average="micro") for cut in np.unique(outputs))
    assert sk.f1_score(y, outputs >= one, average="micro") == pytest.approx(best)


def test_a_rare_label_is_said_although_it_is_likelier_not_to_be_there():
    y = np.repeat([0, 1, 0], [90, 6, 4])[:, None]
    outputs = np.repeat([0.01, 0.35], [90, 10])[:, None]
    assert label_thresholds(y, outputs) == (0.18,)


def test_a_label_on_few_rows_keeps_one_half(told):
    y, outputs = told
    y = y.copy()
    y[np.flatnonzero(y[:, 2])[FEWEST_WITH_LABEL - 1 :], 2] = 0
    assert label_thresholds(y, outputs)[2] == 0.5


def test_metrics_of_decisions_at_one_half_choose_no_thresholds(told):
    y, outputs = told
    chosen = {name: TASK.choose(TASK.metric(name), y, outputs) for name in TASK.scores(y, outputs)}
    assert {name for name, threshold in chosen.items() if threshold is None} == {"subset_accuracy", "hamming_loss"}
    assert chosen["average_precision"] == chosen["f1"] == label_thresholds(y, outputs)
    assert len(set(chosen["micro_f1"])) == 1


def test_decisions_by_hand():
    outputs = np.array([[0.5, 0.3, 0.9], [0.49, 0.31, 0.1]])
    assert decide_labels(outputs).tolist() == [[1, 0, 1], [0, 0, 0]]
    assert decide_labels(outputs, (0.4, 0.31, 0.95)).tolist() == [[1, 0, 0], [1, 1, 0]]


def test_each_label_on_its_own(told):
    y, outputs = told
    for k, one in enumerate(scores_of_labels(y, outputs, (0.5, 0.3, 0.2))):
        said = outputs[:, k] >= one.threshold
        assert (one.n_with, one.n_said, one.n_right) == (y[:, k].sum(), said.sum(), (said & (y[:, k] == 1)).sum())
        assert one.f1 == pytest.approx(sk.f1_score(y[:, k], said))
        assert one.roc_auc == pytest.approx(sk.roc_auc_score(y[:, k], outputs[:, k]))
    (none,) = scores_of_labels(np.zeros((4, 1), dtype=np.int64), np.full((4, 1), 0.2))
    assert (none.f1, none.roc_auc, none.average_precision) == (0.0, None, None)


def test_the_default_and_what_is_refused():
    assert TASK.metrics[0].name == "average_precision"
    with pytest.raises(RequestError, match="does not score several labels at once"):
        TASK.metric("accuracy")
    with pytest.raises(RequestError, match="micro F1 does not score classes"):
        make_task("binary", "y", (0, 1)).metric("micro_f1")
