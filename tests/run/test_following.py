"""A finished run can be given more time, and another can do what it did, to the same bytes."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from tests.budgets import fit_briefly, resume_briefly
from tests.run.test_resume import essence

import annvil
from annvil.comparison.race.decisions import read_decisions
from annvil.comparison.race.racing import Race
from annvil.errors import Interrupted, RequestError
from annvil.kinds.tables.kind import Tables
from annvil.models.jobs import Deadline
from annvil.run import stages


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Two hundred rows of which a straight line tells most."""
    random = np.random.default_rng(0)
    values = random.standard_normal((200, 3))
    answer = values.sum(axis=1) + 0.5 * random.standard_normal(200) > 0
    path = tmp_path_factory.mktemp("data") / "lines.csv"
    rows = [",".join([*(f"{v:.6f}" for v in row), "yes" if a else "no"]) for row, a in zip(values, answer, strict=True)]
    path.write_text("\n".join(["a,b,c,answer", *rows]) + "\n")
    return path


FEW = ("dummy", "linear", "dense-network", "network-ensemble")
"""Who competes: what is followed hangs on the race and not on who runs, and few have a network on a short budget."""


@pytest.fixture(scope="module", autouse=True)
def _few_compete():
    everybody = Tables.contenders
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tables, "contenders", lambda *asked: [one for one in everybody(*asked) if one.name in FEW])
        yield


@pytest.fixture(scope="module")
def short(table, tmp_path_factory):
    """Its race hangs on the clock, and the fit to ship is never cut: then the model of the first fold would ship."""
    stages.load_libraries()  # on a busy machine that takes longer than the budget
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages.Work, "deadline", lambda work, *_, **__: Deadline(float("inf")))
        patch.setattr(Race, "_limit", lambda *_: float("inf"))  # a rung that a slow machine cut would be its own alone
        out = tmp_path_factory.mktemp("runs")
        return fit_briefly(table, target="answer", least=6.0, out=out)


def units(run) -> list[object]:
    return [one.unit for one in read_decisions(run.folder / "race" / "decisions.jsonl") if one.ending == "complete"]


def test_a_run_that_does_as_another_did_has_the_same_bytes(table, short, tmp_path):
    """But for why it ended: the clock did not end it."""
    assert not any("fitted on all rows" in notice for notice in short.comparison.notices)
    like = annvil.fit(table, target="answer", budget="5s", out=tmp_path, like=short.folder)
    assert units(like) == units(short)
    assert like.comparison.final == short.comparison.final
    assert (like.folder / "model" / "model.onnx").read_bytes() == (short.folder / "model" / "model.onnx").read_bytes()
    expected, found = (essence(run.folder, but=("ended",)) for run in (short, like))
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []
    assert like.comparison.ended == "the log that was followed ended here"


def test_who_follows_a_run_that_had_no_time_for_the_fit_to_ship_ships_the_same(table, short, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages.Work, "deadline", lambda work, *_, **__: Deadline(-1.0))
        late = annvil.fit(table, target="answer", budget="5s", out=tmp_path / "late", like=short.folder)
    assert any("fitted on all rows" in notice for notice in late.comparison.notices)
    like = annvil.fit(table, target="answer", budget="5s", out=tmp_path / "like", like=late.folder)
    assert units(like) == units(late)
    models = [(run.folder / "model" / "model.onnx").read_bytes() for run in (short, late, like)]
    assert models[0] != models[1] == models[2]


def test_the_result_for_machines_tells_how_the_race_went(short):
    found = json.loads(json.dumps(short.to_json(), allow_nan=False))
    log = read_decisions(short.folder / "race" / "decisions.jsonl")
    race = found["race"]
    assert race["ended"] == short.comparison.ended
    assert race["seconds"] == pytest.approx(sum(one.seconds for one in log), abs=1e-3)
    assert [one["unit"]["contender"] for one in race["decisions"]] == [one.unit.contender for one in log]
    assert {"why", "expected_seconds", "seconds", "ending"} <= race["decisions"][0].keys()
    assert found["final"]["contender"] == short.verdict.recommended
    for row, standing in zip(found["scores"], short.comparison.standings, strict=True):
        assert row["rungs"] == list(standing.rungs)
        assert row["rung"] == standing.rung
        assert len(row["rung_means"]) == len(row["rung_seconds"]) == (0 if standing.rung is None else standing.rung + 1)
        assert row["rung_seconds"] == sorted(row["rung_seconds"])


def test_ctrl_c_says_what_would_be_answered(table, tmp_path, monkeypatch):
    """Stopped after the comparison, while the model that ships is fitted."""

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("annvil.run.shipping.ship", stopped)
    with pytest.raises(Interrupted) as stop:
        fit_briefly(table, target="answer", out=tmp_path)
    (run,) = tmp_path.iterdir()
    comparison = json.loads((run / "comparison.json").read_bytes())
    assert stop.value.folder == str(run)
    assert stop.value.so_far[0] == f"So far: {comparison['verdict']['headline']}"
    assert stop.value.so_far[-1].startswith("The best so far: ")
    assert json.loads((run / "state.json").read_bytes())["state"] == "interrupted"


def test_what_is_followed_must_be_a_run(table, tmp_path):
    with pytest.raises(RequestError, match="There is no run at"):
        annvil.fit(table, target="answer", out=tmp_path / "runs", like=tmp_path / "none-1")
    assert not (tmp_path / "runs").exists()


def test_a_finished_run_goes_on_with_a_larger_budget(short, tmp_path):
    moved = tmp_path / "lines-1"
    shutil.copytree(short.folder, moved)
    before = units(short)
    spent = json.loads((moved / "state.json").read_bytes())["spent_seconds"]
    run = resume_briefly(moved, spent)
    assert run.folder == moved
    assert units(run)[: len(before)] == before
    budget = run.comparison.plan.budget_seconds
    assert spent + 3 <= budget < spent + 200
    assert json.loads((moved / "request.json").read_bytes())["budget"] == pytest.approx(budget)
    state = json.loads((moved / "state.json").read_bytes())
    assert state["state"] == "finished"
    assert spent < state["spent_seconds"]


def test_a_budget_that_was_spent_already_is_refused(short, annvil_cli):
    before = essence(short.folder)
    result = annvil_cli("resume", short.folder, "--budget", "5s", "--quiet")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"annvil: {short.folder} has used ")
    assert result.stderr.count("\n") == 1
    assert "give it more than the 5 s that were asked for." in result.stderr
    assert essence(short.folder) == before
    assert annvil.open_run(short.folder).verdict == short.verdict


def test_a_budget_that_loading_has_used_is_refused_with_the_smallest_that_can_be_kept(table, tmp_path, monkeypatch):
    load = stages.load_libraries

    def slowly() -> None:
        load()
        time.sleep(4.0)

    monkeypatch.setattr(stages, "load_libraries", slowly)
    expected = r"A budget of 5 s is too short here: reading and loading took \d+\.\d s\. The smallest .* about \d+ s\."
    with pytest.raises(RequestError, match=expected):
        annvil.fit(table, target="answer", budget="5s", out=tmp_path)
    assert list(tmp_path.iterdir()) == []  # nothing was begun, and nothing is left behind


@pytest.fixture
def annvil_cli():
    from typer.testing import CliRunner

    from annvil.cli.app import app

    return lambda *words: CliRunner().invoke(app, [str(word) for word in words], prog_name="annvil")
