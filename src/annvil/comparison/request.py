"""What a comparison is asked, and whom it tells how it goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from annvil.comparison.results import Standing
from annvil.errors import RequestError
from annvil.tasks.metrics import Metric


@dataclass(frozen=True)
class Request:
    """The question put to a comparison.

    Attributes
    ----------
    metric : what decides
    worth : the gain that would justify a network, in units of the metric; None: the default of `resolve_worth`
    budget_seconds : of the whole run, from reading to report; the plan is made from this number
    seed : for everything random
    confidence : how sure the verdict must be before it names a side
    spent_seconds : what the run has used before this comparison began or goes on, all sittings together; it moves the
        deadline and nothing else, so that plans do not depend on the clock
    """

    metric: Metric
    worth: float | None = None
    budget_seconds: float = 120.0
    seed: int = 0
    confidence: float = 0.95
    spent_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not 0.5 < self.confidence < 1:
            raise RequestError(f"confidence must lie between 0.5 and 1; got {self.confidence!r}.")
        if not self.budget_seconds > 0:
            raise RequestError(f"The budget must be a positive number of seconds; got {self.budget_seconds!r}.")


class Listener(Protocol):
    """Whoever shows how a comparison goes; called from the thread that compares."""

    def stage(self, text: str) -> None:
        """A new part of the work begins."""

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """The table as it is now, best first."""

    def notice(self, text: str) -> None:
        """Something the user should know; also kept in the result."""


class Quiet:
    """A listener that shows nothing."""

    def stage(self, text: str) -> None:
        """Say nothing."""

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Say nothing."""
