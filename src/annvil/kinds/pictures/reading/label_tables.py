"""A table that names pictures: ``path,label``, several labels or a number; groups and an official split if it has."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from annvil.data.dataset import ColumnNote
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.labels import LABEL_NAMES
from annvil.data.readers.parts import part_of, part_said
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.data.readers.split_columns import kept_for_testing, split_column
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.pictures.reading.found import Named, joined
from annvil.kinds.pictures.reading.listing import Entry, Listing, archive_opened
from annvil.kinds.pictures.reading.resolving import Resolve, resolved, some_texts
from annvil.text.safe import short_name, some_names

SUREST = LABEL_NAMES[:4]
"""Where one of these is there, the other names say something else: x, y, width and height of a box."""

ORIGIN = "origin"
"""A column of this name says which pictures are copies of one (`annvil augment` writes it)."""

USUAL_TABLES = ("labels", "label", "annotations", "metadata", "index", "train", "data")
MOST_TABLES = 8
"""Tables beside the pictures that are looked into (assumed)."""

FEW_CLASSES = 50
"""A column with at most so many different values, each five times on average, may be the classes (assumed)."""


def tables_beside(listing: Listing) -> list[Entry]:
    """Tables that may say what is on the pictures, those with a usual name first, higher ones before lower ones."""

    def rank(entry: Entry) -> tuple[bool, int, str]:
        words = re.findall("[a-z]+", Path(entry.parts[-1]).stem.lower())
        return not set(words) & {*USUAL_TABLES}, len(entry.parts), entry.name

    return sorted((entry for entry in listing.tables if len(entry.parts) <= 3), key=rank)[:MOST_TABLES]


def role_of(entry: Entry) -> str | None:
    """The part of the data that a table is of, by its name or the folder that it lies in."""
    return part_said(Path(entry.parts[-1]).stem) or next(filter(None, map(part_of, reversed(entry.parts[:-1]))), None)


def with_other_parts(
    named: Named, listing: Listing, table: Entry, path: str, read: Callable[[Entry], tuple[RawTable, Resolve]]
) -> tuple[Named, list[str]]:
    """What tables of the other parts of the data say, too (``val.csv`` and ``test.csv`` beside ``train.csv``), and
    their names: those with the same columns of paths and answers.

    ``read`` gives a table whole, and how its names are resolved.
    """
    parts, target = {role_of(table): named}, [column.name for column in named.answers]
    names: list[str] = []
    for other in listing.tables:
        role = role_of(other)
        if None in (*parts, role) or role in parts:
            continue
        try:
            raw, resolve = read(other)
            if not {path, *target} <= set(raw.names):
                continue
            more = by_table(raw, resolve, other.name, path=path, target=target)
        except DataError:
            continue  # about something else
        if not any(len(column.levels) or np.isfinite(column.values).any() for column in more.answers):
            continue  # what is on them is for others to find out
        parts[role] = replace(more, testing=more.testing | (role == "test"))
        names.append(other.name)
    if set(parts) - {"test"}:
        parts = {role: replace(part, testing=part.testing | (role == "test")) for role, part in parts.items()}
    whole = joined(list(parts.values())) if names and named.groups is named.time is None else None
    return (named, []) if whole is None else (whole, names)


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
    split = split_column(raw.columns, path)
    asked = [target] if isinstance(target, str) else list(target or ())
    if len(asked) == 1 and asked[0] not in raw.names and "," in asked[0]:
        asked = [name.strip() for name in asked[0].split(",")]
    for name in (*asked, *(name for name in (groups, time) if name)):
        if name not in raw.names:
            raise RequestError(
                f"{where} has no column {short_name(name)!r}.{did_you_mean(name, raw.names)} "
                f"Its columns are {some_names(raw.names, 12)}."
            )
    chosen: tuple[str, ...] = ()
    if not asked:
        found, chosen = _target_column(raw, {path, groups, time, split.name if split else None}, where)
        asked = [found]
    pictures, rows, left_out = resolved(raw[path], resolve, "is named in the table of labels but is not there")
    if not pictures:
        raise DataError(f"None of the files that {where} names in {path!r} is there: {some_names(raw[path].levels)}.")
    testing, said = kept_for_testing(split, raw.n_rows)
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
        said=(*chosen, *said),
        left_out=left_out,
    ).take(np.flatnonzero(rows >= 0))


def path_column(raw: RawTable, resolve: Resolve, where: str) -> str:
    """The text column most of whose values name a picture."""
    best, share = "", 0.0
    for column in raw.columns:
        if column.storage in ("text", "number") and (levels := some_texts(column)):
            found = sum(resolve(level) is not None for level in levels) / len(levels)
            if found > share:
                best, share = column.name, found
    if share < 0.5:
        raise DataError(
            f"No column of {where} names the picture files; it needs one with paths such as 'cats/1.jpg' beside the "
            "column of labels."
        )
    return best


def is_of_labels(entry: Entry) -> bool:
    """Whether a table is called one of labels."""
    return Path(entry.parts[-1]).stem.lower() in ("labels", "label", "annotations")


def has_labels(raw: RawTable, asked: str | Sequence[str] | None) -> bool:
    """Whether a table has the columns asked for, or one with a usual name of labels."""
    if asked is not None:
        names = [asked] if isinstance(asked, str) else asked
        return {*names} <= {*raw.names} or {*names[0].split(",")} <= {*raw.names}
    return any(name.strip().lower() in LABEL_NAMES for name in raw.names)


def _target_column(raw: RawTable, taken: set[str | None], where: str) -> tuple[str, tuple[str, ...]]:
    """The target, and a sentence where it was chosen among several."""
    free = [name for name in raw.names if name not in taken]
    usual = [name for name in free if name.strip().lower() in LABEL_NAMES]
    usual = [name for name in usual if name.strip().lower() in SUREST] or usual
    if len(usual) == 1 or len(free) == 1:
        return (usual or free)[0], ()
    if not free:
        raise DataError(f"{where} names pictures but has no column that says what is on them.")
    classes = [name for name in free if _may_be_classes(raw[name], raw.n_rows)]
    if not usual and len(classes) == 1:
        return classes[0], (f"{classes[0]!r} is taken for the target: no other column of {where} could hold classes.",)
    raise RequestError(
        f"Name the column of {where} to predict as target (--target); its columns are {some_names(free, 12)}."
    )


def _may_be_classes(column: RawColumn, n_rows: int) -> bool:
    if column.storage not in ("text", "boolean"):
        return column.storage == "number"  # a number may be what to predict
    return 2 <= len(column.levels) <= FEW_CLASSES and 5 * len(column.levels) <= n_rows
