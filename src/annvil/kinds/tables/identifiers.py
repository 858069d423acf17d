"""Which columns name their rows, told by their values and names: nothing is learnt from an identifier."""

from __future__ import annotations

import numpy as np

from annvil.data.integer_codes import name_words
from annvil.data.readers.raw import EXACT

FEW_ROWS = 20
"""Below this many values nothing is called an identifier or free text: too few to tell (assumed)."""

_ID_WORDS = {"id", "ids", "uuid", "guid", "nr", "no", "num", "index", "idx", "key", "rownames", "serial", "rowid", "pk"}
_ID_WORDS |= {"identifier", "row"}
_TIME_WORDS = {"year", "yr", "date", "time", "month", "day", "week", "age", "hour"}

REPEATED_ID = (
    "{n} different values under a name that says identifier; if rows with one value belong together, "
    "name it as groups={name!r}"
)


def identifier_reason(name: str, values: np.ndarray) -> str:
    """Why whole numbers look like an identifier, or an empty string.

    To grow from row to row is no reason: rows may be sorted by what was measured.

    Never for a column with fractions, with repeated or missing values (unless its name says identifier and there are
    many values), or whose name speaks of time or age.
    """
    present = values[~np.isnan(values)]
    n = len(present)
    if n < FEW_ROWS or not np.all(present == np.floor(present)):
        return ""
    distinct = np.unique(present)
    if len(distinct) < n:
        if names_an_id(name, strictly=True) and many_for_an_id(len(distinct), n):
            return REPEATED_ID.format(n=len(distinct), name=name)
        return ""
    words = set(name_words(name))
    if names_an_id(name):
        return "whole numbers that never repeat, under a name that says identifier"
    if words & _TIME_WORDS:
        return ""
    if distinct[-1] - distinct[0] == n - 1:
        return f"every whole number from {distinct[0]:.0f} to {distinct[-1]:.0f} once, which counts the rows"
    if np.abs(distinct).max() >= EXACT:
        return "whole numbers of 16 and more digits that never repeat"
    return ""


def many_for_an_id(n_distinct: int, n: int) -> bool:
    """Whether a repeated id names cases (patients, shops) rather than a few codes: assumed, at most 20 rows for each,
    or more than 50 and 1% of the rows."""
    return n_distinct > max(50, n // 100) or (n_distinct > 20 and 20 * n_distinct >= n)


def names_an_id(name: str, *, strictly: bool = False) -> bool:
    """Whether a name says identifier; ``strictly``: by its last word being id, uuid or the like."""
    words = name_words(name)
    if strictly:
        return bool(words) and words[-1] in {"id", "uuid", "guid", "identifier"}
    return bool(words) and (words[-1] in _ID_WORDS or words[0] in {"id", "uuid", "guid", "unnamed"})
