"""A contender that cannot promise what is asked for: it is in the table, with the reason, and does not compete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from annvil.data.dataset import Dataset
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Effort, Job, Rung, Shape
from annvil.models.members import Fitted


class LeftOut:
    """``contender`` as far as its name goes; ``why`` is a sentence for the report."""

    def __init__(self, contender: Contender, why: str) -> None:
        self.name, self.title, self.family, self.traits = (
            contender.name, contender.title, contender.family, contender.traits,
        )  # fmt: skip
        self._why = why

    def declines(self, shape: Shape) -> str | None:
        """Always."""
        return self._why

    def ladder(self, shape: Shape) -> tuple[Rung, ...]:
        """None."""
        return ()

    def fit(self, dataset: Dataset[Any], jobs: Sequence[Job], effort: Effort, context: Context) -> Iterator[Fitted]:
        """Nothing."""
        return iter(())
