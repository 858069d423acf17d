"""Who speaks, as file names say it: ``7_jackson_32.wav``, ``0a7c2a8d_nohash_1.wav``, ``03-01-05-01-02-01-12.wav``.

Nothing else in a folder of clips tells voices apart, and a model that is tested on voices it knows says too much of
itself. So names are looked at: a part that is neither the label nor a number of the file, that many files share, and
that occurs with several labels, names whoever spoke. It is told, and ``--groups`` overrides it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

_PARTS = re.compile(r"[_\-. ]+")

FEWEST_SPEAKERS = 2
MOST_SHARE = 0.5
"""Speakers there must be, and clips of one, at most, on average (assumed: else each file is somebody else's)."""

CLIPS_EACH = 3.0
"""Clips that a speaker has on average, at least (assumed)."""

LABELS_EACH = 0.5
"""Share of the speakers that must have said several labels (assumed: who says one only is part of the label)."""


def speakers_in(names: Sequence[str], labels: Sequence[object]) -> list[str] | None:
    """Of each file the part of its name that says who speaks, or None where no part does.

    >>> names = [f"{word}_{who}_{k}.wav" for word in "01" for who in ("ann", "bob") for k in range(3)]
    >>> sorted(set(speakers_in(names, [name[0] for name in names])))
    ['ann', 'bob']
    """
    parts = [_PARTS.split(PurePosixPath(name).stem) for name in names]
    counts = {len(one) for one in parts}
    if len(counts) != 1 or not names:
        return None
    found = []
    for place in range(counts.pop()):
        values = [one[place] for one in parts]
        if _names_speakers(values, labels, place == 0):
            found.append((any(map(_has_letters, set(values))), -place, values))
    return max(found)[2] if found else None


def _has_letters(text: str) -> bool:
    return any(map(str.isalpha, text))


def _names_speakers(values: Sequence[str], labels: Sequence[object], first: bool) -> bool:
    distinct = Counter(values)
    n, k = len(values), len(distinct)
    if k < FEWEST_SPEAKERS or n < CLIPS_EACH * k:
        return False
    # Numbers count takes; only at the beginning of a name, or as long codes, do they number persons.
    if not any(map(_has_letters, distinct)) and not (first and all(len(one) >= 3 for one in distinct)):
        return False
    said: dict[str, set[object]] = defaultdict(set)
    heard: dict[object, set[str]] = defaultdict(set)
    for value, label in zip(values, labels, strict=True):
        said[value].add(label)
        heard[label].add(value)
    several = sum(len(those) > 1 for those in said.values())
    return several >= LABELS_EACH * k and len(heard) > 1 and max(map(len, heard.values())) > 1
