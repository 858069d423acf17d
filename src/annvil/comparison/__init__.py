"""The comparison: same splits for all, equal allowances, statistics, learning curves, cost, and the verdict.

It knows contenders by their contract and data by a `Problem`; which kind of data it is, it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.comparison.comparing import compare
    from annvil.comparison.problem import DataProblem, Problem
    from annvil.comparison.request import Listener, Quiet, Request
    from annvil.comparison.results import Comparison
    from annvil.comparison.store import Store

__all__ = ["Comparison", "DataProblem", "Listener", "Problem", "Quiet", "Request", "Store", "compare"]

_HOMES = {
    "Comparison": "annvil.comparison.results",
    "DataProblem": "annvil.comparison.problem",
    "Listener": "annvil.comparison.request",
    "Problem": "annvil.comparison.problem",
    "Quiet": "annvil.comparison.request",
    "Request": "annvil.comparison.request",
    "Store": "annvil.comparison.store",
    "compare": "annvil.comparison.comparing",
}

__getattr__ = lazy_names(__name__, _HOMES)
