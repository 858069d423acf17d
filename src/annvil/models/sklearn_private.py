"""All of scikit-learn's private names that Annvil uses, each in one function: those of histogram gradient boosting.

They may change with any release, so the versions are bounded (``pyproject.toml``), and tests say what each must do.
``model`` is a `HistGradientBoostingClassifier` or `HistGradientBoostingRegressor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.tasks.base import FloatArray


def rounds_of(model: Any) -> Sequence[Sequence[NDArray[Any]]]:
    """The nodes of each tree: per boosting round, one structured array per raw score."""
    return [[tree.nodes for tree in trees] for trees in model._predictors]


def keep_rounds(model: Any, n_rounds: int) -> None:
    """Forget all trees after so many rounds."""
    model._predictors = model._predictors[:n_rounds]


def baseline_of(model: Any) -> FloatArray:
    """Raw scores before the first tree, float64 ``(n_raw_scores,)``."""
    return np.asarray(model._baseline_prediction, dtype=np.float64).reshape(-1)


def raw_scores(model: Any, features: NDArray[np.float32]) -> FloatArray:
    """Baseline and trees summed, ``(n_rows, n_raw_scores)``: of either kind of model, before its link."""
    scores: FloatArray = model._raw_predict(features)
    return scores


@contextmanager
def stopping_when(model: Any, is_over: Callable[[], bool]) -> Iterator[None]:
    """Inside, the model also stops growing after the round at which ``is_over`` says so.

    There is no callback per round; the method that decides on early stopping is called once in each and is stood in
    for. Growing in pieces with ``warm_start`` would bin the rows and predict with all trees anew for each.
    """
    decide = model._check_early_stopping_loss

    def decide_by_the_clock_too(*arguments: Any, **named: Any) -> bool:
        stop = bool(decide(*arguments, **named))
        return is_over() or stop

    model._check_early_stopping_loss = decide_by_the_clock_too
    try:
        yield
    finally:
        del model._check_early_stopping_loss
