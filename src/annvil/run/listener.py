"""Whoever shows how a fit goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from annvil.comparison.request import Listener as ComparisonListener, Quiet

if TYPE_CHECKING:
    from annvil.data.dataset import Dataset
    from annvil.data.form import Inputs
    from annvil.run.result import Run


class Listener(ComparisonListener, Protocol):
    """Whoever shows how a fit goes."""

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """The data are read and checked; nothing is written yet."""

    def finished(self, run: Run) -> None:
        """All is written."""


class Silent(Quiet):
    """A listener that shows nothing: what `fit` uses from Python unless told otherwise."""

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """Show nothing."""

    def finished(self, run: Run) -> None:
        """Show nothing."""
