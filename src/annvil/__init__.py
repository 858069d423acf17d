"""Annvil: is a neural network the right tool for this data? An answer with evidence, and the model to ship."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

# Idle OpenMP threads that spin take up to ten times a step's time on busy cores; libgomp reads this when it loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from annvil.bundle import load
    from annvil.data import read
    from annvil.errors import AnnvilError
    from annvil.models.estimators import MLPClassifier, MLPRegressor, TabMClassifier, TabMRegressor
    from annvil.run import Run, fit, list_runs, open_run, resume

__version__ = "0.1.0"

__all__ = [
    "AnnvilError",
    "MLPClassifier",
    "MLPRegressor",
    "Run",
    "TabMClassifier",
    "TabMRegressor",
    "__version__",
    "fit",
    "list_runs",
    "load",
    "open_run",
    "read",
    "resume",
]

_HOMES = {
    "AnnvilError": "annvil.errors",
    "MLPClassifier": "annvil.models.estimators",
    "MLPRegressor": "annvil.models.estimators",
    "Run": "annvil.run",
    "TabMClassifier": "annvil.models.estimators",
    "TabMRegressor": "annvil.models.estimators",
    "fit": "annvil.run",
    "list_runs": "annvil.run",
    "load": "annvil.bundle",
    "open_run": "annvil.run",
    "read": "annvil.data",
    "resume": "annvil.run",
}

__getattr__ = lazy_names(__name__, _HOMES)
