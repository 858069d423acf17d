"""The plan is arithmetic: sizes and budget in, the same plan out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from annvil.comparison.budget import most_useful_seconds, water_level
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.plan import Schedule, curve_sizes, make_schedule, share_out
from annvil.comparison.request import Request
from annvil.data.dataset import Dataset
from annvil.errors import RequestError
from annvil.models.contract import Effort, Shape, Traits
from annvil.tasks.metric_index import METRICS
from annvil.tasks.union import make_task

BINARY = make_task("binary", "y", (0, 1))


def request_of(seconds: float = 60.0) -> Request:
    return Request(METRICS["roc_auc"], budget_seconds=seconds)


@pytest.fixture
def plan_for(make_dataset: Callable[..., Dataset], toy: type, guess: object) -> Callable[..., Schedule]:
    def plan(n_rows: int = 200, seconds: float = 60.0, network: float = 1e-3, **changes: object) -> Schedule:
        dataset = replace(make_dataset(n_rows), **changes)
        contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1), seconds=network, most=6)]
        return make_schedule(DataProblem(dataset), contenders, request_of(seconds))

    return plan


def test_water_level_is_equal_for_all_who_need_it() -> None:
    assert water_level([5.0, 5.0, 5.0], 9.0) == pytest.approx(3.0)
    assert water_level([1.0, 100.0, 100.0], 21.0) == pytest.approx(10.0)
    assert water_level([1.0, 2.0], 21.0) == pytest.approx(20.0)
    for needs in ([0.1, 3.0, 50.0], [2.0, 9.0, 9.5]):
        level = water_level(needs, 15.0)
        assert sum(min(level, need) for need in needs) == pytest.approx(15.0)


def test_shares_add_up_to_the_budget_and_keep_a_reserve() -> None:
    for seconds in (10.0, 60.0, 600.0):
        for n_rows in (100, 1_000_000):
            shares = share_out(seconds, n_rows)
            assert sum(shares.values()) == pytest.approx(seconds, abs=0.01)
            assert min(shares["race"], shares["reserve"]) > 0
            assert (shares["curves"] > 0) == (shares["ablation"] > 0) == (seconds >= 20)
    assert share_out(60.0, 100)["reserve"] == pytest.approx(12.0, abs=0.01)
    assert share_out(20.0, 100)["reserve"] == 5.0
    assert share_out(10.0, 100)["reserve"] == 3.0
    assert share_out(600.0, 1_000_000)["reserve"] == pytest.approx(180.0)


def test_most_useful_seconds_is_where_more_time_changes_nothing(toy: type) -> None:
    shape = Shape(100, 4, 0, 0, BINARY)
    contender = toy("net", "network", (0,), seconds=0.1, most=5)
    seconds = most_useful_seconds(contender, shape, 10, 5)
    assert seconds == pytest.approx(10 * 5 * 0.1 * 5, rel=0.03)
    assert contender.plan(shape, 10, 5, seconds) == contender.plan(shape, 10, 5, 1e9)


def test_the_same_request_gives_the_same_plan(plan_for: Callable[..., Schedule]) -> None:
    assert plan_for().plan == plan_for().plan


def test_plenty_of_time_buys_five_repeats_of_five_folds(plan_for: Callable[..., Schedule]) -> None:
    plan = plan_for(1_000, seconds=600.0).plan
    assert (plan.outer_folds, plan.repeats, plan.inner_folds) == (5, 5, 5)
    assert plan.n_rows_used == plan.n_rows == 1_000
    assert plan_for(200, seconds=600.0).plan.repeats == 3  # five would name a false winner too often on few rows


def test_a_further_repeat_leaves_as_many_candidates(plan_for: Callable[..., Schedule]) -> None:
    # The network: 800 training rows, so 8 ms a candidate and inner fold with seconds=1e-3.
    repeats = []
    for network in (0.002, 0.02, 0.05, 0.1, 0.3):
        schedule = plan_for(1_000, seconds=120.0, network=network)
        repeats.append(schedule.plan.repeats)
        effort = schedule.efforts["net"]
        assert effort.candidates >= schedule.plan.repeats
        assert effort.scale == 1.0 or schedule.plan.repeats == 1
    assert repeats == sorted(repeats, reverse=True)
    assert repeats[0] == 5
    assert repeats[-1] == 1


def test_inner_folds_shrink_before_training_does(plan_for: Callable[..., Schedule]) -> None:
    inner = [plan_for(seconds=30.0, network=network).plan.inner_folds for network in (0.1, 0.6, 1.2, 30.0)]
    assert inner[0] == 5
    assert inner[-1] == 1
    assert inner == sorted(inner, reverse=True)


def test_rows_are_left_out_only_where_training_would_be_too_short(plan_for: Callable[..., Schedule]) -> None:
    fits, short = plan_for(40_000, network=1e-3), plan_for(40_000, network=5e-2)
    assert fits.plan.n_rows_used == 40_000
    assert 10_000 <= short.plan.n_rows_used < 40_000
    assert short.shape.n_rows == short.plan.n_rows_used * 4 // 5
    assert any("rows were drawn" in sentence for sentence in short.plan.sentences)
    assert not any("rows were drawn" in sentence for sentence in fits.plan.sentences)
    assert plan_for(2_000, network=10.0).plan.n_rows_used == 2_000


def test_families_get_equal_allowances_however_many_contenders_they_have(
    make_dataset: Callable[..., Dataset], toy: type, guess: object
) -> None:
    contenders = [
        guess,
        toy("trees", "trees", (0,), seconds=0.4, most=500),
        toy("one", "network", (0,), seconds=0.4, most=500),
        toy("two", "network", (0,), seconds=0.4, most=500),
    ]
    schedule = make_schedule(DataProblem(make_dataset(200)), contenders, request_of())
    trees, network = schedule.plan.allowance_seconds["trees"], schedule.plan.allowance_seconds["network"]
    assert trees == network
    assert schedule.seconds["trees"] == pytest.approx(trees, abs=0.01)
    assert schedule.seconds["one"] == schedule.seconds["two"] == pytest.approx(trees / 2, abs=0.01)
    assert "dummy" not in schedule.plan.allowance_seconds


def test_time_is_not_repeated_and_few_groups_make_few_folds(plan_for: Callable[..., Schedule]) -> None:
    timed = plan_for(600, seconds=600.0, time=np.arange(600.0))
    assert timed.plan.repeats == 1
    assert "earlier rows train" in timed.plan.split
    assert max(timed.plan.curve_sizes) == 600 * 4 // 6
    grouped = plan_for(groups=np.arange(200) % 3, grouped=True)
    assert grouped.plan.outer_folds == 3
    assert "no group on both sides" in grouped.plan.split


def test_who_declines_is_not_planned_for(make_dataset: Callable[..., Dataset], toy: type, guess: object) -> None:
    reason = "Too many rows to remember them all."
    contenders = [guess, toy("near", "neighbours", (0,), declined=reason), toy("net", "network", (0,))]
    schedule = make_schedule(DataProblem(make_dataset()), contenders, request_of())
    assert schedule.declined == {"near": reason}
    assert set(schedule.efforts) == {"dummy", "net"}
    assert "neighbours" not in schedule.plan.allowance_seconds


def test_curve_sizes_are_powers_of_root_two() -> None:
    sizes = curve_sizes(Shape(800, 4, 0, 0, BINARY))
    assert sizes == (100, 141, 200, 283, 400, 566, 800)
    assert curve_sizes(Shape(150, 4, 0, 0, BINARY)) == ()  # four sizes from 50 rows up are too few for a law
    assert min(curve_sizes(Shape(800, 4, 0, 0, make_task("multiclass", "y", range(20))))) >= 200


def test_ten_seconds_are_enough_for_a_plan(plan_for: Callable[..., Schedule]) -> None:
    schedule = plan_for(seconds=10.0, network=1.0)
    assert all(isinstance(effort, Effort) for effort in schedule.efforts.values())
    assert sum(schedule.seconds.values()) <= schedule.plan.share_seconds["race"] * 1.05


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(RequestError, match="budget must be a positive number of seconds; got 0"):
        Request(METRICS["r2"], budget_seconds=0)
    with pytest.raises(RequestError, match=r"confidence must lie between 0\.5 and 1; got 95"):
        Request(METRICS["r2"], confidence=95)


def test_whoever_cannot_be_trained_properly_leaves_its_time_to_its_mates(
    make_dataset: Callable[..., Dataset], toy: type, guess: object
) -> None:
    quick, slow = toy("quick", "network", (0,), seconds=0.3), toy("slow", "network", (0,), seconds=9.0)
    twin = toy("twin", "network", (0,), seconds=0.5, traits=Traits(shares_fits_with="slow"))
    schedule = make_schedule(DataProblem(make_dataset(200)), [guess, quick, slow, twin], request_of(30.0))
    assert set(schedule.efforts) == {"dummy", "quick"}
    assert set(schedule.declined) == {"slow", "twin"}
    assert "too short to train it properly" in schedule.declined["slow"]
    assert schedule.efforts["quick"].scale == 1.0
    alone = make_schedule(DataProblem(make_dataset(200)), [guess, slow], request_of(30.0))
    assert alone.efforts["slow"].scale < 0.5


def test_shared_fits_cost_their_owner_only(make_dataset: Callable[..., Dataset], toy: type, guess: object) -> None:
    owner = toy("owner", "network", (0,), seconds=1.0, most=50)
    other = toy("other", "network", (0,), seconds=7.0, traits=Traits(shares_fits_with="owner"))
    schedule = make_schedule(DataProblem(make_dataset(200)), [guess, owner, other], request_of(60.0))
    assert schedule.efforts["other"] == schedule.efforts["owner"]
    assert schedule.seconds["other"] == 0.0
    assert schedule.seconds["owner"] == pytest.approx(schedule.plan.allowance_seconds["network"], abs=0.01)
