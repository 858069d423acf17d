"""What a recipe reaches in a given time: epochs, loss, and what an epoch costs in seconds and memory.

This is the one place of the engine where a stopwatch decides: how many epochs fit into the time is measured, so the
outcome hangs on the machine and on what else it does. It serves to compare recipes, such as batch sizes, fairly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import mean, median
from typing import Any

from torch import Tensor, nn

from annvil.system.memory import PeakMemory
from annvil.training.loop.engine import train_population
from annvil.training.losses.resolve import CustomLoss
from annvil.training.population import Population
from annvil.training.recipe import Member, Recipe

PILOT_SHARE = 0.15
"""Of the time, for finding out how long an epoch takes (assumed)."""

PILOT_EPOCHS = 3
"""So many epochs at least, since the first one also records the program; but at most `PILOT_MOST` of the time."""

PILOT_MOST = 0.4

RESERVE = 0.05
"""Of the time that is left for training, since no two epochs take equally long (assumed)."""


@dataclass(frozen=True)
class InTime:
    """What one network reached.

    Attributes
    ----------
    recipe, member : how it was trained; ``recipe.epochs`` are those that were expected to fit
    population : the trained network, a population of one
    epochs : finished; fewer than expected where the machine became slower
    seconds_per_epoch : the median, validation included; None where not even one epoch was finished
    samples_per_second : training rows in that time; None likewise
    peak_bytes : most memory in use beyond what was in use before
    """

    recipe: Recipe
    member: Member
    population: Population
    epochs: int
    seconds_per_epoch: float | None
    samples_per_second: float | None
    peak_bytes: int


def train_in_time(
    make_network: Callable[[Member], nn.Module],
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    member: Member,
    recipe: Recipe,
    loss: str | CustomLoss,
    seconds: float,
    *,
    weights: Tensor | None = None,
    base_bytes: int | None = None,
    interrupted: Callable[[], bool] = lambda: False,
    **more: Any,
) -> InTime:
    """Train for ``seconds`` (wall clock), with the schedule stretched over the epochs that fit into them.

    Parameters
    ----------
    recipe : its epochs are the most that are trained
    base_bytes : memory in use before, as `annvil.system.memory.resident_bytes` said; now, by default
    interrupted : asked like ``should_stop``; when it says yes, what there is is returned
    more : further arguments of `train_population`

    The first part of the time (`PILOT_SHARE`) finds out how long an epoch takes; that network is thrown away.
    """
    start = time.perf_counter()
    deadline = start + seconds
    ends: list[float] = []  # of the start of a training and of its epochs

    def train(recipe: Recipe, enough: Callable[[], bool]) -> Population:
        ends[:] = [time.perf_counter()]
        return train_population(
            make_network,
            inputs,
            targets,
            [member],
            recipe,
            loss,
            weights=weights,
            should_stop=lambda: interrupted() or enough() or time.perf_counter() >= deadline,
            tell=lambda progress: None if progress.notice else ends.append(time.perf_counter()),
            **more,
        )

    def known() -> bool:
        enough = PILOT_SHARE if len(ends) > PILOT_EPOCHS else PILOT_MOST
        return len(ends) > 1 and time.perf_counter() >= start + enough * seconds

    with PeakMemory() as memory:
        pilot = replace(recipe, epochs=max(recipe.epochs, PILOT_EPOCHS), schedule="constant", warmup=0.0, patience=None)
        train(pilot, known)
        of_pilot = _epochs(ends)
        left = (1 - RESERVE) * (deadline - time.perf_counter())
        fitting = _fitting(of_pilot, left) if of_pilot else recipe.epochs
        final = replace(recipe, epochs=max(1, min(recipe.epochs, fitting)))
        population = train(final, lambda: False)
    of_epochs = _epochs(ends) or of_pilot
    per_epoch = max(median(of_epochs[1:] or of_epochs), 1e-6) if of_epochs else None
    return InTime(
        recipe=final,
        member=member,
        population=population,
        epochs=len(ends) - 1,
        seconds_per_epoch=per_epoch,
        samples_per_second=None if per_epoch is None else len(member.train) / per_epoch,
        peak_bytes=max(0, memory.peak - (memory.before if base_bytes is None else base_bytes)),
    )


def _epochs(ends: list[float]) -> list[float]:
    """Seconds of each epoch. The first one also records the program: it counts for nothing where there are others."""
    return [end - start for start, end in pairwise(ends)]


def _fitting(of_epochs: list[float], seconds: float) -> int:
    """Epochs that fit into so much time if they take as long, on average, as those just trained."""
    first, *others = of_epochs
    return 1 + int((seconds - first) / max(mean(others or [first]), 1e-6))
