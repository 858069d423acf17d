"""Truth, outputs, decisions, and what people are told of them: the types that all of this room speaks in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Label = str | int | float | bool

Decision = float | tuple[float, ...] | None
"""From which probability on something is said: the positive one of two classes (a number), each of several labels (one
number each), or None: the likelier class, and labels that are likelier there than not."""

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Targets:
    """The truth about some rows.

    Attributes
    ----------
    y : what was to be predicted, one entry a row; its type is the task's
    context : what scoring needs beside it, arrays with one entry a row by name (the scale of a scaled error, who is
        who); empty for most tasks
    """

    y: NDArray[Any]
    context: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def take(self, rows: Any) -> Targets:
        """Those of some rows."""
        return Targets(self.y[rows], {name: values[rows] for name, values in self.context.items()})

    @classmethod
    def of(cls, y: Targets | NDArray[Any]) -> Targets:
        """Targets as they are, and plain answers as targets without context."""
        return y if isinstance(y, Targets) else cls(y)


@dataclass(frozen=True)
class Examples:
    """Rows to look at.

    Attributes
    ----------
    rows : positions among the rows given, in the order in which they are shown
    captions, wrong : of each of these: truth and answer in words, and whether it is a mistake
    sentences : what is said above them
    """

    rows: IntArray
    captions: tuple[str, ...]
    wrong: NDArray[np.bool_]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Certainty:
    """Predicted probabilities ``(n,)`` and whether what they are of happened, with names for both.

    ``answers``: what is counted where it is not rows, such as every answer to every label.
    """

    probability: FloatArray
    happened: NDArray[np.bool_]
    predicted: str
    observed: str
    answers: str | None = None


def mistakes_first(wrong: NDArray[Any], gravity: FloatArray, most_mistakes: int, most: int) -> IntArray:
    """Positions of the gravest mistakes, then of others drawn at random."""
    mistakes = np.flatnonzero(wrong)
    mistakes = mistakes[np.argsort(-gravity[mistakes], kind="stable")][:most_mistakes]
    others = np.random.default_rng(0).permutation(np.flatnonzero(~wrong))[: most - len(mistakes)]
    return np.concatenate([mistakes, others]).astype(np.int64)
