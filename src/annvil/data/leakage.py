"""Does one column alone know the answer?

For every column, the target is predicted from that column by nothing but averages over its values: numbers are cut
into at most 256 bins of equal counts, categories are their own bins, missing values are a bin, and each half of a row
sample is predicted by the bin means of the other half. What a leaking column gives away (a copy of the answer with
noise, a recoded or shifted one, a value present only in one class) shows in such a step function, whatever its shape.
A number is also correlated as it is with a numeric target.

Strength alone is no proof: on an easy table the odour of a mushroom tells nearly all. So a strong column is suspected
only if all other columns *together* (a small boosted ensemble) leave several times the error, or if it is exact.
The thresholds are assumptions, set so that planted leaks are found and clean public tables stay quiet; see
``tests/data/test_leakage.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.data.groups import number_groups
from annvil.data.table import Column, Table
from annvil.system.processors import bounded_threads
from annvil.tasks.base import FloatArray, IntArray
from annvil.tasks.class_metrics import rank_auc
from annvil.tasks.ranks import average_ranks

ALMOST_PERFECT = 0.05
"""A column is examined when its error alone is at most this: 1 - 2|AUC - ½| for classes, 1 - R² for numbers."""

TIMES_BETTER = 4.0
"""… and suspected when the other columns together leave at least so many times its error."""

NEARLY_EXACT = 0.01
"""At or below this error, twice better than the others is enough."""

EXACT = 0.0005
"""At or below this error a column is practically the answer itself, and suspected however easy the table is."""

TWIN = 0.02
"""Columns nearly as exact as a suspect, and at most so far from perfect, are not held against it: two leaks would
otherwise hide each other."""

_SAMPLE_ROWS = 12_000
_MOST_BINS = 256
_ROWS_PER_BIN = 10
_MODEL_ROWS = 4_000
_MODEL_COLUMNS = 60


@dataclass(frozen=True)
class Suspect:
    """A column that alone predicts the target almost perfectly.

    ``error``: of the column alone; ``others``: of all other columns together; both 0 (perfect) to 1 (useless).
    """

    column: str
    error: float
    others: float


def find_leaks(dataset: Dataset, seed: int = 0) -> tuple[Suspect, ...]:
    """Suspected columns, worst first. Looks at no more than 12 000 rows."""
    rows = sample_rows(dataset, _SAMPLE_ROWS, seed)
    if len(rows) < 30:
        return ()
    data = dataset.take(rows)
    half = _halves(data, seed)
    if not half.any():
        return ()
    errors = np.array([_error_alone(data, column, half) for column in data.inputs.columns])
    strong = np.flatnonzero(errors <= ALMOST_PERFECT)
    suspects = []
    for at in strong[np.argsort(errors[strong], kind="stable")]:
        twins = errors <= min(max(2 * errors[at], NEARLY_EXACT / 5), TWIN)
        rivals = [i for i in range(len(errors)) if i != at and not twins[i]]
        others = _error_together(data, rivals, errors, seed)
        factor = 2.0 if errors[at] <= NEARLY_EXACT else TIMES_BETTER
        if errors[at] <= EXACT or others >= factor * errors[at]:
            suspects.append(Suspect(data.inputs.columns[at].name, float(errors[at]), others))
    return tuple(suspects)


def sample_rows(dataset: Dataset[Inputs], most: int, seed: int) -> IntArray:
    """Rows drawn at random, at least 100 of each class or with each label where there are so many."""
    n = dataset.n_rows
    if n <= most:
        return np.arange(n)
    generator = np.random.default_rng([seed, 3])
    rows = generator.choice(n, most, replace=False)
    for label in range(len(dataset.task.classes)):
        own = np.flatnonzero(dataset.y == label if dataset.y.ndim == 1 else dataset.y[:, label])
        if len(own) * most / n < 100:
            rows = np.concatenate([rows, generator.permutation(own)[:100]])
    return np.unique(rows)


def told_by(columns: Table, dataset: Dataset[Inputs], seed: int = 0) -> tuple[float, FloatArray]:
    """How well ``columns``, which may be no inputs, tell the target of ``dataset``: the error of all together and that
    of each alone ``(n_columns,)``, 0 (perfect) to 1 (useless), each half of the rows judged by the other.

    Together they are given to a forest of random trees, whose cost hardly grows with the number of classes.
    """
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    data = Dataset(columns, dataset.y, dataset.task, number_groups(dataset.groups))
    half = _halves(data, seed)
    if half.all() or not half.any():
        return 1.0, np.ones(len(columns.columns))
    alone = np.array([_error_alone(data, column, half) for column in columns.columns])
    settings: dict[str, Any] = {"n_estimators": 100, "min_samples_leaf": 5, "random_state": seed}
    forests = ExtraTreesClassifier(**settings), ExtraTreesRegressor(**settings)
    return _error_of_halves(data, _matrix(columns), half, *forests), alone


def _halves(data: Dataset, seed: int) -> NDArray[np.bool_]:
    """Which half each row belongs to; rows of a group stay together. One is empty only where there is one group."""
    generator = np.random.default_rng([seed, 4])
    drawn = generator.random(int(data.groups.max()) + 1)
    half = drawn[data.groups] < 0.5
    if half.all() or not half.any():  # as one time of two with two groups
        present = np.unique(data.groups)
        drawn[present] = (generator.permutation(len(present)) + 0.5) / len(present)
        half = drawn[data.groups] < 0.5
    return np.asarray(half)


def _error_alone(data: Dataset, column: Column, half: NDArray[np.bool_]) -> float:
    bins = _bins(column)
    answers = _answers(data)
    guesses = np.empty_like(answers)
    for side in (half, ~half):
        guesses[side] = _means(bins[~side], answers[~side], int(bins.max()) + 1)[bins[side]]
    error = error_of(data, guesses)
    if data.task.predicts_probabilities or column.field.is_text:
        return error
    return min(error, _error_as_it_is(column.values, answers))


def _error_as_it_is(values: FloatArray, answers: FloatArray) -> float:
    """1 - r² of the values themselves (Pearson) or of their ranks (Spearman) where present, if half of them are.

    Finds a copy, scaled, shifted or bent, on tables too small or tails too heavy for bins.
    """
    there = ~np.isnan(values)
    if there.mean() < 0.5:
        return 1.0
    present, answers = values[there], answers[there]
    ranked = average_ranks(present), average_ranks(answers[:, 1])
    return min(_uncorrelated(present, answers[:, 0]), _uncorrelated(*ranked))


def _uncorrelated(x: FloatArray, y: FloatArray) -> float:
    """1 - r², and 1 where either does not vary."""
    x, y = x - x.mean(), y - y.mean()
    x_length, y_length = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if not x_length or not y_length:
        return 1.0
    return float(np.clip(1 - float((x / x_length) @ (y / y_length)) ** 2, 0, 1))


def _answers(data: Dataset) -> FloatArray:
    """The target as numbers ``(n, k)``: one column per class, or for regression the values and their ranks."""
    if data.task.predicts_probabilities:
        return data.task.indicators(data.y)
    return np.stack([data.y.astype(np.float64), average_ranks(data.y)], axis=1)


def _bins(column: Column) -> IntArray:
    """A bin for every row: the category, the interval, or the last bin where the value is missing."""
    if column.field.is_text:
        return np.where(column.values < 0, len(column.levels), column.values).astype(np.int64)
    values, gaps = column.values, np.isnan(column.values)
    present = values[~gaps]
    distinct = np.unique(present)
    most = int(np.clip(len(present) // 2 // _ROWS_PER_BIN, 8, _MOST_BINS))
    if len(distinct) > most:
        distinct = np.unique(np.quantile(present, np.linspace(0, 1, most + 1)[1:-1]))
    bins = np.searchsorted(distinct, values, side="right")
    return np.where(gaps, len(distinct) + 1, bins)


def _means(bins: IntArray, answers: FloatArray, n_bins: int) -> FloatArray:
    """Mean answer of each bin, drawn towards the overall mean by half an observation; shape ``(n_bins, k)``."""
    counts = np.bincount(bins, minlength=n_bins)[:, None]
    sums = np.stack([np.bincount(bins, weights=column, minlength=n_bins) for column in answers.T], axis=1)
    means: FloatArray = (sums + 0.5 * answers.mean(axis=0)) / (counts + 0.5)
    return means


def error_of(data: Dataset, guesses: FloatArray) -> float:
    """0 for perfect guesses, 1 for useless ones.

    Classes: 1 - (2 AUC - 1), the mean over classes against the rest. Numbers: 1 - R², of values or of their ranks,
    whichever is smaller (heavy tails hide a copy from the first, coarse answers from the second); ``guesses`` has a
    column for each, as `_answers` has.
    """
    if not data.task.predicts_probabilities:
        return float(np.clip(min(map(_unexplained, _answers(data).T, guesses.T)), 0, 1))
    present = np.unique(data.y)
    if len(present) < 2:
        return 1.0
    judged = present[-1:] if len(present) == 2 else present
    return float(np.clip(2 - 2 * np.mean([rank_auc(data.y == k, guesses[:, k]) for k in judged]), 0, 1))


def _unexplained(y: FloatArray, guess: FloatArray) -> float:
    spread = float(np.sum((y - y.mean()) ** 2))
    return float(np.sum((y - guess) ** 2)) / spread if spread else 1.0


def _error_together(data: Dataset, columns: list[int], errors: FloatArray, seed: int) -> float:
    """Error of a small boosted ensemble on the given columns, each half of at most 4 000 rows judged by the other."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.multioutput import MultiOutputRegressor

    best = sorted(columns, key=lambda i: errors[i])[:_MODEL_COLUMNS]
    if not best:
        return 1.0
    data = data.take(sample_rows(data, _MODEL_ROWS, seed))
    X = _matrix(Table(tuple(data.inputs.columns[i] for i in best), data.n_rows))
    settings: dict[str, Any] = {"max_iter": 60, "learning_rate": 0.15, "max_leaf_nodes": 15, "random_state": seed}
    settings |= {"early_stopping": False, "min_samples_leaf": 5}
    regressor = MultiOutputRegressor(HistGradientBoostingRegressor(**settings))
    with bounded_threads(1):  # on so few rows a second thread is only waited for
        return _error_of_halves(data, X, _halves(data, seed), HistGradientBoostingClassifier(**settings), regressor)


def _error_of_halves(data: Dataset, X: FloatArray, half: NDArray[np.bool_], classifier: Any, regressor: Any) -> float:
    """Error where each half is judged by a model of the other; 1 where a half has nothing to learn from."""
    answers = _answers(data)
    guesses = np.zeros_like(answers)
    for side in (half, ~half):
        told = ~np.isnan(X[~side]).all(axis=0)  # scikit-learn 1.9 cannot bin a column without a value
        if len(np.unique(data.y[~side])) < 2 or not side.any() or not told.any():
            return 1.0
        if data.task.predicts_probabilities:
            model = classifier.fit(X[~side][:, told], data.y[~side])
            guesses[np.ix_(side, model.classes_)] = model.predict_proba(X[side][:, told])
        else:
            guesses[side] = regressor.fit(X[~side][:, told], answers[~side]).predict(X[side][:, told])
    return error_of(data, guesses)


def _matrix(table: Table) -> FloatArray:
    """Columns side by side, categories as codes."""
    return np.stack([np.where(c.missing, np.nan, c.values.astype(np.float64)) for c in table.columns], axis=1)
