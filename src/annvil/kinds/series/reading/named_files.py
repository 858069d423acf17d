"""Files that hold series, and what a table or their folders say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.convert import read_numbers
from annvil.data.readers.files import read_file
from annvil.data.readers.labels import LABEL_NAMES
from annvil.data.readers.parts import part_of
from annvil.data.readers.raw import RawColumn, RawTable, column_from_texts
from annvil.data.readers.split_columns import kept_for_testing, split_column
from annvil.errors import DataError, RequestError, name_rows
from annvil.kinds.series.reading.columns import check_names, note_of
from annvil.options import ReadOptions
from annvil.tasks.base import IntArray
from annvil.text.safe import short_name, some_names

_BEGINS, _ENDS = ("start", "begin", "first", "from"), ("end", "stop", "last", "to")
"""Names of columns with the first row of a window and the one behind its last."""


@dataclass(frozen=True)
class NamedFiles:
    """Series named by files: of each its file (a number), first and last row (-1 of all), and what is said of it."""

    files: list[Path]
    file_of: IntArray
    first: IntArray
    last: IntArray
    names: list[str]
    answers: tuple[RawColumn, ...]
    testing: NDArray[np.bool_]
    groups: RawColumn | None = None
    time: RawColumn | None = None
    notes: tuple[ColumnNote, ...] = ()
    said: tuple[str, ...] = ()
    certain: bool = False


def by_folder(root: Path, files: Sequence[Path], ask: ReadOptions) -> NamedFiles:
    """Files whose class is the folder that they lie in; the highest folder may be a part of the data."""
    if ask.groups or ask.target:
        raise RequestError("The class of each file is its folder; for target or groups give a table (--labels).")
    parts = [part_of(path.relative_to(root).parts[0]) for path in files]
    testing = np.array([part == "test" for part in parts])
    answers = (column_from_texts("folder", [path.parent.name for path in files]),)
    return replace(alone(files, root), answers=answers, testing=testing & (not testing.all()), certain=True)


def alone(files: Sequence[Path], root: Path | None = None) -> NamedFiles:
    """A series in each file, of which nothing more is known."""
    whole = np.full(len(files), -1, dtype=np.int64)
    names = [path.name if root is None else path.relative_to(root).as_posix() for path in files]
    names = names if len(set(names)) == len(names) else [path.as_posix() for path in files]
    return NamedFiles([*files], np.arange(len(files)), whole, whole, names, (), np.zeros(len(files), dtype=bool))


def by_table(table: Path, root: Path, files: Sequence[Path], ask: ReadOptions, *, answered: bool = True) -> NamedFiles:
    """Files that a table names, a row a series, and what it says of them; ``answered``: whether it must have answers.

    Raises
    ------
    DataError, RequestError
        Where it names files that are not there, or no column of names or answers can be told.
    """
    raw = read_file(table)
    places = _Places(root, files)
    column = _column_of_files(raw, places)
    texts = _texts(column)
    file_of = np.array([places.find(text) for text in texts], dtype=np.int64)
    lacking = np.flatnonzero(file_of < 0)
    if len(lacking):
        raise DataError(
            f"{short_name(table.name)} names files that are not there "
            f"({name_rows(lacking[:5].tolist(), len(lacking))}: "
            f"{some_names([texts[row] for row in lacking[:3].tolist()])}); add them, or leave out the rows."
        )
    first, last = (_bound(raw, names, column.name) for names in (_BEGINS, _ENDS))
    if (first is None) != (last is None):
        first = last = None
    time = ask.time if ask.time in raw.names else None
    used = {column.name: "files"} | {one.name: "bounds of windows" for one in (first, last) if one is not None}
    target = [ask.target] if isinstance(ask.target, str) else list(ask.target or ())
    check_names(raw, files=column.name, target=target, groups=ask.groups, time=time)
    split = split_column(raw.columns, *used, *target)
    free = [name for name in raw.names if name not in {*used, ask.groups, time, split.name if split else None}]
    usual = [name for name in free if name.strip().lower() in LABEL_NAMES]
    target = target or (usual if len(usual) == 1 else free if len(free) == 1 else [])
    if not target and answered:
        raise RequestError(
            f"Name the column of {short_name(table.name)} to predict as target (--target); its columns are "
            f"{some_names(raw.names, 12)}."
        )
    testing, said = kept_for_testing(split, raw.n_rows)
    used |= {split.name: "the split"} if split is not None else {}
    bounds = [_whole(one, raw.n_rows) for one in (first, last)]
    names = [
        f"{text} {a}–{b}" if first is not None else text
        for text, a, b in zip(texts, bounds[0].tolist(), bounds[1].tolist(), strict=True)
    ]
    used |= dict.fromkeys(target, "the target") | {name: "a role" for name in (ask.groups, time) if name}
    notes = tuple(
        note_of(one, "role", used[one.name])
        if one.name in used
        else note_of(one, "dropped", "only series are learnt from")
        for one in raw.columns
    )
    return NamedFiles(
        [*files], file_of, bounds[0], bounds[1], names, tuple(raw[name] for name in target * answered), testing,
        raw[ask.groups] if ask.groups else None, raw[time] if time else None, notes, said,
    )  # fmt: skip


class _Places:
    """Files by their path below a folder, their name, and their name without its ending, where that is but one file."""

    def __init__(self, root: Path, files: Sequence[Path]) -> None:
        self.known: dict[str, int] = {}
        spellings: Counter[str] = Counter()
        for number, path in enumerate(files):
            below = path.relative_to(root).as_posix()
            for text in {below, below.rpartition(".")[0], path.name, path.stem}:
                spellings[text] += 1
                self.known[text] = number
        self.known = {text: number for text, number in self.known.items() if spellings[text] == 1}

    def find(self, text: str) -> int:
        """The number of the file, or -1."""
        plain = text.replace("\\", "/").removeprefix("./")
        return self.known.get(plain, self.known.get(plain.rpartition("/")[2], -1))


def _texts(column: RawColumn) -> list[str]:
    if column.storage == "text":
        return [column.levels[code] if code >= 0 else "" for code in column.values.tolist()]
    return [f"{value:.15g}" for value in column.values.tolist()] if column.storage == "number" else []


def _column_of_files(raw: RawTable, places: _Places) -> RawColumn:
    best, share = None, 0.0
    for column in raw.columns:
        levels = [*column.levels] if column.storage == "text" else _texts(column)[:200]
        found = sum(places.find(level) >= 0 for level in levels) / len(levels) if levels else 0.0
        if found > share:
            best, share = column, found
    if best is None or share < 0.5:
        raise DataError(f"No column of {short_name(raw.source.name)} names the files that hold the series.")
    return best


def _bound(raw: RawTable, names: Sequence[str], besides: str) -> RawColumn | None:
    return next((c for c in raw.columns if c.name.strip().lower() in names and c.name != besides), None)


def _whole(column: RawColumn | None, n: int) -> IntArray:
    values = np.full(n, -1.0) if column is None else read_numbers(column).values
    return np.nan_to_num(values, nan=-1).astype(np.int64)
