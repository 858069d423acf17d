"""Networks for series as scikit-learn estimators.

They are the contenders of `annvil.kinds.series.contenders` for one job: a network is trained on each inner fold, and
they are averaged.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import (
    Tags,
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from annvil.data.dataset import Dataset
from annvil.data.splits import strata
from annvil.errors import RequestError
from annvil.kinds.series.contenders.recurrent_networks import RecurrentNetworks
from annvil.kinds.series.contenders.sequence_family import SequenceNetworks
from annvil.kinds.series.contenders.temporal_networks import TemporalNetworks
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.arrays import series_from_arrays
from annvil.kinds.series.series import Series
from annvil.models.estimator_parts import (
    NetworkClassifierMixin,
    check_whole_number,
    inner_folds,
    rows_that_count,
    several_labels,
)
from annvil.models.jobs import Context, Effort, Job, Json
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray, Task
from annvil.tasks.union import make_task

NETWORKS: dict[str, type[SequenceNetworks]] = {
    **dict.fromkeys(("tcn", "lite"), TemporalNetworks),
    **dict.fromkeys(("gru", "lstm", "rnn"), RecurrentNetworks),
}


class _SequenceEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share. Arguments are None where the series decide."""

    fitted_: Fitted
    form_: SeriesForm

    def __init__(
        self,
        network: str = "tcn",
        *,
        n_folds: int = 5,
        width: int | None = None,
        patch: int | None = None,
        scaling: str | None = None,
        learning_rate: float | None = None,
        training_length: float = 1.0,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.n_folds = n_folds
        self.width = width
        self.patch = patch
        self.scaling = scaling
        self.learning_rate = learning_rate
        self.training_length = training_length
        self.time_budget = time_budget
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def _learnt_from(
        self, X: Any, y: NDArray[Any], sample_weight: Any
    ) -> tuple[Series, NDArray[Any], FloatArray | None]:
        """The series that count, their answers and their weights."""
        self._check_arguments()
        series = self._series(X, fitting=True)
        check_consistent_length(X, y)
        rows, weights = rows_that_count(sample_weight, y)
        return series.take(rows), y[rows], weights

    def _fit(self, series: Series, y: NDArray[Any], task: Task, weights: FloatArray | None) -> Self:
        """Train on series; ``y`` are class codes, values, or 0 and 1 of several labels."""
        n = series.n_rows
        if n < 2:
            raise RequestError(f"{type(self).__name__} needs at least 2 samples to train and validate; got {n} sample.")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = np.arange(n, dtype=np.int64)
        dataset = Dataset(series, y, task, rows)
        codes = strata(dataset, rows) if task.predicts_probabilities else np.zeros(n, dtype=np.int64)
        job = Job("fit", rows, inner_folds(codes, self.n_folds, seed), seed, weights)
        contender = NETWORKS[self.network]()
        configuration = self._settings(contender, series.form, n)
        effort = Effort(scale=self.training_length, configuration=configuration, inner_folds=self.n_folds)
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        fitted = next(iter(contender.fit(dataset, [job], effort, context)), None)
        if fitted is None:
            raise RequestError(f"{type(self).__name__}: nothing could be trained within {self.time_budget} s.")
        self.fitted_, self.form_ = fitted, series.form
        return self

    def _settings(self, contender: SequenceNetworks, form: SeriesForm, n_rows: int) -> dict[str, Json]:
        """The family's first candidate of that network, with what was asked for in its place."""
        own = "form" if NETWORKS[self.network] is TemporalNetworks else "cell"
        candidates = [one.to_json() for one in contender.networks.portfolio(form, n_rows)]
        first: dict[str, Json] = next(one for one in candidates if one[own] == self.network)
        given: dict[str, Json] = {"width": self.width, "scaling": self.scaling, "learning_rate": self.learning_rate}
        if own == "cell":
            given["patch"] = self.patch
        return first | {name: value for name, value in given.items() if value is not None}

    def _check_arguments(self) -> None:
        name = type(self).__name__
        for argument, known in (("network", [*NETWORKS]), ("scaling", [None, "channel", "series"])):
            value = self.get_params()[argument]
            if value not in known:
                said = ", ".join(repr(one) for one in known if one)
                raise RequestError(f"{name}: {argument} must be one of {said}; got {value!r}.")
        for argument, least in (("n_folds", 2), ("width", 1), ("patch", 1)):
            check_whole_number(self, argument, self.get_params()[argument], least)
        if not self.training_length > 0:
            raise RequestError(f"{name}: training_length must be above 0; got {self.training_length!r}.")

    def _series(self, X: Any, *, fitting: bool) -> Series:
        """Series of the training form; of arrays with two axes, one channel of as many steps as in training."""
        if isinstance(X, str):
            raise RequestError(f"{type(self).__name__} takes arrays, not paths: annvil.fit and annvil.read take files.")
        form = None if fitting else self.form_
        if not _is_list_of_arrays(X):
            if (len(X.shape) if hasattr(X, "shape") else np.asarray(X).ndim) <= 2:
                X = validate_data(self, X, reset=fitting, dtype=np.float64, ensure_all_finite="allow-nan")
            else:
                X = check_array(
                    X, dtype=np.float64, ensure_2d=False, allow_nd=True, ensure_all_finite="allow-nan", estimator=self
                )
        return series_from_arrays(X, form)


def _is_list_of_arrays(X: Any) -> bool:
    """Whether this is a list of series rather than rows of numbers."""
    return isinstance(X, (list, tuple)) and bool(X) and all(hasattr(one, "__array__") for one in X)


class SequenceClassifier(NetworkClassifierMixin, _SequenceEstimator):
    """A convolutional or recurrent network for classes of series."""

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on series ``X (n_samples, channels, time)`` with labels ``y (n_samples,)``.

        ``y`` of 0 and 1 ``(n_samples, n_labels)`` are several labels at once. ``sample_weight (n_samples,)``, at least
        0: batches take the weighted mean, and a series of weight 0 is left out.
        """
        if several_labels(y):
            labels, task = self._labels(y)
            series, labels, weights = self._learnt_from(X, labels, sample_weight)
            return self._fit(series, labels, task, weights)
        answers: NDArray[Any] = column_or_1d(y, warn=True)
        assert_all_finite(answers, input_name="y")
        series, answers, weights = self._learnt_from(X, answers, sample_weight)
        codes, task = self._codes(answers)
        return self._fit(series, codes, task, weights)

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities ``(n_samples, n_classes)``, in the order of ``classes_`` (of labels: one each)."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._series(X, fitting=False))


class SequenceRegressor(RegressorMixin, _SequenceEstimator):  # type: ignore[misc]
    """A convolutional or recurrent network for a number to each series."""

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on series ``X (n_samples, channels, time)`` with targets ``y (n_samples,)``.

        ``sample_weight (n_samples,)``, at least 0: as for classes.
        """
        values = check_array(column_or_1d(y, warn=True), dtype=np.float64, ensure_2d=False, input_name="y")
        series, values, weights = self._learnt_from(X, values, sample_weight)
        return self._fit(series, values, make_task("regression", "y"), weights)

    def predict(self, X: Any) -> FloatArray:
        """The predicted value of each series ``(n_samples,)``."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._series(X, fitting=False))[:, 0]


_ARGUMENTS = """

    Series are arrays ``(n, channels, time)``, ``(n, time)`` for one channel, or a list of arrays ``(channels, time)``
    of different lengths; NaN where a value is missing. Series to predict may have any length.

    Parameters
    ----------
    network : "tcn" (dilated causal convolutions), "lite" (wide kernels side by side), "gru", "lstm" or "rnn" (plain
        recurrent)
    n_folds : inner folds; a network is trained on each and they are averaged
    width : channels inside the network
    patch : steps that a recurrent network takes at once
    scaling : "channel" (each channel on the scale of its training values) or "series" (each series on its own, where
        amplitude says nothing)
    learning_rate : of the training
    training_length : multiplies the steps of a training
    time_budget : seconds after which training stops with the best so far; then results depend on the machine
    random_state : seed; the same seed gives the same networks

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`: the averaged networks, out-of-fold predictions, training curves, a
        summary
    form_ : channels, and the lengths of the training series{classes}
    """

_CLASSES = "\n    classes_ : the labels, in the order of the columns of `predict_proba`"

for _estimator, _more in ((SequenceClassifier, _CLASSES), (SequenceRegressor, "")):
    _estimator.__doc__ = f"{_estimator.__doc__}{_ARGUMENTS.format(classes=_more)}"
