"""Which pictures and which answers a source names: a folder, an archive, a table, arrays, or a list of paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawColumn, column_from_array, column_from_texts, column_from_values
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.pictures.images import LeftOut, Store
from annvil.kinds.pictures.reading.arrays import Stack, digits, images_from_arrays, read_stacks
from annvil.kinds.pictures.reading.decoded import decoded
from annvil.kinds.pictures.reading.detection import DIGITS, are_paths
from annvil.kinds.pictures.reading.filling import Progress
from annvil.kinds.pictures.reading.folders import by_folder
from annvil.kinds.pictures.reading.found import Found, counted
from annvil.kinds.pictures.reading.label_tables import (
    ORIGIN,
    ByTable,
    by_table,
    find_table,
    in_listing,
    names_pictures,
    on_disk,
    path_column,
    read_table,
)
from annvil.kinds.pictures.reading.listing import SUFFIXES, Entry, Listing, is_array, list_archive, list_folder
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

    def decoded(self, listing: Listing) -> Store:
        """The pictures of a listing."""
        return decoded(listing, size=self.size, workers=self.workers, progress=self.progress)


def find_pictures(source: Any, asked: Asked) -> Found:
    if isinstance(source, tuple) and len(source) == 2:
        return _from_pair(*source, asked)
    if source == DIGITS:
        return _from_stacks(digits(), None, DIGITS, None, 0, asked)
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
        return _from_array_files(_with_partner(path), path.name, path, asked)
    if path.suffix.lower() in SUFFIXES:
        raise RequestError(f"{path.name} is one picture; name the folder of all of them.")
    return _from_table(path, asked)


def _from_pair(X: Any, y: Any, asked: Asked) -> Found:
    answers = y if isinstance(y, np.ndarray) or not hasattr(y, "__array__") else np.asarray(y)
    if are_paths(X):
        return _from_paths([str(path) for path in X], answers, asked)
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    return _from_stacks(Stack(array, answers), None, "data", None, array.nbytes, asked)


def _from_paths(paths: Sequence[str], y: Any, asked: Asked) -> Found:
    """A list of paths and as many answers."""
    answers = _answer_columns(y)
    if len(paths) != len(y):
        raise DataError(f"There are {len(paths)} paths and {len(y)} answers; they must be equal.")
    column = column_from_texts("path", paths)
    resolve = on_disk(Path())
    entries = [resolve(level) for level in column.levels]
    gone = [LeftOut(level, "is not there") for level, entry in zip(column.levels, entries, strict=True) if not entry]
    pictures = [entry for entry in entries if entry]
    if not pictures:
        raise DataError(f"None of the {len(paths)} picture files is there: {some_names(column.levels)}.")
    at = iter(range(len(pictures)))
    lookup = np.array([*(next(at) if entry else -1 for entry in entries), -1])
    rows = lookup[column.values]
    listing = Listing(Path(), pictures=pictures)
    store = asked.decoded(listing)
    found = Found("data", None, 0, store, rows, answers, np.zeros(len(rows), dtype=bool), left_out=tuple(gone))
    return found.take(np.flatnonzero(rows >= 0))


def _from_listing(listing: Listing, asked: Asked) -> Found:
    """A folder or an archive: by its table of labels, by its arrays, or by its folders."""
    path = listing.archive or listing.root
    folders = any(len(entry.parts) > 1 for entry in listing.pictures)
    table = find_table(listing, folders) if listing.pictures else None
    if table is not None:
        found = _from_inner_table(listing, table, asked)
        if found is not None:
            return found
    if listing.arrays and not listing.pictures and listing.archive is None:
        return _from_array_files([Path(entry.place) for entry in listing.arrays], listing.shown, path, asked)
    if listing.arrays and not listing.pictures:
        return _from_packed_arrays(listing, asked)
    _refuse_columns(asked, listing.shown, "folders hold the classes")
    made = by_folder(listing)
    chosen = replace(listing, pictures=made.pictures)
    store = asked.decoded(chosen)
    said = (*made.said, *_others(listing))
    return Found(
        listing.shown,
        path.absolute(),
        sum(entry.n_bytes for entry in made.pictures),
        store,
        np.arange(len(made.pictures)),
        (made.answer,),
        made.testing,
        said=said,
        certain="folders",
    )


def _others(listing: Listing) -> tuple[str, ...]:
    if not listing.others:
        return ()
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in listing.others.most_common(4))
    return (f"Files of other kinds are not looked at: {kinds}.",)


def _refuse_columns(asked: Asked, where: str, why: str) -> None:
    """There is no table of labels that a column could be in."""
    for argument, value in (("target", asked.target), ("groups", asked.groups), ("time", asked.time)):
        if value is not None:
            hint = " To name groups, pass a table of paths and groups (--groups patients.csv)." * (argument == "groups")
            raise RequestError(f"{where} has no column {value!r} ({argument}): {why}.{hint}")


def _from_inner_table(listing: Listing, table: Entry, asked: Asked) -> Found | None:
    """By the table of labels beside the pictures; None where it is about something else."""
    folder = table.name.removesuffix(table.parts[-1])
    raw = read_table(listing, table, Wanted())
    asked, kept_together = _by_origin(asked, raw.names)
    wanted = Wanted(whole=set(raw.names), texts={asked.groups} - {None})  # type: ignore[arg-type]
    if any(column.about_unique for column in raw.columns) or asked.groups:
        raw = read_table(listing, table, wanted)
    where = f"{short_name(table.name)} in {listing.shown}"
    try:
        rows = by_table(
            raw, in_listing(listing, folder), where, target=asked.target, groups=asked.groups, time=asked.time
        )
    except DataError:
        if any(len(entry.parts) > 1 for entry in listing.pictures) and asked.target is None:
            return None  # some other table; the folders say the classes
        raise
    path = listing.archive or listing.root
    unnamed = len(listing.pictures) - len(rows.pictures)
    said = [f"{short_name(table.name)} says what is on the pictures.", *kept_together]
    if unnamed:
        said.append(f"{counted(unnamed, 'picture')} that it does not name left out.")
    listing = replace(listing, pictures=rows.pictures)
    return _by_rows(listing, rows, listing.shown, path.absolute(), tuple(said), asked)


def _by_rows(listing: Listing, rows: ByTable, name: str, path: Path, said: tuple[str, ...], asked: Asked) -> Found:
    return Found(
        name,
        path,
        sum(entry.n_bytes for entry in rows.pictures),
        asked.decoded(listing),
        rows.rows,
        rows.answers,
        rows.testing,
        rows.groups,
        rows.time,
        rows.notes,
        (*said, *rows.said),
        rows.left_out,
    )


def _from_table(path: Path, asked: Asked) -> Found:
    """A table of paths and labels; the paths start at its own folder."""
    raw = read_file(path)
    column = names_pictures(raw, path.parent)
    if column is None:
        raise DataError(f"{path.name} names no picture files that are there.")
    asked, said = _by_origin(asked, raw.names)
    raw = read_file(path, Wanted(whole=set(raw.names), texts={name for name in (asked.groups,) if name}))
    rows = by_table(
        raw, on_disk(path.parent), path.name, path=column, target=asked.target, groups=asked.groups, time=asked.time
    )
    listing = Listing(path.parent, pictures=rows.pictures)
    return _by_rows(listing, rows, path.name, path.absolute(), said, asked)


def _by_origin(asked: Asked, columns: Sequence[str]) -> tuple[Asked, tuple[str, ...]]:
    """Copies of one picture stay together, where the table says which those are and no other groups were asked for."""
    wants = (asked.target,) if asked.target is None or isinstance(asked.target, str) else asked.target
    free = asked.groups is None and asked.groups_file is None and ORIGIN not in wants
    if not free or ORIGIN not in columns or len(columns) < 3:
        return asked, ()
    return replace(asked, groups=ORIGIN), (f"Pictures of the same {ORIGIN!r} stay on one side of every split.",)


def _with_partner(path: Path) -> list[Path]:
    """An array file and what lies beside it under a name that differs by images/labels or X/y only."""
    name = path.name
    if path.name.lower().endswith(".npz"):
        return [path]
    swaps = (("images", "labels"), ("idx3", "idx1"), ("X", "y"), ("x", "y"), ("data", "labels"))
    swapped = name.replace("images", "labels").replace("idx3", "idx1")
    beside = {path.with_name(swapped), *(path.with_name(name.replace(a, b)) for a, b in swaps)}
    partners = sorted(other for other in beside if other != path and other.is_file())
    if not partners:
        raise DataError(
            f"{name} holds pictures but no answers; put a file such as {swapped!r} beside it, or pass (X, y)."
        )
    return [path, partners[0]]


def _from_array_files(paths: Sequence[Path], name: str, path: Path, asked: Asked) -> Found:
    train, test = read_stacks(paths, name)
    return _from_stacks(train, test, name, path.absolute(), sum(p.stat().st_size for p in paths), asked)


def _from_packed_arrays(listing: Listing, asked: Asked) -> Found:
    """Array files in an archive, unpacked under names of ours for as long as they are read."""
    import tempfile

    from annvil.kinds.pictures.reading.arrays import MOST_BYTES
    from annvil.kinds.pictures.reading.listing import archive_opened

    assert listing.archive is not None
    if sum(entry.n_bytes for entry in listing.arrays) > MOST_BYTES:
        raise DataError(f"{listing.shown} would unpack to more than {MOST_BYTES >> 30} GiB; unpack it first.")
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder, archive_opened(listing.archive) as archive:
        paths = []
        for i, entry in enumerate(listing.arrays):
            plain = Path(folder) / f"{i}-{short_name(entry.parts[-1])}"
            with archive.open(entry.place) as member, plain.open("wb") as out:
                while chunk := member.read(2**20):
                    out.write(chunk)
            paths.append(plain)
        train, test = read_stacks(paths, listing.shown)
        train, test = _loaded(train), None if test is None else _loaded(test)
    n_bytes = listing.archive.stat().st_size
    return _from_stacks(train, test, listing.shown, listing.archive.absolute(), n_bytes, asked)


def _loaded(stack: Stack) -> Stack:
    return Stack(np.array(stack.X), None if stack.y is None else np.array(stack.y))


def _from_stacks(train: Stack, test: Stack | None, name: str, path: Path | None, n_bytes: int, asked: Asked) -> Found:
    if asked.target not in (None, "label", "target"):  # the answers of arrays are called label
        _refuse_columns(asked, name, "it holds arrays")
    _refuse_columns(replace(asked, target=None), name, "it holds arrays")
    X, y = train.X, train.y
    if y is None or len(X) != len(y):
        raise DataError(f"X has {counted(len(X), 'picture')} and y has {0 if y is None else len(y)} answers.")
    answers = _answer_columns(y)
    testing = np.zeros(len(X), dtype=bool)
    said: tuple[str, ...] = ()
    if test is not None and test.y is not None:
        if test.X.shape[1:] != X.shape[1:] or len(test.X) != len(test.y):
            raise DataError(f"{name} holds training and test pictures of different shapes, or too few answers.")
        testing = np.arange(len(X) + len(test.X)) >= len(X)
        X = np.concatenate([X, test.X])
        answers = _answer_columns(np.concatenate([np.asarray(y), np.asarray(test.y)]))
        said = (f"{counted(len(test.X), 'picture')} for testing are kept apart.",)
    images = images_from_arrays(X, size=asked.size)
    return Found(name, path, n_bytes, images.store, images.index, answers, testing, said=said, certain="codes")


def _answer_columns(y: Any) -> tuple[RawColumn, ...]:
    """Answers in memory as columns: one, or one per label where rows have several of 0 and 1."""
    array = np.asarray(y) if isinstance(y, np.ndarray) else None
    if array is None or array.ndim == 0:
        return (column_from_values("label", list(y)),)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 1:
        return (column_from_array("label", array),)
    if array.ndim != 2:
        raise DataError(f"Answers are one value a picture, or 0 and 1 (n, labels); got {array.shape}.")
    ones = np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
    if ones:  # one label each, written as a row of zeros with a one
        return (column_from_array("label", array.argmax(axis=1)),)
    return tuple(column_from_array(f"label {k + 1}", array[:, k]) for k in range(array.shape[1]))


def with_groups_file(found: Found, path: Path | None) -> tuple[Found, tuple[str, ...]]:
    """Groups from a table of their own."""
    if path is None:
        return found, ()
    raw = read_file(path)
    raw = read_file(path, Wanted(whole=set(raw.names), texts=set(raw.names)))
    names = found.store.names
    listing = Listing(path.parent, pictures=[Entry(name, str(row), 0, 0) for row, name in enumerate(names)])
    resolve = in_listing(listing, "")
    table = by_table(raw, resolve, path.name, target=_group_column(raw.names, resolve, raw))
    of_picture: dict[int, int] = {}
    column = table.answers[0]
    for row, code in zip(table.rows.tolist(), column.values.tolist(), strict=True):
        picture = int(table.pictures[row].place)
        if of_picture.setdefault(picture, code) != code:
            raise DataError(f"{path.name} puts {short_name(names[picture])!r} into two groups.")
    codes = np.array([of_picture.get(picture, -1) for picture in found.rows.tolist()], dtype=np.int32)
    alone = int((codes < 0).sum())
    said = (f"{counted(alone, 'picture')} that {path.name} does not name make a group each.",) if alone else ()
    return replace(found, groups=RawColumn(column.name, "text", codes, column.levels)), said


def _group_column(names: Sequence[str], resolve: Any, raw: Any) -> str:
    path = path_column(raw, resolve, raw.source.name)
    free = [name for name in names if name != path]
    usual = [name for name in free if name.strip().lower() in ("group", "groups", "patient", "patient_id", "subject")]
    if len(free) != 1 and len(usual) != 1:
        raise RequestError(f"{raw.source.name} must have two columns, paths and groups; it has {some_names(names)}.")
    return (usual or free)[0]
