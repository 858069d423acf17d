"""Two processes give what one gives; who is not started by torchrun hears how it is done."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from tests.training.helpers import members, small_network, table
from torch import nn

from annvil.errors import RequestError
from annvil.training import Distributed, Recipe, train_population
from annvil.training.system.hardware import threads

ROOT = Path(__file__).parents[3]
NUMBERS, CLASSES = table()


SCRIPT = str(Path(__file__).with_name("distributed_run.py"))
CASES = ["adamw", "accumulated", "muon", "a short last batch"]


def start(folder: Path, command: Sequence[str] = (), **environment: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join((str(ROOT), str(Path(__file__).parents[1]), *filter(None, sys.path)))
    variables = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, *command, SCRIPT, str(folder), *CASES], env=variables)


def free_port() -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return str(server.getsockname()[1])


def as_torchrun_does(folder: Path) -> list[subprocess.Popen[bytes]]:
    """Two processes with what torchrun tells them in the environment, without its own second of start-up each."""
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    return [start(folder, RANK=str(rank), LOCAL_RANK=str(rank), **group) for rank in range(2)]


def by_torchrun(folder: Path) -> list[subprocess.Popen[bytes]]:
    return [start(folder, ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"])]


@pytest.mark.skipif(sys.platform != "linux", reason="needs gloo over the local interface")
@pytest.mark.parametrize("launch", [as_torchrun_does, pytest.param(by_torchrun, marks=pytest.mark.slow)])
def test_two_processes_train_as_one_does(
    tmp_path: Path, launch: Callable[[Path], list[subprocess.Popen[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    processes = launch(tmp_path)
    try:
        monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
        train = runpy.run_path(SCRIPT)["main"]
        with threads(1):
            for case in CASES:
                train(tmp_path, case)
        assert [process.wait(timeout=120) for process in processes] == [0] * len(processes)
    finally:
        for process in processes:
            process.kill()
    for case in CASES:
        alone, first, second = (np.load(tmp_path / f"{case}.{who}.npz") for who in ("alone", "0", "1"))
        assert alone["states"].tolist() == first["states"].tolist() == second["states"].tolist()
        assert alone["states"][1] == "stopped at epoch 2 by the listener"
        assert alone["best"].tolist() == first["best"].tolist() == second["best"].tolist()
        assert (int(first["heard"]), int(first["told"])) == (int(alone["heard"]), int(alone["told"]))
        assert (int(second["heard"]), int(second["told"])) == (0, 0)
        assert (tmp_path / f"{case}.0.safetensors").exists()
        assert not (tmp_path / f"{case}.1.safetensors").exists()
        np.testing.assert_allclose(first["losses"], alone["losses"], rtol=1e-5)
        for name in alone:
            if name[0].isdigit():
                assert first[name].tobytes() == second[name].tobytes(), name
                difference = np.abs(first[name] - alone[name]).max() / np.abs(alone[name]).max()
                assert difference < 1e-6, name


def test_without_torchrun_it_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(RequestError, match=r"torchrun starts: torchrun --nproc-per-node 2 your_script\.py"):
        Distributed.from_environment()


def test_a_process_alone_decides_by_itself() -> None:
    alone = Distributed()
    assert alone.is_first
    assert alone.ask_first(lambda: True)
    assert alone.bytes_from_first(b"12") == b"12"
    assert alone.bytes_from_first(None) is None
    np.testing.assert_array_equal(alone.agreed(np.arange(3.0)), np.arange(3.0))
    plain = train_population(small_network, (NUMBERS,), CLASSES, members(1), Recipe(1), "cross-entropy")
    same = train_population(
        small_network, (NUMBERS,), CLASSES, members(1), Recipe(1), "cross-entropy", distributed=alone
    )
    assert plain.histories == same.histories


@pytest.mark.parametrize(("rows", "world"), [(7, 3), (6, 3), (2, 5), (0, 2), (9, 1)])
def test_the_rows_of_a_batch_are_dealt_without_loss(rows: int, world: int) -> None:
    parts = [list(range(rows)[Distributed(rank, world).part(rows)]) for rank in range(world)]
    assert list(chain.from_iterable(parts)) == list(range(rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_batch_norm_is_refused() -> None:
    def make(member: object) -> nn.Module:
        return nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, track_running_stats=False), nn.Linear(4, 3))

    with pytest.raises(RequestError, match=r"BatchNorm1d normalises .* each process would know only its own rows"):
        train_population(
            make, (NUMBERS,), CLASSES, members(1), Recipe(1), "cross-entropy", distributed=Distributed(0, 2)
        )
