"""A folder, or a zip archive, with a file for every series, or with recordings of which a table names windows.

What each is, a table beside them says: it has a column that names the files, as paths, names or stems; or the folder
that a file lies in is its class. Columns of the table with first and last row of a window make several series of a
file.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

import numpy as np

from annvil.data.dataset import Source
from annvil.data.readers.raw import RawTable
from annvil.data.readers.unpacking import is_hidden
from annvil.errors import DataError, RequestError
from annvil.kinds.found import Progress
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.reading.alike_files import AlikeFiles
from annvil.kinds.series.reading.columns import numbers_of
from annvil.kinds.series.reading.found import Found, end_to_end
from annvil.kinds.series.reading.long_tables import grows, steps_of
from annvil.kinds.series.reading.moments import TIME_NAMES, Moments, read_moments
from annvil.kinds.series.reading.named_files import NamedFiles, alone, by_folder, by_table
from annvil.options import ReadOptions
from annvil.tasks.base import FloatArray, IntArray
from annvil.text.safe import short_name, some_names

TABLES = frozenset((".csv", ".tsv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson", ".feather", ".arrow", ".xlsx"))
"""Endings of files that may hold a series, or say what the others are."""

USUAL_TABLES = ("labels", "label", "annotations", "metadata", "index", "windows", "series", "train")
"""Names of tables that say what the others are, the most telling first."""

MOST_FILES = 1_000_000
MOST_BYTES = 16 * 2**30
"""Files in a folder, and bytes of an archive once unpacked (assumed)."""


@contextmanager
def opened_folder(path: Path) -> Iterator[Path]:
    """The folder, or that with what an archive holds of use: members that lead out of it stay in it."""
    if path.is_dir():
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="annvil-") as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [one for one in archive.infolist() if _suffix(one.filename) in TABLES]
                if len(members) > MOST_FILES or sum(one.file_size for one in members) > MOST_BYTES:
                    raise DataError(f"{path.name} is too large to be read packed; unpack it and name the folder.")
                for member in members:
                    parts = [part for part in PurePosixPath(member.filename).parts if part not in ("..", "/", ".")]
                    place = Path(folder).joinpath(*parts)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(archive.read(member))
        except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
            raise DataError(f"{path.name} is damaged or protected and cannot be unpacked: {error}.") from None
        yield Path(folder)


def files_below(root: Path) -> list[Path]:
    """Files that may hold series or say what they are, in the order of their names."""
    found = []
    for folder, inside, names in os.walk(root):
        inside[:] = [name for name in inside if not is_hidden(name)]
        found += [Path(folder, name) for name in names if not is_hidden(name) and _suffix(name) in TABLES]
        if len(found) > MOST_FILES:
            raise DataError(f"{root.name} holds more than {MOST_FILES:,} files; name the folder with the series.")
    return sorted(found)


def table_beside(root: Path, files: Sequence[Path]) -> Path | None:
    """The table that says what the others are, by its name."""
    by_stem = {path.stem.lower(): path for path in reversed(files) if len(path.relative_to(root).parts) <= 2}
    return next((by_stem[name] for name in USUAL_TABLES if name in by_stem), None)


def class_folders(root: Path, files: Sequence[Path]) -> bool:
    """Whether files lie in folders of several classes, several in each."""
    counts = Counter(path.parent for path in files if path.parent != root)
    return (
        len({folder.name for folder in counts}) > 1 and min(counts.values()) > 1 and sum(counts.values()) == len(files)
    )


def read_folder(path: Path, ask: ReadOptions, labels: str | None, progress: Progress | None) -> Found:
    """The series of a folder or an archive; ``labels`` is the table that says what they are.

    Raises
    ------
    DataError, RequestError
        With file and row, and what to change.
    """
    with opened_folder(path) as root:
        files = files_below(root)
        beside = _given_table(labels, root) if labels is not None else table_beside(root, files)
        if beside is not None:
            others = [one for one in files if one != beside]
            named = by_table(beside, root, others, ask)
        elif class_folders(root, files):
            named = by_folder(root, files, ask)
        else:
            raise RequestError(
                f"Nothing says what the {len(files):,} files of {short_name(path.name)} are: name the table that does "
                "(--labels), with a column of file names and one to predict, or sort the files into a folder for every "
                "class."
            )
        return _read(path, root, named, ask, progress)


def files_to_predict(source: Path | Sequence[Path], form: SeriesForm) -> Found:
    """Series of files, of a folder or of an archive: those that a table in it names, or one in each file.

    Raises
    ------
    DataError
        Where there are none, or they lack a channel of the form.
    """
    ask = ReadOptions(time=form.time, missing=form.missing)
    if not isinstance(source, Path):
        return _read(Path("the files to predict"), None, alone(source), ask, None, form)
    with opened_folder(source) as root:
        files = files_below(root)
        beside = table_beside(root, files)
        others = [one for one in files if one != beside]
        if not others:
            raise DataError(f"{short_name(source.name)} holds no files of series.")
        named = alone(others, root) if beside is None else by_table(beside, root, others, ask, answered=False)
        return _read(source, root, named, ask, None, form)


def channels_in(raw: RawTable, ask: ReadOptions) -> tuple[tuple[str, ...], str | None]:
    """Columns of numbers of one file of a series, and the one of moments."""
    channels: list[str] = []
    time = ask.time if ask.time in raw.names else None
    for column in raw.columns:
        usual = column.name.strip().lower() in TIME_NAMES
        if (
            column.name == time
            or column.name in ask.drop
            or (ask.columns is not None and column.name not in ask.columns)
        ):
            continue
        found = numbers_of(column, raw, ask.missing)
        values = column.values if column.storage == "date" else found
        if time is None and usual and not isinstance(values, str) and grows(values):
            time = column.name
        elif not isinstance(found, str):
            channels.append(column.name)
    return tuple(channels), time


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _given_table(labels: str, root: Path) -> Path:
    found = next((place for place in (Path(labels), root / labels, root / Path(labels).name) if place.is_file()), None)
    if found is None:
        raise RequestError(f"There is no file {labels!r} of labels, neither here nor in {short_name(root.name)}.")
    return found


def _read(
    path: Path,
    root: Path | None,
    named: NamedFiles,
    ask: ReadOptions,
    progress: Progress | None,
    form: SeriesForm | None = None,
) -> Found:
    """The values of the files that are named, each read once; channels and time are those of the form, if there is one,
    else of the first file."""
    needed = np.unique(named.file_of)
    alike = AlikeFiles()
    if form is None:
        channels, time = channels_in(alike.read(named.files[needed[0]]), ask)
    else:
        channels, time = form.channels, form.time
    if not channels:
        raise DataError(f"{short_name(named.files[needed[0]].name)} of {path.name} has no column of numbers.")
    parts: list[FloatArray] = []
    moments: list[Moments | None] = []
    digest = sha256()
    for done, file in enumerate(needed.tolist()):
        name = named.files[file].name if root is None else named.files[file].relative_to(root).as_posix()
        values, found = _values_of(alike.read(named.files[file]), name, channels, time, ask.missing)
        parts.append(values)
        moments.append(found)
        digest.update(np.ascontiguousarray(values).tobytes())
        if progress is not None:
            progress(done + 1, len(needed))
    lengths, place = np.array([*map(len, parts)], dtype=np.int64), np.searchsorted(needed, named.file_of)
    begins = end_to_end(lengths)[place]
    first, counts = _windows(named, lengths[place], path)
    codes = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(codes)) - end_to_end(counts)[codes] + first[codes]
    rows = begins[codes] + within
    present = [one for one in moments if one is not None]
    told = None
    if present and len(present) == len(moments):
        told = replace(present[0], values=np.concatenate([one.values for one in present])[rows])
    values = np.concatenate(parts)[rows]
    made = steps_of(values, codes, np.arange(len(rows)), told, named.names, short_name(path.name), rows=within)
    source = Source(
        path.name, str(path.absolute()), digest.hexdigest(), sum(named.files[f].stat().st_size for f in needed)
    )
    return Found(
        values=made.values,
        starts=end_to_end(made.lengths),
        channels=channels,
        names=named.names,
        answers=named.answers,
        testing=named.testing,
        groups=named.groups,
        time=named.time,
        brought={"layout": "files", "time": time, "every": made.every},
        notes=named.notes,
        said=(*named.said, *made.said),
        source=source,
        certain="folders" if named.certain else "",
    )


def _windows(named: NamedFiles, lengths: IntArray, path: Path) -> tuple[IntArray, IntArray]:
    """First row of each series in its file, and how many rows it has; ``lengths`` are those of the files."""
    whole = named.first < 0
    first, last = np.where(whole, 0, named.first), np.where(whole, lengths, named.last)
    bad = np.flatnonzero((first >= last) | (last > lengths))
    if len(bad):
        raise DataError(
            f"{short_name(named.names[bad[0]])!r} of {short_name(path.name)} names rows that its file of "
            f"{lengths[bad[0]]:,} rows does not have; first and last row count from 0, and the last is not included."
        )
    return first, last - first


def _values_of(
    raw: RawTable, name: str, channels: Sequence[str], time: str | None, missing: Collection[str]
) -> tuple[FloatArray, Moments | None]:
    """Channels ``(rows, channels)`` of one file, and its moments."""
    lacking = [channel for channel in channels if channel not in raw.names]
    if lacking:
        raise DataError(
            f"{short_name(name)} has no column {lacking[0]!r}, which the other files have; its columns are "
            f"{some_names(raw.names, 8)}."
        )
    found = []
    for channel in channels:
        values = numbers_of(raw[channel], raw, missing)
        if isinstance(values, str):
            raise DataError(f"Column {channel!r} of {short_name(name)} holds {values}; a channel is of numbers.")
        found.append(values)
    if not raw.n_rows:
        raise DataError(f"{short_name(name)} has no rows.")
    moments = None
    if time is not None and time in raw.names:
        moments = read_moments(raw[time], missing, short_name(name), [name], np.zeros(raw.n_rows, dtype=np.int64))
    return np.stack(found, axis=1), moments
