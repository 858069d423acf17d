"""How much memory is free, and how much was taken."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from annvil.system import memory
from annvil.system.memory import PeakMemory, available_bytes, resident_bytes


def write(folder: Path, **content: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in content.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_the_system_says(tmp_path: Path) -> None:
    assert 0 < available_bytes(tmp_path) <= psutil.virtual_memory().total


def test_a_container_may_have_less(tmp_path: Path) -> None:
    write(tmp_path, memory__max="1000000\n", memory__current="900000\n", memory__stat="anon 1\ninactive_file 50000\n")
    assert available_bytes(tmp_path) == 150_000


def test_a_container_of_the_first_version_may_have_less(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    write(folder, memory__limit_in_bytes="1000000\n", memory__usage_in_bytes="900000\n")
    assert available_bytes(tmp_path) == 100_000
    write(folder, memory__stat="inactive_file 7\ntotal_inactive_file 50000\n")
    assert available_bytes(tmp_path) == 150_000


def test_a_container_that_is_full_has_a_byte(tmp_path: Path) -> None:
    write(tmp_path, memory__max="1000\n", memory__current="5000\n")
    assert available_bytes(tmp_path) == 1


def test_a_container_without_a_limit_says_nothing(tmp_path: Path) -> None:
    write(tmp_path, memory__max="max\n", memory__current="900000\n")
    assert available_bytes(tmp_path) > 1 << 20


@pytest.mark.parametrize("by_mark", [True, False])
def test_memory_that_was_in_use_for_a_while_is_seen(by_mark: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not by_mark:
        monkeypatch.setattr(memory, "_mark_was_set_back", lambda: False)
    with PeakMemory() as watched:
        held = np.ones(8 << 20)  # 64 MiB
        time.sleep(0.2)
        del held
    assert 60 << 20 < watched.grown < 200 << 20
    assert watched.before > 1 << 20
    with PeakMemory() as again:
        pass
    assert again.grown < 60 << 20
    assert resident_bytes() <= again.peak + (8 << 20)


@pytest.mark.parametrize("gigabytes", [0.5, 1.2])
def test_a_limit_that_libraries_would_wait_at_is_refused_before_they_load(gigabytes: float, tmp_path: Path) -> None:
    """In a process of its own, since a limit stays."""
    program = (
        "import resource, sys; from annvil.cli import main; "
        f"resource.setrlimit(resource.RLIMIT_AS, (int({gigabytes}e9),) * 2); "
        "sys.argv = ['annvil', 'fit', 'sample:iris']; main()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    *_, said = done.stderr.splitlines()
    assert said.startswith(
        f"annvil: This process may take {gigabytes} GB of memory (ulimit -v), and fitting needs 1.5 GB"
    )
    assert not list(tmp_path.iterdir())
