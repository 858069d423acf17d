"""Trains a small population in child processes that are killed at random moments, until one ends; run by
test_checkpoint.

    python killed_run.py FOLDER SEED CASE=KILLS …  →  FOLDER/CASE/whole.npz (never killed) and FOLDER/CASE/killed.npz

The parent imports PyTorch and computes nothing, so that forking it is safe.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from helpers import ROWS, seeded, table  # the folder above is on the path
from torch import Tensor, nn

from annvil.networks import Dropout
from annvil.training import Member, Recipe, train_population
from annvil.training.loop import checkpoint, workers as running

RECIPES = {
    "plain": Recipe(60, batch_size=20, schedule="cosine", patience=20, halving=(0.2, 0.4), threads=1),
    "rich": Recipe(
        30, batch_size=20, optimizer="muon", accumulate=2, average=0.95, average_from=0.3, clip_norm=1.0,
        schedule="triangular", warmup=0.1, patience=20, halving=(0.2, 0.4), threads=1,
    ),
}  # fmt: skip


def dense() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), Dropout(0.1), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3))


def pictures() -> nn.Module:
    """Running statistics and dropped channels."""
    layers = (nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(0.1), nn.Flatten(), nn.Linear(8, 3))
    return nn.Sequential(nn.Unflatten(1, (1, 2, 3)), *layers)


class Series(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent, self.out = nn.LSTM(1, 6, batch_first=True), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.recurrent(x.unsqueeze(-1))[0][:, -1])  # type: ignore[no-any-return]


class Deciding(nn.Module):
    """Cannot be recorded, and draws from PyTorch's generator."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)])

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.layers[1](self.layers[0](x))
        hidden = torch.relu(hidden) if x[0, 0] > 0 else torch.tanh(hidden)
        return self.layers[2](nn.functional.dropout(hidden, 0.1, self.training))  # type: ignore[no-any-return]


SHORT = {"batch_size": 20, "patience": 8, "halving": (0.4,), "threads": 1}
CASES: dict[str, tuple[Recipe, Callable[[], nn.Module]]] = {
    "plain": (RECIPES["plain"], dense),
    "rich": (RECIPES["rich"], dense),
    "pictures": (Recipe(10, **SHORT), pictures),  # type: ignore[arg-type]
    "series": (Recipe(10, batches="exact", **SHORT), Series),  # type: ignore[arg-type]
    "deciding": (Recipe(15, **SHORT), Deciding),  # type: ignore[arg-type]
}


def train(path: Path | None, result: Path, case: str) -> None:
    """Members of two sizes, candidates of which some are beaten and some stop early, so that packs change."""
    numbers, classes = table()
    recipe, network = CASES[case]
    population = [
        Member(
            ROWS[: 140 - 60 * (seed % 2)], ROWS[140:], seed, 0.01 * (1 + seed), 0.01, 0.1, candidate=seed // 2, race="a"
        )
        for seed in range(6)
    ]
    trained = train_population(
        lambda member: seeded(network(), member.seed),
        (numbers,), classes, population, recipe, "cross-entropy", checkpoint=path,
    )  # fmt: skip
    arrays = {f"{k} {name}": value.numpy() for k in range(6) for name, value in trained.network(k).state_dict().items()}
    losses = np.array([h["validation_loss"][-1] for h in trained.histories])
    np.savez(result, losses=losses, states=np.array(trained.states), best=trained.best_epochs, **arrays)


def main(folder: Path, kills: int, seed: int, case: str) -> None:
    checkpoint.SECONDS_BETWEEN = 0.0  # save after every round …
    running.ROUND_WORK = 2e4  # … of a step or two
    chance = random.Random(seed)
    folder.mkdir()
    path, killed = folder / "run.safetensors", folder / "killed.npz"
    in_a_child(None, folder / "whole.npz", 60.0, case)
    done = 0
    while done < kills or not killed.exists():
        wait = chance.uniform(0.0, 0.5) if done < kills else 60.0
        if in_a_child(path, killed, wait, case):
            if done < kills:  # it ended before it could be killed: once more from the start
                killed.unlink()
                for file in folder.glob("run.safetensors*"):
                    file.unlink()
        else:
            done += 1


def in_a_child(path: Path | None, result: Path, wait: float, case: str) -> bool:
    """Whether the training ended within ``wait`` seconds; otherwise it was killed."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        train(path, result, case)
        os._exit(0)
    deadline = time.monotonic() + wait
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            if status:
                raise SystemExit(f"the child failed with {status}")
            return True
        time.sleep(0.003)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


if __name__ == "__main__":
    for case, _, kills in (word.partition("=") for word in sys.argv[3:]):
        main(Path(sys.argv[1]) / case, int(kills), int(sys.argv[2]), case)
