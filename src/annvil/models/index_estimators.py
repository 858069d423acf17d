"""Networks of projections as scikit-learn estimators: one network that can be read, see `IndexNetworks`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, check_random_state

from annvil.data.dataset import Dataset
from annvil.data.splits import strata
from annvil.data.table import Table
from annvil.errors import RequestError
from annvil.models.estimator_parts import check_whole_number, inner_folds, several_labels
from annvil.models.estimators import _NetworkClassifier, _NetworkEstimator, _NetworkRegressor
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.models.networks.index_family import IndexSettings
from annvil.models.networks.index_networks import IndexNetworks
from annvil.tasks.base import FloatArray, Task

HOLDOUT = 5
"""With one fold, this part of the rows is held out to choose with: a fifth."""


class _IndexEstimator(_NetworkEstimator):
    """What both share. Arguments are None where the number of rows, or the recipe, decides."""

    fitted_: Fitted

    def __init__(
        self,
        *,
        n_candidates: int = 6,
        n_folds: int = 1,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_candidates = n_candidates
        self.n_folds = n_folds
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.time_budget = time_budget
        self.random_state = random_state

    @property
    def projections_(self) -> FloatArray:
        """Orthonormal directions as columns ``(n_projected, k)``, of prepared features (see ``fitted_.additive()``)."""
        (bag,) = self.fitted_.members
        return bag.directions  # type: ignore[no-any-return,attr-defined]

    def _fit(self, table: Table, y: NDArray[Any], task: Task, weights: FloatArray | None) -> Self:
        self._check_arguments(len(y))
        if all(field.is_text for field in table.schema):
            raise RequestError(f"{type(self).__name__} projects numbers, and X has none; give a column of numbers.")
        dataset = Dataset(table, y, task, np.arange(len(y), dtype=np.int64))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = np.arange(len(y), dtype=np.int64)
        codes = strata(dataset, rows) if task.predicts_probabilities else np.zeros(len(y), dtype=np.int64)
        inner = inner_folds(codes, self.n_folds if self.n_folds > 1 else HOLDOUT, seed)
        job = Job("fit", rows, inner if self.n_folds > 1 else inner[:1], seed, weights)
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        fitted = next(iter(self._contender().fit(dataset, [job], Effort(self.n_candidates), context)), None)
        if fitted is None:
            raise RequestError(f"{type(self).__name__}: nothing could be trained within {self.time_budget} s.")
        self.fitted_ = fitted
        return self

    def _contender(self) -> IndexNetworks:
        asked: dict[str, Any] = {
            "epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
        }
        known = {name: value for name, value in asked.items() if value is not None}

        class Asked(IndexNetworks):
            def settings(self, job: Job, effort: Effort) -> list[IndexSettings]:
                return [replace(settings, **known) for settings in super().settings(job, effort)]

        return Asked()

    def _check_arguments(self, n_rows: int) -> None:
        if n_rows < 2:
            raise RequestError(f"{type(self).__name__} needs at least 2 samples to train and validate; got 1 sample.")
        for name, least in (("n_folds", 1), ("n_candidates", 1), ("max_epochs", 1), ("batch_size", 1)):
            check_whole_number(self, name, getattr(self, name), least)


class IndexClassifier(_IndexEstimator, _NetworkClassifier):
    """A network of projections for classes: smooth functions of weighted sums, added up on the scale of log-odds."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows ``X (n_samples, n_features)`` with labels ``y (n_samples,)``; returns itself.

        ``sample_weight (n_samples,)``, at least 0: as for `MLPClassifier`.
        """
        if several_labels(y):
            raise RequestError(
                "IndexClassifier learns one class a row; y has several labels a row. Fit one model each."
            )
        return super().fit(X, y, sample_weight)


class IndexRegressor(_IndexEstimator, _NetworkRegressor):
    """A network of projections for numbers: smooth functions of weighted sums, added up."""


_ARGUMENTS = """

    After Yang, Zhang & Sudjianto 2019 (arXiv 1901.03838).

    Parameters
    ----------
    n_candidates : starts and penalties to try, trained as one population; at most 12
    n_folds : inner folds that choose; 1: one holdout of a fifth of the rows
    max_epochs, batch_size, learning_rate : of the training
    time_budget : seconds after which training stops with the best so far; then results depend on the machine
    random_state : seed; the same seed gives the same network

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`; ``fitted_.additive()`` is the model as a sum of terms
    projections_ : weights of the projections ``(n_projected, k)``
    n_features_in_, feature_names_in_ : as in scikit-learn{classes}
    """

for _estimator in (IndexClassifier, IndexRegressor):
    _has_classes = issubclass(_estimator, ClassifierMixin)
    _classes = "\n    classes_ : the labels, in the order of the columns of `predict_proba`" if _has_classes else ""
    _estimator.__doc__ = f"{_estimator.__doc__}{_ARGUMENTS.format(classes=_classes)}"
