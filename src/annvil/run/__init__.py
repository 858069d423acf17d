"""One `fit` from raw input to Run: read, compare, decide, ship, report; the run folder; resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.run.fitting import fit as fit, resume as resume
    from annvil.run.listener import Listener as Listener
    from annvil.run.reporting import write_report as write_report
    from annvil.run.result import Run as Run, RunSummary as RunSummary, list_runs as list_runs, open_run as open_run

__getattr__, __all__ = lazily(__name__)
