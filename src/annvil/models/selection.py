"""Choosing inside the training rows: how candidates of one contender are compared on inner splits.

The selection loss is log-loss for classes and squared error for numbers, whatever metric the race is scored with. Both
are proper: the candidate that minimises them has the best probabilities (or means), and with them sound ranking (ROC
AUC), accuracy and R²; accuracy and AUC themselves move in steps and are noisier judges on few rows. Log-loss is taken
*after* calibration, as the model will be shipped: what differs between candidates is then what they know, not how
sure they are of it (Berta et al. 2025, "Rethinking early stopping: refine, then calibrate"). Parameters of the
calibration are charged one nat each, so that it cannot flatter a candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.models.jobs import Job, Json, Running
from annvil.models.measurement import Stopwatch
from annvil.models.members import Fitted, Member
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.calibration import Scaling

M = TypeVar("M")


@dataclass(frozen=True)
class Candidate:
    """A configuration in the race inside one contender: JSON-able, in words, and whether it weights the classes."""

    configuration: Mapping[str, Json]
    words: str
    class_weighted: bool = False


@dataclass(frozen=True)
class Trial:
    """One candidate after its inner fits.

    Attributes
    ----------
    candidate : what was tried
    out_of_fold : calibrated predictions of the job's rows ``(len(job.rows), n_outputs)``, NaN where no split tested
    calibration : what corrected them, or None
    score : selection loss over all tested rows, lower is better; infinite when the candidate failed somewhere
    spread : standard deviation of the loss between inner splits (0 with one split)
    """

    candidate: Candidate
    out_of_fold: FloatArray
    calibration: Scaling | None
    score: float
    spread: float

    def to_json(self) -> dict[str, Json]:
        """An entry of `Fitted.tried`; the score of a failed candidate is None."""
        worked = bool(np.isfinite(self.score))
        return {
            "what": self.candidate.words,
            "configuration": dict(self.candidate.configuration),
            "score": self.score if worked else None,
            "spread": self.spread if worked else None,
        }


def try_candidates(
    dataset: Dataset[Inputs],
    job: Job,
    candidates: Sequence[Candidate],
    fit_split: Callable[[Candidate, int], tuple[M, FloatArray]],
    running: Running,
) -> tuple[list[Trial], list[M]]:
    """Fit every candidate on every inner split, one after another, until the deadline.

    Parameters
    ----------
    fit_split : candidate and number of the inner split → the member learnt from the split's ``train`` and its outputs
        for the split's ``test``

    Returns
    -------
    trials of the candidates that were finished (a half-finished one is dropped; none at all when the deadline came
    first), and the members of the best of them
    """
    trials: list[Trial] = []
    best_members: list[M] = []
    for candidate in candidates:
        members, predictions = [], []
        for number in range(len(job.inner)):
            if running.is_over():
                return trials, best_members
            member, outputs = fit_split(candidate, number)
            members.append(member)
            predictions.append(outputs)
        trials.append(judge(dataset, job, predictions, candidate))
        if best_of(trials) is trials[-1]:
            best_members = members
    return trials, best_members


def judge(dataset: Dataset[Inputs], job: Job, predictions: Sequence[FloatArray], candidate: Candidate) -> Trial:
    """Assemble, calibrate and score one candidate.

    ``predictions`` holds, for each inner split, outputs for the rows of its ``test`` ``(len(test), n_outputs)``. A
    candidate that weights its classes is calibrated with a bias per class.
    """
    raw = assemble_out_of_fold(job, predictions)
    y = dataset.truth(job.rows)
    tested = inner_positions(job)
    everything = np.unique(np.concatenate(tested))
    if not np.isfinite(raw[everything]).all():
        return Trial(candidate, raw, None, float("inf"), 0.0)
    calibration = dataset.task.calibrate(y, raw, class_weighted=candidate.class_weighted)
    out_of_fold = raw if calibration is None else calibration.apply(raw)
    losses = dataset.task.row_losses(y, out_of_fold)
    charge = 0 if calibration is None else calibration.n_parameters
    score = float(losses[everything].mean()) + charge / len(everything)
    spread = float(np.std([losses[rows].mean() for rows in tested])) if len(tested) > 1 else 0.0
    return Trial(candidate, out_of_fold, calibration, score, spread)


def best_of(trials: Sequence[Trial]) -> Trial:
    """The lowest score; the earlier one of equals, so that defaults win ties."""
    return min(trials, key=lambda trial: trial.score)


def fitted_with(
    contender: str,
    dataset: Dataset[Inputs],
    job: Job,
    trials: Sequence[Trial],
    members: Sequence[Member],
    watch: Stopwatch,
    running: Running,
    *,
    summary: str = "",
    notes: tuple[str, ...] = (),
    corrected: bool = False,
) -> Fitted:
    """What a contender returns that tried candidates: the best of them, and the members it learnt.

    Parameters
    ----------
    watch : since the search began; it is read here, after the members are made
    summary : default: the words of the best candidate
    corrected : the members say already what the calibration would make of it
    """
    best = best_of(trials)
    return Fitted(
        contender=contender,
        job=job,
        task=dataset.task,
        members=tuple(members),
        calibration=None if corrected else best.calibration,
        out_of_fold=best.out_of_fold,
        configuration=best.candidate.configuration,
        summary=summary or best.candidate.words,
        tried=tuple(trial.to_json() for trial in trials),
        fit_seconds=watch.seconds,
        core_seconds=watch.core_seconds,
        notes=notes,
        cut_short=running.cut_short,
    )


def choose_greedily(
    outputs: Sequence[FloatArray],
    loss: Callable[[FloatArray], float],
    usable: Sequence[int],
    *,
    rounds: int,
    most_distinct: int,
) -> FloatArray:
    """Weights ``(n_candidates,)``, adding up to 1, under which the mean of the candidates' ``outputs`` has least loss.

    Greedy selection with replacement (Caruana et al. 2004, "Ensemble selection from libraries of models"): start with
    the best, add whichever candidate lowers the loss of the average most, again and again, ``rounds`` times, and keep
    the best average met, which is never worse than the best candidate alone. Of equals the first is taken.

    Parameters
    ----------
    outputs : of every candidate, arrays of one shape
    loss : of averaged outputs, lower is better
    usable : numbers of the candidates that may be chosen, at least one
    most_distinct : different candidates with a weight, at most
    """
    counts = np.zeros(len(outputs))
    total = np.zeros_like(outputs[usable[0]], dtype=np.float64)
    best, best_loss = counts, float("inf")
    for n_chosen in range(1, rounds + 1):
        full = np.count_nonzero(counts) >= most_distinct
        open_to = [k for k in usable if counts[k] or not full]
        losses = [loss((total + outputs[k]) / n_chosen) for k in open_to]
        pick = open_to[int(np.argmin(losses))]
        counts[pick] += 1
        total = total + outputs[pick]
        if min(losses) < best_loss:
            best, best_loss = counts.copy(), min(losses)
    return np.asarray(best / best.sum())


def inner_positions(job: Job) -> list[IntArray]:
    """For each inner split, where its test rows stand in ``job.rows``."""
    return [positions(job, split.test) for split in job.inner]


def positions(job: Job, rows: IntArray) -> IntArray:
    """Where some of the job's rows stand in ``job.rows``."""
    order = np.argsort(job.rows, kind="stable")
    return np.asarray(order[np.searchsorted(job.rows, rows, sorter=order)])


def assemble_out_of_fold(job: Job, predictions: Sequence[FloatArray]) -> FloatArray:
    """Predictions of the inner splits laid over ``job.rows``: ``(len(job.rows), n_outputs)``.

    Rows that several splits tested get the mean, rows that none tested NaN.
    """
    total = np.zeros((len(job.rows), predictions[0].shape[1]))
    times = np.zeros((len(job.rows), 1))
    for rows, outputs in zip(inner_positions(job), predictions, strict=True):
        total[rows] += outputs
        times[rows] += 1
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)
