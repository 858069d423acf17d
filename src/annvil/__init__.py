"""Annvil: is a neural network the right tool for this data? An answer with evidence, and the model, ready to ship."""

from __future__ import annotations

import os

from annvil._lazy import lazy_names

# Idle OpenMP threads that spin take up to ten times a step's time on busy cores; libgomp reads this when torch loads.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

__all__ = ["__version__"]

_HOMES: dict[str, str] = {}

__getattr__ = lazy_names(__name__, _HOMES)
