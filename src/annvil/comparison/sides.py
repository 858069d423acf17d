"""Records of two sides that are compared on the same folds, and what is believed of their difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PriceKind = Literal["costs nothing", "costs", "cannot tell", "not applicable"]


@dataclass(frozen=True)
class Posterior:
    """Belief about the mean difference between two sides over new data of this kind.

    Student t with ``df`` degrees of freedom, location ``mean`` and ``scale``: Bayesian correlated t-test (Corani and
    Benavoli 2015; Benavoli et al. 2017, section 3). Positive favours the first side, in units of the metric.
    """

    mean: float
    scale: float
    df: float
    worth: float  # half width of the region of practical equivalence
    p_first: float
    p_equal: float
    p_second: float
    low: float  # central 95% interval
    high: float
    corrected_p: float  # two-sided, corrected resampled t-test (Nadeau and Bengio 2003)
    differences: tuple[float, ...]


@dataclass(frozen=True)
class Side:
    """One side of a contrast: in every fold, the contender that inner validation (not the test rows) preferred."""

    name: str  # of the verdict: "network" and "simple"; of a single contender, its own
    contenders: tuple[str, ...]  # per fold, who was chosen
    per_fold: tuple[float, ...]
    mean: float
    spread: float


@dataclass(frozen=True)
class Contrast:
    """Two sides on the same replicates, and what is believed of their difference; positive favours the first.

    A side is None where nobody stands for it, the posterior where there are not two common folds.
    """

    first: Side | None
    second: Side | None
    posterior: Posterior | None


@dataclass(frozen=True)
class Price:
    """What is given up by a model that a person can read: the best of the others less the best that is explainable.

    Attributes
    ----------
    kind : "costs nothing": P(more than `Posterior.worth` is given up) is at most 5%; "costs": at least 95%; "cannot
        tell": neither, or a side has not had its time; "not applicable": no model for such data can be read
    sentence : for people, in the metric's own unit, with the interval
    explainable, other : who stood for each side in every fold, chosen by inner validation; None where nobody was scored
    posterior : of the difference; positive is what is given up, ``p_first`` the chance that it is more than ``worth``
    costs : training, latency and size of both, a sentence each, as measured on this machine
    """

    kind: PriceKind
    sentence: str
    explainable: Side | None = None
    other: Side | None = None
    posterior: Posterior | None = None
    costs: tuple[str, ...] = ()
