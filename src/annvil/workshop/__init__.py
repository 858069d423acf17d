"""Where users train networks of their own: `train`, populations of candidates, and what comes out of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.workshop.result import Result
    from annvil.workshop.train import train

__all__ = ["Result", "train"]

__getattr__ = lazy_names(__name__, {"Result": "annvil.workshop.result", "train": "annvil.workshop.train"})
