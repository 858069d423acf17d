"""Whether the numbers of a row follow one another in time: known by their values, where nothing says so."""

from __future__ import annotations

import numpy as np

from annvil.tasks.base import FloatArray

ALIKE = 0.5
"""Autocorrelation at lag 1 within a row from which its numbers are neighbours in time (assumed): numbers in no order
have about 0, or less."""


def neighbours_are_alike(values: FloatArray) -> bool:
    """Of rows ``(n, steps)``, each around its own mean; rows with gaps, or that never move, say nothing."""
    values = values[~np.isnan(values).any(axis=1)]
    away = values - values.mean(axis=1, keepdims=True)
    away = away[away.any(axis=1)]
    if not len(away):
        return False
    return float(np.median((away[:, 1:] * away[:, :-1]).sum(axis=1) / (away * away).sum(axis=1))) > ALIKE
