"""All that a comparison may know of what is compared on: how much there is of it, how it is divided, what is scored.

The comparison never looks at rows. It asks a `Problem` for *replicates* (fits to make, each with what judges it), for
smaller fits of learning curves, and for the score of a fit; it hands contenders `Problem.data` without a look at it.
`annvil.comparison.data_problem` is the problem of a data set, whatever its kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from annvil.comparison.results import Design
from annvil.comparison.store import Predicted, ShippedCost
from annvil.models.jobs import Job, Shape
from annvil.models.members import Fitted
from annvil.tasks.base import Decision, FloatArray, IntArray, Task
from annvil.tasks.metrics import Metric
from annvil.text.words import Words

OUTER_FOLDS = 5
"""Test folds per repeat."""


@dataclass(frozen=True)
class Size:
    """How much there is to learn from: ``n`` of a ``unit``: 891 rows, 1,000,000 steps."""

    n: int
    unit: str

    def __str__(self) -> str:
        return f"{self.n:,} {self.unit}"


@dataclass(frozen=True)
class Replicate:
    """One fit of the race, and what judges it.

    Attributes
    ----------
    job : the fit
    test : what judges it, int64
    repeat, fold : its place
    """

    job: Job
    test: IntArray
    repeat: int
    fold: int

    @property
    def overlap(self) -> float:
        """Correlation of the scores of two replicates, which learn from shared rows: the part of rows that is tested.

        rho of the correlated t-test (`annvil.comparison.statistics`); 0 where replicates are independent.
        """
        return len(self.test) / (len(self.test) + len(self.job.rows))


@dataclass(frozen=True)
class Scored:
    """What a fit says of what judges it.

    Attributes
    ----------
    outputs : float64 ``(n_test, n_outputs)``
    scores : by every metric of the task
    inner_score : by the chosen metric, on out-of-fold predictions inside the training rows
    error : the chosen metric on the test rows, as an error: lower is better
    threshold : chosen on the out-of-fold predictions
    without_part : the chosen metric without each part of the test rows, the same parts for every contender: how far a
        difference between two hangs on the rows that happen to be tested (`annvil.comparison.statistics`)
    """

    outputs: FloatArray
    scores: dict[str, float]
    inner_score: float
    error: float
    threshold: Decision
    without_part: tuple[float, ...] = ()


def _nothing_known(n_rows: int) -> str:
    return ""


@dataclass(frozen=True)
class Economics:
    """What a kind of data costs and is worth, before looking at it.

    Attributes
    ----------
    base_rate : of a number of rows, one sentence with its sources: how often networks are worth it on such data
    fewest_folds : where fits are dear, test folds with which more contenders can be trained properly; rows are left
        out, too, rather than a contender. None: fits are not
    passes_to_explain, refits_to_explain : predictions that explaining the model that ships takes, and fits of it and of
        the best one that a person can read: time is kept for them
    """

    base_rate: Callable[[int], str] = _nothing_known
    fewest_folds: int | None = None
    passes_to_explain: int = 0
    refits_to_explain: int = 0


UNKNOWN = Economics()
"""Of data of which nothing is known beforehand."""


class Problem(Protocol):
    """What is compared on.

    Attributes
    ----------
    data : what contenders are given; the comparison hands it on
    task : what is asked
    words : what things are called
    economics : what is known before looking
    """

    @property
    def data(self) -> Any: ...
    @property
    def task(self) -> Task: ...
    @property
    def words(self) -> Words: ...
    @property
    def economics(self) -> Economics: ...

    @property
    def size(self) -> Size:
        """How much there is."""

    @property
    def ordered(self) -> bool:
        """Whether replicates follow time: they differ in size, and cannot be repeated in another order."""

    def digest(self) -> dict[str, Any]:
        """What identifies it, JSON-able; each entry is named as a user would name what differs."""

    def shape(self, n: int) -> Shape:
        """Sizes of a training part of ``n`` rows, for contenders to plan with."""

    def most_folds(self, wanted: int) -> int:
        """Test folds: as many as wanted, or fewer where it cannot be divided so often."""

    def describe_split(self) -> str:
        """How test rows are set apart, for people."""

    def replicates(self, design: Design) -> list[list[Replicate]]:
        """Every fit of the race: ``[repeat][fold]``."""

    def smaller(self, job: Job, key: str, n: int, inner_folds: int, seed: int) -> Job:
        """A fit on ``n`` of the job's rows; for one seed a smaller one's lie inside a larger one's."""

    def final(self, n: int, inner_folds: int, seed: int) -> Job:
        """The fit to ship, on ``n`` of the rows, with inner splits as in the race."""

    def score(self, fitted: Fitted, test: IntArray, metric: Metric) -> Scored:
        """The fit on ``test``, decided with the threshold that its own out-of-fold predictions chose.

        Raises
        ------
        FloatingPointError
            When it predicts values that are not finite.
        """

    def score_outputs(self, tested: Predicted, inner: Predicted, metric: Metric) -> Scored:
        """The same of given outputs; ``inner`` are out-of-fold predictions inside the training rows.

        Raises
        ------
        FloatingPointError
            When outputs for ``tested`` are not finite.
        """

    def row_losses(self, predicted: Predicted) -> FloatArray:
        """A proper loss of each row ``(n,)``, by which weights are chosen."""

    def ship(self, fitted: Fitted, test: IntArray, outputs: FloatArray) -> tuple[bytes, ShippedCost]:
        """The model as it would be shipped and what it costs; ``outputs`` are those in memory for ``test``."""

    def has_numbers(self) -> bool:
        """Whether there are numbers on scales of their own, so that scaling them can matter."""

    def has_unequal_classes(self) -> bool:
        """Whether weighting classes can matter."""
