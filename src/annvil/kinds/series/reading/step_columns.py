"""Columns of a table with one row a series: which step of which channel each of them is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from annvil.errors import RequestError
from annvil.text.safe import some_names

_NUMBERED = re.compile(r"(?P<before>.*?)(?P<number>\d+)(?P<behind>\D*)")

ONE = "value"
"""The channel where there is but one."""


def channels_of(steps: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the channels, and the columns ordered channel after channel.

    Columns of several channels are called by channel and number, ``x_0, x_1, …, y_0, y_1, …`` or ``0_x, 0_y, …``: each
    name must come with the same numbers. Columns of any other names are one channel.

    >>> channels_of(["x_0", "y_0", "x_1", "y_1"])
    (('x', 'y'), ('x_0', 'x_1', 'y_0', 'y_1'))
    >>> channels_of(["t0", "t1"])[0], channels_of(["2020-01", "2021-01"])[0]
    (('value',), ('value',))

    Raises
    ------
    RequestError
        Where channels have different numbers, or a column is named twice.
    """
    if len(set(steps)) < len(steps):
        twice = [name for name in dict.fromkeys(steps) if list(steps).count(name) > 1]
        raise RequestError(f"--steps names {some_names(twice)} more than once.")
    found: dict[tuple[str, str], dict[int, str]] = {}
    for name in steps:
        if (match := _NUMBERED.fullmatch(name)) is None:
            return (ONE,), tuple(steps)
        found.setdefault((match["before"], match["behind"]), {})[int(match["number"])] = name
    names = ["".join(key).strip(" _-.[]()") for key in found]
    if len(found) == 1 or len(set(names)) < len(names) or not all(any(map(str.isalpha, name)) for name in names):
        return (ONE,), tuple(steps)
    numbers = [sorted(places) for places in found.values()]
    if all(places == numbers[0] for places in numbers):
        return tuple(names), tuple(places[number] for places in found.values() for number in numbers[0])
    told = [f"{name!r} {len(places)}" for name, places in zip(names, numbers, strict=True)]
    raise RequestError(
        f"--steps names columns of {len(names)} channels, but each needs the same numbers; there are of "
        f"{', '.join(told[:6])}."
    )
