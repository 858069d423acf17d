"""Out-of-fold assembly and the selection loss, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.data.dataset import Dataset
from annvil.data.splits import Split
from annvil.data.table import table_from_columns
from annvil.models.jobs import Context, Job
from annvil.models.selection import Candidate, assemble_out_of_fold, best_of, inner_positions, judge, try_candidates
from annvil.tasks.union import make_task

ROWS = np.array([7, 3, 9, 1])
JOB = Job("k", ROWS, (Split(np.array([7, 3]), np.array([1, 9])), Split(np.array([9, 1]), np.array([3]))), 0)


def dataset_of(task, y):
    return Dataset(table_from_columns([("x", "number", np.zeros(len(y)))]), np.asarray(y), task, np.arange(len(y)))


def test_positions_are_into_the_rows_of_the_job():
    assert [p.tolist() for p in inner_positions(JOB)] == [[3, 2], [1]]


def test_predictions_are_laid_over_the_rows():
    laid = assemble_out_of_fold(JOB, [np.array([[1.0], [2.0]]), np.array([[3.0]])])
    np.testing.assert_array_equal(laid[:, 0], [np.nan, 3.0, 2.0, 1.0])


def test_a_row_tested_twice_gets_the_mean():
    twice = Job("k", ROWS, (Split(ROWS[:2], ROWS[2:]), Split(ROWS[:2], ROWS[2:])), 0)
    laid = assemble_out_of_fold(twice, [np.array([[1.0], [2.0]]), np.array([[3.0], [2.0]])])
    np.testing.assert_array_equal(laid[:, 0], [np.nan, np.nan, 2.0, 2.0])


def test_losses_by_hand():
    binary = make_task("binary", "y", (0, 1))
    losses = binary.row_losses(np.array([0, 1]), np.array([[0.25, 0.75], [1.0, 0.0]]))
    np.testing.assert_allclose(losses, [np.log(4), np.log(1e7)])
    assert make_task("regression", "y").row_losses(np.array([3.0]), np.array([[1.0]])).tolist() == [4.0]


def test_judging_numbers():
    dataset = dataset_of(make_task("regression", "y"), np.arange(10.0))
    trial = judge(dataset, JOB, [np.array([[2.0], [9.0]]), np.array([[0.0]])], Candidate({"a": 1}, "a"))
    assert trial.score == pytest.approx((1 + 0 + 9) / 3)
    assert trial.spread == pytest.approx(np.std([0.5, 9]))
    assert trial.calibration is None
    assert trial.to_json() == {"what": "a", "configuration": {"a": 1}, "score": trial.score, "spread": trial.spread}


def test_calibration_is_charged_one_nat_per_parameter():
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.9, size=400)
    y = (rng.uniform(size=400) < p).astype(int)
    bold = 1 / (1 + np.exp(-4 * np.log(p / (1 - p))))
    dataset = dataset_of(make_task("binary", "y", (0, 1)), y)
    rows = np.arange(400)
    job = Job("k", rows, (Split(rows[200:], rows[:200]), Split(rows[:200], rows[200:])), 0)
    outputs = np.stack([1 - bold, bold], axis=1)
    trial = judge(dataset, job, [outputs[:200], outputs[200:]], Candidate({}, ""))
    losses = dataset.task.row_losses(y, trial.calibration.apply(outputs))
    assert trial.score == pytest.approx(losses.mean() + 1 / 400)
    assert trial.score < dataset.task.row_losses(y, outputs).mean()
    np.testing.assert_allclose(trial.out_of_fold, trial.calibration.apply(outputs))


def test_a_failed_candidate_loses_and_a_tie_goes_to_the_first():
    dataset = dataset_of(make_task("regression", "y"), np.arange(10.0))
    first, second, failed = [
        judge(dataset, JOB, [np.array([[v], [9.0]]), np.array([[0.0]])], Candidate({}, "")) for v in (2.0, 2.0, np.nan)
    ]
    assert best_of([failed, first, second]) is first
    assert failed.to_json()["score"] is None


def test_candidates_are_tried_in_order_and_the_best_keeps_its_members():
    dataset = dataset_of(make_task("regression", "y"), np.arange(10.0))
    seen = []

    def fit_split(candidate, number):
        seen.append((candidate.words, number))
        offset = candidate.configuration["offset"]
        return f"{candidate.words}{number}", dataset.y[JOB.inner[number].test][:, None] + offset

    candidates = [Candidate({"offset": o}, w) for o, w in [(2, "far"), (0, "exact"), (1, "near")]]
    trials, members = try_candidates(dataset, JOB, candidates, fit_split, Context().begin())
    assert [t.score for t in trials] == [4, 0, 1]
    assert members == ["exact0", "exact1"]
    assert seen == [(w, n) for w in ("far", "exact", "near") for n in (0, 1)]


def test_a_passed_deadline_drops_the_half_finished_candidate():
    dataset = dataset_of(make_task("regression", "y"), np.arange(10.0))
    running = Context().begin()

    def fit_split(candidate, number):
        if candidate.words == "second":
            running.deadline.at = -1.0
        return candidate.words, np.zeros((len(JOB.inner[number].test), 1))

    candidates = [Candidate({}, "first"), Candidate({}, "second")]
    trials, members = try_candidates(dataset, JOB, candidates, fit_split, running)
    assert [t.candidate.words for t in trials] == ["first"]
    assert members == ["first", "first"]
    assert running.cut_short
