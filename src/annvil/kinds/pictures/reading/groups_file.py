"""Groups of pictures from a table of their own: ``path,patient``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawColumn, RawTable
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.reading.found import Found
from annvil.kinds.pictures.reading.label_tables import by_table, path_column
from annvil.kinds.pictures.reading.listing import Entry, Listing
from annvil.kinds.pictures.reading.resolving import Resolve, in_listing
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names


def with_groups_file(found: Found, path: Path | None) -> tuple[Found, tuple[str, ...]]:
    """Groups from a table of their own."""
    if path is None:
        return found, ()
    raw = read_file(path)
    raw = read_file(path, Wanted(whole=set(raw.names), texts=set(raw.names)))
    names = found.store.names
    listing = Listing(path.parent, pictures=[Entry(name, str(row), 0, 0) for row, name in enumerate(names)])
    resolve = in_listing(listing, "")
    table = by_table(raw, resolve, path.name, target=_group_column(raw, resolve))
    of_picture: dict[int, int] = {}
    column = table.answers[0]
    for row, code in zip(table.rows.tolist(), column.values.tolist(), strict=True):
        picture = int(table.pictures[row].place)
        if of_picture.setdefault(picture, code) != code:
            raise DataError(f"{path.name} puts {short_name(names[picture])!r} into two groups.")
    codes = np.array([of_picture.get(picture, -1) for picture in found.rows.tolist()], dtype=np.int32)
    alone = int((codes < 0).sum())
    said = (f"{plain_count(alone, 'picture')} that {path.name} does not name make a group each.",) if alone else ()
    return replace(found, groups=RawColumn(column.name, "text", codes, column.levels)), said


def _group_column(raw: RawTable, resolve: Resolve) -> str:
    path = path_column(raw, resolve, raw.source.name)
    free = [name for name in raw.names if name != path]
    usual = [name for name in free if name.strip().lower() in ("group", "groups", "patient", "patient_id", "subject")]
    if len(free) != 1 and len(usual) != 1:
        raise RequestError(
            f"{raw.source.name} must have two columns, paths and groups; it has {some_names(raw.names)}."
        )
    return (usual or free)[0]
