"""The comparison: same splits for all, equal allowances, statistics, learning curves, cost, and the verdict.

It knows contenders by their contract and data by their rows; which kind of data it is, it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.comparison.comparing import compare
    from annvil.comparison.jobs import final_job
    from annvil.comparison.request import Listener, Quiet, Request
    from annvil.comparison.results import Comparison
    from annvil.comparison.store import Store

__all__ = ["Comparison", "Listener", "Quiet", "Request", "Store", "compare", "final_job"]

_HOMES = {
    "Comparison": "annvil.comparison.results",
    "Listener": "annvil.comparison.request",
    "Quiet": "annvil.comparison.request",
    "Request": "annvil.comparison.request",
    "Store": "annvil.comparison.store",
    "compare": "annvil.comparison.comparing",
    "final_job": "annvil.comparison.jobs",
}

__getattr__ = lazy_names(__name__, _HOMES)
