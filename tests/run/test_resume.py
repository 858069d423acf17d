"""A run killed at any moment resumes to the bytes it would have had."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import annvil
from annvil.errors import DataError, RequestError

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


def essence(folder: Path) -> dict[str, bytes]:
    """The bytes that must agree: the model, every prediction, and the records without their clocks."""
    kept = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.safetensors"))}
    kept |= {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*.onnx"))}
    comparison = json.loads((folder / "comparison.json").read_bytes())
    kept["comparison"] = json.dumps(without_clocks(comparison), sort_keys=True).encode()
    return kept


def without_clocks(value):
    """The value without what a clock measured."""
    timed = ("seconds", "latency", "rows_per_second", "memory", "notices", "recommended", "sentences", "standings")
    if isinstance(value, dict):
        return {k: without_clocks(v) for k, v in value.items() if not any(word in k for word in timed)}
    return [without_clocks(v) for v in value] if isinstance(value, list) else value


def killed_and_resumed(table: Path, out: Path, kills: int) -> int:
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(table), "answer", str(out), str(kills)]
    seed = random.SystemRandom().randrange(2**31)
    done = subprocess.run([*command, str(seed)], capture_output=True, text=True, check=False, timeout=1500)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-3000:]}"
    return int(done.stdout)


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_killed_at_random_moments_it_ends_with_the_same_bytes(table, tmp_path, kills):
    assert killed_and_resumed(table, tmp_path / "whole", 0) == 0
    assert killed_and_resumed(table, tmp_path / "killed", kills) >= min(kills, 5)
    expected, found = essence(tmp_path / "whole" / "small-1"), essence(tmp_path / "killed" / "small-1")
    assert expected.keys() == found.keys()
    assert [name for name in expected if expected[name] != found[name]] == []


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
