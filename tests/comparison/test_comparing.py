"""One comparison from plan to verdict, with contenders of known skill."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from annvil.comparison import Comparison, Request, Store, compare
from annvil.comparison.comparing import CLIMBING_SHARE, _Comparing
from annvil.comparison.cost import PREDICTING_SLACK, seconds_to_predict
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import DecisionLog, Unit, read_decisions
from annvil.comparison.race.plan import make_plan
from annvil.comparison.race.racing import Clock, Race
from annvil.comparison.race.records import Records
from annvil.comparison.request import Moment, Quiet
from annvil.comparison.results import Cost
from annvil.data.dataset import Dataset
from annvil.errors import RequestError
from annvil.models.contract import Traits
from annvil.models.jobs import Deadline, Effort
from annvil.tasks.metric_index import METRICS


class Recorder:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notices: list[str] = []
        self.tables: list[Any] = []
        self.moments: list[Moment] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def standings(self, standings: Any, spent_seconds: float) -> None:
        self.tables.append(standings)

    def moment(self, moment: Moment) -> None:
        self.moments.append(moment)

    def notice(self, text: str) -> None:
        self.notices.append(text)


def request_of(metric: str = "roc_auc", seconds: float = 600.0, **others: Any) -> Request:
    return Request(METRICS[metric], budget_seconds=seconds, **others)


def test_a_network_that_sees_more_wins(make_dataset: Any, guess: Any, toy: Any, store_folder: Path) -> None:
    dataset = make_dataset(300)
    contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1, 2, 3), title="Dense network")]
    recorder = Recorder()
    found = compare(DataProblem(dataset), contenders, request_of(), Store(store_folder), recorder)
    assert found.verdict.kind == "network"
    assert found.verdict.recommended == "net"
    assert [s.contender for s in found.standings] == ["net", "linear", "dummy"]
    assert {curve.contender for curve in found.curves} == {"net", "linear"}
    assert {(a.contender, a.what) for a in found.ablations} == {
        ("net", "scaling the numbers"),
        ("linear", "scaling the numbers"),
    }
    assert recorder.stages == ["Comparing", "Learning curves", "What preparation is worth"]
    assert {s.state for s in recorder.tables[0]} == {"waiting", "running"}
    assert {s.state for s in recorder.tables[-1]} == {"finished"}
    assert found.ended == "more effort is not expected to change the answer or the model"
    assert found.price is not None
    assert found.price.kind == "not applicable"


@pytest.mark.parametrize("readable", [("linear",), ("linear", "net")])
def test_of_models_that_can_be_read_there_is_a_price_and_no_team(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path, readable: tuple[str, ...]
) -> None:
    entrants = [toy("linear", "linear", (0, 1)), toy("net", "network", (2, 3))]
    traits = [replace(one, traits=Traits(explainable=one.name in readable)) for one in entrants]
    found = compare(DataProblem(make_dataset(300)), [guess, *traits], request_of(), Store(store_folder))
    assert {s.contender for s in found.standings if s.explainable} == set(readable)
    assert found.price is not None
    assert found.price.sentence in found.verdict.sentences
    alone = len(readable) == 2
    assert {s.contender for s in found.standings} == {"dummy", "linear", "net"} | (set() if alone else {"team"})
    assert (found.price.posterior is None) == alone


def test_every_piece_of_work_is_told_when_it_begins_and_when_it_ends_and_its_time_counted(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path
) -> None:
    recorder, store = Recorder(), Store(store_folder)
    contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1, 2, 3))]
    found = compare(DataProblem(make_dataset(300)), contenders, request_of(), store, recorder)
    log = read_decisions(store.decisions)
    assert [one.ending for one in log] == ["complete"] * len(log)
    assert {one.unit.what for one in log} == {"fit", "curve", "ablation", "ship"}
    fits = [one for one in log if one.unit.what == "fit"]
    told = [(moment.unit, moment.why, moment.ending) for moment in recorder.moments]
    assert told == [(one.unit, one.why, ending) for one in log for ending in ("begun", "complete")]
    assert recorder.moments[0].posterior is None
    assert recorder.moments[0].verdict is None
    assert recorder.moments[1].seconds == log[0].seconds
    assert recorder.moments[-1].spent_seconds > recorder.moments[0].spent_seconds >= 0
    for family, name in (("linear", "linear"), ("network", "net"), ("dummy", "dummy")):
        took = sum(one.seconds for one in fits if one.unit.contender == name)
        assert found.spent_seconds[family] == pytest.approx(took, abs=2e-3)


def test_equal_twins_need_no_network(make_dataset: Any, guess: Any, toy: Any, store_folder: Path) -> None:
    dataset = make_dataset(300)
    contenders = [guess, toy("linear", "linear", (0, 1)), toy("net", "network", (0, 1))]
    found = compare(DataProblem(dataset), contenders, request_of(), Store(store_folder))
    assert found.verdict.kind == "equal"
    assert found.verdict.recommended == "linear"
    assert found.verdict.posterior is not None
    assert found.verdict.posterior.mean == 0.0


def test_the_record_survives_json(dataset: Dataset, guess: Any, toy: Any, store_folder: Path) -> None:
    found = compare(DataProblem(dataset), [guess, toy("net", "network", (0,))], request_of(), Store(store_folder))
    again = msgspec.json.decode(msgspec.json.encode(found), type=Comparison)
    assert again == found


def test_run_twice_it_is_the_same(dataset: Dataset, guess: Any, toy: Any, tmp_path: Path) -> None:
    contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1))]
    first, second = (compare(DataProblem(dataset), contenders, request_of(), Store(tmp_path / name)) for name in "ab")
    assert first.verdict.posterior == second.verdict.posterior
    assert first.curves == second.curves
    assert first.ablations == second.ablations
    other = compare(DataProblem(dataset), contenders, request_of(seed=1), Store(tmp_path / "c"))
    assert other.verdict.posterior != first.verdict.posterior


def test_resumed_it_repeats_nothing(dataset: Dataset, guess: Any, toy: Any, store_folder: Path) -> None:
    first = compare(DataProblem(dataset), [guess, toy("net", "network", (0,))], request_of(), Store(store_folder))
    net = toy("net", "network", (0,))
    again = compare(DataProblem(dataset), [guess, net], request_of(), Store(store_folder))
    assert net.asked == []
    assert again.verdict == first.verdict
    assert again.standings == first.standings


def test_other_data_or_options_are_refused(make_dataset: Any, guess: Any, toy: Any, store_folder: Path) -> None:
    contenders = [guess, toy("net", "network", (0,))]
    compare(DataProblem(make_dataset()), contenders, request_of(), Store(store_folder))
    with pytest.raises(RequestError, match=r"differs in: the data\."):
        compare(DataProblem(make_dataset(seed=1)), contenders, request_of(), Store(store_folder))
    with pytest.raises(RequestError, match=r"differs in: the plan, the seed\."):
        compare(DataProblem(make_dataset()), contenders, request_of(seed=3), Store(store_folder))
    with pytest.raises(RequestError, match=r"differs in: the metric, worth\."):
        compare(DataProblem(make_dataset()), contenders, request_of("log_loss", worth=0.1), Store(store_folder))


def test_no_time_left_is_said_and_the_best_so_far_returned(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path
) -> None:
    dataset = make_dataset(300)
    contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1))]
    compare(DataProblem(dataset), contenders, request_of(), Store(store_folder))
    for path in [*store_folder.glob("*/curve.json"), *store_folder.glob("ablations/*")]:
        path.unlink()
    late = compare(DataProblem(dataset), contenders, request_of(spent_seconds=599.0), Store(store_folder))
    assert late.verdict.recommended == "net"
    assert late.curves == ()
    assert late.ablations == ()
    assert "There was no time for the learning curve of the linear and the net." in late.notices
    assert "There was no time to measure the effect of scaling the numbers (the linear and the net)." in late.notices


def test_short_budgets_go_into_the_race_alone(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Clock, "spent_seconds", 0.0)  # stands still: a busy machine has no say in what is answered
    monkeypatch.setattr(Race, "_limit", lambda *_: math.inf)
    contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1, 2, 3))]
    found = compare(DataProblem(make_dataset(300)), contenders, request_of(seconds=19.0), Store(store_folder))
    assert (found.curves, found.ablations) == ((), ())
    assert "There are no learning curves: a budget below 20 s goes into the race alone." in found.notices
    assert found.verdict.kind == "network"


def test_a_budget_that_cannot_be_kept_is_refused_with_the_smallest_that_can(
    dataset: Dataset, guess: Any, toy: Any, store_folder: Path
) -> None:
    contenders = [guess, toy("linear", "linear", (0,), seconds=0.2), toy("net", "network", (0, 1), seconds=2.0)]
    with pytest.raises(RequestError, match=r"A budget of 2 s is too short here: .* took 0\.0 s\.") as refusal:
        compare(DataProblem(dataset), contenders, request_of(seconds=2.0), Store(store_folder))
    assert [one.asked for one in contenders] == [[], [], []]  # before any work
    smallest = float(str(refusal.value).removesuffix(" s.").rpartition("about ")[2])
    assert 2 < smallest < 10
    found = compare(DataProblem(dataset), contenders, request_of(seconds=smallest), Store(store_folder))
    assert found.standings[0].means  # at least somebody was scored
    with pytest.raises(RequestError, match=r"took 50\.0 s\. The smallest that can be kept now is about 7\d s"):
        compare(
            DataProblem(dataset), contenders, request_of(seconds=9.0, spent_seconds=50.0), Store(store_folder / "b")
        )


def test_a_run_that_is_followed_is_repeated_without_a_clock(
    make_dataset: Any, guess: Any, toy: Any, tmp_path: Path
) -> None:
    def contenders() -> list[Any]:
        return [guess, toy("linear", "linear", ((0,), (0, 1))), toy("net", "network", ((0,), (0, 1), (0, 1, 2)))]

    problem, store = DataProblem(make_dataset(300)), Store(tmp_path / "first")
    first = compare(problem, contenders(), request_of(), store)
    units = tuple(one.unit for one in read_decisions(store.decisions))
    assert {unit.what for unit in units} == {"fit", "curve", "ablation", "ship"}
    late = request_of(seconds=5.0, spent_seconds=5.9, follow=units, folds=store.folds())
    again = compare(problem, contenders(), late, Store(tmp_path / "again"))
    assert tuple(one.unit for one in read_decisions(tmp_path / "again" / "decisions.jsonl")) == units
    assert again.verdict.posterior == first.verdict.posterior
    assert again.curves == first.curves
    assert again.ablations == first.ablations
    assert again.final == first.final
    assert again.ended == "the log that was followed ended here"
    some = replace(late, follow=tuple(unit for unit in units if unit.what == "fit"))
    bare = compare(problem, contenders(), some, Store(tmp_path / "bare"))
    assert (bare.curves, bare.ablations) == ((), ())  # what the followed run had no time for is not done here either


def test_what_ships_is_fitted_as_in_the_log_that_is_followed(
    make_dataset: Any, guess: Any, toy: Any, tmp_path: Path
) -> None:
    """Though there was little time for it then, and no clock is looked at now."""

    def contenders() -> list[Any]:
        return [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1, 2, 3), traits=Traits(bags=True))]

    problem, store = DataProblem(make_dataset(300)), Store(tmp_path / "first")
    rich = compare(problem, contenders(), request_of(seconds=19.0), store)
    assert rich.final is not None
    assert (rich.final.contender, rich.final.inner_folds) == ("net", 5)
    poor = compare(problem, contenders(), request_of(seconds=19.0, spent_seconds=18.9), store)
    assert poor.final is not None
    assert poor.final.inner_folds == 3  # too late for a bag of five
    units = tuple(DecisionLog(store.decisions).complete)
    assert units[-2:] == tuple(Unit("ship", "net", 0, step=f"{n} inner folds, all data") for n in (5, 3))
    again = compare(problem, contenders(), request_of(seconds=19.0, spent_seconds=18.9), store)
    assert again.final == poor.final
    assert tuple(DecisionLog(store.decisions).complete) == units  # nothing was decided anew
    followed = compare(problem, contenders(), request_of(seconds=19.0, follow=units), Store(tmp_path / "again"))
    assert followed.final == poor.final


def test_a_larger_budget_goes_on_where_the_smaller_one_ended(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path
) -> None:
    def contenders() -> list[Any]:
        climb = ((0,), (0, 1), (0, 1, 2), (0, 1, 2, 3))
        return [guess, toy("linear", "linear", (0, 1)), toy("net", "network", climb, seconds=30.0)]

    problem = DataProblem(make_dataset(300))
    short = compare(problem, contenders(), request_of(seconds=60.0), Store(store_folder))
    assert [s.rung for s in short.standings if s.contender == "net"] == [None]  # it is said to take 150 s
    more = contenders()
    long = compare(problem, more, request_of(seconds=3000.0, spent_seconds=55.0), Store(store_folder))
    assert more[1].asked == [] or {key.partition("-")[0] for key, _ in more[1].asked} <= {"curve", "ablation", "repeat"}
    assert [s.rung for s in long.standings if s.contender == "net"] == [3]
    assert long.plan.budget_seconds == 3000.0


def test_regression_worth_is_a_part_of_the_dummys_error(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path
) -> None:
    dataset = make_dataset(200, regression=True)
    contenders = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0, 1, 2, 3))]
    found = compare(DataProblem(dataset), contenders, request_of("rmse"), Store(store_folder))
    dummy = found.standings[-1]
    assert dummy.contender == "dummy"
    assert found.worth == pytest.approx(0.01 * dummy.means["rmse"])
    assert found.verdict.kind == "network"


def test_unequal_classes_are_weighted_and_not(make_dataset: Any, guess: Any, toy: Any, store_folder: Path) -> None:
    whole = make_dataset(400)
    few = np.concatenate([np.flatnonzero(whole.y == 0), np.flatnonzero(whole.y == 1)[:40]])
    net = toy("net", "network", (0, 1))
    found = compare(DataProblem(whole.take(few)), [guess, net], request_of(), Store(store_folder))
    assert {a.what for a in found.ablations} == {"scaling the numbers", "weighting the rarer classes"}
    assert all(a.mean == 0.0 for a in found.ablations)  # the toy does neither
    assert "made no difference that could be told from chance" in found.ablations[0].sentence
    sides: list[Effort] = [effort for key, effort in net.asked if key == "ablation-0"]
    assert [s.options.scaling for s in sides] == ["robust", "none", "robust", "robust"]
    assert [s.options.imbalance for s in sides] == ["auto", "auto", "auto", "none"]


def test_shuffled_targets_never_ask_for_a_network(make_dataset: Any, guess: Any, toy: Any, tmp_path: Path) -> None:
    for seed in range(3):
        dataset = make_dataset(150, seed=seed)
        shuffled = np.random.default_rng(seed).permutation(dataset.y)  # seed 1: the network scores 0.65 by chance
        noise = Dataset(dataset.inputs, shuffled, dataset.task, dataset.groups)
        contenders = [guess, toy("linear", "linear", (0, 1)), toy("net", "network", (0, 1, 2, 3))]
        found = compare(DataProblem(noise), contenders, request_of(), Store(tmp_path / str(seed)))
        assert found.verdict.kind != "network"


@pytest.mark.parametrize("climbs", [True, False])
def test_whose_fit_to_ship_climbs_keeps_half_of_the_budget_for_it(
    dataset: Dataset, guess: Any, toy: Any, store_folder: Path, climbs: bool
) -> None:
    """Each rung takes twice the time of the one below, of which the top is out of reach."""
    net = toy("net", "network", tuple((0, 1) for _ in range(20)), seconds=0.05, traits=Traits(climbs_to_ship=climbs))
    contenders, store = [guess, net], Store(store_folder)
    problem, request = DataProblem(dataset), request_of(seconds=60.0)
    entrants = make_plan(problem, contenders, request)
    records = Records(contenders, entrants, request.metric, store, DecisionLog(store.decisions))
    costs = CostModel({c.name: c for c in contenders}, entrants.ladders, entrants.plan.outer_folds)
    race = Race(problem, records, request, costs, Quiet(), Clock())
    for name in ("dummy", "net"):
        race.do(Unit("fit", name), "", 1.0, Deadline(60.0))
    comparing = _Comparing(request, race)
    finely, plainly = comparing._kept(), comparing._kept_plainly()
    assert plainly < 3.0
    assert (CLIMBING_SHARE * 60.0 <= finely < CLIMBING_SHARE * 60.0 + 3.0) == climbs


def test_time_is_kept_for_rows_that_what_ships_must_predict() -> None:
    cost = Cost(1.0, 1.0, 1, 10, rows_per_second=2_000.0)
    assert seconds_to_predict(10_000, cost) == pytest.approx(5.0 * PREDICTING_SLACK)
    assert seconds_to_predict(0, cost) == seconds_to_predict(10_000, None) == 0.0
    assert seconds_to_predict(10_000, replace(cost, rows_per_second=None)) == 0.0
