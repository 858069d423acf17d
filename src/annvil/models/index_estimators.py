"""Networks of projections as scikit-learn estimators: one network that can be read, see `IndexNetworks`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from annvil.data.splits import Split
from annvil.data.table import Table
from annvil.errors import RequestError
from annvil.models.estimator_parts import check_whole_number, inner_folds
from annvil.models.estimators import _NetworkRegressor
from annvil.models.explainable_estimators import ExplainableEstimator, OneClassARow, document
from annvil.models.jobs import Effort, Job
from annvil.models.networks.index_family import IndexSettings
from annvil.models.networks.index_networks import IndexNetworks
from annvil.tasks.base import FloatArray, IntArray, Task

HOLDOUT = 5
"""With one fold, this part of the rows is held out to choose with: a fifth."""


class _IndexEstimator(ExplainableEstimator):
    """What both share. Arguments are None where the number of rows, or the recipe, decides."""

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

    def _inner(self, codes: IntArray, seed: int) -> tuple[Split, ...]:
        return inner_folds(codes, self.n_folds, seed) if self.n_folds > 1 else inner_folds(codes, HOLDOUT, seed)[:1]

    def _check_columns(self, table: Table, task: Task) -> None:
        if all(field.is_text for field in table.schema):
            raise RequestError(f"{type(self).__name__} projects numbers, and X has none; give a column of numbers.")

    def _contender(self) -> IndexNetworks:
        known = self._asked()

        class Asked(IndexNetworks):
            def settings(self, job: Job, effort: Effort) -> list[IndexSettings]:
                return [replace(settings, **known) for settings in super().settings(job, effort)]

        return Asked()

    def _check_arguments(self, n_rows: int) -> None:
        if n_rows < 2:
            raise RequestError(f"{type(self).__name__} needs at least 2 samples to train and validate; got 1 sample.")
        for name, least in (("n_folds", 1), ("n_candidates", 1), ("max_epochs", 1), ("batch_size", 1)):
            check_whole_number(self, name, getattr(self, name), least)


class IndexClassifier(_IndexEstimator, OneClassARow):
    """A network of projections for classes: smooth functions of weighted sums, added up on the scale of log-odds."""


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

document((IndexClassifier, IndexRegressor), _ARGUMENTS)
