"""Which clips belong together: by who speaks, wherever that is said, and by what is heard."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.groups import are_copies, join, number_groups
from annvil.data.readers.raw import RawColumn, column_from_texts
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.reading.found import Named
from annvil.kinds.sound.reading.group_tables import groups_of_files
from annvil.kinds.sound.reading.speakers import speakers_in
from annvil.tasks.base import IntArray
from annvil.text.phrases import listed


def speakers_of(
    named: Named, names: Sequence[str], labels: NDArray[Any] | None, groups_file: Path | None
) -> tuple[RawColumn | None, tuple[str, ...]]:
    """A column that says who speaks in each row, and sentences on where that was found.

    ``names`` are those of all files; ``labels`` are what is said in each row, one value, or None where that is no word.
    """
    files = [names[row] for row in named.rows.tolist()]
    if groups_file is not None:
        return groups_of_files(groups_file, files)
    if named.groups is not None:
        n = len(named.groups.levels) or len(np.unique(named.groups.values))
        return named.groups, (f"{named.groups.name!r} says who speaks: {n:,} groups, never on both sides of a split.",)
    if labels is None or not named.sounds:
        return None, ()
    found = speakers_in(files, labels.tolist())
    if found is None:
        return None, ()
    who = sorted(set(found))
    told = (
        f"A part of the file names says who speaks, as it seems: {listed(who, 6)}. Folds keep these "
        f"{len(who):,} apart, so scores are for new speakers; if it means something else, name groups with --groups."
    )
    return column_from_texts("speaker", found), (told,)


def names_of(column: RawColumn, codes: IntArray) -> tuple[str, ...]:
    """What the groups are called, by number."""
    names = {int(code): "" for code in np.unique(codes)}
    levels = column.levels
    for code, value in zip(codes.tolist(), column.values.tolist(), strict=True):
        if not names[code]:
            names[code] = levels[int(value)] if levels and value >= 0 else f"{value:g}" if not levels else "unknown"
    return tuple(names[code] for code in range(len(names)))


def joined_groups(clips: Clips, y: NDArray[Any], named: IntArray | None) -> IntArray:
    """The group of every clip: speakers, joined wherever two have the same recording. Not where that would chain most
    clips into one group: no split could be made."""
    assert clips.alike is not None
    keys = number_groups(clips.alike)
    groups = keys if are_copies(keys, y) else np.arange(clips.n_rows)
    if named is None:
        return groups
    joined = join(groups, named)
    return named if 2 * np.bincount(joined).max() > len(joined) else joined
