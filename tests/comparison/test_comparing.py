"""One comparison from plan to verdict, with contenders of known skill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from annvil.comparison import Comparison, Request, Store, compare
from annvil.comparison.data_problem import DataProblem
from annvil.data.dataset import Dataset
from annvil.errors import RequestError
from annvil.models.contract import Effort
from annvil.tasks.metric_index import METRICS


class Recorder:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.notices: list[str] = []
        self.tables: list[Any] = []

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def standings(self, standings: Any, spent_seconds: float) -> None:
        self.tables.append(standings)

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
    assert recorder.stages[0] == "Comparing, repeat 1 of 3"
    assert recorder.stages[-2:] == ["Learning curves", "What preparation is worth"]
    assert {s.state for s in recorder.tables[0]} == {"waiting", "running"}
    assert {s.state for s in recorder.tables[-1]} == {"finished"}
    assert found.spent_seconds["linear"] == pytest.approx(15 * 0.01)


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
    assert "There was no time for learning curves." in late.notices


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
