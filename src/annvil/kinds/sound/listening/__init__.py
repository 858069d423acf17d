"""Which word is said where in a long recording: what stands out is heard by a saved model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.sound.listening.detecting import Listened as Listened, Word as Word, listen as listen
    from annvil.kinds.sound.listening.live import listen_live as listen_live

__getattr__, __all__ = lazily(__name__)
