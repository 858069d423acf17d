"""Trains a small population in child processes that are killed at random moments, until one ends; run by
test_checkpoint.

    python killed_run.py FOLDER KILLS SEED RECIPE  →  FOLDER/whole.npz (never killed) and FOLDER/killed.npz

The parent imports PyTorch and computes nothing, so that forking it is safe.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from helpers import ROWS, seeded, table  # beside this script
from torch import nn

from annvil.networks import Dropout
from annvil.training import Member, Recipe, checkpoint, running, train_population

RECIPES = {
    "plain": Recipe(60, batch_size=20, schedule="cosine", patience=20, halving=(0.2, 0.4), threads=1),
    "rich": Recipe(
        30, batch_size=20, optimizer="muon", accumulate=2, average=0.95, average_from=0.3, clip_norm=1.0,
        schedule="triangular", warmup=0.1, patience=20, halving=(0.2, 0.4), threads=1,
    ),
}  # fmt: skip


def make_network(member: Member) -> nn.Module:
    return seeded(
        nn.Sequential(nn.Linear(6, 16), nn.ReLU(), Dropout(0.1), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)),
        member.seed,
    )


def train(path: Path | None, result: Path, recipe: Recipe) -> None:
    """Members of two sizes, candidates of which some are beaten and some stop early, so that packs change."""
    numbers, classes = table()
    population = [
        Member(
            ROWS[: 140 - 60 * (seed % 2)], ROWS[140:], seed, 0.01 * (1 + seed), 0.01, 0.1, candidate=seed // 2, race="a"
        )
        for seed in range(6)
    ]
    trained = train_population(make_network, (numbers,), classes, population, recipe, "cross-entropy", checkpoint=path)
    arrays = {f"{k} {name}": value.numpy() for k in range(6) for name, value in trained.network(k).state_dict().items()}
    losses = np.array([h["validation_loss"][-1] for h in trained.histories])
    np.savez(result, losses=losses, states=np.array(trained.states), best=trained.best_epochs, **arrays)


def main(folder: Path, kills: int, seed: int, recipe: Recipe) -> None:
    checkpoint.SECONDS_BETWEEN = 0.0  # save after every round …
    running.ROUND_WORK = 2e4  # … of a step or two
    chance = random.Random(seed)
    path, killed = folder / "run.safetensors", folder / "killed.npz"
    in_a_child(None, folder / "whole.npz", 60.0, recipe)
    done = 0
    while done < kills or not killed.exists():
        wait = chance.uniform(0.0, 0.5) if done < kills else 60.0
        if in_a_child(path, killed, wait, recipe):
            if done < kills:  # it ended before it could be killed: once more from the start
                killed.unlink()
                for file in folder.glob("run.safetensors*"):
                    file.unlink()
        else:
            done += 1


def in_a_child(path: Path | None, result: Path, wait: float, recipe: Recipe) -> bool:
    """Whether the training ended within ``wait`` seconds; otherwise it was killed."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        train(path, result, recipe)
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
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), RECIPES[sys.argv[4]])
