"""Where the table in a text begins and how its lines are divided: titles, comments, names, delimiters, blanks."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annvil.data.readers.header import CONSISTENT, has_numbers, is_data, is_header, shown_number

DELIMITERS = ",;\t|"
BLANKS = " "
"""Stands for runs of blanks and tabs."""

LONGEST_LINE = 2**24
"""Bytes; the header and every record must be shorter, so that a file without line ends cannot fill the memory."""

COMMENTS = ("#", "%", "//")
MOST_TITLES = 30
"""Lines above the header (assumed)."""

_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_DECLARED = re.compile(r'"?sep=(.)"?[\s,;|]*', re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """How a text is laid out.

    Attributes
    ----------
    delimiter : one of `DELIMITERS`, or `BLANKS`
    names : as written, "" where there is none; None where the first record holds values already
    rows : records of the sample below the names
    skip : lines above the first record of values
    comments : whether lines between the records are left out because they begin with one of `COMMENTS`
    said : what is unusual, for people
    """

    delimiter: str
    names: tuple[str, ...] | None
    rows: list[list[str]]
    skip: int
    comments: bool
    said: tuple[str, ...]


Records = list[tuple[int, list[str]]]  # each with the line that it ends on, from 1


def find_layout(sample: str, complete: bool) -> Layout:
    """The layout of a text whose beginning, with line ends of ``\\n``, is ``sample`` (all of it where ``complete``).

    The delimiter is the one that divides most records into the same number of fields, at least two; in doubt the one
    with more fields. Runs of blanks count where no sign does and a column holds numbers. Lines above the first record
    of that many fields are titles; lines that begin with a sign of `COMMENTS` and have another number are comments.
    Where no line looks like one of names (numbers stand where numbers stand below, words that occur below), there is
    none.
    """
    lines = sample.split("\n")
    declared = _DECLARED.fullmatch(lines[0])
    first = 1 if declared else 0
    at = next((i for i in range(first, len(lines)) if lines[i].strip()), first)
    sign = next((sign for sign in COMMENTS if lines[at].startswith(sign)), "#")
    top = at
    while top < len(lines) and (lines[top].startswith(sign) or not lines[top].strip()):
        top += 1
    if top >= len(lines):  # nothing but comments: they are the table
        top = at
    delimiter, records, start, comments = _divided(lines, top, complete, declared[1] if declared else "")
    width = len(records[start][1])
    start = below_titles(records, min(start, len(records) - 1))
    names, start = _names(records, start, delimiter)
    if top > at and (above := _names_in_comment(lines[top - 1], sign, delimiter, width)) is not None:
        values = [cells for _, cells in records[start - (names is not None) :]]
        if has_numbers(values) and not is_header(values):
            names, start = above, start - (names is not None)
    skip = records[start - 1][0] if start else top
    n_above = sum(1 for line in lines[first : records[max(start - 1, 0)][0] - 1] if line.strip())
    said = [f"{n_above} line{'s' * (n_above > 1)} above the names left out"] if n_above and names else []
    said += ["lines of comments left out"] if comments else []
    said += ["no line of names"] if names is None else []
    return Layout(delimiter, names, [cells for _, cells in records[start:]], skip, comments, tuple(said))


def divided(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """Fields of each record, blank lines left out."""
    return [cells for _, cells in _records(lines, 0, delimiter, True)]


def tokens(line: str) -> list[str]:
    """Fields of a line divided by runs of blanks; those in quotation marks may hold blanks."""
    return [match[1].replace('""', '"') if match[2] is None else match[2] for match in _TOKEN.finditer(line)]


def _records(lines: Sequence[str], top: int, delimiter: str, complete: bool) -> Records:
    """Records from line ``top`` on without blank ones; the last one is left out where the sample cuts it."""
    csv.field_size_limit(LONGEST_LINE)
    if delimiter == BLANKS:
        rows = [(number, tokens(line)) for number, line in enumerate(lines[top:], top + 1)]
    else:
        reader = csv.reader((line + "\n" for line in lines[top:]), delimiter=delimiter)
        try:
            rows = [(top + reader.line_num, row) for row in reader]
        except csv.Error:
            rows = [(number, line.split(delimiter)) for number, line in enumerate(lines[top:], top + 1)]
    rows = [(number, row) for number, row in rows if row and (len(row) > 1 or row[0].strip())]
    if not complete and len(rows) > 1:
        rows.pop()
    return rows or [(top + 1, [""])]


def _divided(lines: Sequence[str], top: int, complete: bool, declared: str) -> tuple[str, Records, int, bool]:
    """Delimiter, records, which of them is the first of the table, and whether comments stand between them."""
    found = {}
    for one in [declared] if declared else [*DELIMITERS, BLANKS]:
        records = _records(lines, top, one, complete)
        usual = _usual([len(cells) for _, cells in records])
        kept = [(n, cells) for n, cells in records if len(cells) == usual or not lines[n - 1].startswith(COMMENTS)]
        found[one] = _fit(kept or records, one), kept or records, 0 < len(kept) < len(records)
    delimiter = declared or max(DELIMITERS, key=lambda one: found[one][0].rank)
    fit = found[delimiter][0]
    if not declared and (not fit.is_good or (delimiter == "\t" and fit.width == 2)):  # a tab before a last text
        spaced, records, _ = found[BLANKS]
        wider = spaced.width > (fit.width + 1 if fit.is_good else 1)
        if spaced.is_good and spaced.share >= 0.97 and wider and has_numbers([c for _, c in records[spaced.start :]]):
            delimiter = BLANKS
    fit, records, comments = found[delimiter]
    return delimiter, records, 0 if declared else fit.start, comments


@dataclass(frozen=True)
class _Fit:
    """Which record is the first of the table, how many fields it has, and how large a share of the others has them."""

    share: float
    start: int
    width: int
    sure: bool
    commas: bool

    @property
    def is_good(self) -> bool:
        return self.share >= CONSISTENT and self.width > 1

    @property
    def rank(self) -> tuple[bool, bool, float, int, int]:
        """Below titles commas count least: they stand in sentences and numbers as well."""
        unusual = self.is_good and not self.sure and not self.commas
        return self.sure and self.is_good, unusual, round(self.share, 2), -self.start, self.width


def _usual(widths: Sequence[int]) -> int:
    """The most frequent number of fields that is more than one, if there is any."""
    shares = Counter(width for width in widths if width > 1)
    return max(shares, key=lambda width: (shares[width], width), default=1)


def _fit(records: Records, sign: str) -> _Fit:
    """The table begins with the very first record, unless the usual number of fields begins below titles."""
    widths = [len(cells) for _, cells in records]
    commas = sign == ","
    share = widths.count(widths[0]) / len(widths) if widths[0] > 1 else 0.0
    if share >= CONSISTENT and widths[0] == widths[:2][-1]:
        return _Fit(share, 0, widths[0], True, commas)
    usual = _usual(widths)
    for start in range(1, min(len(widths), MOST_TITLES + 1)):
        shared = widths[start:].count(usual) / (len(widths) - start)
        begins = widths[start] == usual != widths[start - 1]
        if begins and shared >= CONSISTENT and _are_titles(records, start):
            return _Fit(shared, start, usual, False, commas)
    return _Fit(share, 0, widths[0], False, commas)


def _are_titles(records: Records, start: int) -> bool:
    """Whether what stands above a record are no names: those of R, names below, or lines set apart."""
    above, below = [cells for _, cells in records[:start]], [cells for _, cells in records[start:]]
    if _names_rows(records[: start + 1]):
        return True
    if any(len(cells) == len(below[0]) and any(shown_number(cell) is not None for cell in cells) for cells in above):
        return False
    apart = records[start][0] > records[start - 1][0] + 1
    return apart or is_header(below) or (start > 1 and all(sum(map(bool, cells)) <= 1 for cells in above))


def _names_rows(records: Records) -> bool:
    """Whether a first record of at least two names lacks only that of a first column (R's ``write.table``)."""
    (_, names), (_, values) = records if len(records) == 2 else ((0, [""]), (0, [""]))
    return len(names) >= 2 and len(values) == len(names) + 1


def below_titles(records: Records, start: int) -> int:
    """Past records of which one field alone is filled, as spreadsheets write a title, to one that is filled."""
    at = start
    while at + 1 < min(len(records), MOST_TITLES):
        here, below = (sum(1 for cell in records[i][1] if cell.strip()) for i in (at, at + 1))
        if len(records[at][1]) < 3 or here > 1:
            return at
        at += 1
        if below >= len(records[at][1]) - 1:
            return at
    return start


def _names(records: Records, start: int, delimiter: str) -> tuple[tuple[str, ...] | None, int]:
    """The names and where the values begin."""
    rows = [cells for _, cells in records[start:]]
    if start and _names_rows(records[start - 1 : start + 1]) and not is_header(rows):
        labels = [cells[0] for cells in rows if cells]
        if not any(cells[-1].strip() for cells in rows if len(cells) == len(rows[0])):  # a sign ends each line but that
            return (*(cell.strip() for cell in records[start - 1][1]), ""), start
        plain = delimiter in (BLANKS, "\t")
        if len(set(labels)) == len(labels) if plain else _are_numbered(labels, records[start - 1][1]):
            return ("", *(cell.strip() for cell in records[start - 1][1])), start
    if is_data(rows):
        return None, start
    return tuple(cell.strip() for cell in rows[0]), start + 1


def _are_numbered(labels: Sequence[str], names: Sequence[str]) -> bool:
    """Whether unnamed labels number the rows, below what can be names; a title with a comma has two fields, too."""
    first = int(labels[0]) if labels and labels[0].isdecimal() else -1
    return list(labels) == [str(first + i) for i in range(len(labels))] and not any(map(_is_a_number, names))


def _is_a_number(cell: str) -> bool:
    return shown_number(cell) is not None


def _names_in_comment(line: str, sign: str, delimiter: str, width: int) -> tuple[str, ...] | None:
    """Names in the comment above the values, as NumPy and tools of biology write them: ``# x y z``, ``#CHROM…POS``."""
    bare = line.removeprefix(sign)
    (cells, *_) = divided([bare if bare[:1].isspace() else line], delimiter) or [[]]
    cells = [cell.strip() for cell in cells]
    return tuple(cells) if len(cells) == width > 1 and all(cells) and len(set(cells)) == width else None
