"""Windows that overlap and say much the same → one word with a start and an end: non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from annvil.kinds.sound.listening.windows import Heard
from annvil.tasks.base import FloatArray, IntArray

OVERLAP = 0.25
"""Share of the shorter window; what overlaps a likelier word by more is the same word (assumed: words hardly do)."""


@dataclass(frozen=True)
class Hits:
    """Windows in which a word is heard.

    Attributes
    ----------
    starts, ends : in samples, int64 ``(n,)``
    words : codes of the likeliest class ``(n,)``
    probabilities : of it ``(n,)``
    """

    starts: IntArray
    ends: IntArray
    words: IntArray
    probabilities: FloatArray

    def __len__(self) -> int:
        """Number of hits."""
        return len(self.starts)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Hits:
        """The hits asked for."""
        return Hits(self.starts[rows], self.ends[rows], self.words[rows], self.probabilities[rows])


def hits_of(heard: Heard, threshold: float = 0.0) -> Hits:
    """Windows whose likeliest class has at least the probability ``threshold``."""
    words = heard.outputs.argmax(axis=1)
    sure = heard.outputs.max(axis=1, initial=0.0)
    hits = Hits(heard.starts, heard.starts + heard.lengths, words, sure)
    return hits.take(sure >= threshold)


def joined(parts: Iterable[Hits]) -> Hits:
    """Hits of several pieces as one."""
    found = list(parts)
    if not found:
        none = np.empty(0, dtype=np.int64)
        return Hits(none, none, none, np.empty(0))
    return Hits(
        np.concatenate([one.starts for one in found]),
        np.concatenate([one.ends for one in found]),
        np.concatenate([one.words for one in found]),
        np.concatenate([one.probabilities for one in found]),
    )


def merged(hits: Hits) -> Hits:
    """The likeliest hit, then the next that does not overlap it by more than `OVERLAP`, and so on; in order of time.

    What is left above any threshold does not depend on hits below it: the likelier come first.
    """
    order = np.argsort(-hits.probabilities, kind="stable")
    alive = np.ones(len(hits), dtype=bool)
    kept: list[int] = []
    longest = int((hits.ends - hits.starts).max(initial=0))
    by_start = np.argsort(hits.starts, kind="stable")
    sorted_starts = hits.starts[by_start]
    for row in order.tolist():
        if not alive[row]:
            continue
        kept.append(row)
        first, last = np.searchsorted(sorted_starts, [hits.starts[row] - longest, hits.ends[row]])
        near = by_start[first:last]
        shared = np.minimum(hits.ends[near], hits.ends[row]) - np.maximum(hits.starts[near], hits.starts[row])
        shorter = np.minimum(hits.ends[near] - hits.starts[near], hits.ends[row] - hits.starts[row])
        alive[near[shared > OVERLAP * shorter]] = False
    chosen = np.array(kept, dtype=np.int64)
    return hits.take(chosen[np.argsort(hits.starts[chosen], kind="stable")])


@dataclass
class Merging:
    """The same while the recording still goes on: hits wait until no window that overlaps them can come.

    Attributes
    ----------
    threshold : probability from which a window is a hit
    """

    threshold: float
    waiting: Hits = field(default_factory=lambda: joined(()))

    def add(self, heard: Heard, until: int) -> Hits:
        """Words that are settled now; ``until``: the first sample that windows still to come begin at."""
        self.waiting = joined([self.waiting, hits_of(heard, self.threshold)])
        order = np.argsort(self.waiting.starts, kind="stable")
        hits = self.waiting.take(order)
        reach = np.maximum.accumulate(hits.ends) if len(hits) else hits.ends
        later = np.concatenate([hits.starts[1:], [until]])
        breaks = np.flatnonzero(later >= reach)  # nothing from there on touches what came before
        n = int(breaks[-1]) + 1 if len(breaks) else 0
        self.waiting = hits.take(np.arange(n, len(hits)))
        return merged(hits.take(np.arange(n)))

    def rest(self) -> Hits:
        """Words that still wait when the recording is over."""
        hits, self.waiting = self.waiting, joined(())
        return merged(hits)
