"""Names or values: what the first record of a table is, judged by what stands below it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from annvil.data.readers.values import MISSING_NUMBERS

CONSISTENT = 0.9
"""Share of records with the same number of fields from which on a delimiter is believed (assumed)."""

FEWEST_BELOW = 5
"""Records below the first one from which on it may be told to be no header."""

_NUMBER = re.compile(r"[-+(]?\s?[$€£¥]?\s?[-+]?\d[\d., '\u00a0\u202f\u2019]*([eE][+-]?\d+)?\s?[%$€£¥)]?")


def shown_number(cell: str) -> float | None:
    """Roughly the number that a field shows, in whatever style; enough to tell numbers from names."""
    try:
        return float(cell)
    except ValueError:
        if not _NUMBER.fullmatch(cell):
            return None
    whole, sign, rest = re.sub(r"[^\d.,+-]", "", cell).replace(",", ".").rpartition(".")
    try:
        return float(whole.replace(".", "") + sign + rest)
    except ValueError:
        return None


def _shape(cell: str) -> str:
    """Digits as 9, letters as a: dates and numbered codes of one column share it."""
    return re.sub("[^\\W\\d_]+", "a", re.sub(r"\d", "9", cell))


@dataclass(frozen=True)
class _Column:
    """Of a column the cell of the first record, the filled cells below, and the numbers among them."""

    first: str
    cells: list[str]
    numbers: list[float]

    @property
    def holds_numbers(self) -> bool:
        return len(self.numbers) >= CONSISTENT * len(self.cells) > 0

    @property
    def shape(self) -> str:
        """The one of nearly all cells, if it has a digit; else ""."""
        (usual, times), *_ = Counter(map(_shape, self.cells)).most_common(1)
        return usual if "9" in usual and times >= CONSISTENT * len(self.cells) else ""

    def tells(self) -> bool | None:
        """Whether the first cell is in keeping with those below; None where nothing can be said."""
        if self.holds_numbers:
            number, low, high = shown_number(self.first), min(self.numbers), max(self.numbers)
            return number is not None and 2 * low - high <= number <= 2 * high - low
        if self.first in self.cells:
            return True
        if self.shape:
            return _shape(self.first) == self.shape
        return False if 2 * len(set(self.cells)) <= len(self.cells) else None


def _columns(rows: Sequence[Sequence[str]]) -> list[_Column]:
    """Columns whose first cell says something, and that have values below."""
    width = len(rows[0]) if rows else 0
    below = [row for row in rows[1:500] if len(row) == width]
    columns = []
    for i in range(width):
        first, *cells = (cell for row in (rows[0], *below) if (cell := row[i].strip()) or row is rows[0])
        cells = [cell for cell in cells if cell.lower() not in MISSING_NUMBERS]
        if cells and first.lower() not in MISSING_NUMBERS:
            columns.append(_Column(first, cells, [n for cell in cells if (n := shown_number(cell)) is not None]))
    return columns


def has_numbers(rows: Sequence[Sequence[str]]) -> bool:
    return any(column.holds_numbers for column in _columns(rows))


def is_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record is surely one of names: words above numbers."""
    return any(column.holds_numbers and shown_number(column.first) is None for column in _columns(rows))


def has_two_headers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record below the names is one of names, too: words above every one of several numbers."""
    columns = [column for column in _columns(rows) if column.holds_numbers] if len(rows) > FEWEST_BELOW else []
    return len(columns) > 1 and all(shown_number(column.first) is None for column in columns)


def is_data(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first record surely holds values, not names.

    No field is out of keeping with what stands below it, half of them are in keeping (a number in the range of numbers,
    a word that occurs again, a date), and they are no run of whole numbers, as programs number columns.
    """
    columns = _columns(rows) if len(rows) > FEWEST_BELOW else []
    told = [column.tells() for column in columns]
    numbers = [shown_number(column.first) or 0.0 for column in columns if column.holds_numbers]
    numbered = len(numbers) > 1 and all(b - a == 1 for a, b in pairwise(numbers))
    runs = numbered and len(numbers) == len(told)
    return False not in told and 2 * told.count(True) >= len(told) > 0 and not runs
