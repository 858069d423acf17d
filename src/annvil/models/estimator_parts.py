"""What the scikit-learn estimators of all kinds of data share: labels, weights, folds, and checks of arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight

from annvil.data.splits import Split
from annvil.errors import RequestError
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray, IntArray, Task
from annvil.tasks.union import make_task


class NetworkClassifierMixin(ClassifierMixin):  # type: ignore[misc]
    """Labels in and out; an estimator adds ``fit`` and ``predict_proba``.

    Attributes
    ----------
    classes_ : the labels, in the order of the columns of ``predict_proba``
    """

    fitted_: Fitted
    classes_: NDArray[Any]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities ``(n_samples, n_classes)``, in the order of ``classes_``; of several labels one for each."""
        raise NotImplementedError

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable label ``(n_samples,)``, or of several labels 0 and 1 ``(n_samples, n_labels)``."""
        probabilities = self.predict_proba(X)
        said = self.fitted_.task.decide(probabilities)
        return said if said.ndim > 1 else np.asarray(self.classes_[said])

    def _labels(self, y: Any) -> tuple[IntArray, Task]:
        """Several labels at once as 0 and 1, and the task (`label_matrix`)."""
        labels, task = label_matrix(y)
        self.classes_ = np.arange(labels.shape[1])
        return labels, task

    def _codes(self, y: Any) -> tuple[IntArray, Task]:
        """Places of the labels ``(n_samples,)`` in ``classes_``, and the task.

        Raises
        ------
        RequestError
            Where there is one class only.
        """
        check_classification_targets(y)
        encoder = LabelEncoder().fit(y)
        self.classes_ = encoder.classes_
        if len(self.classes_) < 2:
            one = self.classes_.tolist()[0]
            raise RequestError(f"{type(self).__name__} needs at least 2 classes; y has 1 class, {one!r}.")
        kind = "binary" if len(self.classes_) == 2 else "multiclass"
        return encoder.transform(y).astype(np.int64), make_task(kind, "y", tuple(self.classes_.tolist()))


def check_whole_number(estimator: object, argument: str, value: Any, least: int) -> None:
    """Raise `RequestError` unless the value is a whole number of at least ``least``, or None."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if value is not None and (not whole or value < least):
        name = type(estimator).__name__
        raise RequestError(f"{name}: {argument} must be a whole number of at least {least}; got {value!r}.")


def rows_that_count(sample_weight: Any, y: Any) -> tuple[slice | IntArray, FloatArray | None]:
    """The rows whose weight is not 0, and their weights with a mean of 1; None where all count the same.

    Raises `ValueError`, in scikit-learn's words, where they are not one finite number of at least 0 for each row.
    """
    if sample_weight is None:
        return slice(None), None
    weights = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
    rows = np.flatnonzero(weights)
    weights = weights[rows] / weights[rows].mean()
    return rows, None if np.ptp(weights) == 0 else weights


def several_labels(y: Any) -> bool:
    """Whether ``y`` has several columns: labels any number of which is right at once."""
    shape = y.shape if hasattr(y, "shape") else np.asarray(y).shape
    return len(shape) == 2 and shape[1] > 1


def label_matrix(y: Any) -> tuple[IntArray, Task]:
    """Several labels as int64 0 and 1 ``(n_samples, n_labels)``, dense, and the task they ask for.

    Raises
    ------
    RequestError
        When ``y`` holds anything else.
    """
    values = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
    if type_of_target(values) != "multilabel-indicator" or not np.isin(values, (0, 1)).all():
        raise RequestError(
            "Of several columns y must hold 0 and 1 for each label (scikit-learn's MultiLabelBinarizer makes them)."
        )
    labels = values.astype(np.int64)
    return labels, make_task("multilabel", "y", tuple(range(labels.shape[1])))


def inner_folds(codes: IntArray, n_folds: int, seed: int) -> tuple[Split, ...]:
    """Stratified folds: the rows of each class, shuffled, are dealt out in turn."""
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(codes))
    dealt = shuffled[np.argsort(codes[shuffled], kind="stable")]
    fold_of = np.empty(len(codes), dtype=np.int64)
    fold_of[dealt] = np.arange(len(codes)) % min(n_folds, len(codes))
    return tuple(
        Split(np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)) for fold in range(fold_of.max() + 1)
    )
