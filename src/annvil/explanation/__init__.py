"""Why a model predicts what it predicts: what it relies on, measured on rows it had not seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.explanation.permutation import Importance, importance

__all__ = ["Importance", "importance"]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "annvil.explanation.permutation"))
