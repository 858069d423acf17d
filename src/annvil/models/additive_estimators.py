"""Additive networks as scikit-learn estimators: a sum of effects that can be read, see `AdditiveNetworks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.errors import RequestError, did_you_mean
from annvil.models.estimator_parts import check_whole_number
from annvil.models.estimators import _NetworkRegressor
from annvil.models.explainable_estimators import ExplainableEstimator, OneClassARow, document
from annvil.models.jobs import Effort, Job
from annvil.models.networks.additive_networks import AdditiveNetworks
from annvil.models.networks.additive_settings import AdditiveSettings
from annvil.tasks.base import Task


class _AdditiveEstimator(ExplainableEstimator):
    """What both share. Arguments are None where the number of rows, or the recipe, decides."""

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

    def _contender(self) -> AdditiveNetworks:
        known = self._asked()
        if self.n_pairs is not None:
            known["n_pairs"] = self.n_pairs

        class Asked(AdditiveNetworks):
            def settings(self, dataset: Dataset, job: Job, effort: Effort) -> list[AdditiveSettings]:
                given = super().settings(dataset, job, effort)
                return given if effort.configuration is not None else [replace(one, **known) for one in given]

        return Asked(self.monotone)

    def _check_arguments(self, n_rows: int) -> None:
        super()._check_arguments(n_rows)
        check_whole_number(self, "n_pairs", self.n_pairs, 0)

    def _check_columns(self, table: Table, task: Task) -> None:
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


class AdditiveClassifier(_AdditiveEstimator, OneClassARow):
    """A sum of effects of columns and of pairs of columns on the scale of log-odds."""


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

document((AdditiveClassifier, AdditiveRegressor), _ARGUMENTS)
