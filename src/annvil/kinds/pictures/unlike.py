"""Pictures to predict that are unlike those a model learnt from (`annvil.kinds.pictures.seen`), told in a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from annvil.kinds.pictures.seen import FEWEST, MOST, MOST_VALUES, STATISTICS, SeenPictures, learn, statistics
from annvil.tasks.base import FloatArray
from annvil.text.phrases import outside
from annvil.text.quantities import part_of
from annvil.text.safe import some_names

if TYPE_CHECKING:
    from annvil.kinds.pictures.images import Images


def seen_in(images: Images) -> SeenPictures | None:
    """What these training pictures are like; None of fewer than `FEWEST`."""
    n = min(images.n_rows, MOST, max(FEWEST, MOST_VALUES // images.form.n_values))
    if n < FEWEST:
        return None
    order = np.random.default_rng(0).permutation(images.n_rows)[:n]
    return learn(statistics_of(images.take(order)))


def unlike(seen: SeenPictures, images: Images) -> Iterator[str]:
    """A sentence where some of the pictures are unlike those of the training."""
    scores = seen.scores(statistics_of(images))
    far = np.flatnonzero(seen.distances(scores) > seen.farthest)
    if not len(far):
        return
    odd = np.unique(np.abs(scores[far]).argmax(axis=1)).tolist()
    most = np.argmax([np.abs(scores[far, j]).sum() for j in odd])
    names = images.take(far[:3]).names()
    named = f" ({some_names(names, 3)}{', …' * (len(far) > 3)})" if images.n_rows > 1 else ""
    which = outside(part_of(len(far), images.n_rows, "picture"))
    yield (
        f"{which}{named} {'is' if len(far) == 1 else 'are'} unlike the training data, most in "
        f"{STATISTICS[odd[int(most)]]}: do not rely on what the model says of {'it' if len(far) == 1 else 'them'}."
    )


def statistics_of(images: Images) -> FloatArray:
    """`STATISTICS` of every picture, float64 ``(n_rows, n_statistics)``."""
    made = np.zeros((images.n_rows, len(STATISTICS)))
    for rows, pixels in images.blocks(1 << 18):  # small enough for the cache of a core
        made[rows] = statistics(pixels)
    return made
