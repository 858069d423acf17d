"""Columns for networks of projections: which prepared features are projected, and which have offsets of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from annvil.data.table import Table
from annvil.onnx.builder import Graph, Value
from annvil.preparation import LinearPreparation
from annvil.preparation.base import Feature, FloatMatrix

if TYPE_CHECKING:
    from torch import Tensor

MOST_PROJECTED = 200
"""Features that are projected at most (assumed: directions of more cannot be read), those that vary with the target
first; the others have offsets."""


@dataclass(frozen=True)
class IndexColumns:
    """The features of linear models in another order: ``n_projected`` that are projected, then those with offsets.

    Projected are numbers and dates, standardised; of a skewed one its normal scores, so that a few huge values do not
    decide what a projection sees. Offsets have levels, missing values, positions on cycles, numbers of two values, and
    a skewed number as it is: so the model has whatever a linear one has.
    """

    columns: LinearPreparation
    order: tuple[int, ...]
    n_projected: int

    @classmethod
    def fit(cls, columns: LinearPreparation, numbers: FloatMatrix, y: FloatMatrix) -> IndexColumns:
        """From prepared training rows ``numbers`` and numbers ``y (n, ...)`` that tell their targets."""
        chosen = [j for j in columns.without_tails if _varies(numbers[:, j])]
        if len(chosen) > MOST_PROJECTED:
            told = _told(numbers[:, chosen], y)
            chosen = sorted(np.array(chosen)[np.argsort(-told, kind="stable")[:MOST_PROJECTED]].tolist())
        chosen = chosen or [0]
        rest = [j for j in range(numbers.shape[1]) if j not in set(chosen)]
        return cls(columns, (*chosen, *rest), len(chosen))

    @property
    def features(self) -> tuple[Feature, ...]:
        """In their order."""
        features = self.columns.features
        return tuple(features[place] for place in self.order)

    def numbers(self, inputs: Table) -> FloatMatrix:
        """Prepared rows, float32 ``(n_rows, n_features)``."""
        return np.ascontiguousarray(self.columns.transform(inputs).numbers[:, list(self.order)])

    def transform(self, inputs: Table) -> tuple[Tensor]:
        """The same as a tensor."""
        import torch

        return (torch.from_numpy(self.numbers(inputs)),)

    def write(self, graph: Graph, *raw: Value) -> tuple[Value]:
        """The same in a graph."""
        numbers, _ = self.columns.write(graph, *raw)
        return (graph.columns(numbers, self.order),)

    def describe(self) -> tuple[str, ...]:
        """What is done, in sentences for people."""
        return self.columns.describe()


def _varies(values: FloatMatrix) -> bool:
    """Whether there are more than two values: of two, any function is an offset."""
    low, high = values.min(), values.max()
    return bool(((values > low) & (values < high)).any())


def _told(numbers: FloatMatrix, y: FloatMatrix) -> FloatMatrix:
    """The largest correlation of each column, or of its square, with the columns of ``y``."""
    targets = y.reshape(len(y), -1).astype(np.float64)
    targets = (targets - targets.mean(axis=0)) / np.maximum(targets.std(axis=0), 1e-12)
    found = []
    for values in (numbers.astype(np.float64), numbers.astype(np.float64) ** 2):
        values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
        found.append(np.abs(values.T @ targets / len(targets)).max(axis=1))
    return np.asarray(np.max(found, axis=0))
