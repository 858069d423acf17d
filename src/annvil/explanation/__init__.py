"""Why a model predicts what it predicts, by methods that work on any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.explanation.permutation import Importance, importance

__all__ = ["Importance", "importance"]

_HOMES = dict.fromkeys(__all__, "annvil.explanation.permutation")

__getattr__ = lazy_names(__name__, _HOMES)
