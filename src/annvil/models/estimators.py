"""Annvil's networks as scikit-learn estimators.

They train through the same search as the contenders: the training rows become one job with inner folds, the networks of
the folds are averaged. Numbers may be missing; categories come in frames (pandas, polars, Arrow), where columns that
are not numbers, dates or booleans are categories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, check_X_y, validate_data

from annvil.data.dataset import Dataset
from annvil.data.form import Form
from annvil.data.frame_form import frame_form
from annvil.data.splits import strata
from annvil.data.table import Column, Field, Table
from annvil.errors import RequestError
from annvil.models.estimator_parts import (
    NetworkClassifierMixin,
    check_whole_number,
    inner_folds,
    rows_that_count,
    several_labels,
)
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.models.networks.dense_networks import DenseFamily
from annvil.models.networks.fitted import best_fitted
from annvil.models.networks.recipe import Settings
from annvil.models.networks.search import search
from annvil.models.networks.shared_ensemble import SharedFamily
from annvil.models.networks.table_family import TableFamily, summary_of
from annvil.tasks.base import FloatArray, Task
from annvil.tasks.union import make_task


class _NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """What the four estimators share. Arguments are None where the number of rows, or the recipe, decides."""

    _networks: TableFamily
    _form: Form | None

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] | None = None,
        *,
        n_folds: int = 5,
        n_candidates: int = 1,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        dropout: float | None = None,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_folds = n_folds
        self.n_candidates = n_candidates
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.dropout = dropout
        self.time_budget = time_budget
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _fit(self, table: Table, y: NDArray[Any], task: Task, weights: FloatArray | None) -> Self:
        """Train on the rows of ``table``; ``y`` are class codes, values, or 0 and 1 of several labels."""
        self._check_arguments(len(y))
        dataset = Dataset(table, y, task, np.arange(len(y), dtype=np.int64))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = np.arange(len(y), dtype=np.int64)
        codes = strata(dataset, rows) if task.predicts_probabilities else np.zeros(len(y), dtype=np.int64)
        inner = inner_folds(codes, self.n_folds, seed)
        job = Job("fit", rows, inner, seed, weights)
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        settings = self._settings(task, max(len(split.train) for split in inner))
        found = search(dataset, [job], self._networks, lambda job, running: settings, Effort(), context)
        searched = next(iter(found), None)
        if searched is None:
            raise RequestError(f"{type(self).__name__}: nothing could be trained within {self.time_budget} s.")
        fitted = best_fitted(type(self).__name__, dataset, self._networks, searched, summary_of)
        self.fitted_: Fitted = replace(fitted, members=tuple(member.double() for member in fitted.members))  # type: ignore[attr-defined]
        return self

    def _settings(self, task: Task, n_rows: int) -> list[Settings]:
        given: dict[str, Any] = {
            "widths": None if self.hidden_layer_sizes is None else tuple(int(w) for w in self.hidden_layer_sizes),
            "epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "weight_decay": self.weight_decay,
            "dropout": self.dropout,
        }
        known = {name: value for name, value in given.items() if value is not None}
        portfolio = self._networks.portfolio(task.predicts_probabilities, n_rows)
        return [replace(settings, **known) for settings in portfolio[: self.n_candidates]]

    def _check_arguments(self, n_rows: int) -> None:
        if n_rows < 2:
            raise RequestError(f"{type(self).__name__} needs at least 2 samples to train and validate; got 1 sample.")
        for name, least in (("n_folds", 2), ("n_candidates", 1), ("max_epochs", 1), ("batch_size", 1)):
            check_whole_number(self, name, getattr(self, name), least)

    def _weighted(self, table: Table, y: Any, sample_weight: Any) -> tuple[Table, Any, FloatArray | None]:
        """The rows that count, their targets, and their weights."""
        rows, weights = rows_that_count(sample_weight, y)
        return table.take(rows), y[rows], weights

    def _table(self, X: Any, y: Any = None, *, fitting: bool = False, **checks: Any) -> tuple[Table, Any]:
        """The rows as a table, and ``y`` checked when fitting, which also remembers the columns."""
        form = frame_form(X) if fitting else self._form
        if form is None:
            checked = validate_data(
                self,
                X,
                *([y] if fitting else []),
                reset=fitting,
                dtype=np.float64,
                ensure_all_finite="allow-nan",
                **(checks if fitting else {}),
            )
            X, y = checked if fitting else (checked, None)
            columns = [Column(Field(f"x{i}", "number"), np.ascontiguousarray(X[:, i])) for i in range(X.shape[1])]
            table = Table(tuple(columns), len(X))
        else:
            validate_data(self, X, reset=fitting, skip_check_array=True)
            table = cast(Table, form.conform(X, "X").inputs)
            if fitting:
                _, y = check_X_y(np.zeros((table.n_rows, 1)), y, estimator=self, **checks)
        if fitting:
            self._form = form
        return table, y


class _NetworkClassifier(NetworkClassifierMixin, _NetworkEstimator):
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows ``X (n_samples, n_features)`` with labels ``y (n_samples,)``; returns itself.

        ``y`` of 0 and 1 ``(n_samples, n_labels)`` are several labels at once. ``sample_weight (n_samples,)``, at least
        0: batches and the choice of the best epoch take the weighted mean, and a row of weight 0 is left out; among
        several candidates every row counts the same.
        """
        if several_labels(y):
            table, y = self._table(X, y, fitting=True, multi_output=True)
            table, y, weights = self._weighted(table, y, sample_weight)
            labels, task = self._labels(y)
            return self._fit(table, labels, task, weights)
        table, y = self._table(X, y, fitting=True)
        table, y, weights = self._weighted(table, y, sample_weight)
        codes, task = self._codes(y)
        return self._fit(table, codes, task, weights)

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities ``(n_samples, n_classes)``, in the order of ``classes_``; of several labels one for each."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._table(X)[0])


class _NetworkRegressor(RegressorMixin, _NetworkEstimator):  # type: ignore[misc]
    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows ``X (n_samples, n_features)`` with targets ``y (n_samples,)``; returns itself.

        ``sample_weight (n_samples,)``, at least 0: as for classes.
        """
        table, y = self._table(X, y, fitting=True, y_numeric=True)
        table, y, weights = self._weighted(table, y, sample_weight)
        return self._fit(table, np.asarray(y, dtype=np.float64), make_task("regression", "y"), weights)

    def predict(self, X: Any) -> FloatArray:
        """The predicted value of each row ``(n_samples,)``."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._table(X)[0])[:, 0]


_ARGUMENTS = """

    Parameters
    ----------
    hidden_layer_sizes : units of the hidden layers, such as ``(128, 128)``
    n_folds : inner folds; a network is trained on each and they are averaged
    n_candidates : settings to try (those given below stay fixed); the inner folds choose
    max_epochs, batch_size, learning_rate, weight_decay, dropout : of the training
    time_budget : seconds after which training stops with the best so far; then results depend on the machine
    random_state : seed; the same seed gives the same networks

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`: the averaged networks, out-of-fold predictions, training curves and a
        summary
    n_features_in_, feature_names_in_ : as in scikit-learn{classes}
    """

_CLASSES = "\n    classes_ : the labels, in the order of the columns of `predict_proba`"


class MLPClassifier(_NetworkClassifier):
    """Dense networks for classes, with the parts of RealMLP (Holzmüller et al. 2024), averaged over inner folds."""

    _networks = DenseFamily()


class MLPRegressor(_NetworkRegressor):
    """Dense networks for numbers, with the parts of RealMLP (Holzmüller et al. 2024), averaged over inner folds."""

    _networks = DenseFamily()


class TabMClassifier(_NetworkClassifier):
    """Shared ensembles for classes, TabM (Gorishniy et al. 2024), averaged over inner folds."""

    _networks = SharedFamily()


class TabMRegressor(_NetworkRegressor):
    """Shared ensembles for numbers, TabM (Gorishniy et al. 2024), averaged over inner folds."""

    _networks = SharedFamily()


for _estimator in (MLPClassifier, MLPRegressor, TabMClassifier, TabMRegressor):
    _has_classes = issubclass(_estimator, ClassifierMixin)
    _estimator.__doc__ = f"{_estimator.__doc__}{_ARGUMENTS.format(classes=_CLASSES if _has_classes else '')}"
