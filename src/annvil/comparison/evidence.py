"""What a verdict is made from, and what it is before it is put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from annvil.comparison.contrast import Paired
from annvil.comparison.recommendation import Recommendation
from annvil.comparison.results import (
    Contrast,
    Crossing,
    FoldResult,
    LearningCurve,
    Plan,
    Posterior,
    Side,
    Standing,
    VerdictKind,
)
from annvil.tasks.metrics import Metric
from annvil.text.words import ROWS, Words

BEYOND_DOUBT = 0.999
"""How sure it must be that a network beats the dummy before one is called worth it.

Measured on 1,200 simulated tables whose target is noise (150 and 600 rows, 1 and 5 repeats): 2 to 7% of them pass the
95% of the first condition, 0.3% both with 99% here, none with 99.9%.
"""


@dataclass(frozen=True)
class Evidence:
    """Everything the verdict is made from."""

    metric: Metric
    worth: float
    confidence: float
    plan: Plan
    standings: tuple[Standing, ...]
    folds: tuple[FoldResult, ...]
    curves: tuple[LearningCurve, ...]
    crossing: Crossing | None
    base_rate: str
    time_ordered: bool
    words: Words = ROWS
    gains: Mapping[str, float] = field(default_factory=dict)  # contender → what its next rung is expected to add
    no_crossing: str = ""  # why nothing is said of where the learning curves meet; empty where there are none
    untried: tuple[str, ...] = ()  # central contenders without a score, though they compete and did not fail


@dataclass(frozen=True)
class Finding:
    """The verdict before it is put into words."""

    kind: VerdictKind
    contrast: Contrast  # network against simple
    network_ruled_out: bool
    beats_guessing: float | None  # P(the network side beats the dummy by more than worth)
    rows_that_would_tell: int | None
    recommendation: Recommendation
    paired: Paired
    unfinished: Side | None = None  # the side that would have lost, were it not still improving, or not all tried
    untried: str = ""  # the contender that this side cannot lose without

    @property
    def network(self) -> Side | None:
        """The first side of the contrast."""
        return self.contrast.first

    @property
    def simple(self) -> Side | None:
        """The second side of the contrast."""
        return self.contrast.second

    @property
    def posterior(self) -> Posterior | None:
        """Belief about their difference."""
        return self.contrast.posterior
