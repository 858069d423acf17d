"""One `fit` from raw input to Run: read, compare, decide, ship, report; the run folder; resume."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.run.fitting import Listener, fit, resume
    from annvil.run.reporting import write_report
    from annvil.run.result import Run, RunSummary, list_runs, open_run

__all__ = ["Listener", "Run", "RunSummary", "fit", "list_runs", "open_run", "resume", "write_report"]

_HOMES = {
    "Listener": "annvil.run.fitting",
    "Run": "annvil.run.result",
    "RunSummary": "annvil.run.result",
    "fit": "annvil.run.fitting",
    "list_runs": "annvil.run.result",
    "open_run": "annvil.run.result",
    "resume": "annvil.run.fitting",
    "write_report": "annvil.run.reporting",
}

__getattr__ = lazy_names(__name__, _HOMES)
