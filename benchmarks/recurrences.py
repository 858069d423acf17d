"""Feedback networks in the engine beside a plain loop of PyTorch: series a second, one network and four together.

    python benchmarks/recurrences.py [--cells rnn gru lstm] [--rounds 5]

One thread. Rounds of the three take turns, and each counts its own processor seconds, so that other programs on the
machine count less; the table has medians over rounds, of speeds and of ratios to the plain loop.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from torch import Tensor, nn

from annvil.training import Member, Recipe, train_population

WORKS = {
    "16 x 64 to 64, batch 64": (16, 64, 64, 64),
    "100 x 13 to 64, batch 64": (100, 13, 64, 64),
    "136 x 1 to 32, batch 16": (136, 1, 32, 16),
}
"""Steps, values of a step, units, batch."""

CELLS: dict[str, Any] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
CLASSES, BATCHES, EPOCHS, UNCOUNTED = 5, 6, 5, 2


class Last(nn.Module):
    """A linear layer on the last state."""

    def __init__(self, cell: str, n_values: int, units: int) -> None:
        super().__init__()
        self.recurrence = CELLS[cell](n_values, units, batch_first=True)
        self.head = nn.Linear(units, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrence(x)[0][:, -1])  # type: ignore[no-any-return]


class Clock:
    """Hears of every epoch; processor seconds of those that count."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def on_epoch(self, progress: Any = None, look: Any = None) -> None:
        self.at.append(time.process_time())

    @property
    def seconds(self) -> float:
        """Of one epoch, the quickest: the first ones record, and others meet other programs."""
        return min(np.diff(self.at)[UNCOUNTED - 1 :].tolist())


def plain(network: nn.Module, x: Tensor, y: Tensor, batch: int) -> float:
    """Seconds of an epoch of the loop that everybody writes."""
    optimizer, clock = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True), Clock()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()
        clock.on_epoch()
    return clock.seconds


def engine(cell: str, n_members: int, x: Tensor, y: Tensor, units: int, batch: int) -> float:
    """Seconds of an epoch of one member."""
    rows, clock = np.arange(len(x)), Clock()
    members = [Member(rows, rows[:0], seed) for seed in range(n_members)]
    train_population(
        lambda member: Last(cell, x.shape[2], units),
        (x,),
        y,
        members,
        Recipe(EPOCHS, batch, precision="float32", threads=1),
        "cross-entropy",
        listener=clock,
    )
    return clock.seconds / n_members


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="*", default=list(CELLS), choices=CELLS)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| work | cell | plain loop, series/s | one network | four together |\n|---|---|--:|--:|--:|", flush=True)
    for title, (n_steps, n_values, units, batch) in WORKS.items():
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(BATCHES * batch, n_steps, n_values, generator=generator)
        y = torch.randint(CLASSES, (len(x),), generator=generator)
        for cell in arguments.cells:
            rounds = [
                (
                    plain(Last(cell, n_values, units), x, y, batch),
                    engine(cell, 1, x, y, units, batch),
                    engine(cell, 4, x, y, units, batch),
                )
                for _ in range(arguments.rounds)
            ]
            seconds = [statistics.median(one) for one in zip(*rounds, strict=True)]
            ratios = [statistics.median(one[0] / one[k] for one in rounds) for k in (1, 2)]
            told = [f"{len(x) / one:,.0f}" for one in seconds]
            cells = " | ".join([told[0], *(f"{n} ({r:.2f} ×)" for n, r in zip(told[1:], ratios, strict=True))])
            print(f"| {title} | {cell} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
