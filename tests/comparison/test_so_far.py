"""What a race would answer if it ended now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from annvil.comparison import Comparison, Request, Store, compare
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.race.so_far import NOT_BOTH, tell_so_far
from annvil.comparison.request import Moment, Quiet
from annvil.comparison.results import Standing
from annvil.models.jobs import Job
from annvil.tasks.metric_index import METRICS

CLIMB = (0,), (0, 1), (0, 1, 2)


class Follower(Quiet):
    """Keeps the table that was told last before each moment."""

    def __init__(self) -> None:
        self.table: tuple[Standing, ...] = ()
        self.told: list[tuple[Moment, dict[str, Standing]]] = []

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        self.table = standings

    def moment(self, moment: Moment) -> None:
        self.told.append((moment, {one.contender: one for one in self.table}))

    def fits(self, ending: str) -> list[tuple[Moment, dict[str, Standing]]]:
        """Of units of that ending."""
        return [(m, table) for m, table in self.told if m.ending == ending and m.unit and m.unit.what == "fit"]


@pytest.fixture
def compared(make_dataset: Any, guess: Any, toy: Any, store_folder: Path) -> tuple[Follower, Comparison]:
    follower = Follower()
    contenders = [guess, toy("net", "network", CLIMB, title="Net"), toy("linear", "linear", (0,))]
    request = Request(METRICS["roc_auc"], budget_seconds=600.0)
    return follower, compare(DataProblem(make_dataset(300)), contenders, request, Store(store_folder), follower)


def test_the_table_is_told_before_what_changes_it_is(compared: tuple[Follower, Comparison]) -> None:
    follower, _ = compared
    for moment, table in follower.fits("begun"):
        assert moment.unit is not None
        assert table[moment.unit.contender].state == "running"
    for moment, table in follower.fits("complete"):
        assert moment.unit is not None
        row = table[moment.unit.contender]
        assert row.rung == moment.unit.rung
        assert row.state == "finished"
        assert len(row.rung_means) == len(row.rung_seconds) == moment.unit.rung + 1


def test_the_last_answer_so_far_is_the_answer(compared: tuple[Follower, Comparison]) -> None:
    follower, found = compared
    (last, _) = follower.fits("complete")[-1]
    assert last.verdict is not None
    assert last.verdict.kind == found.verdict.kind
    assert last.verdict.recommended == found.verdict.recommended
    assert last.posterior == found.verdict.posterior


def test_before_both_sides_are_scored_no_answer_is_claimed(compared: tuple[Follower, Comparison]) -> None:
    follower, _ = compared
    (guessed, _), *rest = follower.fits("complete")
    assert guessed.verdict is not None
    assert guessed.verdict.headline == NOT_BOTH
    assert guessed.posterior is None
    assert [m.posterior is None for m, _ in rest] == [True] + [False] * (len(rest) - 1)


def test_the_end_is_known_at_the_latest_and_likelier_once_the_answer_is_certain(
    compared: tuple[Follower, Comparison],
) -> None:
    follower, _ = compared
    for moment, _ in follower.told:
        assert moment.latest_end is not None
        assert moment.spent_seconds < moment.latest_end < 600.0
        certain = moment.verdict is not None and moment.verdict.kind != "cannot tell"
        if moment.likely_end is not None:
            assert certain
            assert moment.spent_seconds <= moment.likely_end <= moment.latest_end
    assert follower.told[0][0].likely_end is None


def test_seconds_of_a_rung_are_those_until_then(compared: tuple[Follower, Comparison]) -> None:
    follower, found = compared
    (net,) = [one for one in found.standings if one.contender == "net"]
    took = [m.seconds for m, _ in follower.fits("complete") if m.unit and m.unit.contender == "net"]
    first_repeat = took[: len(net.rung_means)]
    assert list(net.rung_seconds) == pytest.approx([sum(first_repeat[: n + 1]) for n in range(len(first_repeat))])


def test_in_words(compared: tuple[Follower, Comparison]) -> None:
    _, found = compared
    metric = METRICS["roc_auc"]
    answer, chances, best = tell_so_far(found.verdict, found.standings, metric)
    assert answer == f"So far: {found.verdict.headline}"
    posterior = found.verdict.posterior
    assert posterior is not None
    assert chances.startswith(f"The chances: network {posterior.p_first:.0%}, equal ")
    assert best.startswith("The best so far: Net, ROC AUC 0.")
    assert best.endswith(f", step {found.standings[0].rung + 1} of 3.")
    left = tuple(replace(s, rung=None, state="waiting") if s.contender == "linear" else s for s in found.standings)
    assert tell_so_far(found.verdict, left, metric)[2] == "Not scored yet: Linear."
    assert tell_so_far(None, found.standings, metric) == ("Nothing is scored yet.",)
    assert tell_so_far(None, (), metric) == ()


def test_a_race_that_is_broken_off_has_told_its_answer(
    make_dataset: Any, guess: Any, toy: Any, store_folder: Path
) -> None:
    def stop(job: Job) -> None:
        if len(net.asked) == 8:
            raise KeyboardInterrupt

    follower, net = Follower(), toy("net", "network", CLIMB, before=stop)
    request = Request(METRICS["roc_auc"], budget_seconds=600.0)
    contenders = [guess, net, toy("linear", "linear", (0,))]
    with pytest.raises(KeyboardInterrupt):
        compare(DataProblem(make_dataset(300)), contenders, request, Store(store_folder), follower)
    moment, table = follower.told[-1]
    assert (moment.ending, moment.unit and moment.unit.rung) == ("begun", 1)
    assert moment.verdict is not None
    assert moment.posterior is not None
    assert table["net"].rung == 0
