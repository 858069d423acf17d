"""Folders of runs that somebody else made, or that were damaged: a sentence or the report, and never a bug.

One small run is made; then single files and single values in it are replaced by what nobody wrote.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from safetensors.numpy import save
from typer.testing import CliRunner

import annvil
from annvil.cli.app import app
from annvil.kinds.tables import contenders as of_tables

CONTENTS = {
    "empty": b"",
    "zeros": bytes(1000),
    "another type": b"[]",
    "nothing": b"null",
    "no UTF-8": b'{"\xff": 1}',
    "lists, 100 000 deep": b"[" * 100_000 + b"]" * 100_000,
    "objects, 100 000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "a number of 5000 digits": b"1" + b"0" * 5000,
    "arrays of nobody": save({"a": np.zeros(3)}),
    "predictions of other rows": save({"y": np.zeros(3, np.int64), "outputs": np.zeros((7, 2))}),
    "classes that are not there": save({"y": np.full(80, 9), "outputs": np.full((80, 2), 0.5)}),
    "classes below 0": save({"y": np.full(80, -9), "outputs": np.full((80, 2), np.nan)}),
    "an axis too many": save({"y": np.zeros(80, np.int64), "outputs": np.zeros((80, 2, 2))}),
}
INSTEAD = ("a folder", "a link to itself", "a device", "nothing there", "a terabyte of holes")
VALUES = (None, -1, 0, 1e308, True, 10**18, "", "x", "\0", "../../x", "y" * 50_000, [], {}, [[]], {"x": 1})
NAMES = ("request.json", "state.json", "comparison.json", "run.json", "held_out.safetensors", "sections/x.json")
ALL_NAMES = (*NAMES, "race/decisions.jsonl", "race/request.json", "model/manifest.json", "model/model.onnx")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    rows = range(80)
    data = {"a": [k % 7 for k in rows], "b": [k * k % 11 for k in rows], "y": [int(k % 7 > k * k % 11) for k in rows]}
    with pytest.MonkeyPatch.context() as patched:
        dummy = [one for one in of_tables.contenders_for_tables() if one.name == "dummy"]
        patched.setattr(of_tables, "contenders_for_tables", lambda *_, **__: dummy)
        yield annvil.fit(data, target="y", budget=60, out=tmp_path_factory.mktemp("runs")).folder


def copied(made: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return Path(shutil.copytree(made, folder / "x-1"))


def replace(path: Path, how: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    if how in CONTENTS:
        path.write_bytes(CONTENTS[how])
    elif how == "a folder":
        path.mkdir()
    elif how == "a link to itself":
        path.symlink_to(path.name)
    elif how == "a device":
        path.symlink_to("/dev/zero")
    elif how == "a terabyte of holes":
        with path.open("wb") as stream:
            stream.truncate(1 << 40)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value but its root."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def expect_a_sentence(*words: str) -> None:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code in (0, 2), done.stderr
    assert done.exit_code == 0 or (done.stderr.startswith("annvil: ") and done.stderr.count("\n") == 1), done.stderr
    assert len(done.stderr) < 900


def expect_sentences(run: Path) -> None:
    expect_a_sentence("report", str(run), "--no-open")
    annvil.list_runs(run.parent)  # without it, if need be


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.sampled_from(ALL_NAMES), st.sampled_from([*CONTENTS, *INSTEAD]))
def test_a_file_that_is_another(made, tmp_path, name, how):
    run = copied(made, tmp_path / "runs")
    replace(run / name, how)
    expect_sentences(run)


@settings(
    max_examples=12,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_a_value_that_is_another(made, tmp_path, data):
    run = copied(made, tmp_path / "runs")
    path = run / data.draw(st.sampled_from(["request.json", "state.json", "comparison.json", "run.json"]))
    whole = json.loads(path.read_bytes())
    *way, last = data.draw(st.sampled_from(list(places(whole))))
    parent = whole
    for key in way:
        parent = parent[key]
    if data.draw(st.integers(0, 4)) == 0:
        del parent[last]
    else:
        parent[last] = data.draw(st.sampled_from(VALUES))
    path.write_text(json.dumps(whole))
    expect_sentences(run)


def test_a_folder_that_is_no_run_is_not_called_unfinished(tmp_path):
    done = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert (done.exit_code, "is not the folder of a run: it has no state.json" in done.stderr) == (2, True)


def test_one_that_nothing_has_happened_to(made, tmp_path):
    """Or else every run above could be refused for having been copied."""
    run = copied(made, tmp_path / "runs")
    assert CliRunner().invoke(app, ["report", str(run), "--no-open"]).exit_code == 0
    (summary,) = annvil.list_runs(run.parent)
    assert summary.name == "x-1"
