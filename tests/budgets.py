"""Runs for tests that need one, whatever it is the answer to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import annvil
from annvil.errors import RequestError

FIT = annvil.fit
"""Whatever a test puts in its place."""


def fit_briefly(data: Any, *, least: float = 5.0, **options: Any) -> annvil.Run:
    """`annvil.fit` with the shortest budget that this machine can keep now, from ``least`` seconds on.

    A busy machine refuses what a quiet one keeps, and a test must hold on both.
    """
    return _briefly(lambda budget: FIT(data, budget=budget, **options), least)


def resume_briefly(folder: Path, spent: float, *, least: float = 3.0) -> annvil.Run:
    """`annvil.resume` of a run that has used ``spent`` seconds, with ``least`` more or as many as it takes now."""
    return _briefly(lambda more: annvil.resume(folder, budget=spent + more), least)


def _briefly(run: Callable[[float], annvil.Run], least: float) -> annvil.Run:
    budget = least
    while True:
        try:
            return run(budget)
        except RequestError as refused:
            if "too short here" not in str(refused) or budget > 30 * least:
                raise
        budget *= 2
