"""`annvil.train(…, distributed=True)` in two processes: what one process gives, and one voice."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import annvil
from annvil.errors import RequestError

PROGRAM = """
import json, os, sys
import numpy as np, torch
from torch import nn
import annvil

X = np.random.default_rng(0).normal(size=(96, 6)).astype(np.float32)
torch.manual_seed(0)
network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
rank = os.environ.get("RANK", "alone")
result = annvil.train(
    network, X, (X[:, 0] > 0).astype(int), epochs=4, batch_size=32, batches="exact", validation=0.25,
    metrics="log_loss", distributed=rank != "alone", events=sys.argv[1] + "/events-" + rank,
)
with open(sys.argv[1] + "/" + rank, "w") as file:
    json.dump({"history": result.history, "weights": network[0].weight.tolist(), "state": result.state}, file)
"""


def start(folder: Path, **environment: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)], env=environment)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs gloo over the local interface")
def test_two_processes_give_what_one_gives_and_one_of_them_speaks(tmp_path):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(server.getsockname()[1])}
    processes = [start(tmp_path), *(start(tmp_path, RANK=str(rank), **group) for rank in range(2))]
    try:
        assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
    alone, first, second = (json.loads((tmp_path / name).read_text()) for name in ("alone", "0", "1"))
    assert first == second
    for name, values in alone["history"].items():
        np.testing.assert_allclose(first["history"][name], values, rtol=1e-5)
    np.testing.assert_allclose(first["weights"], alone["weights"], atol=1e-6)
    assert (tmp_path / "events-0").exists()
    assert not (tmp_path / "events-1").exists()


def test_without_torchrun_the_way_is_shown():
    with pytest.raises(RequestError, match=r"torchrun --nproc-per-node 2 your_script\.py"):
        annvil.train(nn.Linear(3, 2), np.zeros((4, 3)), [0, 1, 0, 1], distributed=True)
