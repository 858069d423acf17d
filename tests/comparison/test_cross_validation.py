"""The race: same folds for all, results on disk at once, failures named, nothing lost when interrupted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annvil.comparison import Request, Store
from annvil.comparison.cross_validation import RAISE_BUGS, Clock, Race
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.leaderboard import Records
from annvil.comparison.plan import make_schedule
from annvil.comparison.request import Quiet
from annvil.data.dataset import Dataset
from annvil.errors import DataError
from annvil.models.contract import Deadline, Job
from annvil.tasks.metric_index import METRICS

Run = Callable[..., Race]


@pytest.fixture
def run(dataset: Dataset, store_folder: Path) -> Run:
    def race(contenders: list[Any], seconds: float = 600.0, limit: float = 600.0, **changes: Any) -> Race:
        data = changes.pop("dataset", dataset)
        request = Request(METRICS[changes.pop("metric", "roc_auc")], budget_seconds=seconds)
        schedule = make_schedule(DataProblem(data), contenders, request)
        if changes:
            schedule = replace(schedule, plan=replace(schedule.plan, **changes))
        records = Records(contenders, schedule, request.metric, Store(store_folder))
        made = Race(DataProblem(data), records, Quiet(), Clock())
        made.run(Deadline(limit))
        return made

    return race


def content(folder: Path) -> dict[str, bytes]:
    """What must be the same again: everything but times."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "cost.json":
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def test_everyone_runs_the_same_folds_cheap_ones_first(run: Run, guess: Any, toy: Any) -> None:
    order: list[tuple[str, str]] = []
    net = toy("net", "network", (0, 1), before=lambda job: order.append(("net", job.key)))
    linear = toy("linear", "linear", (0,), before=lambda job: order.append(("linear", job.key)))
    race = run([guess, net, linear], repeats=2)
    folds = race.records.all_folds()
    keys = [f"repeat-{r}-fold-{f}" for r in range(2) for f in range(5)]
    for name in ("dummy", "net", "linear"):
        assert [fold.job for fold in folds if fold.contender == name] == keys
    assert [name for name, key in order] == ["linear"] * 5 + ["net"] * 5 + ["linear"] * 5 + ["net"] * 5
    assert [s.contender for s in race.records.standings(over=True)] == ["net", "linear", "dummy"]
    assert all(s.state == "finished" for s in race.records.standings(over=True))


def test_scores_can_be_recomputed_from_kept_predictions(run: Run, dataset: Dataset, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1))], repeats=1)
    tested: list[int] = []
    for fold in race.records.folds("net"):
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
    run([guess, toy("net", "network", (0,), before=jobs.append)], repeats=1)
    folds = DataProblem(dataset).replicates(
        make_schedule(DataProblem(dataset), [guess], Request(METRICS["roc_auc"])).plan.design
    )[0]
    for job, fold in zip(jobs, folds, strict=True):
        assert set(job.rows).isdisjoint(fold.test)
        for split in job.inner:
            assert set(split.train) | set(split.test) <= set(job.rows)
            assert set(split.train).isdisjoint(split.test)


def test_cost_and_parity_of_the_model_as_shipped(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1))], repeats=1)
    standing = race.records.standings(over=True)[0]
    assert standing.cost is not None
    assert standing.cost.size_bytes == len(race.records.store.graph("net") or b"")
    assert 0 < (standing.cost.latency_ms_p50 or 0) <= (standing.cost.latency_ms_p95 or 0)
    assert (standing.cost.rows_per_second or 0) > 0
    assert standing.cost.fit_seconds == pytest.approx(0.02)
    assert standing.parity is not None
    assert standing.parity < 1e-12


def test_a_failing_contender_is_named_and_the_others_go_on(run: Run, guess: Any, toy: Any) -> None:
    def fail(job: Job) -> None:
        if job.key == "repeat-0-fold-2":
            raise DataError("Column 'x0' cannot be used.")

    race = run([guess, toy("bad", "trees", (0,), before=fail), toy("net", "network", (0,))], repeats=2)
    table = {s.contender: s for s in race.records.standings(over=True)}
    assert (table["bad"].state, table["bad"].reason) == ("failed", "Column 'x0' cannot be used.")
    assert table["net"].state == "finished"
    assert race.notices == ["Bad failed and was left out: Column 'x0' cannot be used."]
    assert len(race.records.folds("bad")) == 2


def test_our_own_bugs_are_recorded_with_their_traceback(
    run: Run, guess: Any, toy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: Job) -> None:
        raise ZeroDivisionError("a bug of ours")

    contenders = [guess, toy("bad", "trees", (0,), before=fail), toy("net", "network", (0,))]
    with pytest.raises(ZeroDivisionError):
        run(contenders, repeats=1)
    monkeypatch.delenv(RAISE_BUGS)
    race = run(contenders, repeats=1)
    store = race.records.store
    assert race.notices == [
        f"Bad failed and was left out: ZeroDivisionError: a bug of ours. The traceback is in {store.problems}."
    ]
    assert "in fail" in store.problems.read_text()
    assert len(race.records.folds("net")) == 5


def test_predictions_that_are_not_finite_are_a_failure(run: Run, guess: Any, toy: Any, dataset: Dataset) -> None:
    broken = toy("net", "network", (0,))
    broken._learn = lambda data, rows, effort: Broken()
    with pytest.raises(FloatingPointError, match="it predicted values that are not finite"):
        run([guess, broken], repeats=1)


class Broken:
    n_parameters = 0

    def predict(self, inputs: Any) -> Any:
        return np.full((inputs.n_rows, 2), np.nan)


def test_a_passed_deadline_cuts_and_says_so(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0,))], limit=-1.0)
    table = {s.contender: s for s in race.records.standings(over=True)}
    assert table["net"].state == "cut short"
    assert "Net was cut short: 0 of 5 folds were fitted in its time." in race.notices
    assert any("There was time for 1 of the" in notice for notice in race.notices)


def test_interrupted_anywhere_it_ends_with_the_same_bytes(run: Run, guess: Any, toy: Any, store_folder: Path) -> None:
    def contenders(before: Callable[[Job], None] = lambda job: None) -> list[Any]:
        return [guess, toy("linear", "linear", (0,), before=before), toy("net", "network", (0, 1), before=before)]

    run(contenders(), repeats=2)
    whole = content(store_folder)
    for path in store_folder.rglob("*.*"):
        if path.is_file():
            path.unlink()
    for stop_after in (1, 3, 4, 6, 2):
        seen: list[str] = []

        def interrupt(job: Job, seen: list[str] = seen, stop_after: int = stop_after) -> None:
            seen.append(job.key)
            if len(seen) > stop_after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(contenders(interrupt), repeats=2)
    run(contenders(), repeats=2)
    assert content(store_folder) == whole


def test_what_is_done_is_not_done_again(run: Run, guess: Any, toy: Any) -> None:
    run([guess, toy("linear", "linear", (0,)), toy("net", "network", (0,))], repeats=2)
    again = [guess, toy("linear", "linear", (0,)), toy("net", "network", (0,))]
    run(again, repeats=2)
    assert [contender.asked for contender in again[1:]] == [[], []]


def test_after_an_interruption_populations_are_trained_whole_and_the_rest_fold_by_fold(
    run: Run, guess: Any, toy: Any
) -> None:
    def interrupt(job: Job) -> None:
        if job.key == "repeat-0-fold-2":
            raise KeyboardInterrupt

    linear, net = toy("linear", "linear", (0,), before=interrupt), toy("net", "network", (0,))
    with pytest.raises(KeyboardInterrupt):
        run([guess, linear, net], repeats=1)
    linear, net = toy("linear", "linear", (0,)), toy("net", "network", (0,), before=interrupt)
    with pytest.raises(KeyboardInterrupt):
        run([guess, linear, net], repeats=1)
    assert [key for key, _ in linear.asked] == ["repeat-0-fold-2", "repeat-0-fold-3", "repeat-0-fold-4"]
    net = toy("net", "network", (0,))
    run([guess, toy("linear", "linear", (0,)), net], repeats=1)
    assert [key for key, _ in net.asked] == [f"repeat-0-fold-{fold}" for fold in range(5)]


def test_a_threshold_is_chosen_on_out_of_fold_rows_for_f1(run: Run, guess: Any, toy: Any) -> None:
    race = run([guess, toy("net", "network", (0, 1))], repeats=1, metric="f1")
    assert all(fold.threshold is not None for fold in race.records.folds("net"))
    assert 0.4 < race.records.standings(over=True)[0].means["f1"] <= 1


def test_regression_groups_and_time(run: Run, make_dataset: Any, guess: Any, toy: Any, store_folder: Path) -> None:
    data = replace(make_dataset(regression=True), groups=np.arange(120) // 10, grouped=True)
    race = run([guess, toy("net", "network", (0, 1, 2, 3))], dataset=data, metric="rmse", repeats=1)
    assert race.records.standings(over=True)[0].means["r2"] > 0.5
    for repeat in DataProblem(data).replicates(race.records.schedule.plan.design):
        for fold in repeat:
            assert set(data.groups[fold.job.rows]).isdisjoint(data.groups[fold.test])
    timed = replace(make_dataset(regression=True), time=np.arange(120.0)[::-1].copy())
    plan = make_schedule(DataProblem(timed), [guess], Request(METRICS["rmse"])).plan
    for fold in DataProblem(timed).replicates(plan.design)[0]:
        assert timed.time[fold.job.rows].max() < timed.time[fold.test].min()
        for split in fold.job.inner:
            assert timed.time[split.train].max() < timed.time[split.test].min()


def test_the_final_job_uses_all_rows_of_the_plan(dataset: Dataset, guess: Any) -> None:
    plan = make_schedule(DataProblem(dataset), [guess], Request(METRICS["roc_auc"])).plan
    job = DataProblem(dataset).final(plan.n_rows_used, plan.inner_folds, plan.seed)
    assert job.key == "final"
    assert job.rows.tolist() == list(range(dataset.n_rows))
    assert len(job.inner) == plan.inner_folds
    few = replace(plan, n_rows_used=50)
    assert len(DataProblem(dataset).drawn(few.n_rows_used, few.seed).numbers) == 50
    assert set(DataProblem(dataset).final(few.n_rows_used, few.inner_folds, few.seed).rows) == set(
        DataProblem(dataset).drawn(few.n_rows_used, few.seed).numbers
    )
