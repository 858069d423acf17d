"""How networks on tables are trained: what a candidate is, how long and in what batches, and what that costs.

The recipe starts from RealMLP (Holzmüller et al. 2024, arXiv 2407.04491) and departs where seconds on two cores decide;
what was measured, and what did not help, is in docs/decisions/0030-network-recipe.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.contract import Effort, Job, Json, Shape
from annvil.models.networks.family import Hyperparameters
from annvil.preparation import is_imbalanced

BATCH_SIZES = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (250_000, 512))
"""(rows, batch size), TabM's table (Gorishniy et al. 2024, arXiv 2410.24210); 1024 above."""

LARGEST_BATCH = 1024

FEW_ROWS = 2_000
"""Up to here two layers of 64 do as well as 128, in half the time (measured)."""

FULL_ROWS = 6_400
"""Rows for which an architecture says how many epochs a training of scale 1 takes; more rows take fewer, by the square
root (assumed)."""

EPOCHS = (4, 64)
"""Fewest and most epochs of scale 1 (assumed at the low end, measured at the high one)."""

FEWEST_STEPS = 60
"""Not even a shortened training takes fewer steps (assumed): they cost next to nothing on so few rows."""

HALVING = (0.2, 0.467)
"""Shares of the epochs after which the worse half of the candidates leaves: there the second and third cycle of the
coslog schedule end, so that all have been annealed when they are compared."""

PATIENCE = 0.55
"""Share of the epochs without a better validation loss after which a network stops: just long enough for a network that
was best at the end of the third cycle to see the end of the fourth."""


@dataclass(frozen=True)
class Settings(Hyperparameters):
    """One candidate.

    Attributes
    ----------
    frequency : standard deviation of the frequencies of the periodic embedding of numbers: small ones see a smooth
        function, large ones a ragged one; 0 where numbers are embedded in another way
    widths, epochs, batch_size : None where the number of rows decides
    """

    frequency: float = 0.0
    widths: tuple[int, ...] | None = None
    epochs: int | None = None
    batch_size: int | None = None

    def to_json(self) -> dict[str, Json]:
        """JSON-able values for `Fitted.configuration`."""
        return {**asdict(self), "widths": None if self.widths is None else list(self.widths)}

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> Settings:
        """The settings that `to_json` wrote."""
        widths = values.get("widths")
        return cls(**{**values, "widths": None if widths is None else tuple(widths)})

    def describe(self) -> str:
        """For people."""
        parts = [f"learning rate {self.learning_rate:g}"]
        parts += [f"frequencies {self.frequency:g}"] if self.frequency else []
        parts += [f"dropout {self.dropout:g}"] if self.dropout else []
        parts += [f"weight decay {self.weight_decay:g}"] if self.weight_decay else []
        parts += [f"label smoothing {self.label_smoothing:g}"] if self.label_smoothing else []
        return ", ".join(parts) + (", classes weighted" if self.class_weighted else "")


def batch_size(n_rows: int, sizes: Sequence[tuple[int, int]] = BATCH_SIZES, largest: int = LARGEST_BATCH) -> int:
    """Rows of a batch for so many training rows: the first of ``(rows, size)`` with more rows, else the largest."""
    return next((size for rows, size in sizes if n_rows < rows), largest)


def epochs_for(n_rows: int, full: int, scale: float) -> int:
    """Epochs, in a few sizes only, so that folds that differ by a row are trained alike; ``full`` for 6400 rows."""
    wanted = full * np.sqrt(FULL_ROWS / max(n_rows, 1))
    rounded = 2 ** (round(2 * np.log2(wanted)) / 2)
    fewest = np.ceil(FEWEST_STEPS * batch_size(n_rows) / max(n_rows, 1))
    return int(max(1, min(fewest, EPOCHS[1]), round(float(np.clip(rounded, *EPOCHS)) * scale)))


def candidate_units(candidates: int) -> float:
    """What searching so many candidates costs, in trainings of one: half of them leave at each of `HALVING`."""
    units, before, racing = 0.0, 0.0, candidates
    for share in HALVING:
        units += racing * (share - before)
        before, racing = share, (racing + 1) // 2
    return units + racing * (1 - before)


class Portfolio(Protocol):
    """What a plan must know of a family of networks."""

    def portfolio(self, is_classification: bool, n_rows: int) -> tuple[Settings, ...]:
        """Candidates for so many training rows, the most promising first; each has its place as `Settings.number`."""

    def epochs(self, n_rows: int, scale: float) -> int:
        """Epochs for so many training rows."""

    def core_seconds_per_row(self, shape: Shape) -> float:
        """Processor time for one row of one network in one epoch, in a population (measured, erring slow)."""


def plan_search(family: Portfolio, shape: Shape, n_jobs: int, n_inner: int, seconds: float) -> Effort:
    """Candidates and length that fit: first up to four candidates at half length, then length, then more candidates.

    With halving a second candidate costs a fifth of the first, and on tables the right frequency is worth more than the
    second half of the epochs (measured, decision 0030).
    """
    n_train = int(shape.n_rows * (1 - 1 / n_inner if n_inner > 1 else 0.8))
    rows = n_inner * n_train * (1 + VALIDATION_COST / max(n_inner - 1, 4))
    epochs = family.epochs(n_train, 1.0)
    one = n_jobs * epochs * rows * family.core_seconds_per_row(shape) / CORES_USED
    left = max(0.0, seconds - SETUP_SECONDS)
    most = len(family.portfolio(shape.task.predicts_probabilities, n_train))
    in_full = [count for count in range(1, most + 1) if candidate_units(count) * one <= left]
    first = min(FIRST_CANDIDATES, most)
    if in_full and max(in_full) >= first:
        return Effort(candidates=max(in_full))
    for candidates in range(first, 0, -1):
        scale = round(left / (candidate_units(candidates) * one), 2)
        if scale >= FAIR_SCALE:
            break
    return Effort(candidates=candidates, scale=float(np.clip(scale, SHORTEST_SCALE, 1.0)))


FIRST_CANDIDATES = 4
"""So many candidates come before longer training (measured)."""

VALIDATION_COST = 0.35
"""A validation row costs a third of a training row: no gradient (assumed)."""

CORES_USED = 1.0
"""What two cores do at once, erring slow: 1.8 times one core where they are idle, 1 where they are busy (measured)."""

SETUP_SECONDS = 1.5
"""Tracing, preparation and judging, per contender (measured, erring slow)."""

FAIR_SCALE = 0.5
"""With less than half of its epochs no candidate shows what it can do (assumed); then all time goes to one."""

SHORTEST_SCALE = 0.1


WEIGHTED = (4,)
"""Places in the portfolio. They form a population of their own, since weights belong to rows; so not the first."""


def settings_for(family: Portfolio, dataset: Dataset, job: Job, effort: Effort) -> list[Settings]:
    """The candidates of a job: the configuration given, or the first of the portfolio.

    Where classes are unequal, `WEIGHTED` candidates weight the classes.
    """
    if effort.configuration is not None:
        return [Settings.from_json(effort.configuration)]
    task = dataset.task
    n_train = max(len(split.train) for split in job.inner)
    chosen = list(family.portfolio(task.predicts_probabilities, n_train)[: effort.candidates])
    if effort.options.imbalance == "auto" and is_imbalanced(dataset.y[job.rows], task):
        chosen = [replace(s, class_weighted=True) if s.number in WEIGHTED else s for s in chosen]
    return chosen
