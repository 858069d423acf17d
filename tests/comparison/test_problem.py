"""What a comparison asks of a data set."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from annvil.comparison.data_problem import PARTS, DataProblem, data_digest
from annvil.comparison.results import Design
from annvil.data.dataset import Dataset
from annvil.tasks.metric_index import METRICS
from annvil.text.words import Words

DESIGN = Design(folds=5, repeats=2, inner_folds=3, seed=7)


def test_replicates_have_their_place_and_their_overlap(dataset: Dataset) -> None:
    problem = DataProblem(dataset)
    found = problem.replicates(DESIGN)
    assert [[(r.repeat, r.fold, r.job.key) for r in folds] for folds in found] == [
        [(repeat, fold, f"repeat-{repeat}-fold-{fold}") for fold in range(5)] for repeat in range(2)
    ]
    for replicate in found[0]:
        assert not set(replicate.job.rows) & set(replicate.test)
        assert replicate.overlap == pytest.approx(len(replicate.test) / dataset.n_rows)
        assert len(replicate.job.inner) == 3
    again = pickle.loads(pickle.dumps(found[1][2]))
    assert (again.job.seed, again.test.tolist()) == (found[1][2].job.seed, found[1][2].test.tolist())


def test_smaller_fits_lie_inside_larger_ones(dataset: Dataset) -> None:
    problem = DataProblem(dataset)
    job = problem.replicates(DESIGN)[0][0].job
    small, large = (problem.smaller(job, f"curve-{n}", n, 1, seed=3) for n in (30, 60))
    assert set(small.rows) < set(large.rows) < set(job.rows)
    assert (len(small.rows), len(large.rows)) == (30, 60)
    assert problem.smaller(job, "all", 10_000, 1, seed=3).rows.tolist() == job.rows.tolist()


def test_the_fit_to_ship_learns_from_as_many_rows_as_are_asked(dataset: Dataset) -> None:
    problem = DataProblem(dataset)
    assert len(problem.final(50, 3, seed=1).rows) == 50
    assert problem.final(10_000, 3, seed=1).rows.tolist() == list(range(dataset.n_rows))


def test_whole_groups_of_test_rows_are_left_out_in_turn(
    make_dataset: Callable[..., Any],
) -> None:
    dataset = make_dataset(500)
    dataset = replace(dataset, groups=np.arange(500) // 3, grouped=True)
    problem, test, metric = DataProblem(dataset), np.arange(0, 300), METRICS["accuracy"]
    outputs = np.full((300, 2), 0.5)
    outputs[:, 1] += np.where(dataset.y[test] == 1, 0.1, -0.1)  # all right
    right = problem.without_part(test, outputs, metric, None)
    assert right == (1.0,) * PARTS
    one = outputs.copy()
    one[:3] = one[:3, ::-1]  # the three rows of the first group are wrong
    found = problem.without_part(test, one, metric, None)
    assert sum(score == 1.0 for score in found) == 1  # without the part that holds all three
    assert len(found) == PARTS
    few = problem.without_part(np.arange(3 * (2 * PARTS - 1)), outputs[: 3 * (2 * PARTS - 1)], metric, None)
    assert few == ()


def test_it_says_how_much_there_is_and_how_it_is_divided(make_dataset: Callable[..., Any]) -> None:
    dataset = make_dataset(100)
    clips = Words("clip", "clips")
    assert str(DataProblem(dataset, clips).size) == "100 clips"
    timed = DataProblem(replace(dataset, time=np.arange(100.0)), clips)
    assert timed.ordered
    assert timed.describe_split() == "by time: earlier clips train, later clips test"
    grouped = replace(dataset, groups=np.arange(100) % 3, grouped=True)
    assert DataProblem(grouped).most_folds(5) == 3
    assert DataProblem(grouped).describe_split() == "by groups: no group on both sides"


def test_what_identifies_it_changes_with_every_part(dataset: Dataset) -> None:
    assert set(DataProblem(dataset).digest()) == {"the data", "the task", "the columns"}
    others = [
        replace(dataset, y=1 - dataset.y),
        replace(dataset, groups=dataset.groups + 1),
        replace(dataset, time=np.arange(float(dataset.n_rows))),
        dataset.take(np.arange(1, dataset.n_rows)),
    ]
    assert len({data_digest(one) for one in (dataset, *others)}) == 5
