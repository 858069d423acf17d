"""Small words: probabilities, ratios and titles as people write them."""

from __future__ import annotations


def percent(p: float) -> str:
    """A probability for people: no more digits than it deserves, never a false 0% or 100%.

    >>> [percent(p) for p in (0.5, 0.034, 0.996, 0.99999, 0.0)]
    ['50%', '3%', '99.6%', 'more than 99.9%', 'less than 0.1%']
    """
    if p > 0.999:
        return "more than 99.9%"
    if p < 0.001:
        return "less than 0.1%"
    return f"{100 * p:.1f}%" if p > 0.99 or p < 0.01 else f"{100 * p:.0f}%"


def times(ratio: float) -> str:
    """A ratio above 1 for people: ``"1.5"``, ``"40"``."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:,.0f}"


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

    >>> named("Boosted trees"), named("Dense network")
    ('boosted trees', 'the dense network')
    """
    return inside(title) if is_plural(title) else f"the {inside(title)}"


def is_plural(title: str) -> bool:
    """Whether a verb after the title is plural.

    >>> is_plural("Boosted trees"), is_plural("the linear model on pixels")
    (True, False)
    """
    return title.split(" on ")[0].endswith("s")
