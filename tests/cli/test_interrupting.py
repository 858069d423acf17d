"""Ctrl-C at any moment, from the first import on: one sentence and exit code 130, and nothing half written.

Moments are counted (the n-th module that is looked for, the n-th file that is opened), not timed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
import annvil_command

event, moment = sys.argv[1], int(sys.argv[2])
sys.argv = ["annvil", *sys.argv[3:]]
seen = 0

def hook(what, _):
    global seen
    if what == event:
        seen += 1
        if seen == moment:
            raise KeyboardInterrupt

sys.addaudithook(hook)
try:
    annvil_command.main()
finally:
    if moment == 0:
        sys.stderr.write(f"{seen}")
"""

SHARES = (0.0, 0.02, 0.2, 0.5, 0.8, 0.97)
"""Of all moments; between the last of them and the end the result may be there already."""


def called(folder: Path, event: str, moment: int, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, event, str(moment), *words]
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "ANNVIL_RAISE_BUGS": ""}
    return subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, check=False)


def moments(folder: Path, event: str, *words: str) -> list[int]:
    whole = called(folder, event, 0, *words)
    assert whole.returncode == 0, whole.stderr
    seen = int(whole.stderr.rsplit(maxsplit=1)[-1].rsplit(".", 1)[-1])
    return [1 + int(share * (seen - 1)) for share in SHARES]


@pytest.mark.parametrize("event", ["import", "open"])
def test_a_command_that_is_stopped_says_so(tmp_path, event):
    for moment in moments(tmp_path, event, "runs", "--json"):
        stopped = called(tmp_path, event, moment, "runs", "--json")
        assert (stopped.returncode, stopped.stderr) == (130, "annvil: Stopped.\n"), moment
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("event", ["import", "open", "os.rename"])
def test_a_fit_that_is_stopped_leaves_nothing_or_a_run_that_goes_on(tmp_path, event):
    rows = [f"{k % 7},{(k * k) % 11},{int((k % 7) * 2 > (k * k) % 11)}" for k in range(80)]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,y", *rows]) + "\n")
    words = ("fit", "table.csv", "-t", "y", "-b", "15s", "-q", "-o", "runs")
    for moment in moments(tmp_path, event, *words, "-o", "first"):
        stopped = called(tmp_path, event, moment, *words)
        assert stopped.returncode == 130, (moment, stopped.stderr)
        assert stopped.stderr.startswith("annvil: Stopped.")
        assert "Traceback" not in stopped.stderr
        runs = sorted((tmp_path / "runs").iterdir()) if (tmp_path / "runs").exists() else []
        assert [path for run in runs for path in run.rglob("*.part")] == []
        for run in runs:
            assert f"annvil resume {run.relative_to(tmp_path)}" in stopped.stderr
            resumed = called(tmp_path, event, -1, "resume", str(run), "-b", "30s", "-q")
            assert resumed.returncode == 0, resumed.stderr
            run.rename(tmp_path / f"{moment}-{event}")
