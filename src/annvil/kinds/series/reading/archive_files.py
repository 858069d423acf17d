"""Files of the UCR and UEA archives of series: ``.ts``, ``.arff`` with a column for every step or with relations, and
``.tsv`` or ``.txt`` without any header.

The first two begin with lines of ``@``; a line of data then is one series, its class or number last. ``?`` is a missing
value. Values of ``.ts`` may have time stamps, ``(stamp,value)``, which must be equally far apart. Lines of the others
are numbers alone, the class first; since nothing in them says so, names must say that they are for training or testing.
A file called ``…_TRAIN`` brings along the one called ``…_TEST`` beside it, which is kept apart for testing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np

from annvil.data.readers.files import source_of
from annvil.data.readers.parts import part_said
from annvil.data.readers.raw import RawColumn, column_from_array, column_from_texts
from annvil.data.readers.samples import DEFAULT_TARGET
from annvil.errors import DataError, RequestError
from annvil.kinds.series.reading.found import Found, end_to_end
from annvil.kinds.series.reading.neighbouring import neighbours_are_alike
from annvil.kinds.series.reading.step_columns import ONE
from annvil.kinds.series.series import Values
from annvil.text.phrases import shorten
from annvil.text.safe import short_name

BARE = (".tsv", ".txt")
"""Without a header."""

SUFFIXES = (".ts", ".arff", *BARE)

_ATTRIBUTE = re.compile(r"""@attribute\s+('[^']*'|"[^"]*"|\S+)\s+(.*)""", re.IGNORECASE)
_IN_STAMP = "\x1f"
"""In the place of colons of clock times, which are no ends of channels."""

_STAMPED = re.compile(r"\(([^(),]+(?: [^(),]+)?),([^(),]*)\)")
_NUMBERED = re.compile(r"(.*?)(\d+)")
_MISSING = ("?", "", "nan", "NaN", "NAN")
_FEWEST_STEPS = 8
"""An ``.arff`` file is of series when so many of its attributes at least are numbered, a file without a header when its
lines have so many numbers behind a whole one, and neighbours are alike (assumed)."""

_LINES_LOOKED_AT = 50

_EVEN = 1.12
"""Largest distance of time stamps over the smallest that is equal: months are (assumed)."""


@dataclass
class _Header:
    """What the lines of ``@`` say: whether answers are classes or numbers, or None where there are none."""

    answers: str | None = "classes"
    relational: bool = False
    stamped: bool = False
    attributes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Content:
    series: list[Values]  # each (steps, channels)
    answers: list[str]
    header: _Header


def is_of_series(path: Path) -> bool:
    """Whether a file of one of these endings holds series: all but ``.ts`` hold tables as well."""
    if path.suffix.lower() == ".ts":
        return True
    if path.suffix.lower() in BARE:
        return part_said(path.stem) in ("train", "test") and _are_bare(path)
    with path.open(encoding="utf-8", errors="replace") as stream:
        header = _header(_lines(stream), path.name)
    stems = {match[1] for name, _ in header.attributes if (match := _NUMBERED.fullmatch(name))}
    return header.relational or (len(header.attributes) > _FEWEST_STEPS and len(stems) == 1)


def is_archive(path: Path) -> bool:
    """Whether a file that is to hold series is read by `read_archive`."""
    suffix = path.suffix.lower()
    return suffix in SUFFIXES and (suffix not in BARE or (path.is_file() and is_of_series(path)))


def read_archive(path: Path, *, answered: bool = True) -> Found:
    """The series of a file and, where it is one for training, of the one for testing beside it.

    ``answered``: whether they must have answers.

    Raises
    ------
    DataError
        With file and line, and what is wrong there.
    """
    files = [path, *([_partner(path)] if answered else [])]
    contents = [_content(one, answered) for one in files if one is not None]
    channels = {one.shape[1] for content in contents for one in content.series}
    where = short_name(path.name)
    if not channels:
        raise DataError(f"{where} holds no series below its header.")
    if len(channels) > 1:
        raise DataError(
            f"{where} holds series of {' and '.join(map(str, sorted(channels)))} channels; all need the same."
        )
    header = contents[0].header
    every = [one for content in contents for one in content.series]
    n = channels.pop()
    return Found(
        values=np.concatenate(every),
        starts=end_to_end(np.array([*map(len, every)], dtype=np.int64)),
        channels=(ONE,) if n == 1 else tuple(f"channel {place + 1}" for place in range(n)),
        names=[f"series {row + 1}" for row in range(len(every))],
        answers=(_answers([text for content in contents for text in content.answers], header, where),) * answered,
        testing=np.repeat(np.arange(len(contents)) > 0, [len(content.series) for content in contents]),
        brought={"layout": "files"},
        said=(f"{short_name(files[1].name)} beside it is kept apart for testing.",) if files[1:] and files[1] else (),
        source=source_of(path),
        certain="classes" if header.answers == "classes" else "",
    )


def _partner(path: Path) -> Path | None:
    if part_said(path.stem) != "train":
        return None
    beside = [
        path.with_name(re.sub("train", word, path.name, flags=re.IGNORECASE)) for word in ("TEST", "test", "Test")
    ]
    return next((other for other in beside if other.is_file()), None)


def _answers(texts: list[str], header: _Header, where: str) -> RawColumn:
    if header.answers == "classes":
        return column_from_texts(DEFAULT_TARGET, texts)
    try:
        return column_from_array(DEFAULT_TARGET, np.array([np.nan if t in _MISSING else float(t) for t in texts]))
    except ValueError:
        raise DataError(f"{where} says that its answers are numbers, but some are not.") from None


def _are_bare(path: Path) -> bool:
    """Whether lines are a whole number and then numbers, of which neighbours are alike."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        rows = [_cells(line) for _, line in islice(_lines(stream), _LINES_LOOKED_AT)]
    try:
        numbers = [np.array([np.nan if cell in _MISSING else float(cell) for cell in row]) for row in rows]
    except ValueError:
        return False
    n = min(map(len, numbers), default=0)
    return (
        n > _FEWEST_STEPS
        and all(float(row[0]).is_integer() for row in numbers)
        and neighbours_are_alike(np.stack([row[1:n] for row in numbers]))
    )


def _cells(line: str) -> list[str]:
    return line.split("\t") if "\t" in line else re.split(r"[\s,]+", line)


def _lines(stream: Iterator[str]) -> Iterator[tuple[int, str]]:
    """Lines that say something, counted from 1."""
    for number, line in enumerate(stream, 1):
        text = line.strip()
        if text and not text.startswith(("#", "%")):
            yield number, text


def _content(path: Path, answered: bool) -> _Content:
    where = short_name(path.name)
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline=None) as stream:
            lines, suffix = _lines(stream), path.suffix.lower()
            header = _Header() if suffix in BARE else _header(lines, where)
            if answered and header.answers is None:
                raise DataError(f"{where} says @classLabel false: its series have no answers to learn from.")
            read = _bare_row if suffix in BARE else _arff_row if suffix == ".arff" else _ts_row
            rows = [read(text, header, f"{where}, line {number}") for number, text in lines]
    except PermissionError:
        raise RequestError(f"{str(path)!r} may not be read: its permissions forbid it.") from None
    return _Content([series for series, _ in rows], [answer for _, answer in rows], header)


def _header(lines: Iterator[tuple[int, str]], where: str) -> _Header:
    """Everything up to ``@data``."""
    header = _Header()
    for _, text in lines:
        word, _, rest = text.partition(" ")
        word, rest = word.lower(), rest.strip()
        if word == "@data":
            return header
        if not word.startswith("@"):
            break
        if word == "@timestamps":
            header.stamped = rest.lower() == "true"
        if word == "@classlabel":
            header.answers = "classes" if rest.lower().startswith("true") else None
        if word == "@targetlabel":
            header.answers = "numbers" if rest.lower().startswith("true") else None
        if (match := _ATTRIBUTE.match(text)) is not None:
            header.relational |= match[2].strip().lower() == "relational"
            header.attributes.append((match[1].strip("'\""), match[2].strip().lower()))
    raise DataError(f"{where} has no line @data after lines that begin with @: it is no file of series.")


def _bare_row(text: str, header: _Header, where: str) -> tuple[Values, str]:
    answer, *values = _cells(text)
    return _steps([values], where), str(int(float(answer))) if _is_number(answer) else answer


def _ts_row(text: str, header: _Header, where: str) -> tuple[Values, str]:
    if header.stamped:
        text = _STAMPED.sub(lambda match: match[0].replace(":", _IN_STAMP), text)
    parts = text.split(":")
    if header.answers and len(parts) < 2:
        raise DataError(f"{where}: {shorten(text)!r} is no series with an answer behind a colon.")
    answer = parts.pop().strip() if header.answers else ""
    channels = [part.split(",") for part in parts]
    return _steps(_without_stamps(parts, where) if header.stamped else channels, where), answer


def _without_stamps(parts: Sequence[str], where: str) -> list[list[str]]:
    """Values of each channel, whose stamps are the same in all, and equally far apart."""
    pairs = [_STAMPED.findall(part) for part in parts]
    if any(_STAMPED.sub("", part).strip(" ,") for part in parts) or not all(pairs):
        raise DataError(f"{where} is not written as (stamp,value),(stamp,value) for every channel.")
    stamps = [[stamp.replace(_IN_STAMP, ":").strip() for stamp, _ in channel] for channel in pairs]
    if any(other != stamps[0] for other in stamps[1:]):
        raise DataError(f"{where}: its channels have other time stamps; save them as a long table, and name --time.")
    try:
        moments = [float(one) if _is_number(one) else datetime.fromisoformat(one).timestamp() for one in stamps[0]]
    except ValueError:
        raise DataError(f"{where} holds a time stamp that is neither a number nor a date: {stamps[0][0]!r}.") from None
    apart = np.diff(moments)
    if len(apart) and not 0 < apart.max() <= _EVEN * apart.min():
        raise DataError(
            f"{where}: its time stamps are not equally far apart; save the series as a long table, and name --time, "
            "which brings them onto one grid."
        )
    return [[value for _, value in channel] for channel in pairs]


def _arff_row(text: str, header: _Header, where: str) -> tuple[Values, str]:
    cells = next(csv.reader([text], quotechar="'" if text.startswith("'") else '"', skipinitialspace=True))
    if len(cells) < 2:
        raise DataError(f"{where}: {shorten(text)!r} is no series with an answer.")
    *values, answer = cells
    if header.relational:
        return _steps([part.split(",") for part in re.split(r"\\n|\n", values[0])], where), answer.strip(" '\"")
    if len(cells) != len(header.attributes):
        raise DataError(f"{where} has {len(cells)} values; the header names {len(header.attributes)} attributes.")
    return _steps([values], where), answer.strip(" '\"")


def _steps(channels: Sequence[Sequence[str]], where: str) -> Values:
    """One series ``(steps, channels)``; missing values at its end do not count."""
    lengths = {len(one) for one in channels}
    if len(lengths) > 1:
        raise DataError(
            f"{where}: its channels have {' and '.join(map(str, sorted(lengths)))} steps; all need the same."
        )
    texts = [text.strip() for one in channels for text in one]
    try:
        numbers = np.array([np.nan if text in _MISSING else float(text) for text in texts])
    except ValueError:
        bad = next(text for text in texts if text not in _MISSING and not _is_number(text))
        raise DataError(f"{where}: {shorten(bad)!r} is not a number.") from None
    if np.isinf(numbers).any() or (np.abs(numbers) > 1e30).any():
        raise DataError(f"{where} holds infinite values, or some beyond 1e30; write ? where a value is unknown.")
    values: Values = numbers.reshape(len(channels), -1).T.astype(np.float32)
    there = np.flatnonzero(~np.isnan(values).all(axis=1))
    return values[: there[-1] + 1 if len(there) else 1]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
