"""The race: rungs on the same folds, results on disk at once, failures named, decisions that can be followed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.comparison import Request, Store
from annvil.comparison.contrast import pair
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.race.costs import CostModel
from annvil.comparison.race.decisions import Decision, DecisionLog, Unit, read_decisions
from annvil.comparison.race.fitting import RAISE_BUGS
from annvil.comparison.race.plan import make_plan
from annvil.comparison.race.racing import Clock, Race
from annvil.comparison.race.records import Records
from annvil.comparison.request import Quiet
from annvil.comparison.results import Design
from annvil.comparison.verdict import kind_of
from annvil.data.dataset import Dataset
from annvil.errors import DataError
from annvil.models.contract import Traits
from annvil.models.jobs import Job
from annvil.tasks.metric_index import METRICS

Run = Callable[..., Race]
Steps = tuple[tuple[int, ...], ...]
CLIMB: Steps = ((0,), (0, 1), (0, 1, 2), (0, 1, 2, 3))


@pytest.fixture
def make_race(dataset: Dataset, store_folder: Path) -> Run:
    def made(contenders: list[Any], seconds: float = 600.0, spent: float = 0.0, **changes: Any) -> Race:
        problem = DataProblem(changes.pop("dataset", dataset))
        metric = METRICS[changes.pop("metric", "roc_auc")]
        request = Request(metric, budget_seconds=seconds, **changes)
        entrants, store = make_plan(problem, contenders, request), Store(store_folder)
        log = DecisionLog(store.decisions)
        costs = CostModel({c.name: c for c in contenders}, entrants.ladders, entrants.plan.outer_folds)
        costs.see_all(log)
        records = Records(contenders, entrants, metric, store, log)
        return Race(problem, records, request, costs, Quiet(), Clock(spent))

    return made


@pytest.fixture
def run(make_race: Run) -> Run:
    def race(contenders: list[Any], **changes: Any) -> Race:
        made = make_race(contenders, **changes)
        made.run(lambda: 0.0, 0.0)
        return made

    return race


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second passes, no unit is cut, and every unit takes what its arithmetic says, however busy the machine."""
    monkeypatch.setattr(Clock, "spent_seconds", 0.0)
    monkeypatch.setattr(Race, "_limit", lambda *_: float("inf"))
    monkeypatch.setattr(CostModel, "see", lambda *_: None)


def units(race: Race) -> list[tuple[str, int, int]]:
    return [(unit.contender, unit.rung, unit.repeat) for unit in race.records.log.complete]


def content(folder: Path) -> dict[str, bytes]:
    """What must be the same again: everything but times."""
    timed = ("cost.json", "decisions.jsonl")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in timed)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_everybody_gets_a_first_rung_before_anybody_a_second(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", CLIMB, seconds=0.1), toy("linear", "linear", CLIMB, seconds=0.001)])
    assert units(race)[:3] == [("dummy", 0, 0), ("linear", 0, 0), ("net", 0, 0)]
    assert {("net", 1, 0), ("linear", 1, 0)} <= set(units(race)[3:])


def test_networks_wait_until_a_simple_model_stands(run: Run, guess: Any, toy: Any) -> None:
    """Dearer as it is: nothing has shown yet how slow the machine is."""
    net, linear = toy("net", "network", (0, 1), seconds=0.1), toy("linear", "linear", (0,), seconds=0.2)
    race = run([guess, net, linear, toy("trees", "trees", (0,), seconds=0.3)])
    assert [name for name, _, _ in units(race)[:4]] == ["dummy", "linear", "net", "trees"]


@pytest.mark.usefixtures("still_clock")
def test_a_dear_first_training_is_weighed_against_what_else_the_time_could_do(
    make_race: Run, guess: Any, toy: Any
) -> None:
    """Its side stands already: the cheap climb of who stands goes first, and a cheap first training does not wait."""
    linear = toy("linear", "linear", CLIMB, seconds=0.3)
    dear, cheap = toy("dear", "trees", (0,), seconds=4.0), toy("cheap", "neighbours", (0,), seconds=0.4)
    race = make_race([guess, linear, dear, cheap], seconds=100.0)
    race.run(lambda: 0.0, 0.0)
    names = [name for name, _, _ in units(race)]
    assert names[:4] == ["dummy", "linear", "cheap", "linear"]
    assert "dear" in names  # there was time


@pytest.mark.usefixtures("still_clock")
def test_a_dear_first_training_of_a_side_that_nobody_stands_for_does_not_wait(run: Run, guess: Any, toy: Any) -> None:
    linear, net = toy("linear", "linear", CLIMB, seconds=0.3), toy("net", "network", (0, 1), seconds=4.0)
    race = run([guess, linear, net], seconds=100.0)
    assert [name for name, _, _ in units(race)[:3]] == ["dummy", "linear", "net"]


def test_who_improves_climbs_and_who_does_not_stays(run: Run, make_dataset: Any, guess: Any, toy: Any) -> None:
    flat = ((0,), (0,), (0,), (0,))
    data = make_dataset(2_000)
    race = run([guess, toy("net", "network", CLIMB), toy("linear", "linear", flat)], dataset=data)
    assert race.records.judged("net") == 3
    assert race.records.judged("linear") == 1  # the second rung added nothing, so a third is worth nothing
    climbed = [np.mean(scores) for scores in race.records.rung_scores("net")]
    assert climbed == sorted(climbed)


def test_a_rung_is_judged_only_when_all_of_its_folds_are_there(make_race: Run, guess: Any, toy: Any) -> None:
    def stop(job: Job) -> None:
        if len(net.asked) == 8:
            raise KeyboardInterrupt

    net = toy("net", "network", CLIMB, before=stop)
    race = make_race([guess, net])
    with pytest.raises(KeyboardInterrupt):
        race.run(lambda: 0.0, 0.0)
    assert len(race.records.of_repeat("net", 1, 0)) == 2
    assert race.records.judged("net") == 0
    assert {fold.rung for fold in race.records.folds("net")} == {0}


def test_an_open_answer_buys_repeats_of_both_sides(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1)), toy("linear", "linear", (0, 2))])
    assert race.records.entrants.plan.repeats == 3
    assert [race.records.repeats(name, 0) for name in ("dummy", "net", "linear")] == [1, 3, 3]


@pytest.mark.parametrize("extras", [0.0, 10.0])
def test_time_that_nothing_better_can_use_goes_into_whatever_fits_while_the_answer_is_open(
    make_race: Run, guess: Any, toy: Any, extras: float
) -> None:
    """Nothing is expected of a third rung where the second added nothing; not before learning curves had their time."""
    flat = ((0, 1), (0, 1), (0, 1), (0, 1))
    contenders = [guess, toy("net", "network", flat), toy("linear", "linear", ((0, 2),) * 4)]
    race = make_race(contenders)
    ended = race.run(lambda: 0.0, extras)
    assert kind_of(race.posterior(), 0.95) == "cannot tell"
    assert [race.records.judged(name) for name in ("net", "linear")] == ([3, 3] if not extras else [1, 1])
    assert ended == ("the time was used" if extras else "more effort is not expected to change the answer or the model")


def test_scores_of_the_table_are_of_folds_that_all_have(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1)), toy("linear", "linear", (0, 2))])
    paired = pair(race.records.all_folds(), race.records.standings(), race.request.metric)
    assert {len(places) for places in paired.results.values()} == {5, 15}  # only the finalists were repeated
    for standing in race.records.standings():
        assert len(standing.per_fold) == 5
        assert standing.means["roc_auc"] == pytest.approx(paired.mean(standing.contender))


def test_a_certain_answer_ends_the_race_early(run: Run, make_dataset: Any, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1, 2, 3)), toy("linear", "linear", (0,))], dataset=make_dataset(2_000))
    assert units(race) == [("dummy", 0, 0), ("linear", 0, 0), ("net", 0, 0)]


def test_nobody_is_beaten_on_fewer_rungs_where_there_is_time(run: Run, make_dataset: Any, guess: Any, toy: Any) -> None:
    """Both end with the same columns; the linear model's rungs are dearer, so it is a step behind for a while."""
    net, linear = toy("net", "network", CLIMB), toy("linear", "linear", CLIMB, seconds=0.1)
    race = run([guess, net, linear], dataset=make_dataset(2_000))
    assert [race.records.judged(name) for name in ("net", "linear")] == [3, 3]
    assert kind_of(race.posterior(), 0.95) == "equal"


@pytest.mark.usefixtures("still_clock")
def test_no_unit_is_begun_that_is_not_expected_to_fit(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", CLIMB, seconds=100.0), toy("linear", "linear", (0,))], seconds=60.0)
    assert "net" not in {name for name, _, _ in units(race)}
    state = {s.contender: (s.state, s.reason) for s in race.records.standings(over=True)}
    assert state["net"] == ("cut short", "no time was left for it")


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize(("central", "second"), [(False, "other"), (True, "net")])
def test_time_is_kept_for_whom_the_answer_hangs_on(run: Run, guess: Any, toy: Any, central: bool, second: str) -> None:
    net = toy("net", "network", (0, 1), seconds=5.0, traits=Traits(central=central))
    other = toy("other", "network", (0,), seconds=4.0)
    race = run([guess, net, other], seconds=42.0)
    assert [name for name, _, _ in units(race)[:2]] == ["dummy", second]  # 20 s would leave less than 25


@pytest.mark.usefixtures("still_clock")
def test_time_that_would_not_do_for_the_central_ones_is_nobodys(run: Run, guess: Any, toy: Any) -> None:
    net = toy("net", "network", (0, 1), seconds=50.0, traits=Traits(central=True))
    race = run([guess, net, toy("other", "network", (0,), seconds=4.0)], seconds=42.0)
    assert "other" in {name for name, _, _ in units(race)}


@pytest.mark.usefixtures("still_clock")
@pytest.mark.parametrize("central", [True, False])
def test_a_central_first_training_goes_before_a_finer_model_to_ship(
    make_race: Run, guess: Any, toy: Any, central: bool
) -> None:
    """It is said to take 25 of 40 seconds; 20 are kept for a fine model to ship, 1 for a plain one."""
    net = toy("net", "network", (0, 1), seconds=5.0, traits=Traits(central=central))
    race = make_race([guess, net, toy("linear", "linear", (0,))], seconds=40.0)
    race.run(lambda: 20.0, 0.0, lambda: 1.0)
    assert (race.records.judged("net") == 0) == central


def test_whoever_looks_at_the_fits_of_another_follows_at_once(run: Run, guess: Any, toy: Any) -> None:
    twin = toy("twin", "network", CLIMB, traits=Traits(shares_fits_with="net"))
    race = run([guess, toy("net", "network", CLIMB), twin])
    order = [(name, rung) for name, rung, _ in units(race) if name != "dummy"]
    assert [name for name, _ in order] == ["net", "twin"] * (len(order) // 2)
    assert [rung for _, rung in order[::2]] == [rung for _, rung in order[1::2]]


def test_a_log_that_is_followed_gives_the_same_bytes(
    run: Run, make_race: Run, guess: Any, toy: Any, store_folder: Path
) -> None:
    def contenders() -> list[Any]:
        return [guess, toy("linear", "linear", CLIMB[:2]), toy("net", "network", CLIMB)]

    done = run(contenders()).records.log.complete
    whole = content(store_folder)
    store_folder.rename(store_folder.with_name("first"))
    followed = make_race(contenders(), spent=599.9)  # no clock is looked at
    followed.follow(done)
    assert content(store_folder) == whole
    assert followed.records.log.complete == done


def test_interrupted_anywhere_it_ends_with_the_same_bytes(run: Run, guess: Any, toy: Any, store_folder: Path) -> None:
    def contenders(before: Callable[[Job], None] = lambda job: None) -> list[Any]:
        return [guess, toy("linear", "linear", (0,), before=before), toy("net", "network", (0, 1), before=before)]

    first = run(contenders())
    whole, order = content(store_folder), units(first)
    store_folder.rename(store_folder.with_name("whole"))
    for stop_after in (1, 3, 4, 6, 2):
        seen: list[str] = []

        def interrupt(job: Job, seen: list[str] = seen, stop_after: int = stop_after) -> None:
            seen.append(job.key)
            if len(seen) > stop_after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(contenders(interrupt))
    again = run(contenders())
    assert content(store_folder) == whole
    assert sorted(units(again)) == sorted(order)


def test_what_is_done_is_not_done_again(run: Run, guess: Any, toy: Any) -> None:
    run([guess, toy("linear", "linear", (0,)), toy("net", "network", (0,))])
    again = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0,))]
    run(again)
    assert [contender.asked for contender in again[1:]] == [[], []]


def test_after_an_interruption_populations_are_trained_whole_and_the_rest_fold_by_fold(
    run: Run, guess: Any, toy: Any
) -> None:
    def interrupt(job: Job) -> None:
        if job.key == "repeat-0-fold-2":
            raise KeyboardInterrupt

    together = Traits(trains_together=True)
    linear = toy("linear", "linear", (0,), before=interrupt)
    net = toy("net", "network", (0,), seconds=1.0, traits=together)
    with pytest.raises(KeyboardInterrupt):
        run([guess, linear, net])
    linear = toy("linear", "linear", (0,))
    net = toy("net", "network", (0,), before=interrupt, seconds=1.0, traits=together)
    with pytest.raises(KeyboardInterrupt):
        run([guess, linear, net])
    assert [key for key, _ in linear.asked] == ["repeat-0-fold-2", "repeat-0-fold-3", "repeat-0-fold-4"]
    net = toy("net", "network", (0,), seconds=1.0, traits=together)
    run([guess, toy("linear", "linear", (0,)), net])
    assert [key for key, _ in net.asked][:5] == [f"repeat-0-fold-{fold}" for fold in range(5)]


def test_scores_can_be_recomputed_from_kept_predictions(run: Run, dataset: Dataset, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1))])
    tested: list[int] = []
    for fold in race.records.of_repeat("net", 0, 0):
        rows, outputs = race.records.store.predictions("net", fold.job)
        assert dataset.task.scores(dataset.y[rows], outputs, fold.threshold) == fold.scores
        tested += rows.tolist()
    assert sorted(tested) == list(range(dataset.n_rows))
    standing = race.records.standings(over=True)[0]
    per_fold = [fold.scores["roc_auc"] for fold in race.records.folds("net")]
    assert standing.means["roc_auc"] == pytest.approx(np.mean(per_fold), abs=1e-12)
    assert standing.spreads["roc_auc"] == pytest.approx(np.std(per_fold, ddof=1), abs=1e-12)


def test_preparation_and_choices_see_training_rows_only(run: Run, dataset: Dataset, guess: Any, toy: Any) -> None:
    jobs: list[Job] = []
    race = run([guess, toy("net", "network", (0,), before=jobs.append)])
    folds = DataProblem(dataset).replicates(Design(5, 1, 3, race.records.entrants.plan.seed))[0]
    for job, fold in zip(jobs, folds, strict=False):
        assert job.key == fold.job.key
        assert set(job.rows).isdisjoint(fold.test)
        for split in job.inner:
            assert set(split.train) | set(split.test) <= set(job.rows)
            assert set(split.train).isdisjoint(split.test)


def test_cost_and_parity_of_the_model_as_shipped(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", CLIMB)])
    standing = race.records.standings(over=True)[0]
    assert standing.cost is not None
    assert standing.rung is not None
    assert standing.cost.size_bytes == len(race.records.store.graph("net", standing.rung) or b"")
    assert 0 < (standing.cost.latency_ms_p50 or 0) <= (standing.cost.latency_ms_p95 or 0)
    assert (standing.cost.rows_per_second or 0) > 0
    assert standing.cost.fit_seconds == pytest.approx(0.01 * (standing.rung + 1))
    assert standing.parity is not None
    assert standing.parity < 1e-12


def test_a_failing_contender_is_named_and_the_others_go_on(run: Run, guess: Any, toy: Any) -> None:
    def fail(job: Job) -> None:
        if job.key == "repeat-0-fold-2":
            raise DataError("Column 'x0' cannot be used.")

    race = run([guess, toy("bad", "trees", (0,), before=fail), toy("net", "network", (0,))])
    table = {s.contender: s for s in race.records.standings(over=True)}
    assert (table["bad"].state, table["bad"].reason) == ("failed", "Column 'x0' cannot be used.")
    assert table["net"].state == "finished"
    assert race.notices == ["Bad failed and was left out: Column 'x0' cannot be used."]
    assert race.records.folds("bad") == []


def test_who_fails_higher_up_keeps_the_rung_below(run: Run, guess: Any, toy: Any) -> None:
    def fail(job: Job) -> None:
        if bad.asked[-1][1].rung == 1:
            raise DataError("It does not converge.")

    bad = toy("bad", "network", CLIMB, before=fail)
    race = run([guess, bad])
    standing = {s.contender: s for s in race.records.standings(over=True)}["bad"]
    assert (standing.state, standing.rung) == ("finished", 0)
    assert standing.reason == "a longer training failed: It does not converge."
    assert race.notices == ["Bad failed and goes no further: It does not converge."]


def test_our_own_bugs_are_recorded_with_their_traceback(
    run: Run, guess: Any, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: Job) -> None:
        raise ZeroDivisionError("a bug of ours")

    contenders = [guess, toy("bad", "trees", (0,), before=fail), toy("net", "network", (0,))]
    with pytest.raises(ZeroDivisionError):
        run(contenders)
    monkeypatch.delenv(RAISE_BUGS)
    race = run(contenders)
    store = race.records.store
    assert race.notices == [
        f"Bad failed and was left out: ZeroDivisionError: a bug of ours. The traceback is in {store.problems}."
    ]
    assert "in fail" in store.problems.read_text()
    assert race.records.judged("net") == 0


def test_predictions_that_are_not_finite_are_a_failure(run: Run, guess: Any, toy: Any) -> None:
    broken = toy("net", "network", (0,))
    broken._learn = lambda data, rows, effort: Broken()
    with pytest.raises(FloatingPointError, match="it predicted values that are not finite"):
        run([guess, broken])


class Broken:
    n_parameters = 0

    def predict(self, inputs: Any) -> Any:
        return np.full((inputs.n_rows, 2), np.nan)


def test_a_threshold_is_chosen_on_out_of_fold_rows_for_f1(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1))], metric="f1")
    assert all(fold.threshold is not None for fold in race.records.folds("net"))
    assert 0.4 < race.records.standings(over=True)[0].means["f1"] <= 1


def test_regression_groups_and_time(run: Run, make_dataset: Any, guess: Any, toy: Any) -> None:
    data = replace(make_dataset(regression=True), groups=np.arange(120) // 10, grouped=True)
    race = run([guess, toy("net", "network", (0, 1, 2, 3))], dataset=data, metric="rmse")
    assert race.records.standings(over=True)[0].means["r2"] > 0.5
    for fold in race.fitting.replicates(0, 3):
        assert set(data.groups[fold.job.rows]).isdisjoint(data.groups[fold.test])
    timed = replace(make_dataset(regression=True), time=np.arange(120.0)[::-1].copy())
    for fold in DataProblem(timed).replicates(Design(5, 1, 3, 0))[0]:
        assert timed.time[fold.job.rows].max() < timed.time[fold.test].min()
        for split in fold.job.inner:
            assert timed.time[split.train].max() < timed.time[split.test].min()


def test_a_part_of_the_rows_teaches_and_all_test_rows_judge(make_race: Run, guess: Any) -> None:
    race = make_race([guess])
    whole, part = race.fitting.replicates(0, 1), race.fitting.replicates(0, 1, rows=40)
    for one, other in zip(whole, part, strict=True):
        assert set(other.job.rows) < set(one.job.rows)
        assert len(other.job.rows) == 40
        assert other.test.tolist() == one.test.tolist()
        assert other.job.key == one.job.key


# -- the log -----------------------------------------------------------------------------------------------------------


def test_a_log_keeps_every_decision_in_its_last_state(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.begin(Unit("fit", "a"), "first", 1.0)
    log.end("complete", 0.5)
    log.begin(Unit("fit", "b"), "second", 2.0)
    again = DecisionLog(log.path)
    assert list(again) == list(log)
    assert again.complete == [Unit("fit", "a")]
    assert again.open == Decision(1, Unit("fit", "b"), "second", 2.0)
    again.begin(Unit("fit", "b"), "begun again after a kill", 2.0)
    again.end("cut short", 3.0)
    assert [one.ending for one in read_decisions(log.path)] == ["complete", "cut short"]


def test_a_torn_last_line_counts_as_never_written_and_other_damage_is_refused(tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.begin(Unit("fit", "a"), "first", 1.0)
    log.end("complete", 0.5)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + b'{"number":1,"uni')
    assert DecisionLog(log.path).complete == [Unit("fit", "a")]
    log.path.write_bytes(b"{}\n" + whole)
    with pytest.raises(DataError, match=r"damaged in line 1"):
        DecisionLog(log.path)


# -- costs -------------------------------------------------------------------------------------------------------------


def test_costs_are_corrected_by_what_was_seen(make_race: Run, guess: Any, toy: Any) -> None:
    race = make_race([guess, toy("net", "network", CLIMB, seconds=1.0), toy("other", "network", CLIMB, seconds=1.0)])
    costs = race.costs
    before = [costs.seconds(Unit("fit", name, rung)) for name in ("net", "other") for rung in (0, 1)]
    assert before[1] - before[0] == pytest.approx(5.0)
    costs.see(Decision(0, Unit("fit", "net"), "", 0.0, "complete", 10.3))
    assert costs.seconds(Unit("fit", "net")) == 10.3  # a repeat takes what the first took
    assert costs.seconds(Unit("fit", "net", 1)) == pytest.approx(20.3)
    assert costs.seconds(Unit("fit", "other")) == pytest.approx(10.3)  # a family errs alike
    costs.see(Decision(1, Unit("fit", "net", 1), "", 0.0, "cut short", 30.0))
    assert costs.seconds(Unit("fit", "net", 1)) == pytest.approx(45.0)
