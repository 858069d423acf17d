"""Additive networks as scikit-learn estimators: a sum of effects that can be read, see `AdditiveNetworks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import Tags, check_random_state

from annvil.data.dataset import Dataset
from annvil.data.splits import strata
from annvil.data.table import Table
from annvil.errors import RequestError, did_you_mean
from annvil.models.estimator_parts import check_whole_number, inner_folds, several_labels
from annvil.models.estimators import _NetworkClassifier, _NetworkEstimator, _NetworkRegressor
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.models.networks.additive_networks import AdditiveNetworks
from annvil.models.networks.additive_settings import AdditiveSettings
from annvil.tasks.base import FloatArray, Task


class _AdditiveEstimator(_NetworkEstimator):
    """What both share. Arguments are None where the number of rows, or the recipe, decides."""

    fitted_: Fitted

    def __init__(
        self,
        *,
        n_pairs: int | None = None,
        monotone: Mapping[str, int] | None = None,
        n_candidates: int = 4,
        n_folds: int = 5,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.n_pairs = n_pairs
        self.monotone = monotone
        self.n_candidates = n_candidates
        self.n_folds = n_folds
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.time_budget = time_budget
        self.random_state = random_state

    def _fit(self, table: Table, y: NDArray[Any], task: Task, weights: FloatArray | None) -> Self:
        self._check_arguments(len(y))
        self._check_monotone(table, task)
        rows = np.arange(len(y), dtype=np.int64)
        dataset = Dataset(table, y, task, rows)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        codes = strata(dataset, rows) if task.predicts_probabilities else np.zeros(len(y), dtype=np.int64)
        job = Job("fit", rows, inner_folds(codes, self.n_folds, seed), seed, weights)
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        fitted = next(iter(self._contender().fit(dataset, [job], Effort(self.n_candidates), context)), None)
        if fitted is None:
            raise RequestError(f"{type(self).__name__}: nothing could be trained within {self.time_budget} s.")
        self.fitted_ = fitted
        return self

    def _contender(self) -> AdditiveNetworks:
        asked = {
            "n_pairs": self.n_pairs,
            "epochs": self.max_epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
        }
        known: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}

        class Asked(AdditiveNetworks):
            def settings(self, dataset: Dataset, job: Job, effort: Effort) -> list[AdditiveSettings]:
                given = super().settings(dataset, job, effort)
                return given if effort.configuration is not None else [replace(one, **known) for one in given]

        return Asked(self.monotone)

    def _check_arguments(self, n_rows: int) -> None:
        super()._check_arguments(n_rows)
        check_whole_number(self, "n_pairs", self.n_pairs, 0)

    def _check_monotone(self, table: Table, task: Task) -> None:
        """Raise `RequestError` where a direction cannot be kept."""
        name = type(self).__name__
        if self.monotone and task.predicts_probabilities and task.n_outputs > 2:
            raise RequestError(f"{name}: monotone needs a number or two classes; y has {task.n_outputs} classes.")
        kinds = {field.name: field for field in table.schema}
        for column, sign in (self.monotone or {}).items():
            if column not in kinds:
                hint = did_you_mean(str(column), list(kinds))
                raise RequestError(f"{name}: monotone names {column!r}, which is no column of X.{hint}")
            if kinds[column].is_text:
                raise RequestError(f"{name}: monotone names {column!r}, a category; its levels have no order.")
            if isinstance(sign, bool) or sign not in (1, -1):
                raise RequestError(f"{name}: monotone of {column!r} must be 1 (rising) or -1 (falling); got {sign!r}.")


class AdditiveClassifier(_AdditiveEstimator, _NetworkClassifier):
    """A sum of effects of columns and of pairs of columns on the scale of log-odds."""

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
                "AdditiveClassifier learns one class a row; y has several labels a row. Fit one model each."
            )
        return super().fit(X, y, sample_weight)


class AdditiveRegressor(_AdditiveEstimator, _NetworkRegressor):
    """A sum of effects of columns and of pairs of columns, in units of the target."""


_ARGUMENTS = """

    After GAMI-Net (Yang, Zhang and Sudjianto 2021, arXiv 2003.07132).

    Parameters
    ----------
    n_pairs : pairs of columns, at most; None lets the candidates differ (0, 10 or 20)
    monotone : column → 1 or -1: with it predictions only rise, or only fall, by construction; columns of an array are
        named ``"x0"``, ``"x1"``, …
    n_candidates : penalties and numbers of pairs to try, at most 6; the inner folds choose
    n_folds : inner folds; a network is trained on each, and their effects are averaged
    max_epochs, batch_size, learning_rate : of the training
    time_budget : seconds after which training stops with the best so far; then results depend on the machine
    random_state : seed; the same seed gives the same model

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`; ``fitted_.additive()`` is the model as a sum of terms
    n_features_in_, feature_names_in_ : as in scikit-learn{classes}
    """

for _estimator in (AdditiveClassifier, AdditiveRegressor):
    _has_classes = issubclass(_estimator, ClassifierMixin)
    _classes = "\n    classes_ : the labels, in the order of the columns of `predict_proba`" if _has_classes else ""
    _estimator.__doc__ = f"{_estimator.__doc__}{_ARGUMENTS.format(classes=_classes)}"
