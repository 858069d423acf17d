"""Which pictures and which answers a source names: a folder, an archive, a table, arrays, or a list of paths."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.numpy_files import MOST_BYTES
from annvil.data.readers.parts import part_of, says_nothing
from annvil.data.readers.raw import RawTable, column_from_texts
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.pictures.reading.array_files import Stack, read_stack, with_partner
from annvil.kinds.pictures.reading.arrays import digits, images_from_arrays, stacked
from annvil.kinds.pictures.reading.decoded import decoded
from annvil.kinds.pictures.reading.detection import DIGITS, are_paths, are_pictures
from annvil.kinds.pictures.reading.filling import Progress
from annvil.kinds.pictures.reading.folders import by_folder
from annvil.kinds.pictures.reading.found import Found, Named, answer_columns
from annvil.kinds.pictures.reading.label_tables import (
    ORIGIN,
    by_table,
    has_labels,
    is_of_labels,
    path_column,
    read_table,
    tables_beside,
    with_other_parts,
)
from annvil.kinds.pictures.reading.listing import (
    SUFFIXES,
    Entry,
    Listing,
    archive_opened,
    is_array,
    list_archive,
    list_folder,
)
from annvil.kinds.pictures.reading.resolving import (
    Resolve,
    beside_table,
    in_listing,
    names_pictures,
    on_disk,
    resolved,
)
from annvil.text.phrases import listed
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names


@dataclass(frozen=True)
class Asked:
    """The arguments that finding needs; ``groups`` is a column, ``groups_file`` a table."""

    target: str | Sequence[str] | None
    groups: str | None
    groups_file: Path | None
    time: str | None
    size: int | Sequence[int] | None
    workers: int
    progress: Progress | None

    @property
    def columns(self) -> dict[str, Any]:
        """Columns of a table of labels, by what they are for."""
        return {"target": self.target, "groups": self.groups, "time": self.time}


def find_pictures(source: Any, asked: Asked) -> Found:
    if isinstance(source, tuple) and len(source) == 2:
        return _from_pair(*source, asked)
    if source == DIGITS:
        return _from_stack(digits(), DIGITS, None, 0, asked)
    path = Path(source)
    if not path.exists():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise RequestError(f"There is no file or folder {str(path)!r}.{near}")
    if path.is_dir():
        return _from_listing(list_folder(path), asked)
    name = path.name.lower()
    if name.endswith(".zip"):
        return _from_listing(list_archive(path), asked)
    if is_array(name):
        return _from_array_files(with_partner(path), path.name, path, asked)
    if path.suffix.lower() in SUFFIXES:
        raise RequestError(f"{path.name} is one picture; name the folder of all of them.")
    return _from_table(path, asked)


def _from_pair(X: Any, y: Any, asked: Asked) -> Found:
    answers = y if isinstance(y, np.ndarray) or not hasattr(y, "__array__") else np.asarray(y)
    if are_paths(X):
        return _from_paths([str(path) for path in X], answers, asked)
    array = X if isinstance(X, np.ndarray) else stacked(X) if are_pictures(X) else np.asarray(X)
    return _from_stack(Stack(array, answers), "data", None, array.nbytes, asked)


def _from_paths(paths: Sequence[str], y: Any, asked: Asked) -> Found:
    """A list of paths and as many answers."""
    if len(paths) != len(y):
        raise DataError(f"There are {len(paths)} paths and {len(y)} answers; they must be equal.")
    column = column_from_texts("path", paths)
    pictures, rows, gone = resolved(column, on_disk(Path()), "is not there")
    if not pictures:
        raise DataError(f"None of the {len(paths)} picture files is there: {some_names(column.levels)}.")
    testing = np.zeros(len(rows), dtype=bool)
    named = Named(pictures=pictures, rows=rows, answers=answer_columns(y), testing=testing, left_out=gone)
    return _decoded(named.take(np.flatnonzero(rows >= 0)), Listing(Path()), asked, "data", None)


def _decoded(
    named: Named, listing: Listing, asked: Asked, name: str, path: Path | None, said: Sequence[str] = ()
) -> Found:
    """What is named, with the pictures themselves; ``said`` comes before what naming them said."""
    chosen = replace(listing, pictures=list(named.pictures))
    store = decoded(chosen, size=asked.size, workers=asked.workers, progress=asked.progress)
    n_bytes = sum(entry.n_bytes for entry in named.pictures)
    named = replace(named, said=(*said, *named.said))
    return Found(**vars(named), name=name, path=path and path.absolute(), n_bytes=n_bytes, store=store)


def _from_listing(listing: Listing, asked: Asked) -> Found:
    """A folder or an archive: by its table of labels, by its arrays, or by its folders."""
    path = listing.archive or listing.root
    folders = any(len(entry.parts) > 1 for entry in listing.pictures)
    told: list[str] = []
    for table in tables_beside(listing) if listing.pictures else ():
        found = _from_inner_table(listing, table, asked, folders, told)
        if found:
            return found
    if listing.arrays and not listing.pictures:
        if listing.archive is not None:
            return _from_packed_arrays(listing, listing.archive, asked)
        return _from_array_files([Path(entry.place) for entry in listing.arrays], listing.shown, path, asked)
    _refuse_columns(asked.columns, listing.shown, "folders hold the classes")
    try:
        named = by_folder(listing)
    except DataError as error:
        raise DataError(" ".join((str(error), *told))) from None
    return _decoded(replace(named, said=(*named.said, *told, *_others(listing))), listing, asked, listing.shown, path)


def _others(listing: Listing) -> tuple[str, ...]:
    if not listing.others:
        return ()
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in listing.others.most_common(4))
    return (f"Files of other kinds are not looked at: {kinds}.",)


def _refuse_columns(columns: Mapping[str, Any], where: str, why: str) -> None:
    """There is no table of labels that a column could be in."""
    for argument, value in columns.items():
        if value is not None:
            hint = " To name groups, pass a table of paths and groups (--groups patients.csv)." * (argument == "groups")
            raise RequestError(f"{where} has no column {value!r} ({argument}): {why}.{hint}")


def _from_inner_table(listing: Listing, table: Entry, asked: Asked, folders: bool, told: list[str]) -> Found | None:
    """By a table of labels beside the pictures; None where it is about something else, or folders hold the classes.

    ``told`` learns of a table that names the pictures and is not used.
    """
    where = f"{short_name(table.name)} in {listing.shown}"
    resolve = _resolving(listing, table)
    try:
        raw = read_table(listing, table, Wanted())
        raw = read_table(listing, table, Wanted(texts=set(raw.names)))  # 1e5 may be a name
        path = path_column(raw, resolve, where)
    except DataError:
        if is_of_labels(table):
            told.append(
                f"{short_name(table.name)} is not used: none of its columns names the pictures, each one of them."
            )
        if folders or asked.target is not None or len(listing.tables) > 1:
            return None  # some other table
        raise
    sure = has_labels(raw, asked.target) or (asked.target is None and is_of_labels(table))
    if not sure and (asked.target is not None or not _are_shards(listing)):
        if asked.target is None:
            told.append(f"{short_name(table.name)} names the pictures, too; --target COLUMN learns a column of it.")
        return None
    asked, kept_together = _by_origin(asked, raw.names)
    raw = read_table(listing, table, _whole(raw, asked, path))
    named = by_table(raw, resolve, where, path=path, **asked.columns)

    def read(other: Entry) -> tuple[RawTable, Resolve]:
        names = read_table(listing, other, Wanted()).names
        return read_table(listing, other, Wanted(whole=set(names), texts={path})), _resolving(listing, other)

    named, others = with_other_parts(named, listing, table, path, read)
    testing = plain_count(int(named.testing.sum()), "row")
    named, apart = _kept_apart(named)
    if others:
        apart = (f"{testing} of the table for testing are kept apart.",) if named.testing.any() else ()
    tables = listed([short_name(name) for name in (table.name, *others)])
    said = [f"{tables} {'say' if others else 'says'} what is on the pictures.", *kept_together, *apart]
    unnamed = len(listing.pictures) - len(named.pictures)
    if unnamed:
        said.append(f"{plain_count(unnamed, 'picture')} that it does not name left out.")
    return _decoded(named, listing, asked, listing.shown, listing.archive or listing.root, said)


def _resolving(listing: Listing, table: Entry) -> Resolve:
    return in_listing(listing, table.name.removesuffix(table.parts[-1]))


def _are_shards(listing: Listing) -> bool:
    """Whether no folder says a class: pictures lie together, in parts of the data, or in folders that say nothing."""
    folders = {name for entry in listing.pictures for name in entry.parts[:-1]}
    return all(part_of(name) or says_nothing(name) for name in folders) or len(folders) == 1


def _kept_apart(named: Named) -> tuple[Named, tuple[str, ...]]:
    """Pictures below a folder for testing, where the table itself keeps nothing apart."""
    parts = [next(filter(None, map(part_of, entry.parts[:-1])), None) for entry in named.pictures]
    testing = np.array([part == "test" for part in parts], dtype=bool)[named.rows]
    if named.testing.any() or testing.all() or not testing.any():
        return named, ()
    said = (f"{plain_count(int(testing.sum()), 'picture')} in the folder for testing are kept apart.",)
    return replace(named, testing=testing), said


def _from_table(path: Path, asked: Asked) -> Found:
    """A table of paths and labels; the paths start at its own folder."""
    raw = read_file(path)
    column = names_pictures(raw, path.parent)
    if column is None:
        raise DataError(f"{path.name} names no picture files that are there.")
    asked, said = _by_origin(asked, raw.names)
    raw = read_file(path, _whole(raw, asked, column))
    named = by_table(raw, beside_table(raw, column, path.parent), path.name, path=column, **asked.columns)
    return _decoded(named, Listing(path.parent), asked, path.name, path, said)


def _whole(raw: RawTable, asked: Asked, path: str) -> Wanted:
    """Every value of every column, names of pictures and of groups as they are written."""
    return Wanted(whole=set(raw.names), texts={path, *([asked.groups] if asked.groups else [])})


def _by_origin(asked: Asked, columns: Sequence[str]) -> tuple[Asked, tuple[str, ...]]:
    """Copies of one picture stay together, where the table says which those are and no other groups were asked for."""
    wants = (asked.target,) if asked.target is None or isinstance(asked.target, str) else asked.target
    free = asked.groups is None and asked.groups_file is None and ORIGIN not in wants
    if not free or ORIGIN not in columns or len(columns) < 3:
        return asked, ()
    return replace(asked, groups=ORIGIN), (f"Pictures of the same {ORIGIN!r} stay on one side of every split.",)


def _from_array_files(paths: Sequence[Path], name: str, path: Path, asked: Asked) -> Found:
    return _from_stack(read_stack(paths, name), name, path, sum(p.stat().st_size for p in paths), asked)


def _from_packed_arrays(listing: Listing, archive: Path, asked: Asked) -> Found:
    """Array files in an archive, unpacked under names of ours for as long as they are read."""
    if sum(entry.n_bytes for entry in listing.arrays) > MOST_BYTES:
        raise DataError(f"{listing.shown} would unpack to more than {MOST_BYTES >> 30} GiB; unpack it first.")
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder, archive_opened(archive) as members:
        paths = [Path(folder) / f"{i}-{short_name(entry.parts[-1])}" for i, entry in enumerate(listing.arrays)]
        for plain, entry in zip(paths, listing.arrays, strict=True):
            with members.open(entry.place) as member, plain.open("wb") as out:
                shutil.copyfileobj(member, out)
        stack = read_stack(paths, listing.shown)
        stack = replace(stack, X=np.array(stack.X), y=np.array(stack.y))
    return _from_stack(stack, listing.shown, archive, archive.stat().st_size, asked)


def _from_stack(stack: Stack, name: str, path: Path | None, n_bytes: int, asked: Asked) -> Found:
    known = {"target": None} if asked.target in ("label", "target") else {}  # the answers of arrays are called label
    _refuse_columns(asked.columns | known, name, "it holds arrays")
    n = len(stack.X)
    if n != len(stack.y):
        raise DataError(f"X has {plain_count(n, 'picture')} and y has {len(stack.y)} answers.")
    kept_apart = f"{plain_count(stack.n_testing, 'picture')} for testing are kept apart."
    images = images_from_arrays(stack.X, size=asked.size)
    return Found(
        rows=images.index,
        answers=answer_columns(stack.y),
        testing=np.arange(n) >= n - stack.n_testing,
        said=(kept_apart,) if stack.n_testing else (),
        certain="codes",
        name=name,
        path=path and path.absolute(),
        n_bytes=n_bytes,
        store=images.store,
    )
