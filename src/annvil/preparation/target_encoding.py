"""Target means of categories with many levels: scikit-learn's TargetEncoder, cross-fitted for the training rows.

Ordered target statistics (Prokhorenkova et al. 2018, CatBoost, section 3.2), in which a row sees the rows before it in
a random order, were measured in their place: boosted trees of scikit-learn, 5 folds, log-loss or RMSE of the logarithm,
at most 4000 rows, prior of weight 1 at the overall mean.

    ====================================  =========  ======  =======  =============
    training rows see                     car_price  adult   titanic  german_credit
    ====================================  =========  ======  =======  =============
    other folds (what is done here)       .1290      .3057   .4046    .5357
    other folds, mean of 3 deals          .1285      .3066   .4117    .5258
    other folds, 3 deals as more rows     .1269      .3060   .4036    .5259
    rows before, one order                .1321      .3054   .4224    .5462
    rows before, mean of 4 orders         .1368      .3101   .4228    .5303
    rows before, 4 orders as more rows    .1297      .3024   .3990    .5263
    ====================================  =========  ======  =======  =============

One order for all trees loses (CatBoost draws one for every tree: early rows are noise), and so does a mean of orders.
Training on several encodings of every row gains a little on most tables, within the spread of the folds and at three
to four times the training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.preparation.base import Feature, FloatMatrix
from annvil.preparation.categories import Lookup, TextColumn
from annvil.preparation.target_scaling import TargetScaling
from annvil.tasks.base import Task

FOLDS = 5
"""Folds of the cross-fitting (TargetEncoder's default)."""


def target_means(
    columns: Sequence[TextColumn], y: NDArray[Any], task: Task, seed: int
) -> tuple[tuple[Lookup, ...], FloatMatrix]:
    """Lookups for new rows, and the cross-fitted values of the training rows, float32 ``(n_rows, width of all)``.

    A level's value is its mean target, drawn towards the overall mean by empirical Bayes (Micci-Barreca 2001), one
    column per class when there are more than two; the target of a regression is standardised first, so that float32
    holds it. Unknown levels get the overall mean. Missing is a level.
    """
    from sklearn.preprocessing import TargetEncoder

    if task.n_questions > 1:
        return _of_labels(columns, y, task, seed)
    kind, target, endings = _target(y, task)
    codes = np.stack([column.codes for column in columns], axis=1)
    if len(y) > 1:
        encoder = TargetEncoder(target_type=kind, cv=_folds(y, task, seed))
        cross_fitted = encoder.fit_transform(codes, target)
    else:
        encoder = TargetEncoder(target_type=kind).fit(codes, target)
        cross_fitted = encoder.transform(codes)
    overall = np.atleast_1d(encoder.target_mean_)
    lookups = []
    for j, column in enumerate(columns):
        known = np.stack(encoder.encodings_[j * len(endings) : (j + 1) * len(endings)], axis=1)
        table = np.concatenate([overall[None, :], known]).astype(np.float32)
        slots = {level: slot for slot, level in enumerate(column.levels, start=1)}
        features = tuple(Feature(f"{column.name} ({ending})", column.name) for ending in endings)
        lookups.append(Lookup(column.position, slots, 0, table, features))
    return tuple(lookups), np.asarray(cross_fitted, dtype=np.float32)


def _of_labels(
    columns: Sequence[TextColumn], y: NDArray[Any], task: Task, seed: int
) -> tuple[tuple[Lookup, ...], FloatMatrix]:
    """The means of every label, side by side for each column."""
    each = [target_means(columns, own, one, seed) for one, own in task.questions(y)]
    lookups = []
    for j, column in enumerate(columns):
        of_column = [found[j] for found, _ in each]
        table = np.concatenate([lookup.table for lookup in of_column], axis=1)
        features = tuple(feature for lookup in of_column for feature in lookup.features)
        lookups.append(Lookup(column.position, of_column[0].slots, 0, table, features))
    return tuple(lookups), np.concatenate([fitted[:, [j]] for j in range(len(columns)) for _, fitted in each], axis=1)


def _target(y: NDArray[Any], task: Task) -> tuple[str, NDArray[Any], list[str]]:
    """TargetEncoder's name for the target, the target for it, and what each column is the mean of."""
    if not task.predicts_probabilities:
        return "continuous", TargetScaling.fit(y).transform(y).astype(np.float64), ["mean target"]
    present = np.unique(y).tolist()
    if len(present) > 2:
        return "multiclass", y, [f"share of {task.classes[k]}" for k in present]
    positive = present[-1]
    return "continuous", (y == positive).astype(np.float64), [f"share of {task.classes[positive]}"]


def _folds(y: NDArray[Any], task: Task, seed: int) -> Any:
    """Folds with equal shares of the classes where every class has rows for it."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if task.predicts_probabilities and np.unique(y, return_counts=True)[1].min() >= FOLDS:
        return StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return KFold(min(FOLDS, len(y)), shuffle=True, random_state=seed)
