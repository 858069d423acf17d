"""How networks on tables are trained: what a candidate is, how long and in what batches, and what that costs.

The recipe starts from RealMLP (Holzmüller et al. 2024, arXiv 2407.04491) and departs where seconds on two cores decide;
what was measured, and what did not help, is in docs/decisions/0030-network-recipe.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from annvil.data.table import Dataset
from annvil.models.contract import Effort, Job, Json, Shape
from annvil.preparation import is_imbalanced

if TYPE_CHECKING:
    from torch import Tensor, nn

    from annvil.training import Recipe

BATCH_SIZES = ((2_800, 32), (4_500, 64), (6_400, 128), (32_000, 256), (250_000, 512))
"""(rows, batch size), TabM's table (Gorishniy et al. 2024, arXiv 2410.24210); 1024 above."""

LARGEST_BATCH = 1024

STEPS = 1_600
"""Optimiser steps that a training of scale 1 should take (measured, decision 0030)."""

EPOCHS = (6, 96)
"""Fewest and most epochs of scale 1, whatever the rows (measured at the low end, assumed at the high one)."""

FEWEST_STEPS = 60
"""Not even a shortened training takes fewer steps (assumed): they cost next to nothing on so few rows."""

HALVING = 0.2
"""Share of the epochs after which the worse half of the candidates leaves: there the second cycle of the learning rate
ends, so that all have been annealed when they are compared."""

FEWEST_TO_HALVE = 4


@dataclass(frozen=True)
class Settings:
    """One candidate.

    Attributes
    ----------
    number : its place in the portfolio; decides seeds, so that a candidate is the same wherever it is trained
    learning_rate, weight_decay, dropout, label_smoothing : as `annvil.training.Member` has them
    frequency : standard deviation of the frequencies of the periodic embedding of numbers: small ones see a smooth
        function, large ones a ragged one; 0 where numbers are embedded in another way
    class_weighted : whether rare classes count as much as frequent ones
    widths, epochs, batch_size : None where the number of rows decides
    """

    number: int
    learning_rate: float
    weight_decay: float
    dropout: float
    frequency: float = 0.0
    label_smoothing: float = 0.0
    class_weighted: bool = False
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


@dataclass(frozen=True)
class Sizes:
    """What a network is built for: prepared inputs, outputs, and how many rows it learns from.

    ``edges`` are quantiles of the continuous columns, for an architecture that asked for them (`Architecture.bins`).
    """

    n_rows: int
    n_numbers: int
    n_continuous: int
    cardinalities: tuple[int, ...]
    n_outputs: int
    is_classification: bool
    edges: Sequence[NDArray[Any]] = field(default=(), compare=False, repr=False)

    @property
    def shape(self) -> tuple[Any, ...]:
        """What networks of one population must share."""
        n_bins = max((len(edge) - 1 for edge in self.edges), default=0)
        return self.n_numbers, self.n_continuous, self.cardinalities, self.n_outputs, n_bins


class Architecture(Protocol):
    """A kind of network: how it is built, how it is trained, which candidates it offers."""

    name: str

    def portfolio(self, is_classification: bool) -> tuple[Settings, ...]:
        """Candidates, the most promising first; each has its place as `Settings.number`."""

    def bins(self, sizes: Sizes) -> int:
        """Quantile bins of the continuous columns that its networks want to know; 0 for none."""

    def shape(self, sizes: Sizes, settings: Settings) -> tuple[int, ...]:
        """What else networks of one population must share: widths, depths."""

    def network(self, sizes: Sizes, settings: Settings, numbers: Tensor, codes: Tensor, seed: int) -> nn.Module:
        """A network with its initial weights; it may look at the training rows given (prepared, a sample of them)."""

    def recipe(self, sizes: Sizes, settings: Settings, scale: float) -> Recipe:
        """How long, in what batches, with which schedule."""

    def seconds_per_row(self, shape: Shape) -> float:
        """Seconds for one row of one network in one epoch, in a population (measured, erring slow)."""


def batch_size(n_rows: int) -> int:
    """Rows of a batch for so many training rows."""
    return next((size for rows, size in BATCH_SIZES if n_rows < rows), LARGEST_BATCH)


def epochs_for(n_rows: int, batch: int, scale: float) -> int:
    """Epochs: enough for `STEPS` steps, in a few sizes only, so that folds that differ by a row are trained alike."""
    steps_per_epoch = max(1.0, n_rows / batch)
    rounded = 2 ** (round(2 * np.log2(STEPS / steps_per_epoch)) / 2)
    fewest = np.ceil(FEWEST_STEPS / steps_per_epoch)
    return int(max(1, fewest, round(float(np.clip(rounded, *EPOCHS)) * scale)))


def candidate_units(candidates: int) -> float:
    """What searching so many candidates costs, in trainings of one."""
    if candidates < FEWEST_TO_HALVE:
        return float(candidates)
    return candidates * HALVING + (candidates - candidates // 2) * (1 - HALVING)


def plan_search(architecture: Architecture, shape: Shape, n_jobs: int, n_inner: int, seconds: float) -> Effort:
    """As many candidates as the time allows at full length; where it does not allow one, a shorter training of one."""
    per_split = shape.n_rows * ((n_inner - 1) / n_inner if n_inner > 1 else 0.8)
    epochs = epochs_for(int(per_split), batch_size(int(per_split)), 1.0)
    rows = shape.n_rows * n_inner if n_inner > 1 else shape.n_rows
    one = (
        n_jobs
        * epochs
        * (rows - shape.n_rows * 0.7 if n_inner > 1 else rows * 0.86)
        * architecture.seconds_per_row(shape)
    )
    left = seconds - SETUP_SECONDS
    most = len(architecture.portfolio(shape.is_classification))
    affordable = [count for count in range(1, most + 1) if candidate_units(count) * one <= left]
    if affordable:
        return Effort(candidates=max(affordable))
    return Effort(candidates=1, scale=float(np.clip(round(left / one, 2), SHORTEST_SCALE, 1.0)))


SETUP_SECONDS = 1.5
"""Tracing, preparation and judging, per contender (measured, erring slow)."""

SHORTEST_SCALE = 0.1


def settings_for(architecture: Architecture, dataset: Dataset, job: Job, effort: Effort) -> list[Settings]:
    """The candidates of a job: the configuration given, or the first of the portfolio.

    Where classes are unequal, the third candidate and every fourth after it weight the classes.
    """
    if effort.configuration is not None:
        return [Settings.from_json(effort.configuration)]
    task = dataset.task
    chosen = list(architecture.portfolio(task.is_classification)[: effort.candidates])
    may_weight = task.is_classification and effort.options.imbalance == "auto"
    if may_weight and is_imbalanced(dataset.y[job.rows], task.n_outputs):
        chosen = [replace(s, class_weighted=True) if s.number % 4 == 2 else s for s in chosen]
    return chosen
