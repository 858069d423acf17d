"""Curves on nested subsets, and where they would cross."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.comparison.conftest import made_dataset

from annvil.comparison.data_problem import DataProblem
from annvil.comparison.extras import crossing_of
from annvil.comparison.learning_curves import (
    describe_curve,
    find_crossing,
    gap_change,
    law_of,
    measure_curve,
    plan_curve,
)
from annvil.comparison.race.plan import curve_sizes, fewest_curve_rows
from annvil.comparison.results import Anchor, Crossing, Design, LearningCurve, Standing
from annvil.models.jobs import Deadline, Effort, Job
from annvil.tasks.metric_index import METRICS
from annvil.text.phrases import named
from annvil.text.words import ROWS

AUC = METRICS["roc_auc"]


def curve(name: str, a: float, b: float, c: float, toy: Any) -> LearningCurve:
    anchors = []
    for n in (100, 141, 200, 283, 400, 566, 800):
        errors = tuple(a + b * n**-c + shift for shift in (-0.0004, 0.0001, 0.0003))
        anchors.append(Anchor(n, errors, float(np.mean(errors)), float(np.std(errors, ddof=1))))
    return describe_curve(toy(name, "network", ()), tuple(anchors), AUC, seed=0)


SIZES = curve_sizes(DataProblem(made_dataset(400)).shape(320))
FOLDS = Design(folds=5, repeats=1, inner_folds=3, seed=0)


def linear_time(inner: int) -> float:
    """A fit of all 320 rows takes as many seconds as it has inner folds."""
    return float(inner)


def test_subsets_are_nested_and_asked_for_in_one_call(toy: Any) -> None:
    problem, jobs = DataProblem(made_dataset(400)), list[Job]()
    net = toy("net", "network", (0, 1, 2, 3), before=jobs.append)
    effort = Effort(1, 1.0, {"penalty": 1.0}, inner_folds=3)
    made = plan_curve(SIZES, 320, effort, linear_time, 60.0)
    assert made is not None
    assert (made.sizes, made.repeats, made.effort) == (SIZES, 3, effort)
    folds = problem.replicates(FOLDS)[0]
    anchors = measure_curve(net, problem, folds, AUC, made, Deadline(60.0))
    assert [anchor.n_train for anchor in anchors] == list(made.sizes)
    assert all(len(anchor.errors) == 3 for anchor in anchors)
    assert anchors[0].mean > anchors[-1].mean
    for place in range(3):
        of_fold = [set(job.rows) for job in jobs[place::3]]
        assert all(small < large for small, large in pairwise(of_fold))
        assert of_fold[-1] == set(folds[place].job.rows)
        assert all(rows.isdisjoint(folds[place].test) for rows in of_fold)


def test_little_time_makes_a_shorter_curve() -> None:
    effort = Effort(inner_folds=3)
    # three folds, three inner folds; two fifths of a fit take as long whatever the rows
    whole = 3 * 3 * sum(0.4 + 0.6 * size / 320 for size in SIZES)
    rich = plan_curve(SIZES, 320, effort, linear_time, whole + 0.1)
    two_folds = plan_curve(SIZES, 320, effort, linear_time, whole - 0.1)
    poor = plan_curve(SIZES, 320, effort, linear_time, 0.55 * whole)
    assert rich is not None
    assert rich.expected_seconds == pytest.approx(whole)
    assert two_folds is not None
    assert (two_folds.sizes, two_folds.repeats) == (SIZES, 2)
    assert poor is not None
    assert poor.sizes == SIZES[: len(poor.sizes)] != SIZES
    assert len(poor.sizes) >= 5  # of which a law can be fitted
    assert poor.expected_seconds <= 0.55 * whole
    assert plan_curve(SIZES, 320, effort, linear_time, 0.1) is None


def test_many_rows_are_not_bagged() -> None:
    effort = Effort(inner_folds=5)
    few, many = (plan_curve((500, n), n, effort, linear_time, 100.0) for n in (2_000, 2_001))
    assert few is not None
    assert many is not None
    assert (few.effort.inner_folds, many.effort.inner_folds) == (5, 1)


def test_a_deadline_leaves_the_small_sizes(toy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    problem, seen = DataProblem(made_dataset(400)), list[Job]()

    def stop(job: Job) -> None:
        seen.append(job)
        if len(seen) == 8:
            monkeypatch.setattr(Deadline, "left", -1.0)

    net = toy("net", "network", (0,), before=stop)
    planned = plan_curve(SIZES, 320, Effort(inner_folds=3), linear_time, 60.0)
    assert planned is not None
    anchors = measure_curve(net, problem, problem.replicates(FOLDS)[0], AUC, planned, Deadline(60.0))
    assert [anchor.n_train for anchor in anchors] == list(SIZES[:3])
    assert describe_curve(net, anchors, AUC, 0).remark == "Not extrapolated: 3 sizes were measured, 5 are needed."


def test_curves_that_cross_beyond_the_data(toy: Any) -> None:
    # 0.05 + 4 / sqrt(n) = 0.13 + 0.8 / sqrt(n) where sqrt(n) = 40.
    net = curve("net", 0.05, 4.0, 0.5, toy)
    trees = curve("trees", 0.05 + 4.0 / 40.0 - 0.02, 0.8, 0.5, toy)
    crossing = find_crossing(net, trees, 800, ahead=-0.03, seed=0)
    assert isinstance(crossing, Crossing)
    assert crossing.rows == pytest.approx(1600, rel=0.05)
    assert crossing.error == pytest.approx(0.15, abs=0.002)
    assert crossing.gap_now < 0 < crossing.gap_later
    assert crossing.low is not None
    assert crossing.low <= crossing.rows


def test_where_the_lines_of_the_chart_meet_is_where_they_are_said_to(toy: Any) -> None:
    net, trees = curve("net", 0.05, 4.0, 0.5, toy), curve("trees", 0.13, 0.8, 0.5, toy)
    crossing = find_crossing(net, trees, 800, ahead=-0.03, seed=0)
    assert isinstance(crossing, Crossing)
    assert net.law is not None
    assert trees.law is not None
    for law in (net.law, trees.law):
        assert np.interp(np.log(crossing.rows), np.log(law.sizes), law.median) == pytest.approx(
            crossing.error, abs=2e-4
        )


def test_of_fewer_rows_than_there_are_nothing_is_said(toy: Any) -> None:
    net, trees = curve("net", 0.05, 4.0, 0.5, toy), curve("trees", 0.13, 0.8, 0.5, toy)
    behind = find_crossing(net, trees, 2_000, ahead=0.01, seed=0)  # they meet at 1,600 rows
    assert isinstance(behind, Crossing)
    assert (behind.rows, behind.at_hand) == (None, 2_000)
    assert behind.gap_now > 0
    assert find_crossing(net, trees, 3_000, ahead=0.01, seed=0) == (
        "the learning curves were measured on too few of the rows to be continued beyond them"
    )


@pytest.mark.parametrize(
    "refused", [(), ("linear",), ("trees",), ("net",), ("linear", "net"), ("linear", "trees", "net")]
)
@pytest.mark.parametrize(
    "measured", [("linear",), ("net",), ("linear", "trees"), ("linear", "net"), ("linear", "trees", "net")]
)
def test_why_it_is_not_said_where_curves_meet_names_one_of_the_two(measured: Any, refused: Any, toy: Any) -> None:
    """Of each side the best that has a curve; that a third cannot be continued is no reason."""
    names = {
        "net": ("Dense network", "network"),
        "trees": ("Boosted trees", "trees"),
        "linear": ("Linear model", "linear"),
    }
    standings = tuple(
        Standing(name, title, family, "finished", "", (0.8,), {"roc_auc": 0.8}, {}, "", None)  # type: ignore[arg-type]
        for name, (title, family) in names.items()
    )
    curves = [curve(name, 0.05, 4.0, 0.5, toy) for name in measured]
    curves = [replace(one, well_behaved=False, why_not="why") if one.contender in refused else one for one in curves]
    found = crossing_of(standings, curves, AUC, 800, 0, ROWS)
    simple = "trees" if "trees" in measured else "linear"
    if "net" not in measured or len(measured) < 2:
        assert found == "the learning curve of one side only was measured"
    elif bad := [name for name in ("net", simple) if name in refused]:
        assert found == f"the learning curve of {named(names[bad[0]][0])} is not extrapolated (why)"
    else:
        assert isinstance(found, Crossing)


@given(st.integers(-3, 3), st.integers(2, 40))
def test_so_many_rows_a_curve_needs(more: int, n_classes: int) -> None:
    shape: Any = SimpleNamespace(n_rows=0, task=SimpleNamespace(classes=range(n_classes)))
    shape.n_rows = fewest_curve_rows(shape) + more
    assert bool(curve_sizes(shape)) == (more >= 0)


def test_laws_that_contradict_the_table_are_not_believed(toy: Any) -> None:
    net, trees = curve("net", 0.05, 4.0, 0.5, toy), curve("trees", 0.13, 0.8, 0.5, toy)
    why = "the continued learning curves do not agree with the scores on who is ahead today"
    assert find_crossing(net, trees, 800, ahead=0.01, seed=0) == why
    assert isinstance(find_crossing(net, trees, 800, ahead=0.0, seed=0), Crossing)


def test_curves_that_run_parallel(toy: Any) -> None:
    net, trees = curve("net", 0.12, 1.0, 0.5, toy), curve("trees", 0.10, 1.0, 0.5, toy)
    crossing = find_crossing(net, trees, 800, ahead=-0.02, seed=0)
    assert isinstance(crossing, Crossing)
    assert (crossing.rows, crossing.error, crossing.reach) == (None, None, 3200)
    assert crossing.gap_later == pytest.approx(-0.02, abs=1e-3)
    first, second = law_of(net, 0), law_of(trees, 0)
    assert first is not None
    assert second is not None
    assert gap_change(first, second, 800)(4.0) == pytest.approx(0.0, abs=1e-3)


def test_an_ill_behaved_curve_is_not_extrapolated(toy: Any) -> None:
    good = curve("trees", 0.10, 1.0, 0.5, toy)
    rising = tuple(Anchor(n, (n * 1e-3,) * 3, n * 1e-3, 0.0) for n in (100, 141, 200, 283, 400))
    bad = describe_curve(toy("net", "network", ()), rising, AUC, 0)
    assert not bad.well_behaved
    assert bad.law is None
    assert bad.remark.startswith("Not extrapolated: the error rises between 100 and 141 rows")
    assert bad.why_not == "the error rises between 100 and 141 rows by more than its noise"
    assert isinstance(find_crossing(bad, good, 800, ahead=0.0, seed=0), str)
