"""Models that can be read: a sum of terms, each of one column, of two, or of several together; or a few rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from annvil.onnx.builder import Graph, Value
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed


@dataclass(frozen=True)
class Term:
    """One summand of a score.

    Attributes
    ----------
    columns : input columns that it looks at: one is a main effect, two without weights a pairwise interaction
    features, weights : of a projection, the prepared features by name and their weights (of norm 1), in that order;
        empty otherwise
    """

    columns: tuple[str, ...]
    features: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()

    @property
    def is_projection(self) -> bool:
        """Whether it is a function of a weighted sum of features."""
        return bool(self.weights)

    @property
    def name(self) -> str:
        """For people: ``"age"``, ``"age × income"``, ``"projection of 'age' and 'income'"``."""
        if self.is_projection:
            return f"projection of {listed([repr(column) for column in self.columns], 4)}"
        return " × ".join(self.columns)


@dataclass(frozen=True)
class Additive:
    """A model as a sum: its scores are ``base`` and what each term adds.

    Scores are what the link makes outputs of: log-odds for classes, units of the target for numbers. Those of
    `annvil.models.members.Fitted.additive` are the ones that are explained (`annvil.tasks.link.Link.contrasts`).

    Attributes
    ----------
    terms : in the order of the contributions
    base : float64 ``(n_scores,)``
    contributions : of inputs as a member predicts them: float64 ``(n_rows, n_terms, n_scores)``
    write : of a graph and raw inputs as a member writes itself: adds the same, float64; returns its name
    projected : where a term is a projection: of inputs the weighted sum that each term is a function of, float64
        ``(n_rows, n_terms)``; anything where a term is no projection
    """

    terms: tuple[Term, ...]
    base: FloatArray
    contributions: Callable[[Any], FloatArray]
    write: Callable[..., Value]
    projected: Callable[[Any], FloatArray] | None = None

    def scores(self, inputs: Any) -> FloatArray:
        """``base`` and all contributions, float64 ``(n_rows, n_scores)``."""
        return np.asarray(self.base + self.contributions(inputs).sum(axis=1))

    def mapped(self, matrix: FloatArray, shift: FloatArray | float = 0.0) -> Additive:
        """The same of ``scores @ matrix + shift``, a matrix ``(n_scores, n_new_scores)``."""

        def contributions(inputs: Any) -> FloatArray:
            return np.asarray(self.contributions(inputs) @ matrix)

        def write(graph: Graph, *raw: Value) -> Value:
            return graph.op("MatMul", self.write(graph, *raw), graph.constant(matrix))

        return replace(self, base=self.base @ matrix + shift, contributions=contributions, write=write)

    def centred(self, inputs: Any) -> Additive:
        """The same sum, every term 0 on average over ``inputs``: so the base is the mean score there."""
        means = self.contributions(inputs).mean(axis=0)

        def contributions(others: Any) -> FloatArray:
            return np.asarray(self.contributions(others) - means)

        def write(graph: Graph, *raw: Value) -> Value:
            return graph.op("Sub", self.write(graph, *raw), graph.constant(means))

        return replace(self, base=self.base + means.sum(axis=0), contributions=contributions, write=write)


@dataclass(frozen=True)
class Rule:
    """One leaf: when all ``conditions`` hold, the model says ``outputs`` ``(n_outputs,)``.

    ``n_rows``: the training rows that they hold for.
    """

    conditions: tuple[str, ...]
    outputs: FloatArray
    n_rows: int
