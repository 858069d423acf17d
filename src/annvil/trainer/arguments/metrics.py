"""Scores while training: Annvil's metrics by name, or a function of the user's.

Both judge what the network puts out for rows, on NumPy arrays, after every epoch. Several numbers a row are scored one
by one and averaged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from annvil.errors import RequestError, did_you_mean, first_line
from annvil.tasks.base import FloatArray
from annvil.tasks.classification import Binary, Multiclass
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.tasks.regression import Regression
from annvil.trainer.inputs.targets import IGNORED, Target

_SHORT = {"auc": "roc_auc", "acc": "accuracy", "r_squared": "r2", "mean_absolute_error": "mae",
          "root_mean_squared_error": "rmse", "categorical_accuracy": "accuracy", "binary_accuracy": "accuracy",
          "sparse_categorical_accuracy": "accuracy"}  # fmt: skip

_NUMBERS, _TWO, _MORE = Regression("y"), Binary("y", (0, 1)), Multiclass("y", (0, 1, 2))


@dataclass(frozen=True)
class Score:
    """One number about a network on some rows.

    Attributes
    ----------
    name : its key in the history
    compute : ``(outputs, truth) -> float``, raw outputs and the targets as the loss takes them
    greater_is_better : whether more is better; assumed of the user's own functions, unless they have an attribute
        ``greater_is_better``
    """

    name: str
    compute: Callable[[Tensor, Tensor], float]
    greater_is_better: bool = True

    def gain(self, outputs: Tensor, truth: Tensor) -> float:
        """The score turned so that more is better."""
        score = self.compute(outputs, truth)
        return score if self.greater_is_better else -score


def read_scores(asked: Any, target: Target) -> tuple[Score, ...]:
    """The scores asked for: a name, a function ``(y_true, outputs) -> float``, or several; a dict names functions.

    Raises
    ------
    RequestError
        Where there is no such metric, or it is not defined for the target.
    """
    if isinstance(asked, str) or callable(asked):
        asked = [asked]
    pairs: Iterable[tuple[str | None, Any]]
    pairs = asked.items() if isinstance(asked, Mapping) else ((None, metric) for metric in asked)
    scores = [_score(metric, name, target) for name, metric in pairs]
    names = [score.name for score in scores]
    taken = next((name for name in names if names.count(name) > 1 or name in ("loss", "learning_rate")), None)
    if taken:
        raise RequestError(f"Two values of the history would be called {taken!r}; name metrics with a dict.")
    return tuple(scores)


def _score(metric: Any, name: str | None, target: Target) -> Score:
    if isinstance(metric, Score):
        return metric
    if isinstance(metric, str):
        key = metric.strip().lower().replace("-", "_").replace(" ", "_")
        if key in ("mse", "mean_squared_error") and target.kind == "numbers":
            return Score(name or key, _mean_squared, False)
        known = _metric(_SHORT.get(key, key), metric, target)
        if target.kind == "positions" and known.name != "accuracy":
            raise RequestError(f"Classes at positions are scored by 'accuracy' or a function; got {metric!r}.")
        return Score(name or key, partial(by_name, known, target), known.greater_is_better)
    if callable(metric):
        called = name or str(getattr(metric, "__name__", type(metric).__name__))
        better = bool(getattr(metric, "greater_is_better", True))
        return Score(called, partial(_by_function, metric, called), better)
    raise RequestError(f"metrics must be names or functions (y_true, outputs) -> number; got {metric!r}.")


def _metric(key: str, asked: str, target: Target) -> Metric:
    known = {metric.name: metric for metric in (_NUMBERS if target.kind == "numbers" else _TWO).metrics}
    if target.kind == "as given":
        raise RequestError(f"Only the loss knows what y is here, so the metric {asked!r} cannot; pass a function.")
    if key not in known:
        kind = "numbers" if target.kind == "numbers" else "classes"
        fits = f"does not score {kind}" if key in METRICS else "is not known"
        hint = "" if key in METRICS else did_you_mean(key, known)
        raise RequestError(f"The metric {asked!r} {fits}.{hint} Choose from {', '.join(known)}, or pass a function.")
    return known[key]


def by_name(metric: Metric, target: Target, outputs: Tensor, truth: Tensor) -> float:
    """One of Annvil's metrics on raw outputs and the targets as the loss takes them."""
    y = truth.numpy()
    if target.kind == "numbers":
        values = outputs.double().numpy()
        if values.ndim == y.ndim + 1:  # k sub-networks
            values = values.mean(1)
        columns = zip(values.reshape(len(values), -1).T, y.reshape(len(y), -1).T, strict=True)
        return float(np.mean([metric.score(one, column[:, None]) for column, one in columns]))
    shares: FloatArray = target.shares(outputs).numpy().astype(np.float64)
    if target.kind == "multi-label":
        flat = zip(shares.reshape(len(shares), -1).T, y.reshape(len(y), -1).T, strict=True)
        return float(np.mean([_classes(metric.name, _two(column), one.astype(np.int64)) for column, one in flat]))
    if target.kind == "positions":
        return float(np.mean((shares.argmax(-1) == y)[y != IGNORED]))
    codes = y.argmax(1) if target.kind == "classes" and y.ndim == 2 else y.reshape(len(y)).astype(np.int64)
    return _classes(metric.name, shares, codes)


def _classes(name: str, shares: FloatArray, codes: NDArray[np.int64]) -> float:
    return (_TWO if shares.shape[1] == 2 else _MORE).metric(name).score(codes, shares)


def _two(yes: FloatArray) -> FloatArray:
    return np.stack([1 - yes, yes], 1)


def _mean_squared(outputs: Tensor, truth: Tensor) -> float:
    values = outputs.mean(1) if outputs.dim() == truth.dim() + 1 else outputs
    return float(((values.double() - truth.double()) ** 2).mean())


def _by_function(function: Callable[..., Any], name: str, outputs: Tensor, truth: Tensor) -> float:
    try:
        value = function(truth.numpy(), outputs.numpy())
    except Exception as error:  # the user's own code, which may raise anything
        shapes = f"y_true of shape {tuple(truth.shape)} and outputs of shape {tuple(outputs.shape)}"
        raise RequestError(f"The metric {name} failed on {shapes}: {first_line(error)}.") from error
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        came = type(value).__name__
        raise RequestError(f"The metric {name} must return one number; it returned a {came}.") from error
