"""Who stops, who is beaten: worked out by hand."""

from __future__ import annotations

import math

import numpy as np

from annvil.training import Member, Recipe
from annvil.training.loop.history import Record, halve

ROWS = np.arange(3)


def member(candidate: int, race: str = "a") -> Member:
    return Member(ROWS, ROWS, 0, candidate=candidate, race=race)


def test_patience_counts_epochs_since_the_best() -> None:
    record, recipe = Record(), Recipe(10, patience=2)
    kept = [
        record.judge(epoch, 1.0, loss, True, recipe) for epoch, loss in enumerate([5.0, 3.0, 3.0, 4.0, 6.0], start=1)
    ]
    assert kept == [True, True, True, False, False]
    assert (record.best_epoch, record.best_loss, record.state) == (3, 3.0, "stopped early at epoch 5")


def test_a_loss_that_is_not_finite_ends_the_member_and_says_what_is_kept() -> None:
    record = Record()
    record.judge(1, 1.0, 2.0, True, Recipe(10))
    assert not record.judge(2, 1.0, math.inf, True, Recipe(10))
    assert record.state == "diverged at epoch 2: the validation loss is not finite; the weights of epoch 1 are kept"
    without_rows = Record()
    assert without_rows.judge(1, 1.0, math.nan, False, Recipe(10))
    assert without_rows.trains


def test_halving_ranks_candidates_by_the_mean_over_their_members() -> None:
    members = [member(0), member(0), member(1), member(1), member(2), member(2), member(0, "b")]
    records = [Record(best_loss=loss) for loss in (1.0, 4.0, 2.0, 2.0, 3.0, 3.0, 9.0)]
    halve(members, records, 7)
    # Means 2.5, 2.0, 3.0: of three, two stay; the race "b" has one candidate.
    assert [record.state for record in records] == ["", "", "", "", "beaten at epoch 7", "beaten at epoch 7", ""]
    halve(members, records, 9)
    assert [record.state[:6] for record in records] == ["beaten", "beaten", "", "", "beaten", "beaten", ""]


def test_a_candidate_with_a_diverged_member_is_the_worst_and_a_finished_one_keeps_its_state() -> None:
    members = [member(0), member(0), member(1), member(1)]
    records = [Record(best_loss=0.1), Record(best_loss=0.1), Record(best_loss=5.0), Record(best_loss=5.0)]
    records[1].state = "diverged at epoch 2: …"
    records[3].state = "stopped early at epoch 3"
    halve(members, records, 4)
    assert records[0].state == "beaten at epoch 4"
    assert [records[k].state[:8] for k in (1, 2, 3)] == ["diverged", "", "stopped "]


def test_where_the_metric_decides_more_is_better_and_none_is_worst() -> None:
    record, recipe = Record(), Recipe(10, patience=2, monitor="metric")
    kept = [
        record.judge(epoch, 1.0, epoch, True, recipe, metric)
        for epoch, metric in enumerate([math.nan, 0.5, 0.7, math.nan, 0.6], start=1)
    ]
    assert kept == [True, True, True, False, False]
    assert (record.best_epoch, record.best_loss, record.best_metric) == (3, 3.0, 0.7)
    assert record.state == "stopped early at epoch 5"


def test_halving_by_the_metric() -> None:
    records = [Record(best_loss=loss, best_metric=metric) for loss, metric in ((1.0, 0.5), (2.0, 0.9))]
    halve([member(0), member(1)], records, 3, "metric")
    assert [record.state for record in records] == ["beaten at epoch 3", ""]


def test_the_last_weights_may_be_kept_and_patience_still_counts_from_the_best():
    record, recipe = Record(), Recipe(10, patience=2, keep="last")
    kept = [record.judge(epoch, 1.0, loss, True, recipe) for epoch, loss in enumerate([5.0, 3.0, 4.0, 6.0], start=1)]
    assert kept == [True] * 4
    assert (record.best_epoch, record.best_at, record.state) == (4, 2, "stopped early at epoch 4")
