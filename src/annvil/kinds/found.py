"""What a run hands its kind: what it rests on, how far it is, and what it has found."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annvil.files import from_here

if TYPE_CHECKING:
    from annvil.comparison.results import Comparison
    from annvil.comparison.store import Store
    from annvil.data.dataset import Dataset
    from annvil.models.contract import Contender
    from annvil.models.jobs import Deadline
    from annvil.models.members import Fitted

Progress = Callable[[int, int], None]
"""Told how many things are read, and of how many."""


class Stage(Enum):
    """Where a run stands when it asks a kind for sections."""

    SHIPPED = "shipped"  # the comparison is over, and the model lies in the run folder
    EXPLAINED = "explained"  # the rest of the budget, but for the report


@dataclass(frozen=True)
class Loaded:
    """What a fit rests on beside the data, such as a network to go on from; ``digest`` knows it again."""

    name: str
    digest: str
    what: Any


@dataclass(frozen=True)
class Found:
    """What a run has found so far, for whoever makes sections of it.

    ``folder`` is that of the run, ``model`` that of the bundle. The deadline is of this stage. ``contenders`` are those
    that competed; ``shipped`` is the model that ships, in memory: None where it was not fitted in this process.
    """

    dataset: Dataset[Any]
    comparison: Comparison
    store: Store
    folder: Path
    model: Path
    deadline: Deadline
    contenders: Sequence[Contender] = ()
    shipped: Fitted | None = None

    @property
    def place(self) -> str:
        """The folder as a command names it, without whose machine it is on."""
        return shlex.quote(str(from_here(self.folder)))

    def rung(self, contender: str) -> int:
        """By whose results the contender is judged: they are asked of the store with it."""
        return next((s.rung or 0 for s in self.comparison.standings if s.contender == contender), 0)
