"""What the race says aloud: notices, and failures as sentences."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from typing import TypeVar

from annvil.comparison.race.decisions import Unit
from annvil.comparison.race.fitting import RAISE_BUGS
from annvil.comparison.race.records import NO_TIME, Records
from annvil.comparison.request import Listener
from annvil.comparison.results import call_key
from annvil.errors import AnnvilError
from annvil.models.contract import Contender
from annvil.text.phrases import is_plural, listed, named, outside

T = TypeVar("T")


class Telling:
    """Says things once and keeps them.

    Attributes
    ----------
    notices : what was said aloud, in order
    """

    records: Records
    listener: Listener
    notices: list[str]

    def tell(self, notice: str) -> None:
        """Say it and keep it, once."""
        if notice not in self.notices:
            self.notices.append(notice)
            self.listener.notice(notice)

    def attempt(self, what: str, work: Callable[[], T]) -> T | None:
        """What the work returns, or None when it fails; that is said, and recorded when it is our own bug."""
        try:
            return work()
        except AnnvilError as error:
            self.tell(f"{what}: {error}")
        except Exception as error:
            if os.environ.get(RAISE_BUGS):
                raise
            self.records.store.log_problem(f"{what}\n{traceback.format_exc()}")
            problems = self.records.store.problems
            self.tell(f"{what}: {type(error).__name__}: {error}. The traceback is in {problems}.")
        return None

    def tell_failure(self, contender: Contender, unit: Unit) -> None:
        """Why a fit failed, and what that means for its contender."""
        outcome = self.records.store.outcome(contender.name, call_key(unit.repeat), unit.rung)
        assert outcome is not None
        more = f" The traceback is in {self.records.store.problems}." if outcome.bug else ""
        then = "was left out" if unit.rung == 0 else "goes no further"
        self.tell(f"{contender.title} failed and {then}: {outcome.reason}.{more}".replace("..", "."))

    def tell_what_was_not_done(self) -> None:
        """Contenders without a complete rung, and models that cannot be exported."""
        standings = self.records.standings(over=True)
        never = [named(s.title) for s in standings if s.state == "cut short" and s.reason == NO_TIME]
        if never:
            self.tell(f"No time was left for {listed(never, len(never))}.")
        for standing in standings:
            if standing.state == "cut short" and standing.reason != NO_TIME:
                verb = "were" if is_plural(standing.title) else "was"
                self.tell(f"{outside(named(standing.title))} {verb} not scored: {standing.reason}.")
            rung = self.records.judged(standing.contender)
            shipped = None if rung is None else self.records.store.cost(standing.contender, rung)
            if shipped is not None and shipped.problem:
                self.tell(f"{standing.title} cannot be shipped, its export failed: {shipped.problem}")
