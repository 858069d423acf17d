"""Unequal classes: when to care, and the weights that make them count the same."""

from __future__ import annotations

import numpy as np

from annvil.tasks.base import FloatArray, IntArray, Task

IMBALANCED = 0.25
"""The rarest class has fewer than a quarter of the rows of the commonest (assumed: the literature draws no line, and
weighting is only a candidate there, which the inner splits may refuse)."""


def class_weights(y: IntArray, n_classes: int) -> FloatArray:
    """A weight per class, float64 ``(n_classes,)``, inverse to its number of rows; the mean over rows is 1.

    ``n_rows / (n_present_classes · count)``, scikit-learn's ``class_weight="balanced"`` (King and Zeng 2001). A class
    without rows, of which nothing can be learnt, gets 1.
    """
    counts = np.bincount(y, minlength=n_classes)
    present = counts > 0
    weights = np.ones(n_classes)
    weights[present] = len(y) / (present.sum() * counts[present])
    return weights


def is_imbalanced(y: IntArray, task: Task) -> bool:
    """Whether the rarest class has fewer than a quarter of the commonest one's rows; absent classes do not count.

    Never where a row may have several classes or none: labels have thresholds of their own instead.
    """
    if not task.one_class_a_row:
        return False
    counts = np.bincount(y)
    present = counts[counts > 0]
    return len(present) > 1 and bool(present.min() < IMBALANCED * present.max())
