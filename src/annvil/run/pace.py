"""How slow this machine is now, and the least that a fit takes here: known before any work, from what starting took."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

from annvil.comparison.race.costs import MOST_SLOWNESS
from annvil.comparison.request import check_budget

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


@dataclass(frozen=True)
class Pace:
    """Whether the budget still holds what is left to do, asked on the way to the first model.

    Every check raises `RequestError` with the smallest budget that can be kept.

    Attributes
    ----------
    budget : in seconds; infinite where a log is followed
    started : reading of ``time.monotonic()`` from which it counts
    starting_seconds : from the start of the process until the call; None where we were not there
    """

    budget: float
    started: float
    starting_seconds: float | None

    @property
    def slowness(self) -> float:
        """Of the machine."""
        return slowness(self.starting_seconds)

    def check_source(self, source: Any) -> None:
        """Before anything is read, by what starting took, and of a file by its size."""
        starting, megabytes = self.starting_seconds, _megabytes(source)
        if starting is None and megabytes < 1:
            return
        reading = SECONDS_PER_MEGABYTE * megabytes
        large = starting is None or reading > REST_SECONDS
        why = f"{megabytes:,.0f} MB are to be read" if large else f"starting took {starting:.1f} s"
        check_budget(self.budget, (starting or 0.0) + self.slowness * (REST_SECONDS + reading), why)

    def check_decoding(self, decoding: float, done: int, n: int) -> None:
        """While files are decoded, as soon as it is known that all of them take too long.

        Parameters
        ----------
        decoding : seconds since the first file was opened
        done, n : files decoded, and of all
        """
        spent = time.monotonic() - self.started
        if done < KNOWN_FROM * n and spent <= self.budget:
            return
        left = decoding * (n - done) / max(done, 1)
        least = spent + left + (self.slowness * REST_SECONDS if left else 0.0)
        check_budget(self.budget, least, f"decoding {n:,} files takes about {decoding + left:.0f} s")

    def check_read(self, audit: float = 0.0) -> None:
        """Before the audit; ``audit`` are the seconds of one that takes longer than that of a small table."""
        spent = time.monotonic() - self.started
        if self.starting_seconds is not None:
            least = spent + self.slowness * (ONCE_READ_SECONDS + audit)
            check_budget(self.budget, least, f"reading took until {spent:.1f} s")


def _megabytes(source: Any) -> float:
    return os.path.getsize(source) / 1e6 if isinstance(source, str | os.PathLike) and os.path.isfile(source) else 0.0
