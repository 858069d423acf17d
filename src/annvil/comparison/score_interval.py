"""How far the expected score of one contender may lie from its mean over the folds."""

from __future__ import annotations

import numpy as np

from annvil.comparison.contrast import pooled_overlap
from annvil.comparison.results import Comparison, Standing
from annvil.comparison.statistics import correlated_posterior, jackknife_variance
from annvil.tasks.metric_index import METRICS


def score_interval(comparison: Comparison, standing: Standing) -> tuple[float, float] | None:
    """Central 95% interval of the metric that decides, by the method of the differences (`correlated_posterior`).

    A score ends at 1 and an error at 0, so the interval does, too. None below three folds: two say nothing of their
    spread.
    """
    judged = [fold for fold in comparison.folds if fold.contender == standing.contender]
    if standing.spread(comparison.metric) is None or not judged:
        return None
    parts = [fold.without_part for fold in judged]
    rows = float(np.mean([jackknife_variance(part) for part in parts])) if all(parts) else None
    belief = correlated_posterior(
        standing.per_fold, overlap=pooled_overlap(judged), worth=comparison.worth, row_variance=rows
    )
    assert belief is not None  # there are three folds
    if METRICS[comparison.metric].greater_is_better:
        return belief.low, min(belief.high, 1.0)
    return max(belief.low, 0.0), belief.high
