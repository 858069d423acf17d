"""The team: made of what the store holds, judged on the outer folds, shipped as one graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.comparison.conftest import Toy, made_dataset

from annvil.bundle import Predictor, export
from annvil.comparison import Comparison, Request, Store, compare, cost, extras
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.race import fitting
from annvil.comparison.race.decisions import read_decisions
from annvil.comparison.results import Standing
from annvil.data.dataset import Dataset
from annvil.models.jobs import Context, Deadline, Effort, Job
from annvil.models.team import agreed_weights, joined, team_weights
from annvil.run.folder import RunFolder
from annvil.run.shipping import fit_finally
from annvil.tasks.base import FloatArray
from annvil.tasks.metric_index import METRICS

Compare = Callable[..., Comparison]


def run(
    contenders: list[Any], folder: Path, metric: str = "roc_auc", regression: bool = False, **changes: Any
) -> Comparison:
    """The race alone, on 600 rows."""
    problem = DataProblem(made_dataset(600, regression=regression))
    request = Request(METRICS[metric], budget_seconds=600.0, **changes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(extras, "NO_CURVES_BELOW", 1e9)
        patch.setattr(cost, "MOST_SECONDS", 0.0)  # a few calls give a latency
        return compare(problem, [Toy("dummy", "dummy", ()), *contenders], request, Store(folder))


@pytest.fixture
def compared(store_folder: Path) -> Compare:
    def here(contenders: list[Any], folder: Path = store_folder, **changes: Any) -> Comparison:
        return run(contenders, folder, **changes)

    return here


def made_halves(**changes: Any) -> list[Any]:
    """Two contenders of different families, each of which sees what the other does not."""
    return [Toy("linear", "linear", (0, 1), **changes), Toy("net", "network", (2, 3), **changes)]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Store]:
    """A comparison of both halves, to be looked at."""
    folder = tmp_path_factory.mktemp("halves") / "race"
    return run(made_halves(), folder), Store(folder)


def place_of(found: Comparison, contender: str) -> Standing:
    return next(s for s in found.standings if s.contender == contender)


def content(folder: Path) -> dict[str, bytes]:
    """All results, without times."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


TIMED = ("cost.json", "decisions.jsonl")


# -- what it is worth --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("regression", "metric"), [(False, "roc_auc"), (True, "rmse")])
def test_two_that_see_different_columns_are_better_together(compared: Compare, regression: bool, metric: str) -> None:
    found = compared(made_halves(), regression=regression, metric=metric)
    team, alone = place_of(found, "team"), [place_of(found, name) for name in ("linear", "net")]
    assert found.standings[0] == team
    assert (team.family, team.title, team.state) == ("team", "Team of models", "finished")
    gains = [METRICS[metric].gain(a, b) for one in alone for a, b in zip(team.per_fold, one.per_fold[:5], strict=True)]
    assert min(gains) > 0
    assert team.members.keys() == {"linear", "net"}
    assert sum(team.members.values()) == pytest.approx(1.0)
    assert all(0.3 < weight < 0.7 for weight in team.members.values())
    assert found.verdict.recommended == "team"
    assert "It averages" in found.verdict.recommended_because


def test_its_scores_can_be_computed_again_from_the_predictions_of_its_members(
    done: tuple[Comparison, Store],
) -> None:
    (found, store), data = done, made_dataset(600)
    results = [fold for fold in found.folds if fold.contender == "team"]
    assert [fold.fold for fold in results] == [0, 1, 2, 3, 4]
    for fold in results:
        parts = {name: store.predictions(name, fold.job) for name in ("linear", "net")}
        rows = parts["net"].rows
        mean = sum(weight * parts[name].outputs for name, weight in fold.configuration["members"].items())
        assert data.task.scores(data.y[rows], mean, fold.threshold) == pytest.approx(fold.scores)
        inner = [store.inner_predictions(name, fold.job) for name in ("linear", "net")]
        assert all(one is not None and set(one.rows).isdisjoint(rows) for one in inner)


def test_it_costs_what_its_members_cost_together(done: tuple[Comparison, Store]) -> None:
    found, _ = done
    team, linear, net = (place_of(found, name).cost for name in ("team", "linear", "net"))
    assert team is not None
    assert linear is not None
    assert net is not None
    for name in ("core_seconds", "fit_seconds", "latency_ms_p50", "size_bytes", "n_parameters"):
        assert getattr(team, name) == pytest.approx(getattr(linear, name) + getattr(net, name)), name
    parities = [place_of(found, name).parity for name in ("team", "linear", "net")]
    assert parities[0] <= max(parities[1:])  # type: ignore[type-var,operator]


def test_the_graph_of_its_first_fold_is_that_of_its_members_in_one(
    done: tuple[Comparison, Store],
) -> None:
    (_, store), data = done, made_dataset(600)
    graph = store.graph("team")
    assert graph is not None
    rows, outputs = store.predictions("team", "repeat-0-fold-0")
    predicted = Predictor.from_graph(graph, data.inputs.form, data.task).raw(data.inputs.take(rows))
    np.testing.assert_allclose(predicted, outputs, atol=1e-9)


def test_it_stands_for_neither_side(done: tuple[Comparison, Store]) -> None:
    verdict = done[0].verdict
    assert verdict.network is not None
    assert verdict.simple is not None
    assert set(verdict.network.contenders) == {"net"}
    assert set(verdict.simple.contenders) <= {"linear", "dummy"}
    assert not any("team" in sentence for sentence in verdict.sentences if "On the same" in sentence)


def test_members_that_do_not_help_make_no_team_that_ships(compared: Compare, tmp_path: Path) -> None:
    everything = (0, 1, 2, 3)
    found = compared([Toy("linear", "linear", everything), Toy("net", "network", everything)])
    assert found.verdict.recommended == "linear"
    better = compared([Toy("linear", "linear", (0,)), Toy("net", "network", everything)], folder=tmp_path / "one")
    assert better.verdict.recommended == "net"


def test_there_is_none_within_one_family_or_of_one_alone(compared: Compare, tmp_path: Path) -> None:
    nets = [Toy("net", "network", (0, 1)), Toy("other", "network", (2, 3))]
    assert {s.contender for s in compared(nets).standings} == {"dummy", "net", "other"}
    best = [Toy("linear", "linear", ()), Toy("net", "network", (0, 1, 2, 3))]
    found = compared(best, folder=tmp_path / "alone")
    assert {s.contender for s in found.standings} == {"dummy", "linear", "net"}
    assert not (tmp_path / "alone" / "team").exists()


def test_whoever_cannot_be_exported_is_no_member(compared: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fitting.RAISE_BUGS)
    linear, net = made_halves()
    net._learn = lambda data, rows, effort: Unwritten(type(net)._learn(net, data, rows, effort))
    assert "team" not in {s.contender for s in compared([linear, net]).standings}


class Unwritten:
    n_parameters = 0

    def __init__(self, inner: Any) -> None:
        self.predict = inner.predict


# -- it is a function of the store -------------------------------------------------------------------------------------


def test_a_log_that_is_followed_gives_the_same_team(compared: Compare, tmp_path: Path) -> None:
    compared(made_halves(), folder=tmp_path / "first")
    follow = tuple(one.unit for one in read_decisions(tmp_path / "first" / "decisions.jsonl"))
    compared(made_halves(), folder=tmp_path / "second", follow=follow)
    first, second = content(tmp_path / "first"), content(tmp_path / "second")
    assert any(name.startswith("team/") for name in first)
    assert first == second


def test_interrupted_it_ends_with_the_same_team(compared: Compare, store_folder: Path) -> None:
    compared(made_halves())
    whole = content(store_folder)
    store_folder.rename(store_folder.with_name("whole"))
    for stop_after in (3, 9, 4):
        seen: list[str] = []

        def interrupt(job: Job, seen: list[str] = seen, stop_after: int = stop_after) -> None:
            seen.append(job.key)
            if len(seen) > stop_after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            compared(made_halves(before=interrupt))
    kept = store_folder / "team" / "repeat-0-fold-1.json"
    if kept.exists():  # killed between two folds of the team
        kept.unlink()
    compared(made_halves())
    assert content(store_folder) == whole


def test_a_member_that_climbs_changes_the_team(compared: Compare, store_folder: Path) -> None:
    found = compared([Toy("linear", "linear", (0,)), Toy("net", "network", ((1,), (1, 2), (1, 2, 3)))])
    rungs = {fold.configuration["rungs"]["net"] for fold in found.folds if fold.contender == "team"}
    assert rungs == {place_of(found, "net").rung} == {2}


def test_of_many_out_of_fold_predictions_a_part_is_kept_the_same_for_everybody(
    compared: Compare, store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "MOST_INNER_VALUES", 400)
    compared(made_halves())
    store = Store(store_folder)
    first, second = (store.inner_predictions(name, "repeat-0-fold-0") for name in ("linear", "net"))
    assert first is not None
    assert second is not None
    assert len(first.rows) == 200
    assert first.rows.tolist() == second.rows.tolist() == sorted(first.rows)


# -- weights -----------------------------------------------------------------------------------------------------------


def test_weights_are_those_of_the_least_loss_without_small_ones() -> None:
    truth = np.array([[0.0], [1.0], [2.0], [3.0]])
    outputs = [truth + 1.0, truth - 1.0, truth + 50.0]
    weights = team_weights(outputs, lambda mean: ((mean - truth) ** 2)[:, 0])
    assert weights.tolist() == [0.5, 0.5, 0.0]
    nearly = [truth + 0.01, truth - 0.99]  # one part in a hundred, which no round of 24 gives
    assert team_weights(nearly, lambda mean: ((mean - truth) ** 2)[:, 0]).tolist() == [1.0, 0.0]


def test_of_few_rows_weights_are_nearly_equal_among_those_that_cannot_be_told_apart() -> None:
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(2_000, 1))
    outputs = [truth + rng.normal(size=truth.shape) for _ in range(3)] + [truth + 5.0]

    def of_the_first(n: int) -> FloatArray:
        return team_weights([one[:n] for one in outputs], lambda mean: ((mean - truth[:n]) ** 2)[:, 0])

    few, many = of_the_first(20), of_the_first(2_000)
    assert few[3] == many[3] == 0.0  # it is told apart at once
    assert np.abs(few[:3] - 1 / 3).max() < 0.1
    outputs[1] += 0.5
    assert of_the_first(2_000)[1] < of_the_first(20)[1]


def test_what_ships_has_the_mean_weights_of_the_folds() -> None:
    assert agreed_weights([{"a": 0.5, "b": 0.5}, {"a": 1.0}]) == {"a": 0.75, "b": 0.25}
    folds = [{"a": 0.8, "b": 0.2}, {"a": 1.0}, {"c": 1.0}]
    found = agreed_weights(folds)
    assert list(found) == ["a", "c"]  # b has less than a tenth
    assert found == pytest.approx({"a": 0.6 / (0.6 + 1 / 3), "c": 1 / 3 / (0.6 + 1 / 3)})
    assert agreed_weights([]) == {}


# -- what ships --------------------------------------------------------------------------------------------------------


def test_the_fit_to_ship_has_that_of_each_member(done: tuple[Comparison, Store]) -> None:
    found, _ = done
    assert found.final is not None
    assert found.final.contender == "team"
    assert {part.contender: part.weight for part in found.final.members} == place_of(found, "team").members
    assert {part.inner_folds for part in found.final.members} == {3}
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


@pytest.mark.parametrize(
    ("broken", "left", "missing"),
    [("", {"linear", "net"}, []), ("net", {"linear"}, ["net"]), ("linear", None, ["linear"])],
)
def test_every_member_is_fitted_on_all_rows_and_what_was_not_is_named(
    done: tuple[Comparison, Store], tmp_path: Path, broken: str, left: Any, missing: list[str]
) -> None:
    found, problem = done[0], DataProblem(made_dataset(600))
    assert found.final is not None
    parts = tuple(replace(part, weight={"linear": 0.6, "net": 0.4}[part.contender]) for part in found.final.members)
    found = replace(found, final=replace(found.final, members=parts))
    contenders = made_halves()
    for one in contenders:
        if one.name == broken:
            one.fit = lambda *given: iter(())  # the deadline came before it had anything
    fitted, not_fitted = fit_finally(problem, contenders, found, RunFolder(tmp_path), Deadline(60.0))
    assert not_fitted == missing
    if left is None:  # what is left had less than half of the weight
        assert fitted is None
        return
    assert fitted is not None
    assert fitted.contender == ("team" if len(left) == 2 else next(iter(left)))
    assert len(fitted.job.rows) == 600
    if len(left) == 2:
        assert fitted.configuration["members"] == pytest.approx({"linear": 0.6, "net": 0.4})
    assert all(key == "final" for one in contenders for key, _ in one.asked)


@pytest.mark.parametrize("regression", [False, True])
def test_the_shipped_graph_predicts_what_the_members_average(regression: bool) -> None:
    data: Dataset = made_dataset(200, regression=regression)
    job = DataProblem(data).final(200, 3, 0)
    fitted = [next(one.fit(data, [job], Effort(inner_folds=3), Context())) for one in made_halves()]
    team = joined(fitted, [0.3, 0.1], {"linear": "Linear", "net": "Net"})
    graph = export(team, data.inputs.form, data.task)
    outputs = Predictor.from_graph(graph, data.inputs.form, data.task).raw(data.inputs)
    mean = 0.75 * fitted[0].predict(data.inputs) + 0.25 * fitted[1].predict(data.inputs)
    np.testing.assert_allclose(outputs, mean, atol=1e-9)
    np.testing.assert_allclose(team.predict(data.inputs), mean, atol=1e-12)
    inner = 0.75 * fitted[0].out_of_fold + 0.25 * fitted[1].out_of_fold
    np.testing.assert_allclose(team.out_of_fold, inner, atol=1e-12)
    assert team.summary == "75% linear and 25% net"
    assert team.n_parameters == sum(one.n_parameters for one in fitted)
    assert team.preparation == ()


@pytest.mark.parametrize("inner", [1, 3])
@pytest.mark.parametrize("order", [1, -1])
def test_members_that_learnt_from_different_rows_ship_together(inner: int, order: int) -> None:
    """One had time for a part of the rows: what is known of the team out of fold is what both know, or the heaviest."""
    data: Dataset = made_dataset(200)
    problem = DataProblem(data)
    few, all_rows = problem.final(60, inner, 0), problem.final(200, inner, 0)
    linear, net = made_halves()
    fitted = [next(linear.fit(data, [few], Effort(inner_folds=inner), Context()))]
    fitted.append(next(net.fit(data, [all_rows], Effort(inner_folds=inner), Context())))
    team = joined(fitted[::order], [0.5, 0.5], {"linear": "Linear", "net": "Net"})
    assert np.array_equal(team.job.rows, all_rows.rows)
    expected = {one.contender: np.full((200, 2), np.nan) for one in fitted}
    for one in fitted:
        expected[one.contender][one.job.rows] = one.out_of_fold
    mean = 0.5 * expected["linear"] + 0.5 * expected["net"]
    assert 0 < np.isfinite(mean).all(axis=1).sum() <= 60
    np.testing.assert_allclose(team.out_of_fold, mean, atol=1e-12)
    apart = joined(
        [replace(fitted[0], out_of_fold=np.full((len(few.rows), 2), np.nan)), fitted[1]],
        [0.4, 0.6],
        {"linear": "Linear", "net": "Net"},
    )
    np.testing.assert_array_equal(apart.out_of_fold, expected["net"])
