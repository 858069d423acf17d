"""Sound: clips of sound, each with an answer: a spoken word, another class, labels or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from annvil._lazy import lazily

if TYPE_CHECKING:
    from annvil.kinds.sound.clips import Clips as Clips
    from annvil.kinds.sound.form import SoundForm as SoundForm
    from annvil.kinds.sound.kind import KIND as KIND
    from annvil.kinds.sound.reading.arrays import clips_from_arrays as clips_from_arrays

__getattr__, __all__ = lazily(__name__)
