"""Growing one boosted model: the candidates, early stopping on given rows, and the clock."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.models.jobs import Running, Shape
from annvil.models.selection import Candidate
from annvil.models.sklearn_private import keep_rounds, stopping_when
from annvil.tasks.base import FloatArray, IntArray

Rows = tuple[NDArray[np.float32], NDArray[Any]]
"""Prepared columns ``(n_rows, n_features)`` and targets ``(n_rows,)``."""

ROUNDS = 1000
"""Most boosting rounds at scale 1; early stopping usually ends far sooner."""

PATIENCE = 60
"""Rounds without a better validation loss before growth stops (measured: 30 costs 1 to 4% of squared error on concrete
strength and made data where columns only act together; 120 gains little more)."""

FEWEST_COLUMNS = 3
"""A split may look at no fewer columns (assumed): with fewer, columns that only act together are found too rarely."""

STEADY_SCALE = 0.5
"""Below this scale, shorter growth takes bigger steps: the learning rate rises as the rounds shrink."""

LARGEST_RATE = 0.3

MOST_TREES = 3000
"""Of one model: every round grows a tree per class, so many classes get fewer rounds and bigger steps. (Measured on
2500 rows of letter, 26 classes: accuracy 0.834 with 300 rounds, 0.827 with 100, a third of the size and time.)"""

BLIND_ROUNDS = 100
"""Rounds where no row is left to stop on (scikit-learn's default)."""


@dataclass(frozen=True)
class Growth:
    """How trees are grown.

    ``leaves`` at most, ``min_leaf`` rows in a leaf at least, ``l2`` on leaf values, ``features``: share of the columns
    a split may look at, ``class_weighted``: rare classes count as much as frequent ones, ``logarithm``: numbers are
    learnt on theirs.
    """

    learning_rate: float
    leaves: int
    min_leaf: int
    l2: float
    features: float
    class_weighted: bool = False
    logarithm: bool = False

    def candidate(self) -> Candidate:
        """Itself, as it is tried."""
        return Candidate(asdict(self), self.describe(), self.class_weighted)

    def describe(self) -> str:
        """For people."""
        text = f"{self.leaves} leaves of at least {self.min_leaf}, learning rate {self.learning_rate:g}"
        text += f", {self.features:.0%} of the columns a split" if self.features < 1 else ""
        text += f", l2 {self.l2:g}" if self.l2 else ""
        text += ", on the logarithm of the target" if self.logarithm else ""
        return text + (", classes weighted" if self.class_weighted else "")


GROWTHS = (
    Growth(0.08, 15, 5, 10.0, 0.5),
    Growth(0.08, 50, 40, 0.0, 0.7),
    Growth(0.08, 7, 10, 1.0, 0.5),
    Growth(0.08, 15, 5, 10.0, 1.0),
    Growth(0.08, 100, 3, 1.0, 0.5),
    Growth(0.08, 15, 5, 10.0, 0.3),
    Growth(0.08, 31, 10, 1.0, 0.5),
    Growth(0.08, 4, 10, 1.0, 0.5),
)
"""The candidates in the order in which they are tried; the first is the tuned default."""


def grow_trees(
    growth: Growth,
    scale: float,
    seed: int,
    train: Rows,
    stopping: Rows,
    weights: FloatArray | None,
    running: Running,
    signs: IntArray | None = None,
) -> Any:
    """A fitted scikit-learn estimator, cut back to the round that predicted the ``stopping`` rows best.

    Parameters
    ----------
    scale : multiplies the number of rounds
    weights : per class, or None; given for classes only
    running : its deadline ends growth early; what has grown by then is returned
    signs : of each feature with which predictions rise (1) or fall (-1); None: of none
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    features, y = _without_empty_columns(train[0]), train[1]
    can_stop = len(stopping[1]) > 0
    classes = y.dtype.kind == "i"
    scale *= min(1.0, MOST_TREES / (ROUNDS * _trees_a_round(len(np.unique(y)) if classes else 1)))
    rounds = max(1, round((ROUNDS if can_stop else BLIND_ROUNDS) * scale))
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    model = kind(
        learning_rate=min(LARGEST_RATE, growth.learning_rate * max(1.0, STEADY_SCALE / scale)),
        max_leaf_nodes=growth.leaves,
        min_samples_leaf=growth.min_leaf,
        l2_regularization=growth.l2,
        max_features=min(1.0, max(growth.features, (FEWEST_COLUMNS + 0.5) / features.shape[1])),
        max_iter=rounds,
        early_stopping=can_stop,
        n_iter_no_change=PATIENCE,
        tol=0.0,
        monotonic_cst=signs,
        random_state=seed,
    )
    more: dict[str, Any] = {} if weights is None else {"sample_weight": weights[y]}
    if can_stop:
        more |= {"X_val": stopping[0], "y_val": stopping[1]}
        more |= {} if weights is None else {"sample_weight_val": weights[stopping[1]]}
    with stopping_when(model, running.is_over):
        model.fit(features, y, **more)
    if can_stop:
        best = int(np.argmax(model.validation_score_))  # entry 0 is before the first round
        keep_rounds(model, max(1, best))
    return model


def _without_empty_columns(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns without any value as zeros: scikit-learn cannot bin them, and no tree will split on a constant."""
    empty = np.isnan(features).all(axis=0)
    return np.where(empty, np.float32(0), features) if empty.any() else features


def seconds_per_fit(shape: Shape, n_inner: int) -> float:
    """Seconds one inner fit is expected to take on one core, on the slow side (measured: 400 to 40 000 rows).

    A tree costs 0.3 to 12 ms by rows, columns and leaves; candidates with 15 to 50 leaves are within a factor of two.
    """
    n_train = shape.n_rows * (1 - 1 / n_inner if n_inner > 1 else 0.8)
    n_columns = shape.n_numbers + min(shape.n_levels, 8 * shape.n_texts)
    a_round = shape.n_outputs if shape.task.n_questions > 1 else _trees_a_round(shape.n_outputs)
    trees = min(TYPICAL_ROUNDS * a_round, MOST_TREES)
    leaves = min(1.0, 0.2 + n_train / 2500)  # few rows cannot fill the leaves allowed
    tree = leaves * (1e-3 + 6e-5 * n_columns) + 5e-9 * n_train * n_columns
    return trees * tree + 1e-6 * n_train * n_columns


def _trees_a_round(n_outputs: int) -> int:
    """One per class; two classes share one."""
    return n_outputs if n_outputs > 2 else 1


TYPICAL_ROUNDS = 400
"""Rounds a fit is planned for (measured: mostly 100 to 400, up to 1000 for smooth regressions)."""
