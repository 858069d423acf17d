"""A run killed at any moment resumes to the bytes that an uninterrupted one with the same log has."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import annvil
from annvil.comparison.race.decisions import read_decisions
from annvil.errors import DataError, Interrupted, RequestError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="forks and kills")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """Eighty rows with a number that matters, one that does not, a category and missing values."""
    random = np.random.default_rng(0)
    signal, noise = random.standard_normal((2, 80))
    colour = random.choice(["red", "green", "blue"], 80)
    answer = signal + (colour == "red") + 0.5 * random.standard_normal(80) > 0.3
    path = tmp_path_factory.mktemp("data") / "small.csv"
    lines = ["signal,noise,colour,answer"]
    for i in range(80):
        first = "" if i % 11 == 0 else f"{signal[i]:.6f}"
        lines.append(f"{first},{noise[i]:.6f},{colour[i]},{'yes' if answer[i] else 'no'}")
    path.write_text("\n".join(lines) + "\n")
    return path


def essence(folder: Path, but: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The bytes that must agree: the model, every prediction, and the records without their clocks.

    What a clock cut is not among them: its folds stay for whoever goes on, and who follows the log has no such folds.
    """
    files = [*sorted(folder.rglob("*.safetensors")), *sorted(folder.rglob("*.onnx"))]
    unfinished = [folder / "race" / place for place in cut_short(folder)]
    kept = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files
        if not any(str(path).startswith(str(place)) for place in unfinished)
    }
    comparison = json.loads((folder / "comparison.json").read_bytes())
    kept["comparison"] = json.dumps(
        {k: v for k, v in without_clocks(comparison).items() if k not in but}, sort_keys=True
    ).encode()
    return kept


def cut_short(folder: Path) -> list[str]:
    """How the names of the files of cut units begin; of a first repeat, the exported model is among them."""
    log = read_decisions(folder / "race" / "decisions.jsonl")
    complete = {one.unit for one in log if one.ending == "complete"}
    cut = {one.unit for one in log if one.unit.what == "fit"} - complete
    rungs = [(one, f"{one.contender}/rung-{one.rung}" if one.rung else one.contender) for one in cut]
    return [f"{rung}/repeat-{one.repeat}-" for one, rung in rungs] + [
        f"{rung}/model.onnx" for one, rung in rungs if one.repeat == 0
    ]


def without_clocks(value):
    """The value without what a clock measured."""
    timed = ("seconds", "latency", "rows_per_second", "memory", "notices", "costs", "standings")
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if not any(word in k for word in timed)}
    return [without_clocks(v) for v in value] if isinstance(value, list) else value


def killed_and_resumed(data: Path, target: str, budget: str, out: Path, kills: int) -> int:
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(data), target, budget]
    command += [str(out), str(kills)]
    seed = random.SystemRandom().randrange(2**31)
    done = subprocess.run([*command, str(seed)], capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
    return int(done.stdout)


@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_killed_at_random_moments_it_ends_with_the_bytes_of_one_that_follows_its_log(table, tmp_path, kills):
    assert killed_and_resumed(table, "answer", "14s", tmp_path / "killed", kills) >= min(kills, 5)
    killed = tmp_path / "killed" / "small-1"
    whole = annvil.fit(table, target="answer", out=tmp_path / "whole", like=killed)
    assert_the_same(whole.folder, killed)


def assert_the_same(whole: Path, killed: Path) -> None:
    """But for why the comparison ended: the clock ended one of them only."""
    expected, found = (essence(folder, but=("ended",)) for folder in (whole, killed))
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    """Zeros, ones and sevens of 8 × 8 pixels, in a folder each."""
    root, bunch = tmp_path_factory.mktemp("pictures") / "photos", load_digits()
    for row in np.flatnonzero(np.isin(bunch.target[:250], (0, 1, 7))):
        folder = root / f"digit {bunch.target[row]}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((bunch.images[row] * 15.9).astype(np.uint8)).save(folder / f"{row}.png")
    return root


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_of_pictures_that_was_killed_ends_with_the_same_bytes(photos, tmp_path):
    assert killed_and_resumed(photos, "-", "8s", tmp_path / "killed", 8) >= 4
    killed = tmp_path / "killed" / "photos-1"
    assert_the_same(annvil.fit(photos, out=tmp_path / "whole", like=killed).folder, killed)


@pytest.mark.parametrize("change", ["picture", "groups", "class"])
def test_changed_pictures_and_groups_are_noticed(photos, tmp_path, monkeypatch, change):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("annvil.run.stages._compare_ship_report", stopped)
    moved, table = tmp_path / "photos", tmp_path / "patients.csv"
    shutil.copytree(photos, moved)
    files = sorted(path.relative_to(moved) for path in moved.rglob("*.png"))
    table.write_text("path,patient\n" + "".join(f"{path},{i // 3}\n" for i, path in enumerate(files)))
    with pytest.raises(Interrupted):
        annvil.fit(moved, groups=table, budget="10s", out=tmp_path / "runs")
    run = next((tmp_path / "runs").iterdir())
    with pytest.raises(Interrupted):
        annvil.resume(run)  # nothing has changed yet
    if change == "picture":
        (moved / files[0]).write_bytes((moved / files[1]).read_bytes())
    elif change == "groups":
        table.write_text("path,patient\n" + "".join(f"{path},{i // 4}\n" for i, path in enumerate(files)))
    else:
        (moved / files[-1]).parent.rename(moved / "digit 8")
        table.write_text(table.read_text().replace("digit 7", "digit 8"))
    with pytest.raises(DataError, match=r"photos, or .*patients\.csv, has changed since this run began.* Restore them"):
        annvil.resume(run)


def test_a_finished_run_is_returned_and_changed_data_are_refused(table, tmp_path):
    moved = tmp_path / "moved.csv"
    moved.write_bytes(table.read_bytes())
    run = annvil.fit(moved, target="answer", budget="5s", out=tmp_path)
    assert annvil.resume(run.folder).verdict == run.verdict
    state = json.loads((run.folder / "state.json").read_bytes())
    (run.folder / "state.json").write_text(json.dumps(state | {"state": "interrupted"}))
    with pytest.raises(RequestError, match="annvil resume"):
        annvil.open_run(run.folder)
    moved.write_text(moved.read_text() + "0.5,0.5,red,yes\n")
    with pytest.raises(DataError, match="has changed since this run began"):
        annvil.resume(run.folder)
