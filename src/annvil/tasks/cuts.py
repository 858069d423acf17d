"""Cuts between probabilities, for whoever chooses from which one on something is said."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.targets import FloatArray

EVEN = 0.5
"""From this probability on something is said unless another threshold was chosen for it."""


def possible_cuts(y: NDArray[Any], probability: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Of every cut between neighbouring probabilities: right alarms, alarms, and where it lies; the highest first."""
    order = np.argsort(-probability, kind="stable")
    ranked, positive = probability[order], (y[order] == 1).astype(np.float64)
    last_of_ties = np.append(np.flatnonzero(np.diff(ranked) != 0), len(ranked) - 1)
    below = np.append(ranked[last_of_ties[:-1] + 1], 0.0)
    return np.cumsum(positive)[last_of_ties], last_of_ties + 1.0, (ranked[last_of_ties] + below) / 2


def nearest_to_even(value: FloatArray, cuts: FloatArray) -> float:
    """The best cut; of equally good ones the nearest to one half."""
    best = np.flatnonzero(value >= value.max() - 1e-12)
    return float(cuts[best[np.argmin(np.abs(cuts[best] - EVEN))]])
