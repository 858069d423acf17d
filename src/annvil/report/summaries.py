"""Counting held-out predictions into bins and cells for the charts."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.plots.charts.reliability import Bin
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.words import ROWS, Words


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """95% interval of a share (Wilson, Journal of the American Statistical Association 22, 1927)."""
    if rows == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.975)
    share, doubt = hits / rows, z**2 / rows
    middle = share + doubt / 2
    reach = z * sqrt(share * (1 - share) / rows + doubt / (4 * rows))
    low, high = (middle - reach) / (1 + doubt), (middle + reach) / (1 + doubt)
    return 0.0 if hits == 0 else low, 1.0 if hits == rows else high


def confusion_counts(y: NDArray[Any], decided: IntArray, n_classes: int) -> IntArray:
    """Rows of each true class (first axis) by predicted class, int64 ``(n_classes, n_classes)``."""
    return np.bincount(y * n_classes + decided, minlength=n_classes**2).reshape(n_classes, n_classes)


def reliability_bins(probability: FloatArray, happened: NDArray[Any]) -> list[Bin]:
    """Up to 10 bins of about equally many rows by predicted probability, at least 15 a bin, equal ones together."""
    n_bins = int(np.clip(len(probability) // 15, 1, 10))
    order = np.argsort(probability, kind="stable")
    cuts = np.linspace(0, len(order), n_bins + 1).round().astype(int)
    edges = np.unique(probability[order][cuts[1:-1] - 1]) if n_bins > 1 else np.empty(0)
    member = np.searchsorted(edges, probability, side="left")
    bins = []
    for index in np.unique(member):
        inside = member == index
        rows, hits = int(inside.sum()), int(happened[inside].sum())
        low, high = wilson(hits, rows)
        bins.append(Bin(float(probability[inside].mean()), hits / rows, low, high, rows))
    return bins


@dataclass(frozen=True)
class Rate:
    """A share of rows, named for people."""

    name: str
    meaning: str
    hits: int
    rows: int

    @property
    def share(self) -> float:
        """``hits / rows``."""
        return self.hits / self.rows if self.rows else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95% interval."""
        return wilson(self.hits, self.rows)


def binary_rates(counts: IntArray, negative: str, positive: str, words: Words = ROWS) -> list[Rate]:
    """Sensitivity, specificity and predictive values from a 2 x 2 matrix of counts."""
    (tn, fp), (fn, tp) = counts.tolist()
    rates = [
        Rate("Sensitivity", f"{words.rows} that are “{positive}” and are found", tp, tp + fn),
        Rate("Specificity", f"{words.rows} that are “{negative}” and are ruled out", tn, tn + fp),
        Rate("Positive predictive value", f"predictions of “{positive}” that are correct", tp, tp + fp),
        Rate("Negative predictive value", f"predictions of “{negative}” that are correct", tn, tn + fn),
    ]
    return [rate for rate in rates if rate.rows]


def frequent_confusions(counts: IntArray, classes: list[str]) -> list[tuple[str, str, int, int]]:
    """(true class, taken for, rows, rows of the true class) of up to ten, the most frequent first."""
    off = counts.copy()
    np.fill_diagonal(off, 0)
    flat = np.argsort(-off, axis=None, kind="stable")[:10]
    pairs = [divmod(int(cell), len(classes)) for cell in flat]
    return [(classes[i], classes[j], int(off[i, j]), int(counts[i].sum())) for i, j in pairs if off[i, j]]


def spread_rows(n_rows: int, most: int) -> IntArray:
    """At most ``most`` row numbers, evenly over all."""
    return np.unique(np.linspace(0, n_rows - 1, min(n_rows, most)).round().astype(np.int64))
