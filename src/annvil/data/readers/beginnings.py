"""How texts begin that hardly repeat: the series of a ticket, the deck of a cabin, the country of an account."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from annvil.tasks.base import IntArray

BEGINNINGS = ("letters", "part")
"""Styles of categories of which only the beginning counts: the letters in front, or what stands before a first sign."""

NO_BEGINNING = "none"
"""The category of texts that begin otherwise."""

LONGEST = 12
"""Characters of a beginning; more is a text of its own (assumed, as the next ones)."""

MOST_BEGINNINGS = 50
FEWEST_ROWS = 5
"""Rows with one beginning from which on something can be learnt from it …"""
COVERED = 0.9
"""… as it must be in so many of the rows, and so many of the texts must have a digit: names of persons have none."""

_PARTS = {"letters": re.compile(r"[^\W\d_]+"), "part": re.compile(r"[^\W_]+(?=[-_/:. ]|$)")}
_RANDOM = re.compile(r"[0-9a-fA-F]{8}[0-9a-fA-F-]{8,}")
_DIGIT = re.compile(r"\d")


def beginning(text: str, style: str) -> str:
    """The beginning of a text in the style of that name, `NO_BEGINNING` where it has none.

    >>> [beginning(text, "letters") for text in ("C85", "PC 17599", "A/5 21171", "113803")]
    ['C', 'PC', 'A', 'none']
    >>> beginning("S12-0042", "part")
    'S12'
    """
    match = _PARTS[style].match(text)
    return match[0] if match and len(match[0]) <= LONGEST else NO_BEGINNING


def telling_beginning(texts: Sequence[str], counts: IntArray) -> str:
    """The style in which beginnings repeat although the texts do not, or "" where there is none.

    ``counts``: in how many rows each text stands, int64. Nothing is known of the target here, so nothing of it leaks;
    whether a beginning tells anything is for the models to learn, inside their training rows. Digits of random numbers
    (UUIDs, hashes) begin in no way.
    """
    n = int(counts.sum())
    has_digit = np.array([_DIGIT.search(text) is not None for text in texts])
    if counts[has_digit].sum() < COVERED * n or all(map(_RANDOM.fullmatch, texts)):
        return ""
    for style in BEGINNINGS:
        rows: Counter[str] = Counter()
        for text, count in zip(texts, counts.tolist(), strict=True):
            rows[beginning(text, style)] += count
        often = [count for count in rows.values() if count >= FEWEST_ROWS]
        if len(often) >= 2 and len(rows) <= MOST_BEGINNINGS and sum(often) >= COVERED * n:
            return style
    return ""
