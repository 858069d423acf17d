"""What is found on a machine, what is said of it, and what is never told."""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from annvil.cli.app import app
from annvil.run import doctor
from annvil.run.doctor import Examination, examine, slow_here
from annvil.training.system import hardware

QUICK = Examination(
    versions={"annvil": "0.1.0"},
    system="Linux",
    processor="a quick one",
    instruction_sets=("SSE4.2", "AVX2", "AVX-512F", "AMX"),
    bfloat16_units="tiles",
    cores=8,
    cores_of_machine=8,
    threads=8,
    free_bytes=32 << 30,
    total_bytes=64 << 30,
    load=0.5,
    settings={"OMP_WAIT_POLICY": "PASSIVE", "MKL_CBWR": "AUTO"},
    precision="bfloat16",
    bfloat16_gain=4.0,
    second_worker_gain=1.9,
    cache_folder="~/.cache/annvil",
    caches={},
    slow=(),
)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home of its own, and a machine that was measured before."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(hardware, "bfloat16_gain", lambda: 0.03)
    monkeypatch.setattr(hardware, "second_worker_gain", lambda: 1.9)
    (tmp_path / ".cache" / "annvil" / "images").mkdir(parents=True)
    (tmp_path / ".cache" / "annvil" / "images" / "one").write_bytes(bytes(3000))
    return tmp_path


def test_it_says_what_the_libraries_and_the_system_say(measured: Path) -> None:
    found = examine()
    assert found.versions["torch"] == version("torch")
    assert found.versions["onnxruntime"] == version("onnxruntime")
    assert "pytest" not in found.versions
    assert found.cores == len(os.sched_getaffinity(0))
    assert found.caches == {"images": 3000}
    assert found.cache_folder == "~/.cache/annvil"
    assert found.precision == "float32"
    assert 0 < found.free_bytes <= found.total_bytes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cores": 2, "threads": 2}, "Only 2 of 8 cores"),
        ({"cores": 1, "cores_of_machine": 1, "threads": 1}, "There is one core"),
        ({"threads": 2}, "PyTorch takes 2 of 8 cores"),
        ({"load": 9.0}, "a load of 9 on 8 cores"),
        ({"precision": "float32", "bfloat16_units": "", "bfloat16_gain": 0.03}, "has no units for it"),
        ({"precision": "float32", "bfloat16_gain": 1.1}, "gains too little (bfloat16 is 1.1 times"),
        ({"instruction_sets": ("SSE4.2", "AVX")}, "no AVX2"),
        ({"second_worker_gain": 1.0}, "1.0 times the work of one"),
        ({"settings": {"ATEN_CPU_CAPABILITY": "avx2"}}, "ATEN_CPU_CAPABILITY is set to 'avx2'"),
        ({"settings": {"ONEDNN_MAX_CPU_ISA": "AVX2"}}, "ONEDNN_MAX_CPU_ISA is set"),
        ({"settings": {"MKL_CBWR": "COMPATIBLE"}}, "COMPATIBLE"),
        ({"settings": {"OMP_WAIT_POLICY": "ACTIVE"}}, "spin"),
        ({"free_bytes": 1 << 30}, "of memory is free"),
    ],
)
def test_what_is_slow_is_named_once_with_its_reason(change: dict[str, Any], said: str) -> None:
    assert list(slow_here(QUICK)) == []
    (sentence,) = slow_here(replace(QUICK, **change))
    assert said in sentence
    assert sentence.endswith(".")


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_can_keep", lambda: False)
    assert "Nothing can be kept" in next(slow_here(QUICK))


@pytest.mark.parametrize("cache", [None, "elsewhere"])
def test_neither_names_nor_paths_are_told(measured: Path, monkeypatch: pytest.MonkeyPatch, cache: str | None) -> None:
    if cache:
        monkeypatch.setenv("XDG_CACHE_HOME", str(measured.parent / cache))
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert told["slow"] == list(told["slow"])
    for private in (str(measured), str(measured.parent), os.uname().nodename):
        assert private not in done.stdout
    assert f"/{getpass.getuser()}" not in done.stdout
    plain = CliRunner().invoke(app, ["doctor"])
    assert plain.exit_code == 0
    assert str(measured) not in plain.stdout
    assert "Precision" in plain.stdout
