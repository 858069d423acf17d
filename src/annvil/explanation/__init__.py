"""Why a model predicts what it predicts, by methods that work on any model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.explanation.permutation import Importance as Importance, importance as importance

__getattr__, __all__ = lazily(__name__)
