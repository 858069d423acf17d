"""Small phrases: names in a list, quoted and shortened; titles within sentences."""

from __future__ import annotations

import re
from collections.abc import Sequence

_UNCOUNTED = ("smoothing", "drift", "autoregression")
"""Last words of titles that take no article."""


def listed(names: Sequence[str], most: int = 6) -> str:
    """``"a, b and c"``; of more than ``most`` names ``"a, b and 7 more"``; nothing of none.

    >>> listed(["a", "b", "c"]), listed(list("abcdefgh"), 3), listed([])
    ('a, b and c', 'a, b and 6 more', '')
    """
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def shorten(text: object, most: int = 24) -> str:
    """At most so many characters, the last an ellipsis where something is left out."""
    text = str(text)
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str, most: int = 40) -> str:
    """A text of the user's in quotes for a message, shortened."""
    return repr(shorten(text, most))


def inside(title: str) -> str:
    """A title within a sentence.

    >>> inside("Boosted trees"), inside("TabM ensemble")
    ('boosted trees', 'TabM ensemble')
    """
    first = title.split(" ")[0]
    return title[0].lower() + title[1:] if first == first.capitalize() and len(first) > 1 else title


def outside(text: str) -> str:
    """A text at the beginning of a sentence."""
    return text[:1].upper() + text[1:]


def named(title: str) -> str:
    """A contender as the subject or object of a sentence.

    >>> named("Boosted trees"), named("Dense network"), named("Exponential smoothing")
    ('boosted trees', 'the dense network', 'exponential smoothing')
    """
    without = is_plural(title) or _head(title).lower().endswith(_UNCOUNTED)
    return inside(title) if without else f"the {inside(title)}"


def is_plural(title: str) -> bool:
    """Whether a verb after the title is plural.

    >>> is_plural("Boosted trees"), is_plural("the linear model on edges"), is_plural("Team of models")
    (True, False, False)
    >>> is_plural("networks (each fold's choice)"), is_plural("Nearest neighbours with warped time")
    (True, True)
    """
    return _head(title).endswith("s")


def _head(title: str) -> str:
    """The title without what comes after its noun: "nearest neighbours" of those "with warped time"."""
    return re.split(r" \(| on | of | with ", title)[0]
