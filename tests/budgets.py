"""A run for tests that need one, whatever it is the answer to."""

from __future__ import annotations

from typing import Any

import annvil
from annvil.errors import RequestError


def fit_briefly(data: Any, *, least: float = 5.0, **options: Any) -> annvil.Run:
    """`annvil.fit` with the shortest budget that this machine can keep now, from ``least`` seconds on.

    A busy machine refuses what a quiet one keeps, and a test must hold on both.
    """
    budget = least
    while True:
        try:
            return annvil.fit(data, budget=budget, **options)
        except RequestError as refused:
            if "too short here" not in str(refused) or budget > 30 * least:
                raise
        budget *= 2
