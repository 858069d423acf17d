"""Options of a fit that series alone have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import msgspec

from annvil.errors import RequestError
from annvil.options import Option, SeriesColumns, lasting, split_names
from annvil.text.safe import composed

SERIES = "Series"
"""Where the help lists them."""

_RANGE = re.compile(r"(?P<stem>.*?)(?P<first>\d+)\.\.(?P<again>.*?)(?P<last>\d+)")

MOST_STEPS = 1 << 20
"""Columns that a range may name (assumed)."""


def step_columns(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    """Names of the columns that are the steps of a series, from names, or from a range of numbered ones.

    >>> step_columns("t0..t3"), step_columns(["a", "b"])
    (('t0', 't1', 't2', 't3'), ('a', 'b'))

    Raises
    ------
    RequestError
        When a range does not count upwards.
    """
    if given is None:
        return None
    parts = split_names([given]) if isinstance(given, str) else [str(one) for one in given]
    found: list[str] = []
    for part in map(composed, parts):
        match = _RANGE.fullmatch(part)
        found += [part] if match is None else _counted(part, match)
    return tuple(found)


def _counted(part: str, match: re.Match[str]) -> list[str]:
    first, last = int(match["first"]), int(match["last"])
    if match["stem"] != match["again"] or not first <= last < first + MOST_STEPS:
        raise RequestError(f"--steps {part!r} is no range that counts upwards, such as t0..t95.")
    width = len(match["first"]) if match["first"].startswith("0") else 0
    return [f"{match['stem']}{number:0{width}d}" for number in range(first, last + 1)]


def _read_steps(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for text in given for name in step_columns(text) or ())


def _names(given: str | Iterable[str] | None) -> tuple[str, ...] | None:
    if given is None:
        return None
    return tuple(composed(name) for name in (split_names([given]) if isinstance(given, str) else map(str, given)))


def _read_names(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(split_names(given))


def _write_names(names: Sequence[str]) -> tuple[str, ...]:
    return (",".join('"' + name.replace('"', '""') + '"' for name in names),)


def _lasting(path: str | Path | None) -> str | None:
    return None if path is None else lasting(path)


class SeriesOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What `fit` may be told of series."""

    series: SeriesColumns = None
    steps: Annotated[
        tuple[str, ...] | None,
        Option(
            "Columns that are the steps of a series in a table with one row a series, such as t0..t95.",
            metavar="NAMES",
            panel=SERIES,
            repeated=True,
            clean=step_columns,
            read=_read_steps,
            write=_write_names,
        ),
    ] = None
    labels: Annotated[
        str | None,
        Option(
            "Table that says what each file of a folder is: a column of file names, and one to predict. Default: the "
            "one called labels, index or windows beside them.",
            metavar="PATH",
            panel=SERIES,
            clean=_lasting,
        ),
    ] = None
    channels: Annotated[
        tuple[str, ...] | None,
        Option(
            "Names of the channels of an array (series, channels, time); says that an array holds series.",
            metavar="NAMES",
            panel=SERIES,
            repeated=True,
            clean=_names,
            read=_read_names,
            write=_write_names,
        ),
    ] = None
