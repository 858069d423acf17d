"""The style of a column of numbers, learnt from all of its texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from annvil.data.readers.numbers import PURE, NumberStyle, Written, loosely, written
from annvil.data.readers.times import parse_time
from annvil.text.phrases import quoted

Habit = Literal["", "point", "comma"]
"""The sign before the decimals in the rest of the source; empty where nothing tells."""


class Learnt(NamedTuple):
    """A style, and what has to be told about it: what was open and how it was decided."""

    style: NumberStyle
    said: tuple[str, ...] = ()
    contradictory: bool = False  # every text is a number, but no decimal sign serves all


def learn_number_style(texts: Sequence[str], habit: Habit = "") -> Learnt:
    """The style that all of a column's texts share; ``habit`` decides what they leave open.

    Evidence is a text that is a number with one decimal sign only ("1,5", "0.125", "1.234.567"). Where there is none,
    and none in the rest of the source, "1.100" and "1,100" are read with a decimal point, and that is said.
    """
    if all(map(PURE.fullmatch, texts)) and habit != "comma" and not _all_open(texts):
        return Learnt(NumberStyle())
    read = [(written(text, comma=False), written(text, comma=True)) for text in texts]
    if not any(point or comma for point, comma in read) and texts and all(parse_time(t) is not None for t in texts):
        return Learnt(NumberStyle(time=True), ("times and durations read as seconds",))
    if any(point is None and comma is None for point, comma in read):
        read = _with_limits_and_unit(texts) or read
    only_point = sum(point is not None and comma is None for point, comma in read)
    only_comma = sum(comma is not None and point is None for point, comma in read)
    if not any(point or comma for point, comma in read):
        return Learnt(NumberStyle())
    neither = any(point is None and comma is None for point, comma in read)
    comma = only_comma > only_point or (only_comma == only_point and habit == "comma")
    undecided = not only_point and not only_comma and not habit
    style, more = _dress(texts, [pair[comma] for pair in read], NumberStyle(comma=comma))
    return Learnt(
        style,
        (*(_open_decimals(texts, read) if undecided else ()), *more),
        bool(only_point and only_comma and not neither),
    )


FEWEST_PLAIN = 10
"""Different plain numbers from which on "<5" or "5more" beside them is a number, not the name of a class (assumed)."""


def _with_limits_and_unit(texts: Sequence[str]) -> list[tuple[Written | None, Written | None]] | None:
    """Every text as a number with a limit or a unit, where all are some and the unit is one; else None."""
    read: list[tuple[Written | None, Written | None]] = []
    for text in texts:
        pair = loosely(text, comma=False), loosely(text, comma=True)
        if pair == (None, None):
            return None
        read.append(pair)
    known = [found for point, comma in read if (found := point or comma)]
    units = {found.unit for found in known}
    limited = sum(bool(found.limit) for found in known)
    plain = {found.value for found in known if not found.limit and (not found.unit or "" not in units)}
    few = len(plain) < max(FEWEST_PLAIN, limited) and (limited or "" in units)
    scaled = units != {""} and any(found.suffix for found in known)  # "1.2m" beside "3.4k" is no metre
    return None if few or scaled or len(units - {""}) > 1 else read


_OPEN = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}", re.ASCII)


def _all_open(texts: Iterable[str]) -> bool:
    """Whether some text among plain numbers has a point, and each such point could divide thousands."""
    pointed = [text for text in texts if "." in text or "e" in text or "E" in text]
    return bool(pointed) and all(map(_OPEN.fullmatch, pointed))


def _open_decimals(texts: Sequence[str], read: Sequence[tuple[Written | None, Written | None]]) -> list[str]:
    for text, (point, comma) in zip(texts, read, strict=True):
        if point and comma and point.value != comma.value:
            either, other = f"{point.value:.10g}", f"{comma.value:.10g}"
            said = f"whether {quoted(text)} is {either} or {other} cannot be told from the values; read as {either}"
            return [f"{said}: if that is wrong, give the column without signs between thousands"]
    return []


def _dress(texts: Sequence[str], read: Sequence[Written | None], style: NumberStyle) -> tuple[NumberStyle, list[str]]:
    """The style with what else was seen, and what to tell of it."""
    seen = [(text, found) for text, found in zip(texts, read, strict=True) if found is not None]
    said = []
    if any(found.suffix for _, found in seen) and len(seen) == len(texts):
        text, found = next(pair for pair in seen if pair[1].suffix)
        style = replace(style, suffix=True)
        said.append(f"{quoted(text)} read as {found.value:.10g}")
    signs = [(text, found) for text, found in seen if found.percent]
    bare = [abs(found.value) for _, found in seen if not found.percent]
    if signs:
        text, found = max(signs, key=lambda pair: abs(pair[1].value))
        fraction = bool(bare) and max(bare) <= 1 < abs(found.value)
        style = replace(style, fraction=fraction, percent=not fraction)
        if bare:
            value = found.value / 100 if fraction else found.value
            said.append(f"per cent beside bare numbers: {quoted(text)} read as {value:.10g}")
    if limited := [(text, found) for text, found in seen if found.limit]:
        style = replace(style, limit=True)
        said += [f"{quoted(text)} read as {found.value:.10g}" for text, found in limited[:2]]
    if units := {found.unit for _, found in seen} - {""}:
        style = replace(style, unit=units.pop())
        bare_said = ", also where it is not written" if any(not found.unit for _, found in seen) else ""
        said.append(f"in the unit {quoted(style.unit)}{bare_said}")
    if found_negative := next((pair for pair in seen if pair[1].parentheses), None):
        said.append(f"{quoted(found_negative[0])} read as {found_negative[1].value:.10g}")
    currencies = sorted({found.currency for _, found in seen if found.currency})
    if len(currencies) > 1:
        said.append(f"amounts in {' and '.join(currencies[:3])} read as they stand, not converted")
    return style, said


def decimal_habit(columns: Iterable[Sequence[str]]) -> Habit:
    """The decimal sign of a source, from columns of texts: where one has evidence of it and none of the other."""
    seen: set[Habit] = set()
    for texts in columns:
        numbers = only_comma = only_point = 0
        for text, n in Counter(texts).items():  # texts repeat, and whole numbers say nothing of either
            whole = text.isascii() and text.isdigit()
            point, comma = (True, True) if whole else (written(text, comma=False), written(text, comma=True))
            numbers += n * bool(point or comma)
            only_comma += n * (comma is not None and point is None)
            only_point += n * (point is not None and comma is None)
        if 2 * numbers > len(texts) and only_comma != only_point:
            seen.add("comma" if only_comma > only_point else "point")
    return seen.pop() if len(seen) == 1 else ""
