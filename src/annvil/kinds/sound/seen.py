"""What training clips are like: kept in a saved model's form, so that it can tell of clips that are unlike them."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.form import SeenClips, SoundForm

OUTER = 0.01
"""Share of the clips on either side that says nothing of what is usual."""

SHORT = 0.05
"""Share of the clips that are shorter than usual ones, and of those that are longer."""

BAND = 0.05
"""Nearly all clips have sound up to the bandwidth of this share of them."""


def form_with_seen(clips: Clips) -> SoundForm:
    """The form of these clips with levels, bandwidth and usual lengths of them; as it is where all are silent."""
    facts = clips.facts[~clips.facts["silent"]]
    if not len(facts) or not np.all(facts["level"] < 1) or not facts["level"].any():
        return clips.form
    low, high = np.quantile(facts["level"], [OUTER, 1 - OUTER])
    band = round(float(np.quantile(facts["bandwidth"], BAND)))
    short, middle, long = np.quantile(clips.lengths, [SHORT, 0.5, 1 - SHORT]).round().astype(int).tolist()
    seen = SeenClips(round(float(low), 1), round(float(high), 1), band, (short, middle, long))
    return replace(clips.form, seen=seen)
