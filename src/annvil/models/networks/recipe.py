"""How networks on tables are trained: what a candidate is, how long and in what batches, and what that costs.

The recipe starts from RealMLP (Holzmüller et al. 2024, arXiv 2407.04491) and departs where seconds on two cores decide;
what was measured, and what did not help, is in docs/decisions/0030-network-recipe.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from annvil.data.dataset import Dataset
from annvil.models.jobs import Effort, Job, Json, Rung, Shape
from annvil.models.ladder import describe_effort, first_rows, ladder_of, row_steps
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

    def portfolio(self, is_classification: bool, n_rows: int) -> tuple[Any, ...]:
        """Candidates for so many training rows, the most promising first; each has its place as its ``number``."""

    def epochs(self, n_rows: int, scale: float) -> int:
        """Epochs for so many training rows."""

    def core_seconds_per_row(self, shape: Shape) -> float:
        """Processor time for one row of one network in one epoch, in a population (measured, erring slow)."""


def search_ladder(family: Portfolio, shape: Shape) -> tuple[Rung, ...]:
    """One short training; four candidates in full length, then on five folds; then all of them, then longer.

    With halving a second candidate costs a fifth of the first, and on tables the right frequency is worth more than
    longer training (measured, decision 0030).
    """
    most = len(family.portfolio(shape.task.predicts_probabilities, shape.n_rows))
    few = min(FIRST_CANDIDATES, most)

    def rung(candidates: int, inner: int, scale: float, rows: int | None = None) -> Rung:
        n_rows = min(shape.n_rows, rows or shape.n_rows)
        n_train = int(n_rows * (1 - 1 / inner if inner > 1 else 0.8))
        passed = inner * n_train * (1 + VALIDATION_COST / max(inner - 1, 4)) * family.epochs(n_train, scale)
        seconds = candidate_units(candidates) * passed * family.core_seconds_per_row(shape)
        effort = Effort(candidates, scale, inner_folds=inner, rows=rows)
        return Rung(effort, SETUP_SECONDS + seconds, describe_effort(effort))

    parts = [rung(1, 1, SHORT, rows) for rows in row_steps(shape.n_rows, first_rows(shape.n_numbers + shape.n_texts))]
    whole = [rung(1, 1, SHORT), rung(few, 1, 1.0), rung(few, 5, 1.0), rung(most, 5, 1.0), rung(most, 5, LONG)]
    return ladder_of([*parts, *whole])


FIRST_CANDIDATES = 4
"""So many candidates come before longer training (measured)."""

VALIDATION_COST = 0.35
"""A validation row costs a third of a training row: no gradient (assumed)."""

SETUP_SECONDS = 0.15
"""Tracing, preparation and judging, per job (measured: about a second for a call of five or more)."""

SHORT, LONG = 0.5, 2.5
"""Lengths of the first rung and of the last (assumed): with less than half of its epochs no network shows what it can
do, and where a whole training ended while the validation still fell, the last rung has room."""


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
