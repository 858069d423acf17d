"""What a comparison is asked, and whom it tells how it goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from annvil.comparison.race.decisions import Ending, Unit
from annvil.comparison.results import Posterior, Standing, Verdict
from annvil.errors import RequestError
from annvil.tasks.metrics import Metric

SPARE = 1.4
"""The smallest budget that is named is so many times what is expected: a busy machine is busier a moment later
(assumed)."""


def check_budget(budget: float, least: float, why: str) -> None:
    """Refuse a budget that holds less than ``least`` seconds, and say why and which one would do.

    Raises
    ------
    RequestError
        With the smallest budget that can be kept, in whole seconds and with `SPARE`.
    """
    if least > budget:
        raise RequestError(
            f"A budget of {budget:g} s is too short here: {why}. The smallest that can be kept now is about "
            f"{math.ceil(SPARE * least)} s."
        )


@dataclass(frozen=True)
class Request:
    """The question put to a comparison.

    Attributes
    ----------
    metric : what decides
    worth : the gain that would justify a network, in units of the metric; None: the default of `resolve_worth`
    budget_seconds : of the whole run, from reading to report
    seed : for everything random
    confidence : how sure the verdict must be before it names a side
    spent_seconds : what the run has used before this comparison began or goes on, all sittings together
    follow : units of another run's log, to be done in that order without a look at the clock; None: as seems best
    folds : test folds, where another run decided on them; None: as the sizes ask
    slowness : how many times longer than on a quiet machine that takes of which nothing is measured yet
    use_all : spend what is left on the best contender once the answer is certain
    rows_after : rows that what ships predicts after its fit, to be checked and on the source's own test
    """

    metric: Metric
    worth: float | None = None
    budget_seconds: float = 120.0
    seed: int = 0
    confidence: float = 0.95
    spent_seconds: float = 0.0
    follow: tuple[Unit, ...] | None = None
    folds: int | None = None
    use_all: bool = False
    slowness: float = 1.0
    rows_after: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise RequestError(f"confidence must lie between 0.5 and 1; got {self.confidence!r}.")
        if not self.budget_seconds > 0:
            raise RequestError(f"The budget must be a positive number of seconds; got {self.budget_seconds!r}.")


@dataclass(frozen=True)
class Moment:
    """The race when a piece of work begins, and when it has ended.

    Attributes
    ----------
    posterior : the belief so far; None without both sides
    unit, why, expected_seconds : the piece of work, and what it was expected to take
    spent_seconds : of the run so far
    ending : "begun", or how it ended
    seconds : that it took, once it has ended
    verdict : what would be answered if the run ended now; None while nobody is scored
    latest_end : seconds of the run at which the race is over at the latest; None where a log is followed
    likely_end : the same for what is still worth doing, once the answer is certain; None before
    """

    posterior: Posterior | None
    unit: Unit | None
    why: str
    expected_seconds: float
    spent_seconds: float
    ending: Ending = "begun"
    seconds: float = 0.0
    verdict: Verdict | None = None
    latest_end: float | None = None
    likely_end: float | None = None


class Listener(Protocol):
    """Whoever shows how a comparison goes; called from the thread that compares."""

    def stage(self, text: str) -> None:
        """A new part of the work begins."""

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """The table as it is now, best first."""

    def moment(self, moment: Moment) -> None:
        """A piece of work begins or has ended, and what is believed now; the table as it is was told before."""

    def notice(self, text: str) -> None:
        """Something the user should know; also kept in the result."""


class Quiet:
    """A listener that shows nothing."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """Show nothing."""

    def moment(self, moment: Moment) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""
