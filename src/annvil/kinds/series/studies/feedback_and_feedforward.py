"""Is memory worth anything here? Each claim about feedback networks, measured on the user's series.

People are told that recurrent networks remember, that convolutional ones are quicker and as good, that gradients
vanish, and that order matters. Here a GRU, a causal convolution and a bag of steps with about as many weights learn
from the same series by their contenders' own fits, and every claim becomes a row with its uncertainty and one sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from annvil.comparison.data_problem import data_digest
from annvil.comparison.studies.shelf import Shelf
from annvil.comparison.studies.wording import Scale
from annvil.data.dataset import Dataset
from annvil.data.seeds import derived_seed
from annvil.data.splits import nested_subset, outer_splits
from annvil.errors import OutOfTime
from annvil.files import write_atomically
from annvil.kinds.found import Found
from annvil.kinds.series.series import Series
from annvil.kinds.series.studies import curve_rows, memory_rows, score_rows
from annvil.kinds.series.studies.findings import FeedbackAndFeedforward, Finding
from annvil.kinds.series.studies.measuring import FIRST, Study
from annvil.kinds.series.studies.planning import StudyPlan, plan_study
from annvil.kinds.series.studies.rearranged import last_steps
from annvil.kinds.series.studies.sides import GRU, MAIN, sides_for
from annvil.kinds.series.studies.trials import Trial
from annvil.models.jobs import Deadline
from annvil.plots.charts.panels import Panels
from annvil.sections import Section
from annvil.text.phrases import listed

FEW_SERIES, FEW_FOLDS, FOLDS = 600, 3, 5
"""One fold is held out: of few series a third, of more a fifth (assumed)."""

MOST_TEST = 2_000
"""Series that are judged on (assumed: a score of 90% is then known to within 1.3 points)."""


def study_feedback_and_feedforward(
    found: Found,
    folder: Path,
    budget_seconds: float,
    tell: Callable[[str], None] = lambda message: None,
    written: Callable[[Sequence[Section]], None] = lambda sections: None,
) -> FeedbackAndFeedforward:
    """The whole table; what ``folder`` holds of the same study is not done again.

    Parameters
    ----------
    found : by the run: its series, and of its comparison the seed
    budget_seconds : for this call; rows that it leaves out are said
    tell : hears what is trained
    written : hears of the table whenever something was added

    Raises
    ------
    OutOfTime
        When not even one training of each network was possible.
    """
    started = time.monotonic()
    seed = found.comparison.plan.seed
    train, test = _divided(found.dataset, seed)
    form, task = found.dataset.inputs.form, found.dataset.task
    n_classes = task.n_outputs if task.predicts_probabilities else 1
    digest = data_digest(found.dataset)
    sides = sides_for(form, task.n_outputs)
    plan = plan_study(form, sides, train.n_rows, test.n_rows, n_classes, budget_seconds, seed, digest)
    if plan.n_steps < form.longest:
        train, test = last_steps(train, plan.n_steps), last_steps(test, plan.n_steps)
        sides = sides_for(train.inputs.form, task.n_outputs)
    shelf = Shelf(folder, Trial)
    shelf.open(plan)
    study = Study(train, test, sides, plan, shelf, Deadline(budget_seconds), tell)
    before = _seconds_before(folder)

    def told() -> FeedbackAndFeedforward:
        """The table so far, kept and written."""
        table = _table(study, form.longest, before + time.monotonic() - started)
        write_atomically(folder / "findings.json", msgspec.json.encode(table))
        written(table.sections())
        return table

    for _ in study.measure():
        if any(shelf.trial(side, FIRST) is None for side in MAIN):
            raise OutOfTime("The budget ended before all networks were trained once; ask again with a longer --budget.")
        told()
    return told()  # once more, with all that was left out


def _divided(dataset: Dataset[Series], seed: int) -> tuple[Dataset[Series], Dataset[Series]]:
    """What is learnt from, and what is judged on: the source's own test, or one fold."""
    if dataset.official_test is not None and dataset.official_test.n_rows:
        train, test = dataset, dataset.official_test
    else:
        folds = FEW_FOLDS if dataset.n_rows < FEW_SERIES else FOLDS
        split = outer_splits(dataset, folds, 1, seed)[0][-1 if dataset.time is not None else 0]
        train, test = dataset.take(split.train), dataset.take(split.test)
    if test.n_rows > MOST_TEST:
        test = test.take(np.sort(nested_subset(test, np.arange(test.n_rows), MOST_TEST, derived_seed(seed, 5))))
    return train, test


def _seconds_before(folder: Path) -> float:
    """What earlier sittings of the same study took."""
    try:
        content = (folder / "findings.json").read_bytes()
        return msgspec.json.decode(content, type=FeedbackAndFeedforward).spent_seconds
    except (FileNotFoundError, msgspec.MsgspecError):
        return 0.0  # it is written again from the trials, which are whole


def _table(study: Study, longest: int, spent_seconds: float) -> FeedbackAndFeedforward:
    """All rows that the fits give so far, in the order in which they are shown."""
    scale = Scale(study.test.task)
    rows: dict[str, Finding | tuple[Finding, Panels] | None] = {
        "accuracy": score_rows.accuracy(study, scale),
        "what the order of steps is worth": score_rows.order_of_steps(study, scale),
        "memory length": curve_rows.history(study, scale),
        "how far back gradients reach": memory_rows.gradients(study),
        "weights and time": memory_rows.weights_and_time(study),
        "streaming": memory_rows.streaming(study),
        "longer series": score_rows.longer(study, scale),
        "series needed": curve_rows.data_needed(study, scale),
    }
    there = [row if isinstance(row, tuple) else (row, None) for row in rows.values() if row is not None]
    missing = [name for name, row in rows.items() if row is None]
    left_out = [f"Not measured: {listed(missing, 8)} (the budget, or too few steps or series)."] if missing else []
    if study.left_out:
        left_out.append(f"There was no time for trainings {listed(list(study.left_out))}.")
    findings = tuple(finding for finding, _ in there if finding is not None)
    charts = tuple(chart for _, chart in there if chart is not None)
    remarks, networks = tuple(_remarks(study, longest)), score_rows.networks(study, scale)
    return FeedbackAndFeedforward(findings, remarks, tuple(left_out), networks, charts, round(spent_seconds, 1))


def _remarks(study: Study, longest: int) -> list[str]:
    plan: StudyPlan = study.plan
    done = min(len(study.trials(side, "whole")) for side in MAIN)
    often = "twice" if done == 2 else f"{done} times"
    times = f"{often} each, with other seeds" if done > 1 else "once each"
    over = "test series and trainings" if done > 1 else "test series, not over the chance of another training"
    on = "test series of the source" if study.train.official_test is not None else "others"
    how = (
        f"All networks learnt from the same {plan.n_train:,} series and are judged on {plan.n_test:,} {on}, {times}; "
        f"intervals are 95%, over {over}."
    )
    said = [how]
    summary = study.shelf.trial(GRU, FIRST)
    said += [f"The feedback network is a {summary.summary}."] if summary is not None else []
    if plan.n_steps < longest:
        said.append(f"Series were cut to their last {plan.n_steps:,} of {longest:,} steps, for the budget.")
    if plan.scale < 0.5:
        said.append(
            f"The budget allows {plan.scale:.0%} of a usual training; a longer one may change what networks reach."
        )
    return said
