"""Additive networks: what a candidate is, and what the rows of a job say of the columns and pairs to build for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from annvil.models.jobs import Json
from annvil.models.networks.additive_pairs import MOST_ROWS, SIDE, rank_pairs
from annvil.models.networks.additive_tables import Density, Pair
from annvil.models.networks.family import Hyperparameters
from annvil.preparation.knots import KnotPreparation, Where
from annvil.tasks.base import FloatArray, IntArray, Task


@dataclass(frozen=True)
class AdditiveSettings(Hyperparameters):
    """One candidate.

    Attributes
    ----------
    n_pairs : pairs of columns, at most
    monotone : (column, +1 or -1): their effects may only rise, or fall
    columns, pairs : names of what has an effect; None where that is looked for
    epochs, batch_size : None where the number of rows decides
    """

    n_pairs: int = 10
    monotone: tuple[tuple[str, int], ...] = ()
    columns: tuple[str, ...] | None = None
    pairs: tuple[tuple[str, str], ...] | None = None
    epochs: int | None = None
    batch_size: int | None = None

    def to_json(self) -> dict[str, Json]:
        """JSON-able values for `Fitted.configuration`."""
        plain = asdict(self)
        lists = {
            name: [*map(_plain, plain[name])] for name in ("monotone", "columns", "pairs") if plain[name] is not None
        }
        return plain | lists

    @classmethod
    def from_json(cls, values: Mapping[str, Json]) -> AdditiveSettings:
        """The settings that `to_json` wrote."""
        lists = ("monotone", "columns", "pairs")
        tuples = {name: tuple(map(_frozen, values[name])) for name in lists if values.get(name) is not None}
        return cls(**{**values, **tuples})

    def describe(self) -> str:
        """For people."""
        n_pairs = self.n_pairs if self.pairs is None else len(self.pairs)
        pairs = f"up to {n_pairs} pairs" if n_pairs else "no pairs"
        return f"{pairs}, learning rate {self.learning_rate:g}, penalty {self.weight_decay:.2g}"


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass
class AdditiveSizes:
    """What networks of a job are built for.

    Attributes
    ----------
    knots, fine, coarse : the columns, and where the job's rows lie
    y, weights : prepared targets of the rows, and how much each counts, float64
    splits : training and test rows of the inner splits
    """

    knots: KnotPreparation
    fine: Where
    coarse: Where
    y: FloatArray
    weights: FloatArray
    task: Task
    splits: Sequence[tuple[IntArray, IntArray]]
    _ranked: dict[tuple[int, frozenset[str]], list[Pair]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Training rows of a network, at most."""
        return max(len(train) for train, _ in self.splits)

    @property
    def n_scores(self) -> int:
        """Of two classes one."""
        return 1 if self.task.n_outputs <= 2 else self.task.n_outputs

    @property
    def shape(self) -> tuple[int, ...]:
        """What networks of one population must share."""
        numbers = [one.n_slots for one in self.knots.knots if one.is_number]
        n_levels = sum(one.n_slots for one in self.knots.knots if not one.is_number)
        n_coarse = max(one.n_coarse for one in self.knots.knots)
        return len(numbers), len(self.knots.knots), max(numbers, default=0), n_levels, n_coarse, self.task.n_outputs

    @cached_property
    def density(self) -> Density:
        """Of the columns alone."""
        return Density.of(self.knots, self.fine, self.coarse, ())

    def pairs(self, settings: AdditiveSettings, split: int) -> list[Pair]:
        """Those of a network: of the configuration, or the most promising among the split's training rows.

        No monotone column is in a pair, nor what is made of two columns.
        """
        knots = self.knots.knots
        if settings.pairs is not None:
            place = {one.name: j for j, one in enumerate(knots)}
            return [(place[a], place[b]) for a, b in settings.pairs if a in place and b in place]
        if not settings.n_pairs:
            return []
        monotone = frozenset(name for name, _ in settings.monotone)
        key = split, monotone
        if key not in self._ranked:
            train, _ = self.splits[split]
            if len(train) > MOST_ROWS:
                train = np.sort(np.random.default_rng(split).choice(train, MOST_ROWS, replace=False))
            slots = (self.fine[0] + (self.fine[1] > 0.5))[train]
            n_coarse = np.array([one.n_coarse for one in knots])
            cells = (self.coarse[0] + (self.coarse[1] > 0.5))[train] * np.minimum(SIDE, n_coarse) // n_coarse
            n_outputs = self.task.n_outputs if self.task.predicts_probabilities else 1
            free = [
                j for j, one in enumerate(knots) if len(one.columns) == 1 and not monotone.intersection(one.columns)
            ]
            self._ranked[key] = rank_pairs(
                slots, cells, self.y[train], self.weights[train], n_outputs, np.array(free, dtype=np.int64)
            )
        return self._ranked[key][: settings.n_pairs]
