"""Convolutional networks for pictures as scikit-learn estimators.

They are the contender of `annvil.kinds.pictures.contenders.convolutional_networks` for one job: a small holdout
calibrates, all the rest teaches.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from annvil.data.dataset import Dataset
from annvil.data.splits import strata
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.contenders.convolutional_networks import Convolutional
from annvil.kinds.pictures.contenders.picture_family import held_out_of
from annvil.kinds.pictures.contenders.sizes import SIZES, size_and_epochs, size_named
from annvil.kinds.pictures.contenders.throughput import work_per_second
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.arrays import images_from_arrays
from annvil.models.estimator_parts import (
    NetworkClassifierMixin,
    check_whole_number,
    inner_folds,
    rows_that_count,
    several_labels,
)
from annvil.models.jobs import Context, Effort, Job, Shape
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray, Task
from annvil.tasks.union import make_task

MARGIN, GRACE = 0.06, 1.25
"""Of a time budget, what is left for the time after training; and how many times of it training may take where the
machine has become slower: a training that is cut never got to its small steps (and lost a point by it on clothes)."""

PLANNED_SECONDS = 60.0
"""What network and epochs are chosen for without a time budget, by arithmetic: it takes two cores about that long, and
the result does not depend on the machine."""

FEWEST = 10
"""Pictures: with fewer nothing is left to learn from beside the holdout (assumed)."""


class _ImageEstimator(BaseEstimator):  # type: ignore[misc]
    """What both estimators share. Arguments are None where the pictures, or the plan, decide."""

    fitted_: Fitted
    form_: PictureForm

    def __init__(
        self,
        network: str | None = None,
        *,
        size: int | Sequence[int] | None = None,
        image_shape: Sequence[int] | None = None,
        max_epochs: int | None = None,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.network = network
        self.size = size
        self.image_shape = image_shape
        self.max_epochs = max_epochs
        self.time_budget = time_budget
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.image_shape is not None
        tags.input_tags.three_d_array = True
        return tags

    def _fit(self, images: Images, y: NDArray[Any], task: Task, weights: FloatArray | None) -> Self:
        """Train on pictures; ``y`` are class codes, values, or 0 and 1 of several labels."""
        n = images.n_rows
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        form = images.form
        shape = Shape(n, form.n_values, 0, 0, task, form)
        contender = Convolutional()
        declined = contender.declines(shape)
        if declined:
            raise RequestError(f"{type(self).__name__} cannot learn from these pictures. {declined}")
        started = time.monotonic()
        context = Context(float("inf") if self.time_budget is None else GRACE * self.time_budget)
        rows = np.arange(n, dtype=np.int64)
        dataset = Dataset(images, y, task, rows)
        codes = strata(dataset, rows) if task.predicts_probabilities else np.zeros(n, dtype=np.int64)
        job = Job("fit", rows, inner_folds(codes, 5, seed), seed, weights)
        found = contender.fit(dataset, [job], self._effort(contender, dataset, shape, seed, started), context)
        fitted = next(iter(found), None)
        if fitted is None:
            raise RequestError(f"{type(self).__name__}: nothing could be trained within {self.time_budget} s.")
        self.fitted_, self.form_, self.notices_ = fitted, form, images.store.said
        return self

    def _effort(
        self, contender: Convolutional, dataset: Dataset[Images], shape: Shape, seed: int, started: float
    ) -> Effort:
        """The plan's network and epochs, with those that were asked for in their place.

        Of a time budget, the stopwatch tells which network and how many epochs fit.
        """
        size, epochs = size_and_epochs(shape, self.time_budget or PLANNED_SECONDS)
        chosen: dict[str, Any] = {"size": size.name, "epochs": epochs}
        if self.time_budget is not None and self.max_epochs is None:
            tried = size_named({"size": self.network} if self.network else chosen)
            rate = work_per_second(dataset, np.arange(shape.n_rows), tried, seed)
            if rate is not None:
                sizes = [tried] if self.network else SIZES
                left = (1 - MARGIN) * self.time_budget - (time.monotonic() - started)
                learns = shape.n_rows - held_out_of(shape.n_rows)
                size, epochs = size_and_epochs(replace(shape, n_rows=learns), left, rate, sizes)
                chosen = {"size": size.name, "epochs": epochs}
        asked = {"size": self.network, "epochs": self.max_epochs}
        chosen |= {name: value for name, value in asked.items() if value is not None}
        return Effort(configuration=chosen)

    def _check_arguments(self) -> None:
        names = [size.name for size in SIZES]
        if self.network is not None and self.network not in names:
            raise RequestError(
                f"{type(self).__name__}: network must be one of {', '.join(map(repr, names))}; got {self.network!r}."
            )
        check_whole_number(self, "max_epochs", self.max_epochs, 1)
        if self.time_budget is not None and not self.time_budget > 0:
            raise RequestError(f"{type(self).__name__}: time_budget must be seconds; got {self.time_budget!r}.")

    def _learnt_from(
        self, X: Any, y: NDArray[Any], sample_weight: Any
    ) -> tuple[Images, NDArray[Any], FloatArray | None]:
        """The pictures that count, in a form chosen now, their answers and their weights."""
        array = self._array(X, True)
        rows, weights = rows_that_count(sample_weight, y)
        array, y = (array, y) if sample_weight is None else (array[rows], y[rows])
        if len(array) < FEWEST:
            raise DataError(
                f"{type(self).__name__} needs at least {FEWEST} samples to train and calibrate; got {len(array)} "
                f"sample{'s' if len(array) > 1 else ''}{'' if sample_weight is None else ' of a weight above 0'}."
            )
        return images_from_arrays(array, size=self.size), y, weights

    def _images(self, X: Any) -> Images:
        """The pictures in the form of the training pictures."""
        return images_from_arrays(self._array(X, False), form=self.form_, given=True)

    def _array(self, X: Any, fitting: bool) -> NDArray[Any]:
        """``(n, height, width[, channels])``; rows of values take ``image_shape``."""
        name = type(self).__name__
        if isinstance(X, str) or (isinstance(X, list) and X and isinstance(X[0], str)):
            raise RequestError(f"{name} takes arrays of pixels, not paths: annvil.fit and annvil.read take files.")
        if np.ndim(X) == 2:
            if self.image_shape is None:
                raise DataError(
                    f"{name} takes pictures (n, height, width) or (n, height, width, channels); got an array "
                    f"{' × '.join(map(str, np.shape(X)))}. Rows of values need image_shape=(height, width)."
                )
            values = validate_data(self, X, reset=fitting, dtype=None)
            shape = tuple(int(side) for side in self.image_shape)
            if values.shape[1] != np.prod(shape):
                raise DataError(
                    f"{name}: image_shape {shape} has {np.prod(shape)} values; the rows of X have {values.shape[1]}."
                )
            return values.reshape(-1, *shape)  # type: ignore[no-any-return]
        return check_array(  # type: ignore[no-any-return]
            X, dtype=None, ensure_2d=False, allow_nd=True, estimator=self, input_name="X"
        )


class ImageClassifier(NetworkClassifierMixin, _ImageEstimator):
    """A convolutional network for classes of pictures."""

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on pictures ``X (n_samples, height, width[, channels])`` with labels ``y (n_samples,)``.

        ``y`` of 0 and 1 ``(n_samples, n_labels)`` are several labels at once. ``sample_weight (n_samples,)``, at least
        0: batches take the weighted mean, and a picture of weight 0 is left out; to calibrate, and to choose how
        pictures vary, every picture counts the same.
        """
        self._check_arguments()
        if several_labels(y):
            check_consistent_length(X, y)
            labels, task = self._labels(y)
            images, labels, weights = self._learnt_from(X, labels, sample_weight)
            return self._fit(images, labels, task, weights)
        y = _answers(X, y)
        images, y, weights = self._learnt_from(X, y, sample_weight)
        codes, task = self._codes(y)
        return self._fit(images, codes, task, weights)

    def predict_proba(self, X: Any) -> FloatArray:
        """Calibrated probabilities ``(n_samples, n_classes)``, in the order of ``classes_`` (of labels: one each)."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._images(X))


class ImageRegressor(RegressorMixin, _ImageEstimator):  # type: ignore[misc]
    """A convolutional network for a number to each picture."""

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Train on pictures ``X (n_samples, height, width[, channels])`` with targets ``y (n_samples,)``.

        ``sample_weight (n_samples,)``, at least 0: as for classes.
        """
        self._check_arguments()
        values = check_array(_answers(X, y), dtype=np.float64, ensure_2d=False, estimator=self, input_name="y")
        images, values, weights = self._learnt_from(X, values, sample_weight)
        return self._fit(images, values, make_task("regression", "y"), weights)

    def predict(self, X: Any) -> FloatArray:
        """The predicted value of each picture ``(n_samples,)``."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._images(X))[:, 0]


def _answers(X: Any, y: ArrayLike) -> NDArray[Any]:
    answers: NDArray[Any] = column_or_1d(y, warn=True)
    check_consistent_length(X, answers)
    return answers


_ARGUMENTS = """

    Pictures are arrays ``(n, height, width)`` or ``(n, height, width, 1, 3 or 4)``. uint8 is taken as it is; of other
    types the range of the training pictures becomes 0 to 255. To predict, the same values mean the same in any type,
    floats up to 1 are fractions of 255, and what could be either or lies outside the range is refused. Later pictures
    may have another size: they are scaled to that of the training pictures.

    Parameters
    ----------
    network : "small", "medium", "deep" or "wide"; default: the largest that gets enough passes in the time
    size : side in pixels, or ``(height, width)``, that pictures are scaled to; default: their own, at most 128
    image_shape : ``(height, width[, channels])`` of pictures that come as rows of values (arrays or frames), as other
        estimators of a pipeline want them
    max_epochs : passes over the pictures; default: what the time allows
    time_budget : seconds that network and epochs are chosen for by the stopwatch, so that results depend on the
        machine; training is cut when it has taken a quarter more. Default: chosen for a minute on two cores, never cut
    random_state : seed; the same seed gives the same network

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`: the network, held-out predictions, training curves, a summary
    form_ : size and channels that the network takes
    notices_ : what was made of the pictures, in sentences{classes}
    """

_CLASSES = "\n    classes_ : the labels, in the order of the columns of `predict_proba`"

for _estimator, _more in ((ImageClassifier, _CLASSES), (ImageRegressor, "")):
    _estimator.__doc__ = f"{_estimator.__doc__}{_ARGUMENTS.format(classes=_more)}"
