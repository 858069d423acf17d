"""What was searched already: two contenders may look at one population, the best candidate and the ensemble of all."""

from __future__ import annotations

import weakref
from typing import Any

MOST = 2
"""Searches whose networks are kept in memory (assumed: a contender and the one that looks at it again)."""


class Searches:
    """The latest searches of a race, by what was asked of which data set.

    Which of two contenders trains a population makes no difference to what either returns. A copy that is sent to
    another process begins empty: trained networks do not travel, and it trains what it needs.
    """

    def __init__(self) -> None:
        self._latest: dict[str, tuple[weakref.ref[Any], list[Any]]] = {}

    def get(self, dataset: Any, key: str) -> list[Any] | None:
        """The results of the same search of this very data set, or None."""
        known = self._latest.get(key)
        return known[1] if known is not None and known[0]() is dataset else None

    def keep(self, dataset: Any, key: str, found: list[Any]) -> None:
        """Keep results beside the one search before them; the data set itself is not kept alive."""
        alive = [(old, entry) for old, entry in self._latest.items() if entry[0]() is not None]
        self._latest = dict(alive[-MOST + 1 :]) | {key: (weakref.ref(dataset), found)}

    def __reduce__(self) -> tuple[type[Searches], tuple[()]]:
        return Searches, ()
