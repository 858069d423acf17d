"""How the model that ships is fitted: with what the folds agreed on, as well as time allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.comparison import Request, Store
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import DecisionLog
from annvil.comparison.race.final import PARTS, STRETCHES, Final, agreed_configuration, plan_final
from annvil.comparison.race.plan import make_plan
from annvil.comparison.race.records import Records
from annvil.comparison.results import FoldResult, call_key, fold_key
from annvil.comparison.store import Outcome
from annvil.data.dataset import Dataset
from annvil.models.contract import Traits
from annvil.models.jobs import Effort, Rung, Shape
from annvil.models.team import TEAM
from annvil.tasks.metric_index import METRICS

A, B, C = {"rate": 0.1}, {"rate": 0.2}, {"rate": 0.3}


def fold(number: int, chosen: dict[str, Any], tried: list[tuple[dict[str, Any], float | None]], rung: int = 0) -> Any:
    entries = tuple({"what": "…", "configuration": configuration, "score": score} for configuration, score in tried)
    place = (fold_key(0, number), 0, number, 80, 20)
    return FoldResult("net", *place, {"roc_auc": 0.8}, 0.8, chosen, "", entries, 4.0**rung, 1.0, 1, rung=rung)


# -- what folds agree on -----------------------------------------------------------------------------------------------


def test_the_configuration_with_the_lowest_mean_loss_over_folds() -> None:
    folds = [
        fold(0, A, [(A, 0.10), (B, 0.20), (C, 0.15)]),
        fold(1, A, [(A, 0.10), (B, 0.20), (C, 0.15)]),
        fold(2, C, [(A, 0.90), (B, 0.20), (C, 0.15)]),  # most folds chose A, and it is bad in one of them
    ]
    assert agreed_configuration(folds) == C


def test_only_what_every_fold_tried_counts() -> None:
    folds = [fold(0, B, [(A, 0.3), (B, 0.1)]), fold(1, A, [(A, 0.3)])]
    assert agreed_configuration(folds) == A
    assert agreed_configuration([fold(0, A, [(A, 0.3)]), fold(1, B, [(B, 0.1)])]) is None


def test_a_candidate_that_failed_somewhere_is_not_chosen() -> None:
    folds = [fold(0, A, [(A, 0.1), (B, 0.2)]), fold(1, B, [(A, None), (B, 0.2)])]
    assert agreed_configuration(folds) == B


@pytest.mark.parametrize(
    "folds",
    [
        [fold(0, {"weights": [0.5, 0.5]}, [(A, 0.1), (B, 0.2)])],
        [replace(fold(0, A, []), tried=({"what": "in words only", "score": 0.1},))],
        [],
    ],
)
def test_a_choice_that_is_no_candidate_is_searched_once_more(folds: list[FoldResult]) -> None:
    assert agreed_configuration(folds) is None


# -- the fit to ship ---------------------------------------------------------------------------------------------------


@pytest.fixture
def planned(dataset: Dataset, toy: Any, guess: Any, store_folder: Path) -> Any:
    def plan(
        seconds: float, judged: int = 0, chosen: Any = B, rows: int | None = None, follow: Any = (), **traits: Any
    ) -> Final:
        net = Ladder(Traits(**traits), rows)
        problem, store, metric = DataProblem(dataset), Store(store_folder), METRICS["roc_auc"]
        entrants = make_plan(problem, [guess, net], Request(metric, budget_seconds=600.0))
        records = Records([guess, net], entrants, metric, store, DecisionLog(store.decisions))
        for rung in range(judged + 1):
            for number in range(5):
                result = fold(number, chosen, [(A, 0.2), (B, 0.1)], rung)
                store.keep_result(result, np.array([0]), np.zeros((1, 2)))
            store.keep_outcome("net", call_key(0), Outcome("finished"), rung)
        assert records.judged("net") == judged
        costs = CostModel({"net": net, "dummy": guess}, entrants.ladders, entrants.plan.outer_folds)
        return plan_final(net, records, costs, seconds, follow)

    return plan


class Ladder:
    """A contender of which only the ladder matters: 1, 4, 16, 64 core-seconds."""

    title, family = "Net", "network"

    def __init__(self, traits: Traits, rows: int | None = None, name: str = "net") -> None:
        self.traits, self.rows, self.name = traits, rows, name

    def declines(self, shape: Shape) -> str | None:
        return None

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        return tuple(
            Rung(
                Effort(
                    4,
                    0.5 * (k + 1),
                    inner_folds=1,
                    rung=k,
                    configuration={"epochs": 10 * (k + 1)} if k else None,
                    rows=self.rows,
                ),
                4.0**k,
            )
            for k in range(4)
        )


def test_what_was_judged_is_fitted_with_what_folds_agreed_on(planned: Any) -> None:
    final = planned(1000.0, judged=1)
    assert (final.fit.contender, final.fit.rung, final.fit.inner_folds) == ("net", 1, 1)
    assert (final.fit.configuration, final.fit.candidates, final.fit.scale) == (B, 1, 1.0)
    assert final.expected_seconds < 4.0  # one candidate of the four


def test_without_agreement_it_searches_once_more(planned: Any) -> None:
    final = planned(1000.0, judged=1, chosen={"mean of": 2})
    assert (final.fit.configuration, final.fit.candidates) == (None, 4)
    assert final.expected_seconds > planned(1000.0, judged=1).expected_seconds


def test_bags_have_five_members_where_there_is_time(planned: Any) -> None:
    assert planned(1000.0, bags=True).fit.inner_folds == 5
    plain = planned(1e-6, bags=True)
    assert plain.fit.inner_folds == 1  # the plainest, where nothing fits
    assert planned(1000.0).fit.inner_folds == 1


def test_who_was_judged_by_a_part_of_the_rows_learns_from_all_where_there_is_time(planned: Any) -> None:
    def fits(seconds: float) -> int | None:
        return planned(seconds, rows=20).fit.rows  # type: ignore[no-any-return]

    assert (fits(1000.0), fits(1e-6)) == (None, 20)


def test_who_only_gains_by_longer_training_climbs_as_high_as_time_allows(planned: Any) -> None:
    rungs = [planned(seconds, climbs_to_ship=True).fit.rung for seconds in (0.0, 1.0, 3.0, 10.0, 1000.0)]
    assert rungs == sorted(rungs)
    assert (rungs[0], rungs[-1]) == (0, 3)
    top = planned(1000.0, climbs_to_ship=True).fit
    assert top.configuration == {**B, "epochs": 40}  # as folds chose, as long as the rung says
    assert planned(0.0, judged=2, climbs_to_ship=True).fit.rung == 2  # never below what was judged


def test_between_two_rungs_it_is_trained_longer(planned: Any) -> None:
    """So that no time is left that the next rung, which costs several times as much, could not use."""
    plans = [planned(seconds, climbs_to_ship=True) for seconds in np.geomspace(0.5, 100.0, 40)]
    lengths = [(plan.fit.rung, plan.stretch) for plan in plans]
    assert lengths == sorted(lengths)
    assert {stretch for _, stretch in lengths} == set(STRETCHES)
    assert all(plan.fit.scale == 0.5 * (plan.fit.rung + 1) * plan.stretch for plan in plans)
    assert {plan.stretch for plan in (planned(seconds) for seconds in (0.5, 5.0, 50.0))} == {1.0}  # not by default


def test_between_a_part_of_the_rows_and_all_of_them_it_learns_from_more(planned: Any) -> None:
    plans = [planned(seconds, climbs_to_ship=True, rows=20, judged=3) for seconds in np.geomspace(1.0, 2000.0, 60)]
    rows = [plan.fit.rows for plan in plans]
    assert list(dict.fromkeys(rows)) == [20, *(20 * part for part in PARTS), None]
    for plan in plans[::6]:
        assert planned(0.0, climbs_to_ship=True, rows=20, judged=3, follow=plan.units) == plan


def test_who_follows_a_log_trains_as_long(planned: Any) -> None:
    for seconds in np.geomspace(0.5, 100.0, 12):
        decided = planned(seconds, climbs_to_ship=True)
        assert planned(0.0, climbs_to_ship=True, follow=decided.units) == decided


def test_expected_seconds_do_not_exceed_what_is_given(planned: Any) -> None:
    for seconds in (2.0, 5.0, 20.0, 100.0):
        assert planned(seconds, bags=True, climbs_to_ship=True).expected_seconds <= seconds


# -- a team ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def planned_team(dataset: Dataset, guess: Any, store_folder: Path) -> Any:
    """A team of 70% "net" and 30% "cheap", which costs half as much; both are bags where there is time."""
    net, cheap = Ladder(Traits(bags=True)), Ladder(Traits(bags=True), name="cheap")
    cheap.ladder = lambda shape: tuple(replace(rung, core_seconds=0.5) for rung in net.ladder(shape)[:1])  # type: ignore[method-assign]
    problem, store, metric = DataProblem(dataset), Store(store_folder), METRICS["roc_auc"]
    contenders: Any = [guess, net, cheap]
    entrants = make_plan(problem, contenders, Request(metric, budget_seconds=600.0))
    records = Records([*contenders, TEAM], entrants, metric, store, DecisionLog(store.decisions))
    weights = {"members": {"net": 0.7, "cheap": 0.3}}
    for number in range(5):
        for name, chosen in (("net", B), ("cheap", B), ("team", weights)):
            result = replace(fold(number, chosen, [(B, 0.1)]), contender=name)
            store.keep_result(result, np.array([0]), np.zeros((1, 2)))
    for name in ("net", "cheap", "team"):
        store.keep_outcome(name, call_key(0), Outcome("finished"))
    costs = CostModel({c.name: c for c in contenders}, entrants.ladders, entrants.plan.outer_folds)

    def plan(seconds: float, follow: Any = ()) -> Final:
        return plan_final(TEAM, records, costs, seconds, follow)

    return plan


def inner_folds(final: Final) -> dict[str, int]:
    return {part.contender: part.inner_folds for part in final.fit.members}


def test_members_share_the_time_and_the_heaviest_is_served_first(planned_team: Any) -> None:
    plain, some, plenty = (planned_team(seconds) for seconds in (0.0, 5.0, 1000.0))
    assert inner_folds(plain) == {"cheap": 1, "net": 1}
    assert inner_folds(some) == {"cheap": 1, "net": 5}
    assert inner_folds(plenty) == {"cheap": 5, "net": 5}
    assert plain.expected_seconds < some.expected_seconds <= 5.0 < plenty.expected_seconds
    assert [part.contender for part in plenty.fit.members] == ["cheap", "net"]  # so that little is lost if time ends
    assert [part.weight for part in plenty.fit.members] == [0.3, 0.7]
    assert all(part.configuration == B for part in plenty.fit.members)


def test_who_follows_a_log_ships_the_same_team(planned_team: Any) -> None:
    decided = planned_team(1000.0)
    assert [(unit.what, unit.contender) for unit in decided.units] == [("ship", "cheap"), ("ship", "net")]
    assert planned_team(0.0, decided.units) == decided
