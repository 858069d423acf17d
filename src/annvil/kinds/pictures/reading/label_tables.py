"""A table that names pictures: ``path,label``, several labels or a number; groups and an official split if it has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawColumn, RawTable, encode_texts
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.pictures.images import LeftOut
from annvil.kinds.pictures.reading.found import Named, split_of
from annvil.kinds.pictures.reading.listing import SUFFIXES, Entry, Listing, archive_opened
from annvil.tasks.base import IntArray
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names

LABEL_NAMES = ("label", "labels", "class", "target", "y", "category", "answer")
SPLIT_NAMES = ("split", "subset", "partition", "part", "set")
ORIGIN = "origin"
"""A column of this name says which pictures are copies of one (`annvil augment` writes it)."""

USUAL_TABLES = ("labels", "label", "annotations", "metadata", "index", "train", "data")

Resolve = Callable[[str], Entry | None]
"""A text of the path column → the picture it names, or None."""


def names_pictures(raw: RawTable, root: Path) -> str | None:
    """The column whose texts are names of picture files that are there, or None: then it is an ordinary table."""
    for column in raw.columns:
        named = column.storage == "text" and _look_like_pictures(column.levels)
        if named and any(_is_file(root / level) for level in column.levels[:50]):
            return column.name
    return None


def _look_like_pictures(levels: Sequence[str]) -> bool:
    seen = [Path(level).suffix.lower() in SUFFIXES for level in levels[:200]]
    return bool(seen) and sum(seen) >= 0.9 * len(seen)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def on_disk(root: Path) -> Resolve:
    """Paths as a table beside its pictures writes them: below its folder, or absolute."""

    def resolve(text: str) -> Entry | None:
        try:
            path = root / text.replace("\\", "/")
            status = os.stat(path)
        except (OSError, ValueError):
            return None
        return Entry(text.replace("\\", "/"), str(path), status.st_size, status.st_mtime_ns) if path.is_file() else None

    return resolve


def in_listing(listing: Listing, folder: str) -> Resolve:
    """Paths below the table's ``folder`` or the top, with or without ending, or a file name that occurs once."""
    by_name = {entry.name: entry for entry in listing.pictures}
    by_file: dict[str, Entry | None] = {}
    for entry in listing.pictures:
        for file in {entry.parts[-1], Path(entry.parts[-1]).stem}:
            by_file[file] = None if file in by_file else entry

    def resolve(text: str) -> Entry | None:
        name = text.replace("\\", "/").removeprefix("./")
        return by_name.get(folder + name) or by_name.get(name) or by_file.get(name.rsplit("/", 1)[-1])

    return resolve


def find_table(listing: Listing, has_folders: bool) -> Entry | None:
    """The table of labels beside the pictures: one with a usual name, or the only one where no folder says a class."""
    highest = min((len(entry.parts) for entry in listing.tables), default=0)
    tables = [entry for entry in listing.tables if len(entry.parts) == highest and highest <= 2]
    usual = [entry for entry in tables if Path(entry.parts[-1]).stem.lower() in USUAL_TABLES]
    if len(usual) == 1 or (usual and not has_folders):
        return usual[0]
    return tables[0] if len(tables) == 1 and not has_folders else None


def read_table(listing: Listing, entry: Entry, wanted: Wanted) -> RawTable:
    """A table that lies in a folder, or in an archive (unpacked under a name of ours, beside nothing else)."""
    if listing.archive is None:
        return read_file(Path(entry.place), wanted)
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder, archive_opened(listing.archive) as archive:
        if entry.n_bytes > 2**30:
            raise DataError(f"{entry.name} in {listing.shown} has more than 1 GiB; unpack it first.")
        plain = Path(folder) / ("labels" + Path(entry.name).suffix.lower())
        with archive.open(entry.place) as member:
            plain.write_bytes(member.read(2**30))
        return read_file(plain, wanted)


def by_table(
    raw: RawTable,
    resolve: Resolve,
    where: str,
    *,
    path: str | None = None,
    target: str | Sequence[str] | None = None,
    groups: str | None = None,
    time: str | None = None,
) -> Named:
    """Pictures and answers that a table names.

    Raises
    ------
    RequestError
        Where a column asked for does not exist, or none can be told to be the target.
    DataError
        Where no column names pictures.
    """
    path = path or path_column(raw, resolve, where)
    split = _split_column(raw, path)
    asked = [target] if isinstance(target, str) else list(target or ())
    if len(asked) == 1 and asked[0] not in raw.names and "," in asked[0]:
        asked = [name.strip() for name in asked[0].split(",")]
    for name in (*asked, *(name for name in (groups, time) if name)):
        if name not in raw.names:
            raise RequestError(
                f"{where} has no column {short_name(name)!r}.{did_you_mean(name, raw.names)} "
                f"Its columns are {some_names(raw.names, 12)}."
            )
    asked = asked or [_target_column(raw, {path, groups, time, split.name if split else None}, where)]
    pictures, rows, left_out = resolved(raw[path], resolve, "is named in the table of labels but is not there")
    if not pictures:
        raise DataError(f"None of the files that {where} names in {path!r} is there: {some_names(raw[path].levels)}.")
    testing, said = _testing(split, raw.n_rows)
    roles = dict.fromkeys(asked, "the target")
    roles |= {name: role for name, role in ((groups, "the groups"), (time, "the time")) if name}
    if split is not None:
        roles[split.name] = "says what is kept apart for testing"
    notes = tuple(
        ColumnNote(c.name, "role", False, roles[c.name], 0, len(c.levels))
        if c.name in roles
        else ColumnNote(c.name, "dropped", False, "only the pictures are learnt from", 0, len(c.levels))
        for c in raw.columns
        if c.name != path
    )
    return Named(
        pictures=pictures,
        rows=rows,
        answers=tuple(raw[name] for name in asked),
        testing=testing,
        groups=raw[groups] if groups else None,
        time=raw[time] if time else None,
        notes=notes,
        said=said,
        left_out=left_out,
    ).take(np.flatnonzero(rows >= 0))


def path_column(raw: RawTable, resolve: Resolve, where: str) -> str:
    """The text column most of whose values name a picture."""
    best, share = "", 0.0
    for column in raw.columns:
        if column.storage in ("text", "number") and (levels := _some_texts(column)):
            found = sum(resolve(level) is not None for level in levels) / len(levels)
            if found > share:
                best, share = column.name, found
    if share < 0.5:
        raise DataError(
            f"No column of {where} names the picture files; it needs one with paths such as 'cats/1.jpg' beside the "
            "column of labels."
        )
    return best


def _some_texts(column: RawColumn, most: int = 200) -> list[str]:
    if column.storage == "text":
        return list(column.levels[:most])
    values = column.values[:most]
    return [f"{value:.0f}" for value in values[np.isfinite(values)].tolist()]


def _split_column(raw: RawTable, path: str) -> RawColumn | None:
    """A column with a usual name all of whose values are usual names of parts."""
    for column in raw.columns:
        usual = column.name.strip().lower() in SPLIT_NAMES and column.name != path
        if usual and column.storage == "text" and column.levels and all(map(split_of, column.levels)):
            return column
    return None


def _testing(split: RawColumn | None, n_rows: int) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    none = np.zeros(n_rows, dtype=bool)
    if split is None:
        return none, ()
    is_test = np.array([*(split_of(level) == "test" for level in split.levels), False])
    testing = is_test[split.values]
    if testing.all() or not testing.any():
        return none, ()
    said = [f"{plain_count(int(testing.sum()), 'row')} that {split.name!r} calls test are kept apart."]
    if any(level.strip().lower().startswith(("val", "dev")) for level in split.levels):
        said.append("Rows for validation are learnt from: folds choose here.")
    return testing, tuple(said)


def _target_column(raw: RawTable, taken: set[str | None], where: str) -> str:
    free = [name for name in raw.names if name not in taken]
    usual = [name for name in free if name.strip().lower() in LABEL_NAMES]
    if len(usual) == 1 or len(free) == 1:
        return (usual or free)[0]
    if not free:
        raise DataError(f"{where} names pictures but has no column that says what is on them.")
    raise RequestError(
        f"Name the column of {where} to predict as target (--target); its columns are {some_names(free, 12)}."
    )


def resolved(column: RawColumn, resolve: Resolve, gone: str) -> tuple[list[Entry], IntArray, tuple[LeftOut, ...]]:
    """Distinct pictures by name, the picture of each row (-1: none), and names that lead nowhere, with ``gone``."""
    if column.storage == "number":
        codes, levels = encode_texts(None if np.isnan(v) else f"{v:.0f}" for v in column.values.tolist())
    else:
        codes, levels = column.values, column.levels
    entries = [resolve(level) for level in levels]
    pictures = sorted({entry.place: entry for entry in entries if entry}.values(), key=lambda entry: entry.name)
    at = {entry.place: row for row, entry in enumerate(pictures)}
    lookup = np.array([*(at[entry.place] if entry else -1 for entry in entries), -1], dtype=np.int64)
    left_out = tuple(LeftOut(level, gone) for level, entry in zip(levels, entries, strict=True) if entry is None)
    return pictures, lookup[codes], left_out
