"""How slow this machine is now, and the least that a fit takes here: known before any work, from what starting took."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass
from typing import Any

from annvil.comparison.race.costs import MOST_SLOWNESS
from annvil.comparison.request import SPARE
from annvil.errors import RequestError

STARTING_SECONDS = 0.9
"""From the start of the process until `annvil.run.fit` is called, on a quiet machine (measured: 0.8 to 0.95 processor
seconds on 2 cores of an AMD EPYC)."""

REST_SECONDS = 2.8
"""What then follows for the smallest table: reading, guessing and one simple model on five folds, the fit to ship and
the report (measured there: 2.2), with what the race keeps for the last two to spare."""

SECONDS_PER_MEGABYTE = 0.04
"""Reading and audit of a file, erring on the quick side (measured: 0.06 of a table)."""

ONCE_READ_SECONDS = 2.0
"""The part of it that follows reading."""

KNOWN_FROM = 0.2
"""Once this part of the files is decoded, how long all of them take is known (assumed)."""


def slowness(starting_seconds: float | None) -> float:
    """How many times longer things take than on a quiet machine, at least 1; 1 where starting was not seen."""
    return 1.0 if starting_seconds is None else min(MOST_SLOWNESS, max(1.0, starting_seconds / STARTING_SECONDS))


def check_budget(budget: float, starting_seconds: float | None, source: Any) -> None:
    """Refuse a budget that this machine cannot keep now, before anything is read.

    Parameters
    ----------
    budget : in seconds
    starting_seconds : from the start of the process until now; None where we were not there
    source : what is to be read; of a file the size counts

    Raises
    ------
    RequestError
        With the smallest budget that can be kept.
    """
    slower, megabytes = slowness(starting_seconds), _megabytes(source)
    least = (starting_seconds or 0.0) + slower * (REST_SECONDS + SECONDS_PER_MEGABYTE * megabytes)
    if least <= budget or (starting_seconds is None and megabytes < 1):
        return
    why = f"starting took {starting_seconds:.1f} s" if starting_seconds is not None else ""
    why = f"{megabytes:,.0f} MB are to be read" if SECONDS_PER_MEGABYTE * megabytes > REST_SECONDS else why
    raise RequestError(
        f"A budget of {budget:g} s is too short here: {why}. The smallest that can be kept now is about "
        f"{smallest(least)} s."
    )


@dataclass(frozen=True)
class Pace:
    """Whether the budget still holds what is left to do, asked on the way to the first model.

    Attributes
    ----------
    budget : in seconds; infinite where a log is followed
    started : reading of ``time.monotonic()`` from which it counts
    starting_seconds : as for `check_budget`
    """

    budget: float
    started: float
    starting_seconds: float | None

    def check_decoding(self, decoding: float, done: int, n: int) -> None:
        """Refuse a budget that the files which are still to be decoded would use up, as soon as that is known.

        Parameters
        ----------
        decoding : seconds since the first file was opened
        done, n : files decoded, and of all

        Raises
        ------
        RequestError
            With the smallest budget that can be kept.
        """
        spent = time.monotonic() - self.started
        if done < KNOWN_FROM * n and spent <= self.budget:
            return
        left = decoding * (n - done) / max(done, 1)
        least = spent + left + (slowness(self.starting_seconds) * REST_SECONDS if left else 0.0)
        self._refuse(least, f"decoding {n:,} files takes about {decoding + left:.0f} s")

    def check_read(self, audit: float = 0.0) -> None:
        """Refuse a budget that reading has left too little of, before the audit; raises as `check_decoding` does.

        ``audit`` are the seconds of one that takes longer than that of a small table.
        """
        spent = time.monotonic() - self.started
        if self.starting_seconds is not None:
            least = spent + slowness(self.starting_seconds) * (ONCE_READ_SECONDS + audit)
            self._refuse(least, f"reading took until {spent:.1f} s")

    def _refuse(self, least: float, why: str) -> None:
        if least > self.budget:
            raise RequestError(
                f"A budget of {self.budget:g} s is too short here: {why}. The smallest that can be kept now is about "
                f"{smallest(least)} s."
            )


def smallest(least: float) -> int:
    """Whole seconds that hold so many and `SPARE`."""
    return math.ceil(SPARE * least)


def _megabytes(source: Any) -> float:
    return os.path.getsize(source) / 1e6 if isinstance(source, str | os.PathLike) and os.path.isfile(source) else 0.0
