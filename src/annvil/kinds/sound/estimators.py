"""Models of sound as a scikit-learn estimator: a contender of `annvil.kinds.sound.contenders` for one job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import (
    Tags,
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_random_state,
    column_or_1d,
)
from sklearn.utils.validation import check_is_fitted

from annvil.data.dataset import Dataset
from annvil.data.groups import number_groups
from annvil.data.splits import inner_splits
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.contenders.registry import contenders_for_sound
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.kinds.sound.reading.decoded import HIGHEST_DEFAULT, commonest_rate, decoded_at_once
from annvil.kinds.sound.reading.label_tables import on_disk
from annvil.kinds.sound.reading.listing import Listing
from annvil.models.contract import Contender
from annvil.models.estimator_parts import NetworkClassifierMixin, check_whole_number, rows_that_count, several_labels
from annvil.models.jobs import Context, Effort, Job
from annvil.models.members import Fitted
from annvil.tasks.base import FloatArray, Task
from annvil.text.phrases import listed
from annvil.text.safe import short_name


class SoundClassifier(NetworkClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A model for classes of clips, such as spoken words.

    Clips are a list of arrays ``(time,)`` or ``(time, channels)`` of different lengths, an array ``(n, time)``, or a
    list of paths. Floats are from -1 to 1, integers of their type's range. Clips to predict may have any length.

    Parameters
    ----------
    model : name of a contender, as ``annvil fit`` calls it ("hidden-markov", …); default: the first network, or the
        first that learns
    rate : samples a second (Hz) of clips that are arrays; files say theirs. The model takes 16 kHz at most
    n_folds : inner folds, of new speakers where ``fit`` is given groups
    training_length : multiplies the length of a training
    time_budget : seconds after which training stops with the best so far; then results depend on the machine
    random_state : seed; the same seed gives the same model

    Attributes
    ----------
    fitted_ : `annvil.models.members.Fitted`: the model, out-of-fold predictions, a summary
    form_ : the rate of the model, and the lengths of the training clips
    rate_ : that of clips that are arrays, or None
    classes_ : the labels, in the order of the columns of `predict_proba`
    """

    fitted_: Fitted
    form_: SoundForm
    rate_: int | None

    def __init__(
        self,
        model: str | None = None,
        *,
        rate: int | None = None,
        n_folds: int = 3,
        training_length: float = 1.0,
        time_budget: float | None = None,
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.rate = rate
        self.n_folds = n_folds
        self.training_length = training_length
        self.time_budget = time_budget
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.string = True
        return tags

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        rate: int | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train on clips ``X`` with labels ``y (n_samples,)``.

        ``rate`` is that of arrays (Hz), where it is not given to the estimator. ``groups (n_samples,)`` say who speaks:
        what is chosen is chosen by new speakers. ``y`` of 0 and 1 ``(n_samples, n_labels)`` are several labels at once.
        ``sample_weight (n_samples,)``, at least 0; a clip of weight 0 is left out.
        """
        contender = self._contender()
        labels: NDArray[Any]
        if several_labels(y):
            labels, task = self._labels(y)
        else:
            answers = column_or_1d(y, warn=True)
            assert_all_finite(answers, input_name="y")
            labels, task = self._codes(answers)
        clips = self._clips(X, self.rate if rate is None else rate, fitting=True)
        check_consistent_length(clips.index, labels, *([] if groups is None else [groups]))
        rows, weights = rows_that_count(sample_weight, labels)
        speakers = np.arange(len(labels)) if groups is None else number_groups(np.asarray(groups))
        return self._fit(contender, clips.take(rows), labels[rows], task, number_groups(speakers[rows]), weights)

    def _fit(
        self,
        contender: Contender,
        clips: Clips,
        y: NDArray[Any],
        task: Task,
        speakers: NDArray[np.int64],
        weights: FloatArray | None,
    ) -> Self:
        n = clips.n_rows
        if n < 2:
            raise RequestError(f"SoundClassifier needs at least 2 clips to train and validate; got {n} sample.")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        rows = np.arange(n, dtype=np.int64)
        dataset = Dataset(clips, y, task, speakers, grouped=len(np.unique(speakers)) < n)
        inner = inner_splits(dataset, rows, min(self.n_folds, n), seed)
        job = Job("fit", rows, inner, seed, weights)
        effort = Effort(scale=self.training_length, inner_folds=len(inner))
        context = Context(float("inf") if self.time_budget is None else self.time_budget)
        fitted = next(iter(contender.fit(dataset, [job], effort, context)), None)
        if fitted is None:
            raise RequestError(f"SoundClassifier: nothing could be trained within {self.time_budget} s.")
        self.fitted_, self.form_ = fitted, clips.form
        return self

    def predict_proba(self, X: Any) -> FloatArray:
        """Probabilities ``(n_samples, n_classes)``, in the order of ``classes_`` (of labels: one each)."""
        check_is_fitted(self, "fitted_")
        return self.fitted_.predict(self._clips(X, self.rate_, fitting=False))

    def _contender(self) -> Contender:
        """The contender asked for; other arguments are checked, too."""
        check_whole_number(self, "n_folds", self.n_folds, 2)
        if not self.training_length > 0:
            raise RequestError(f"SoundClassifier: training_length must be above 0; got {self.training_length!r}.")
        known = [one for one in contenders_for_sound() if one.family != "dummy"]
        if self.model is None:
            networks = [one for one in known if one.family == "network"]
            return (networks or known)[0]
        found = next((one for one in known if one.name == self.model), None)
        if found is None:
            names = [one.name for one in known]
            raise RequestError(
                f"SoundClassifier: model must be one of {listed(names, 12)}; got {self.model!r}."
                f"{did_you_mean(str(self.model), names)}"
            )
        return found

    def _clips(self, X: Any, rate: int | None, *, fitting: bool) -> Clips:
        """Clips of the training form, one for each of ``X``; in fitting, of a form of their own."""
        if isinstance(X, (str, Path)):
            raise RequestError("SoundClassifier takes a list of clips or paths; annvil.fit takes a folder.")
        form = None if fitting else self.form_
        self.rate_ = rate
        if _are_paths(X):
            return _of_files([Path(str(one)) for one in X], form)
        ragged = isinstance(X, (list, tuple)) and any(hasattr(one, "__array__") for one in X)
        some = X if ragged else list(check_array(X, dtype=np.float64, estimator=self))
        return clips_from_arrays(some, rate, form, form_rate=None if rate is None else min(rate, HIGHEST_DEFAULT))


def _are_paths(X: Any) -> bool:
    some = list(X) if isinstance(X, (list, tuple)) or (hasattr(X, "ndim") and X.ndim == 1) else []
    return bool(some) and all(isinstance(one, (str, Path)) for one in some)


def _of_files(paths: Sequence[Path], form: SoundForm | None) -> Clips:
    """Clips of files, one for each; a file that cannot be used is refused, since every row needs its answer."""
    resolve = on_disk(Path())
    entries = [resolve(str(path)) for path in paths]
    for path, entry in zip(paths, entries, strict=True):
        if entry is None:
            raise DataError(f"There is no file {str(path)!r}.")
    listing = Listing(Path(), sounds=[entry for entry in entries if entry is not None])
    store = decoded_at_once(listing, commonest_rate(listing) if form is None else form.rate)
    if store.left_out:
        first = store.left_out[0]
        raise DataError(f"{short_name(first.name)} {first.reason}: leave it out, and its answer.")
    return Clips(store if form is None else replace(store, form=form), np.arange(len(paths)))
