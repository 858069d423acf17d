"""Tables: read, checked, conformed; which contenders compete on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.tables.kind import KIND as KIND

__getattr__, __all__ = lazily(__name__)
