"""How slow this machine is now, and the least that a fit takes here: known before any work, from what starting took."""

from __future__ import annotations

import math
import os
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


def smallest(least: float) -> int:
    """Whole seconds that hold so many and `SPARE`."""
    return math.ceil(SPARE * least)


def _megabytes(source: Any) -> float:
    return os.path.getsize(source) / 1e6 if isinstance(source, str | os.PathLike) and os.path.isfile(source) else 0.0
