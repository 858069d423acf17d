"""`--events`: a run for machines, line by line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from annvil.cli import events
from annvil.errors import Interrupted


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def of(found: list[dict[str, object]], event: str) -> list[dict[str, object]]:
    return [one for one in found if one["event"] == event]


@pytest.fixture
def written(annvil, house, tmp_path):
    result = annvil("fit", "buyers.csv", "--events", "events.jsonl")
    assert result.exit_code == 0, result.output
    assert "Network ensemble, step 3 of 4" in result.stderr  # people are told as ever
    return lines((tmp_path / "events.jsonl").read_text(encoding="utf-8"))


def test_everything_that_happens_is_a_line(written):
    assert [one["event"] for one in written] == [
        "stage", "read", "stage", "decision", "notice", "decision", "result", "verdict", "result", "verdict",
        "finished",
    ]  # fmt: skip
    seconds = [one["seconds"] for one in written]
    assert seconds[3:] == sorted(seconds[3:])
    assert seconds[-1] >= 65.0


def test_a_decision_and_its_result(written):
    _, decision = of(written, "decision")
    del decision["seconds"]
    assert decision == {
        "event": "decision", "what": "fit", "contender": "network-ensemble", "rung": 2, "repeat": 0, "step": "",
        "title": "Network ensemble", "rungs": 4, "effort": "8 candidates, 5 inner folds",
        "why": "may change the answer", "expected_seconds": 20.0, "ends_by": 108.0,
    }  # fmt: skip
    complete, cut = of(written, "result")
    assert (complete["ending"], complete["took_seconds"]) == ("complete", 17.0)
    assert (complete["metric"], complete["score"], complete["spread"]) == ("roc_auc", 0.869, 0.0213)
    assert complete["gain"] == pytest.approx(0.004)
    assert (cut["contender"], cut["ending"], cut["score"], cut["gain"]) == ("boosted-trees", "cut short", None, None)


def test_the_verdict_so_far(written, house):
    verdict, _ = of(written, "verdict")
    assert (verdict["kind"], verdict["recommended"]) == ("equal", "boosted-trees")
    assert [verdict[side] for side in ("network", "equal", "simple")] == [0.71, 0.22, 0.07]
    (finished,) = of(written, "finished")
    assert finished["folder"] == str(house.folder)
    assert (finished["verdict"], finished["ended"]) == ("equal", "the time was used")


def test_every_event_and_key_is_documented(written):
    """In the module's text and on the page for people."""
    page = (Path(__file__).parents[2] / "docs" / "start.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", page, re.MULTILINE))
    for one in written:
        assert f"    {one['event']} " in events.__doc__
        assert {key for key in one if key not in events.__doc__} == set()
        about = rows["decision"] + rows["result"] if one["event"] == "result" else rows[one["event"]]
        assert {key for key in one if f"`{key}`" not in about} == {"event", "seconds"}
    assert {"stopped", *(one["event"] for one in written)} == set(rows)


def test_on_standard_error_they_stand_alone(annvil, house):
    result = annvil("fit", "buyers.csv", "--events", "-", "--json")
    assert of(lines(result.stderr), "verdict")
    assert json.loads(result.stdout)["name"] == "buyers-1"


def test_a_line_is_there_as_soon_as_it_happened(house, tmp_path):
    path = tmp_path / "events.jsonl"
    with events.Events(str(path), None) as listener:
        listener.stage("Reading")
        assert [one["event"] for one in lines(path.read_text())] == ["stage"]


def test_a_run_that_is_stopped_says_so_last(annvil, house, tmp_path):
    house.error = Interrupted("runs/buyers-1")
    assert annvil("fit", "buyers.csv", "--quiet", "--events", "events.jsonl").exit_code == 130
    last = lines((tmp_path / "events.jsonl").read_text())[-1]
    assert (last["event"], last["folder"], last["reason"]) == ("stopped", "runs/buyers-1", "stopped by the user")


def test_a_file_that_cannot_be_written_is_refused_before_anything_happens(annvil, house):
    result = annvil("fit", "buyers.csv", "--events", "no/such/folder/events.jsonl")
    assert result.exit_code == 2
    assert result.stderr.startswith("annvil: The events cannot be written to no/such/folder/events.jsonl: ")
    assert house.calls == []


def test_resume_writes_them_too(annvil, house, tmp_path):
    from annvil.options import FitOptions
    from annvil.run.folder import RunFolder
    from annvil.run.request import FitRequest

    RunFolder(house.folder).write_request(FitRequest("buyers.csv", FitOptions(target="buys")))
    assert annvil("resume", house.folder, "--quiet", "--events", "events.jsonl").exit_code == 0
    assert of(lines((tmp_path / "events.jsonl").read_text()), "finished")
