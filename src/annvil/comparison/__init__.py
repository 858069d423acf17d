"""The comparison: same splits for all, equal budgets, statistics, learning curves, cost, and the verdict.

It knows contenders by their contract and data by a `Problem`; which kind of data it is, it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.comparison.comparing import compare as compare
    from annvil.comparison.data_problem import DataProblem as DataProblem
    from annvil.comparison.problem import Problem as Problem
    from annvil.comparison.request import Listener as Listener, Quiet as Quiet, Request as Request
    from annvil.comparison.results import Comparison as Comparison
    from annvil.comparison.store import Store as Store

__getattr__, __all__ = lazily(__name__)
