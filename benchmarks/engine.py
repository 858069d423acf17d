"""How fast the engine trains, beside scikit-learn and a plain PyTorch loop, and whether its results are the same.

    python benchmarks/engine.py [--rounds 5]

64 members of 20-64-64-2 and 16 of 20-256-256-2, AdamW, 6400 made rows, no validation. A round runs everybody once, one
after another in an order that changes, each at every thread count (1 and all cores); the speed is member-samples per
second of wall clock over a whole call, recording and set-up included. Ratios are taken within a round, and the table
shows their median and range over the rounds, which is what stays comparable on a machine that others use too.
scikit-learn and PyTorch train one network at a time; a second process would double them on a second core, as a second
worker does for the engine: so one thread against one thread is shown as well.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from itertools import pairwise

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from annvil.training import Member, Population, Recipe, train_population
from annvil.training.batches import BatchShape, Layouts

N_ROWS = 6400
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
SETTINGS = [((64, 64), 32, 64), ((64, 64), 256, 64), ((256, 256), 256, 16)]  # widths, batch, members

generator = torch.Generator().manual_seed(0)
NUMBERS = torch.randn(N_ROWS, 20, generator=generator)
CLASSES = ((NUMBERS[:, 0] * NUMBERS[:, 1] + NUMBERS[:, 2]) > 0).long()


def network(widths: tuple[int, ...], seed: int) -> nn.Module:
    """20-…-2 with ReLU and weights from the seed."""
    sizes = (20, *widths)
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    made = nn.Sequential(*layers, nn.Linear(sizes[-1], 2))
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in made.parameters():
            bound = parameter.shape[-1] ** -0.5
            parameter.uniform_(-bound, bound, generator=draw)
    return made


def members(count: int) -> list[Member]:
    return [Member(np.arange(N_ROWS), np.arange(0), seed) for seed in range(count)]


def annvil(widths: tuple[int, ...], batch: int, count: int, threads: int, precision: str = "float32") -> float:
    """Member-samples per second of one call."""
    epochs = max(2, round(3e6 / (count * N_ROWS * (sum(widths) / 128) ** 1.5)))
    recipe = Recipe(epochs, batch, threads=threads, precision=precision)  # type: ignore[arg-type]
    start = time.perf_counter()
    train_population(lambda m: network(widths, m.seed), (NUMBERS,), CLASSES, members(count), recipe, "cross-entropy")
    return count * epochs * N_ROWS / (time.perf_counter() - start)


def scikit_learn(widths: tuple[int, ...], batch: int, threads: int) -> float:
    epochs = max(2, round(1e5 / (N_ROWS * (sum(widths) / 128) ** 1.5) * (batch / 32) ** 0.5))
    model = MLPClassifier(widths, batch_size=batch, max_iter=epochs, n_iter_no_change=1000, random_state=0)
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        start = time.perf_counter()
        model.fit(NUMBERS.numpy(), CLASSES.numpy())
        return epochs * N_ROWS / (time.perf_counter() - start)


def plain_pytorch(widths: tuple[int, ...], batch: int, threads: int) -> float:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    model = network(widths, 0)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    epochs = max(2, round(1e5 / (N_ROWS * (sum(widths) / 128) ** 1.5) * (batch / 32) ** 0.5))
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(N_ROWS).split(batch):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(NUMBERS[rows]), CLASSES[rows]).backward()
            optimiser.step()
    torch.set_num_threads(before)
    return epochs * N_ROWS / (time.perf_counter() - start)


def runners(widths: tuple[int, ...], batch: int, count: int) -> dict[str, dict[int, Callable[[], float]]]:
    """Who runs, at which thread counts."""
    counts = sorted({1, CORES})
    table: dict[str, dict[int, Callable[[], float]]] = {
        "scikit-learn MLPClassifier": {t: lambda t=t: scikit_learn(widths, batch, t) for t in counts},
        "plain PyTorch loop": {t: lambda t=t: plain_pytorch(widths, batch, t) for t in counts},
        "Annvil, one network": {1: lambda: annvil(widths, batch, 1, 1)},
        f"Annvil, {count} members, float32": {t: lambda t=t: annvil(widths, batch, count, t) for t in counts},
    }
    if min(widths) >= 128:
        for_bfloat16 = {t: lambda t=t: annvil(widths, batch, count, t, "bfloat16") for t in counts}
        table[f"Annvil, {count} members, bfloat16"] = for_bfloat16
    return table


def measure(widths: tuple[int, ...], batch: int, count: int, rounds: int) -> None:
    """Run and print one table."""
    table = runners(widths, batch, count)
    speeds: dict[str, dict[int, list[float]]] = {name: {t: [] for t in counts} for name, counts in table.items()}
    tasks = [(name, threads) for name, counts in table.items() for threads in counts]
    for number in range(rounds + 1):  # the first round warms up and does not count
        for name, threads in tasks[number % len(tasks) :] + tasks[: number % len(tasks)]:
            speed = table[name][threads]()
            if number:
                speeds[name][threads].append(speed)
    print(f"\n{count} members of 20-{'-'.join(map(str, widths))}-2, batch {batch}\n")
    print("Thousand member-samples/s on one thread and at the best number of threads; how many times scikit-learn's.\n")
    print("| | 1 thread | best (threads) | ratio, 1 thread each | ratio, best each |")
    print("|---|--:|--:|--:|--:|")
    reference = speeds["scikit-learn MLPClassifier"]
    best_reference = best(reference)
    for name, counts in speeds.items():
        own = best(counts)
        alone = ratios(counts[1], reference[1])
        paired = ratios(counts[own], reference[best_reference])
        one, most = statistics.median(counts[1]), statistics.median(counts[own])
        print(f"| {name} | {one / 1e3:.0f} | {most / 1e3:.0f} ({own}) | {alone} | {paired} |")


def best(counts: dict[int, list[float]]) -> int:
    """The thread count with the highest median."""
    return max(counts, key=lambda threads: statistics.median(counts[threads]))


def ratios(mine: list[float], theirs: list[float]) -> str:
    """Median and range of the ratios within the rounds."""
    each = sorted(a / b for a, b in zip(mine, theirs, strict=True))
    return f"{statistics.median(each):.1f} ({each[0]:.1f} to {each[-1]:.1f})"


def check_equality() -> None:
    """K together against each alone, and 600 steps against a plain PyTorch loop over the same batches."""
    recipe, population = Recipe(3, 32), members(16)
    together = train(population, recipe)
    alone = loop = 0.0
    for k in (0, 7, 15):
        mine = list(together.network(k).parameters())
        alone = max(alone, difference(mine, train([population[k]], recipe).network(0).parameters()))
        loop = max(loop, difference(mine, by_hand(population[k], recipe).parameters()))
    print(f"\n16 members together against alone, 600 steps: largest difference of a weight {alone:.1e}")
    print(f"the same against autograd and torch.optim.AdamW on the same batches: {loop:.1e}")


def train(population: list[Member], recipe: Recipe) -> Population:
    make = lambda member: network((64, 64), member.seed)  # noqa: E731
    return train_population(make, (NUMBERS,), CLASSES, population, recipe, "cross-entropy")


def by_hand(member: Member, recipe: Recipe) -> nn.Module:
    """The member trained by PyTorch's own autograd and optimiser."""
    model = network((64, 64), member.seed)
    optimiser = torch.optim.AdamW(model.parameters(), weight_decay=0.0)
    layouts = Layouts([member], BatchShape.of(member, recipe), None)
    for epoch in range(recipe.epochs):
        for rows in layouts.order(epoch)[:, 0].long():
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(NUMBERS[rows]), CLASSES[rows]).backward()
            optimiser.step()
    return model


def difference(one: Iterable[Tensor], other: Iterable[Tensor]) -> float:
    return max(float((a - b).detach().abs().max()) for a, b in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    print(
        f"{platform.processor() or platform.machine()}, {CORES} cores, torch {torch.__version__}, "
        f"scikit-learn {sklearn.__version__}, {asked.rounds} rounds, load {os.getloadavg()[0]:.1f}"
    )
    for widths, batch, count in SETTINGS:
        measure(widths, batch, count, asked.rounds)
    check_equality()


if __name__ == "__main__":
    main()
