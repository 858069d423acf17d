"""Tables: read, checked, conformed; which contenders compete on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazy_names

if TYPE_CHECKING:
    from annvil.kinds.tables.kind import KIND

__all__ = ["KIND"]

__getattr__ = lazy_names(__name__, {"KIND": "annvil.kinds.tables.kind"})
