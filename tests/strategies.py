"""Hypothesis strategies for hostile tables, shared by the suite.

`columns_of_values` makes dicts of columns (any Python values a person could hold in a frame), `files` writes such a
table as a text file in one of many styles, and `broken_files` makes files that are hardly tables at all.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

ODD_NAMES = [
    "",
    " ",
    "x" * 300,
    "\u202eright to left\u202c",
    "\u2067עברית\u2069",
    "emoji 🙂",
    'quo"te',
    "quo'te",
    "semi;colon",
    "com,ma",
    "tab\there",
    "line\nbreak",
    "id",
    "target",
    "y",
    "<script>alert(1)</script>",
    "'); DROP TABLE t; --",
    "c0",
    "__proto__",
    "=1+1",
    "\ufeffmark",
    "nul",
    "Ünïcödé",
    "a.b",
    "{brace}",
    "%s",
    "\\",
]
ODD_TEXTS = [
    "",
    " ",
    "NA",
    "n/a",
    "None",
    "?",
    "-",
    "nan",
    "inf",
    "true",
    "No",
    "0",
    "1",
    "3.0",
    "03",
    "1e5",
    "1e400",
    "1,5",
    "1.234,5",
    "12%",
    "$3",
    "2021-03-04",
    "04.03.2021",
    "13/12/2020 5:06 pm",
    "2021-03-04T05:06:07Z",
    "0000-00-00",
    "9999-12-31",
    "🙂",
    "\u202eabc",
    "a" * 300,
    'say "hi"',
    "two\nlines",
    "comma, semi; tab\t",
    "=cmd|' /C calc'!A0",
    "\u0000nul",
    "\x1b[31mred",
    "é",
    "ſ",
    "٣",
    "½",
]
LETTERS = "abcXYZ019 _-.,;:'\"äß\u05d0\u202e🙂\t\n\\"


def _text(rng: random.Random) -> str:
    return rng.choice(ODD_TEXTS) if rng.random() < 0.7 else "".join(rng.choices(LETTERS, k=rng.randrange(12)))


def _number(rng: random.Random) -> Any:
    return rng.choice(
        [
            rng.randrange(-5, 5),
            rng.randrange(-(2**70), 2**70),
            rng.gauss(0, 1e3),
            rng.choice([0.0, -0.0, 1e-320, 1e25, 2.0**53, 0.1, math.nan]),
        ]
    )


def _moment(rng: random.Random) -> Any:
    day = dt.date(1900, 1, 1) + dt.timedelta(days=rng.randrange(70_000))
    if rng.random() < 0.5:
        return day
    zone = rng.choice([None, dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
    return dt.datetime(day.year, day.month, day.day, rng.randrange(24), rng.randrange(60), tzinfo=zone)


def _anything(rng: random.Random) -> Any:
    odd = rng.choice([True, False, None, math.inf, b"\xff", [1, 2], {"a": 1}, 1 + 2j, dt.time(5, 6), Decimal("1.5")])
    return rng.choice([_number(rng), _text(rng), _moment(rng), odd])


def _pooled(make: Callable[[random.Random], Any]) -> Callable[[random.Random, int], list[Any]]:
    """Columns of values from a pool of at most ten, since most columns repeat their values."""
    return lambda rng, n: rng.choices([make(rng) for _ in range(rng.randint(1, 10))], k=n)


def _gappy(rng: random.Random, n: int) -> list[Any]:
    gap = rng.choice([None, math.nan, "", "NA", "-"])
    return [gap if rng.random() < 0.3 else rng.gauss(0, 10) for _ in range(n)]


COLUMNS: dict[str, Callable[[random.Random, int], list[Any]]] = {
    "normal": lambda rng, n: [rng.gauss(0, 10) for _ in range(n)],
    "few whole numbers": _pooled(lambda rng: rng.randrange(4)),
    "gaps": _gappy,
    "letters": _pooled(lambda rng: rng.choice("abc")),
    "odd numbers": _pooled(_number),
    "odd texts": _pooled(_text),
    "dates": _pooled(_moment),
    "booleans": _pooled(lambda rng: rng.random() < 0.5),
    "yes and no": _pooled(lambda rng: rng.choice(["yes", "no", "", "Y"])),
    "anything": _pooled(_anything),
    "infinite": _pooled(lambda rng: rng.choice([1.0, 2.5, math.inf])),
    "constant": lambda rng, n: [_anything(rng)] * n,
    "empty": lambda rng, n: [None] * n,
    "counting": lambda rng, n: list(range(n)),
    "names": lambda rng, n: [f"row {i}" for i in range(n)],
    "decimal comma": lambda rng, n: [f"{i},{i % 10}" for i in range(n)],
    "ISO dates": lambda rng, n: [(dt.date(2020, 1, 1) + dt.timedelta(days=i)).isoformat() for i in range(n)],
}
ORDINARY = ["normal", "few whole numbers", "gaps", "letters", "booleans", "yes and no", "odd texts", "dates"]
ANSWERS = [("yes", "no"), (0, 1), ("a", "b", "c"), (True, False), (1.0, 2.0), ("🙂", "🙁"), ("NA", "x", "y")]


@dataclass(frozen=True)
class Case:
    """A table and the column to predict; ``names`` may repeat, which a dict cannot hold."""

    names: tuple[str, ...]
    columns: tuple[tuple[Any, ...], ...]
    target: str

    @property
    def n_rows(self) -> int:
        return len(self.columns[0]) if self.columns else 0

    def as_dict(self) -> dict[str, list[Any]]:
        return {name: list(values) for name, values in zip(self.names, self.columns, strict=True)}


def column_values(n: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """``n`` values of one column: ordinary, or strange in one of many ways. Values follow from a kind and a seed."""

    def make(kind: str, seed: int) -> tuple[Any, ...]:
        return tuple(COLUMNS[kind](random.Random(seed), n))

    return st.builds(make, st.sampled_from([*ORDINARY, *ORDINARY, *COLUMNS]), st.integers(0, 2**32 - 1))


def target_values(n: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Answers: mostly usable ones, so that reading goes on to the end."""

    def make(labels: tuple[Any, ...] | None, seed: int) -> tuple[Any, ...]:
        rng = random.Random(seed)
        return tuple(rng.gauss(0, 10) if labels is None else rng.choice(labels) for _ in range(n))

    usable = st.builds(make, st.sampled_from([None, *ANSWERS]), st.integers(0, 2**32 - 1))
    return st.one_of(usable, usable, usable, column_values(n))


@st.composite
def columns_of_values(draw: st.DrawFn, *, repeated_names: bool = False) -> Case:
    """A hostile table of 0 to 45 rows and 2 to 6 columns."""
    n = draw(st.sampled_from([20, 24, 32, 45, 45, 45, 45, 45, 45, 45, 0, 1, 2, 19]))
    repeated = repeated_names and draw(st.integers(0, 9)) == 9
    name = st.one_of(st.sampled_from(ODD_NAMES), st.text(max_size=8))
    names = draw(st.lists(name, min_size=2, max_size=6, unique=not repeated))
    columns = [draw(column_values(n)) for _ in names[1:]]
    at = draw(st.integers(0, len(columns)))
    columns.insert(at, draw(target_values(n)))
    return Case(tuple(names), tuple(columns), names[at])


@dataclass(frozen=True)
class TextFile:
    """A file to be written: its ending, its bytes, the column to predict."""

    suffix: str
    content: bytes
    target: str


@st.composite
def files(draw: st.DrawFn) -> TextFile:
    """A hostile table as CSV (delimiters, line ends, encodings, byte order marks) or JSON lines."""
    case = draw(columns_of_values(repeated_names=True))
    if draw(st.integers(0, 4)) == 0:
        rows = zip(*case.columns, strict=True)
        lines = [json.dumps(dict(zip(case.names, row, strict=True)), default=str) for row in rows]
        return TextFile(".jsonl", "\n".join(lines).encode("utf-8", "surrogatepass"), case.target)
    delimiter = draw(st.sampled_from(",;\t|"))
    buffer = io.StringIO(newline="")
    writer = csv.writer(
        buffer,
        delimiter=delimiter,
        lineterminator=draw(st.sampled_from(["\n", "\r\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerow(case.names)
    for row in zip(*case.columns, strict=True):
        writer.writerow(["" if value is None else value for value in row])
    encoding = draw(st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]))
    content = buffer.getvalue().encode(encoding, "replace")
    return TextFile(draw(st.sampled_from([".csv", ".tsv", ".txt"])), content, case.target)


@st.composite
def broken_files(draw: st.DrawFn) -> TextFile:
    """Bytes that are no table, or a table that was cut, spliced or had a line changed."""
    suffix = draw(st.sampled_from([".csv", ".jsonl", ".parquet", ".arrow", ".feather", ".gz", ".zip", ".xlsx", ""]))
    if draw(st.booleans()):
        return TextFile(suffix, draw(st.binary(max_size=300)), "y")
    whole = draw(files())
    at = draw(st.integers(0, len(whole.content)))
    inserted = draw(st.sampled_from([b"", b'"', b"\0", b"\n\n", b"a,b,c,d,e,f,g,h\n", b"\xff\xfe", b"\r", b"x" * 2000]))
    rest = whole.content[at + draw(st.integers(0, 9)) :]
    return TextFile(whole.suffix, whole.content[:at] + inserted + rest, whole.target)
