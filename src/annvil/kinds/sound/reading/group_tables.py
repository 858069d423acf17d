"""Who speaks, from a table of their own: ``path,speaker``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from annvil.data.readers.raw import RawColumn, column_from_texts
from annvil.errors import DataError, RequestError
from annvil.kinds.sound.reading.label_tables import SPEAKER_NAMES, in_listing, names_sounds, texts_of
from annvil.kinds.sound.reading.listing import Entry, Listing
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names

GROUP_NAMES = (*SPEAKER_NAMES, "group", "groups", "session", "recording")


def groups_of_files(path: Path, files: Sequence[str]) -> tuple[RawColumn, tuple[str, ...]]:
    """The group of every file, which ``files`` names, and what there is to say.

    Raises
    ------
    RequestError, DataError
        Where the table has no column of paths or of groups, or puts a file into two groups.
    """
    raw = texts_of(path)
    known = {name: Entry(name, name, 0, 0) for name in files}
    resolve = in_listing(Listing(path.parent, sounds=[*known.values()]))
    named = names_sounds(raw, resolve)
    if named is None:
        raise DataError(f"No column of {path.name} names the clips; it needs one with paths such as 'yes/1.wav'.")
    free = [name for name in raw.names if name != named]
    usual = [name for name in free if name.strip().lower() in GROUP_NAMES]
    if len(free) != 1 and len(usual) != 1:
        raise RequestError(f"{path.name} must have two columns, paths and speakers; it has {some_names(raw.names)}.")
    column = raw[(usual or free)[0]]
    of_file: dict[str, str] = {}
    paths = raw[named]
    for at, code in zip(paths.values.tolist(), column.values.tolist(), strict=True):
        entry = resolve(paths.levels[at]) if at >= 0 else None
        group = column.levels[code] if column.levels and code >= 0 else "" if column.levels else f"{code:g}"
        if entry is not None and group and of_file.setdefault(entry.name, group) != group:
            raise DataError(f"{path.name} puts {short_name(entry.name)!r} into two groups.")
    alone = sum(name not in of_file for name in files)
    said = (f"{plain_count(alone, 'clip')} that {path.name} does not name make a group each.",) if alone else ()
    return column_from_texts(column.name, [of_file.get(name) for name in files]), said
