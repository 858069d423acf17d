"""What Annvil costs before it trains: fresh processes that import, record and take one step, beside bare PyTorch."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

from peers.homes import EVERYWHERE

_NETWORK = """
from torch import nn
network = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
x, y = torch.randn(32, 20), torch.randint(0, 2, (32,))
"""

PROGRAMS = {
    "import torch": "import torch",
    "import torch, one step of autograd and SGD": "import torch" + _NETWORK
    + "nn.functional.cross_entropy(network(x), y).backward()\ntorch.optim.SGD(network.parameters()).step()",
    "train_population, one step": "import torch, numpy" + _NETWORK
    + "from annvil.training import Member, Recipe, train_population\n"
    + "member = Member(numpy.arange(32), numpy.arange(0), 0)\n"
    + "train_population(lambda m: network, (x,), y, [member], Recipe(1, 32), 'cross-entropy')",
    "annvil.train, one step": "import torch, annvil" + _NETWORK + "annvil.train(network, x, y, epochs=1)",
}  # fmt: skip
GOAL = 1.5
"""Seconds over bare PyTorch (its import)."""


def measure(rounds: int) -> None:
    """Run every program once a round, in an order that changes, and print medians."""
    print("\n## overhead: import, recording and first step, in fresh processes\n")
    seconds: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    failed: dict[str, str] = {}
    names = list(PROGRAMS)
    for number in range(rounds + 1):  # the first round warms the file cache
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", PROGRAMS[name]],
                env=os.environ | EVERYWHERE,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                failed[name] = done.stderr.strip().splitlines()[-1]
            elif number:
                seconds[name].append(time.perf_counter() - start)
    bare = seconds["import torch"]
    print("| program | s | over bare PyTorch, s |\n|---|--:|--:|")
    for name, own in seconds.items():
        if name in failed:
            print(f"| {name} | – | failed: {failed[name]} |")
            continue
        over = sorted(mine - theirs for mine, theirs in zip(own, bare, strict=True))
        middle = statistics.median(over)
        shown = "–" if own is bare else f"{middle:.2f} ({over[0]:.2f} to {over[-1]:.2f})"
        print(f"| {name} | {statistics.median(own):.2f} | {shown} |")
        if "one step" in name and "autograd" not in name:
            verdict = "met" if middle <= GOAL else "not met"
            print(f"| goal of {name}: at most {GOAL} s | | {verdict} |")
