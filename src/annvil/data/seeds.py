"""Seeds that follow from others."""

from __future__ import annotations

import numpy as np


def derived_seed(seed: int, *place: int) -> int:
    """A seed of its own for each place in a run: independent streams, as `numpy.random.SeedSequence` has it."""
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0])
