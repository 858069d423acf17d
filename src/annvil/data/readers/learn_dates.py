"""The style of a column of dates, learnt from all of its texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from annvil.data.readers.dates import DATE_STYLES, ENDLESS, EXCHANGEABLE, date_text


class LearntDates(NamedTuple):
    """A column's style, its seconds (None where a text is no date in it), and what has to be told about it."""

    style: str
    seconds: list[float | None]
    said: tuple[str, ...] = ()
    contradictory: bool = False  # every text is a date, but no style serves all


def learn_date_style(texts: Sequence[str]) -> LearntDates:
    """The style that reads most of a column's texts, and what they are in it; an empty name where none reads any."""
    best = LearntDates("", [None] * len(texts))
    for style in DATE_STYLES.values():
        if 2 * _understood([style.seconds(text) for text in texts[:50]]) < len(texts[:50]):
            continue
        found = [style.seconds(text) for text in texts]
        if _understood(found) > _understood(best.seconds):
            best = LearntDates(style.name, found)
        if _understood(found) == len(texts):
            break
    if not best.style:
        return best
    if None in best.seconds:
        every = all(any(style.seconds(text) is not None for style in DATE_STYLES.values()) for text in texts)
        return best._replace(contradictory=every)
    said = (*_open_order(texts, best), *_open_zone(texts, best.style), *_short_years(texts, best), *_endless(best))
    return best._replace(said=said)


def _understood(found: Sequence[float | None]) -> int:
    return sum(value is not None for value in found)


def _open_order(texts: Sequence[str], learnt: LearntDates) -> tuple[str, ...]:
    """What to tell where day and month can be exchanged in every value."""
    if learnt.style not in EXCHANGEABLE:
        return ()
    (other,) = {*EXCHANGEABLE} - {learnt.style}
    exchanged = [DATE_STYLES[other].seconds(text) for text in texts]
    if None in exchanged or exchanged == learnt.seconds:
        return ()
    at = next(i for i, seconds in enumerate(exchanged) if seconds != learnt.seconds[i])
    read = date_text(learnt.seconds[at] or 0.0)
    return (f"day and month can be exchanged in all of them: {texts[at]} read as {read}; if wrong, write dates so",)


def _open_zone(texts: Sequence[str], style: str) -> tuple[str, ...]:
    found = [match.groupdict() for text in texts if (match := DATE_STYLES[style].match(text))]
    zoned = [bool(part.get("zone")) for part in found]
    return ("times without a zone count as UTC",) if any(zoned) and not all(zoned) else ()


def _short_years(texts: Sequence[str], learnt: LearntDates) -> tuple[str, ...]:
    """What to tell of years of two digits: the last of them, since birthdays lie in the past."""
    match = [DATE_STYLES[learnt.style].match(text) for text in texts]
    short = [i for i, found in enumerate(match) if found and len(found["y"]) == 2]
    if not short:
        return ()
    last = max(short, key=lambda i: learnt.seconds[i] or 0.0)
    return (f"years of two digits read as 1970 to 2069: {texts[last]} as {date_text(learnt.seconds[last] or 0.0)}",)


def _endless(learnt: LearntDates) -> tuple[str, ...]:
    return (ENDLESS,) if any(value != value for value in learnt.seconds) else ()
