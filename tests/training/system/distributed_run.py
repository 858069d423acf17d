"""One of several processes that train together, started by torchrun from test_distributed.

    torchrun … distributed_run.py FOLDER CASE …  →  FOLDER/CASE.0.npz, FOLDER/CASE.1.npz, …

Alone (without torchrun) it trains in one process: FOLDER/CASE.alone.npz.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from helpers import ROWS, seeded, table  # the folder above is on the path
from torch import nn

from annvil.training import Distributed, Look, Member, Muon, Progress, Recipe, train_population

CASES: dict[str, dict[str, Any]] = {
    "adamw": {"schedule": "cosine", "clip_norm": 0.5},
    "accumulated": {"optimizer": "sgd", "accumulate": 2, "average": 0.9, "batch_size": 13},
    "muon": {"optimizer": "muon", "muon": Muon(others="sgd"), "monitor": "metric", "patience": 6},
    # 34 whole batches of 4 and one of 1 or 3 rows, of which a process may have none; and a loss that takes no weights.
    "a short last batch": {"optimizer": "adam", "batch_size": 4, "batches": "exact", "epochs": 3},
}


def make(member: Member) -> nn.Module:
    return seeded(nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3)), member.seed)


class Stops:
    """Stops the second member after two epochs; counts how often it hears."""

    heard = 0

    def on_epoch(self, progress: Progress, look: Look) -> None:
        self.heard += 1
        if progress.epoch == 2:
            look.stop(1)


def main(folder: Path, case: str) -> None:
    torch.set_num_threads(1)
    together = Distributed.from_environment() if "RANK" in os.environ else None
    rank = "alone" if together is None else str(together.rank)
    numbers, classes = table()
    # What only the first process knows must reach the others: where it starts, when it ends.
    shift = 0.0 if together is None or together.is_first else 1.0
    members = [Member(ROWS[: 137 - k], ROWS[140:], k, 0.02 * (k + 1), 0.1) for k in range(3)]

    def shifted(member: Member) -> nn.Module:
        network = make(member)
        with torch.no_grad():
            network[0].bias += shift  # type: ignore[index]
        return network

    listener = Stops()
    told: list[int] = []
    asked = iter(range(1, 1000))
    stops_at = 7 if shift == 0.0 else 3  # the others are not asked
    row_weights = torch.rand(200, generator=torch.Generator().manual_seed(1)) if case == "muon" else None
    population = train_population(
        shifted, (numbers,), classes, members, Recipe(**{"epochs": 9, "batch_size": 26, "threads": 1} | CASES[case]),
        nn.CrossEntropyLoss() if "short" in case else "cross-entropy",
        weights=row_weights, should_stop=lambda: next(asked) == stops_at,
        tell=lambda progress: told.append(progress.epoch), checkpoint=folder / f"{case}.{rank}.safetensors",
        listener=listener, metric=lambda outputs, rows: (outputs.argmax(-1) == classes[rows]).float().mean(1),
        distributed=together,
    )  # fmt: skip
    arrays = {f"{k} {name}": v.numpy() for k in range(3) for name, v in population.network(k).state_dict().items()}
    losses = np.array(
        [h["train_loss"] + h["validation_loss"] + h["metric"] for h in population.histories], dtype=object
    )
    np.savez(
        folder / f"{case}.{rank}.npz",
        losses=np.concatenate([np.asarray(row, dtype=np.float64) for row in losses]),
        states=np.array(population.states), best=population.best_epochs, told=len(told), heard=listener.heard, **arrays,
    )  # fmt: skip


if __name__ == "__main__":
    for name in sys.argv[2:]:
        main(Path(sys.argv[1]), name)
