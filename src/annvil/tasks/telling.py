"""How a task tells people about answers: examples with captions, and what a reliability diagram is drawn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.targets import FloatArray, IntArray


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
