"""What scikit-learn estimators of explainable networks share: one contender fitted once, and one class a row."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, check_random_state

from annvil.data.dataset import Dataset
from annvil.data.splits import Split, strata
from annvil.data.table import Table
from annvil.errors import RequestError
from annvil.models.contract import Contender
from annvil.models.estimator_parts import inner_folds, several_labels
from annvil.models.estimators import _NetworkClassifier, _NetworkEstimator
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray, IntArray, Task


class ExplainableEstimator(_NetworkEstimator):
    """Fits the contender that its arguments describe. Arguments are None where the rows, or the recipe, decide."""

    fitted_: Fitted

    @abstractmethod
    def _contender(self) -> Contender:
        """What is fitted."""

    def _inner(self, codes: IntArray, seed: int) -> tuple[Split, ...]:
        """The splits that choose."""
        return inner_folds(codes, self.n_folds, seed)

    def _check_columns(self, table: Table, task: Task) -> None:
        """Raise `RequestError` where such columns cannot be learnt from as asked."""

    def _asked(self) -> dict[str, Any]:
        """Of the training, what was not left to the recipe, as settings name it."""
        asked = {"epochs": self.max_epochs, "batch_size": self.batch_size, "learning_rate": self.learning_rate}
        return {name: value for name, value in asked.items() if value is not None}

    def _fit(self, table: Table, y: NDArray[Any], task: Task, weights: FloatArray | None) -> Self:
        self._check_arguments(len(y))
        self._check_columns(table, task)
        rows = np.arange(len(y), dtype=np.int64)
        dataset = Dataset(table, y, task, rows)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        codes = strata(dataset, rows) if task.predicts_probabilities else np.zeros(len(y), dtype=np.int64)
        job = Job("fit", rows, self._inner(codes, seed), seed, weights)
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        fitted = next(iter(self._contender().fit(dataset, [job], Effort(self.n_candidates), context)), None)
        if fitted is None:
            raise RequestError(f"{type(self).__name__}: nothing could be trained within {self.time_budget} s.")
        self.fitted_ = fitted
        return self


class OneClassARow(_NetworkClassifier):
    """A classifier that does not learn several labels at once."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on rows ``X (n_samples, n_features)`` with labels ``y (n_samples,)``; returns itself.

        ``sample_weight (n_samples,)``, at least 0: as for `MLPClassifier`.
        """
        if several_labels(y):
            name = type(self).__name__
            raise RequestError(f"{name} learns one class a row; y has several labels a row. Fit one model each.")
        return super().fit(X, y, sample_weight)


def document(estimators: Sequence[type], arguments: str) -> None:
    """Add to each docstring what describes the arguments; ``{classes}`` becomes what only classifiers have."""
    for estimator in estimators:
        of_classes = "\n    classes_ : the labels, in the order of the columns of `predict_proba`"
        told = arguments.format(classes=of_classes if issubclass(estimator, ClassifierMixin) else "")
        estimator.__doc__ = f"{estimator.__doc__}{told}"
