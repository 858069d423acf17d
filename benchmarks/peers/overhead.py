"""What Annvil costs before it trains: fresh processes that import, record and take one step, beside bare PyTorch."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from peers.homes import EVERYWHERE

_NETWORK = """
import torch
from torch import nn
network = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
x, y = torch.randn(32, 20), torch.randint(0, 2, (32,))
"""
_AUTOGRAD = """
nn.functional.cross_entropy(network(x), y).backward()
torch.optim.SGD(network.parameters()).step()
"""
_POPULATION = """
import numpy
from annvil.training import Member, Recipe, train_population
member = Member(numpy.arange(32), numpy.arange(0), 0)
train_population(lambda member: network, (x,), y, [member], Recipe(1, 32), "cross-entropy")
"""
_TRAIN = """
import annvil
annvil.train(network, x, y, epochs=1, batch_size=32, verbose=False)
"""

PROGRAMS = {
    "import torch": "import torch",
    "import torch, one step of autograd and SGD": _NETWORK + _AUTOGRAD,
    "train_population, one step": _NETWORK + _POPULATION,
    "annvil.train, one step": _NETWORK + _TRAIN,
}
BARE, *_ = PROGRAMS
OURS = ("train_population, one step", "annvil.train, one step")
GOAL = 1.5
"""Seconds over bare PyTorch (its import)."""


def measure(rounds: int) -> list[str]:
    """Run every program once a round, in an order that changes; medians, as lines of Markdown."""
    seconds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    names = list(PROGRAMS)
    for number in range(rounds + 1):  # the first round warms the file cache
        for name in names[number % len(names) :] + names[: number % len(names)]:
            taken = _seconds(PROGRAMS[name])
            if number:
                seconds[name].append(taken)
    lines = ["\n### overhead: import, recording and first step, in fresh processes\n"]
    lines += ["| program | s | over bare PyTorch, s | goal | |", "|---|--:|--:|--:|---|"]
    for name, own in seconds.items():
        over = sorted(mine - theirs for mine, theirs in zip(own, seconds[BARE], strict=True))
        middle = statistics.median(over)
        line = f"| {name} | {statistics.median(own):.2f} | {middle:.2f} ({over[0]:.2f} to {over[-1]:.2f}) |"
        lines.append(line + (f" {GOAL} | {'met' if middle <= GOAL else '**not met**'} |" if name in OURS else " | |"))
    return lines


def _seconds(program: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], env=os.environ | EVERYWHERE, check=True)
    return time.perf_counter() - start
