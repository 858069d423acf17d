"""Anything that holds pictures and answers → `Dataset` of `Images`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.data.groups import join, read_groups, read_time
from annvil.data.readers.labels import read_answers
from annvil.data.readers.target import refuse_gaps
from annvil.errors import DataError, RequestError
from annvil.kinds.pictures.form import NAME
from annvil.kinds.pictures.images import Images, LeftOut
from annvil.kinds.pictures.reading.cache import remembered_groups
from annvil.kinds.pictures.reading.filling import Progress
from annvil.kinds.pictures.reading.found import Found
from annvil.kinds.pictures.reading.groups_file import with_groups_file
from annvil.kinds.pictures.reading.listing import TABLES
from annvil.kinds.pictures.reading.locating import Asked, find_pictures
from annvil.options import ReadOptions
from annvil.tasks.base import Task
from annvil.text.quantities import plain_count

FEWEST_PICTURES = 20
"""As `annvil.kinds.tables.reading.FEWEST_ROWS`."""

LARGEST_SIDE = 4096
"""Pictures may be asked for up to this side (assumed)."""


def read_images(
    source: Any,
    ask: ReadOptions | None = None,
    *,
    size: int | Sequence[int] | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Dataset[Images]:
    """A data set of pictures ready to learn from.

    Parameters
    ----------
    source : a folder with a folder per class, also below ``train/`` and ``test/``; a folder or zip archive with a table
        of labels (``labels.csv``); a table (CSV, Parquet, …) of paths and labels; a zip archive of any of these; idx
        files or ``.npy``/``.npz`` arrays, or their folder; ``(X, y)`` with X an array ``(n, height, width[,
        channels])`` or a list of paths; ``"sample:digit-images"``
    ask : target, groups and time are columns of a table of labels. Without a target it is the column called label or
        class, or the only one left; groups may be a table of its own (path → group, such as patients)
    size : side of a square in pixels, or ``(height, width)``; default: see `annvil.kinds.pictures.form.choose_form`
    workers : processes that decode side by side
    progress : told how many pictures are decoded, and of how many

    Raises
    ------
    RequestError
        Where an argument names something that does not exist, or says something of columns to learn from.
    DataError
        Where there are no pictures, no answers, or too few of either; broken files are left out and named in
        ``inputs.store.left_out``.
    MachineError
        Where the disk is full.
    """
    ask = ask or ReadOptions()
    for argument, value in (("columns", ask.columns), ("drop", ask.drop), ("kinds", ask.kinds)):
        if value:
            raise RequestError(f"Pictures have no columns to choose from, so {argument} means nothing; leave it out.")
    _check_size(size)
    file = Path(ask.groups) if ask.groups is not None and Path(ask.groups).suffix.lower() in TABLES else None
    column = None if file else ask.groups
    found = find_pictures(source, Asked(ask.target, column, file, ask.time, size, max(1, workers), progress))
    return _finished(*with_groups_file(found, file), ask)


def _check_size(size: int | Sequence[int] | None) -> None:
    sides = [size] if isinstance(size, int) else [] if size is None else list(size)
    if size is not None and (len(sides) not in (1, 2) or not all(1 <= side <= LARGEST_SIDE for side in sides)):
        raise RequestError(f"size is a side in pixels or (height, width), each from 1 to {LARGEST_SIDE}; got {size!r}.")


def _finished(found: Found, said: tuple[str, ...], ask: ReadOptions) -> Dataset[Images]:
    """Broken pictures, gaps and the official test taken away; groups and notes made."""
    where, missing = found.name, ask.missing
    left_out = (*found.store.left_out, *found.left_out)
    usable = found.store.facts["height"][found.rows] > 0
    found = found.take(np.flatnonzero(usable))
    _refuse_few(int((~found.testing).sum()), where)
    job, y, gaps = read_answers(found.answers, ask.task, missing=missing, certain=found.certain, where=where)
    if not ask.drop_missing_target:
        refuse_gaps(gaps, job.target, where)
    elif gaps.any():
        found, y = found.take(np.flatnonzero(~gaps)), y[~gaps]
        _refuse_few(int((~found.testing).sum()), f"{where} without the pictures that lack a target")
    _refuse_single(y, job.kind, where)
    alike = remembered_groups(Images(found.store, found.rows))
    of_picture = np.full(len(found.store.array), -1, dtype=np.int64)
    of_picture[found.rows] = alike
    said = (*found.said, *found.store.said, *said)
    images = Images(replace(found.store, said=said, left_out=left_out, alike=of_picture), found.rows)
    named = read_groups(found.groups, missing, where) if found.groups is not None else None
    moments = read_time(found.time, missing, where)[0] if found.time is not None else None
    groups = alike if named is None else join(named, alike)
    whole = Dataset(
        inputs=images,
        y=y,
        task=job,
        groups=groups,
        grouped=named is not None,
        time=moments,
        notes=(_note(images, left_out), *_answer_notes(found), *found.notes),
        source=_source(found, images, (y, groups if named is not None else None, moments), job),
    )
    if not found.testing.any():
        return whole
    training, testing = np.flatnonzero(~found.testing), np.flatnonzero(found.testing)
    return replace(whole.take(training), official_test=whole.take(testing))  # groups keep their common numbers


def _refuse_few(n: int, where: str) -> None:
    if n < FEWEST_PICTURES:
        held = f"{plain_count(n, 'picture') if n else 'no picture'} that can be used"
        raise DataError(f"{where} has {held}; at least {FEWEST_PICTURES} are needed to train and to test.")


def _refuse_single(y: NDArray[Any], kind: str, where: str) -> None:
    if kind in ("binary", "multiclass") and np.bincount(y).max() < 2:
        raise DataError(
            f"{where} has one picture of every class; a model needs several of each to learn what they share."
        )


def _note(images: Images, left_out: Sequence[LeftOut]) -> ColumnNote:
    reason = f"{images.form.describe()} pixels"
    distinct = len(np.unique(images.store.digests[images.index]))
    return ColumnNote(NAME, "image", True, reason, len(left_out), distinct)


def _answer_notes(found: Found) -> list[ColumnNote]:
    known = {note.name for note in found.notes}
    return [
        ColumnNote(column.name, "role", False, "the target", 0, len(column.levels) or len(np.unique(column.values)))
        for column in found.answers
        if column.name not in known
    ]


def _source(found: Found, images: Images, said: Sequence[NDArray[Any] | None], job: Task) -> Source:
    """Known again by what is on the pictures and what is said of them, not by where or when they were kept."""
    key = hashlib.sha256(images.digest().encode())
    for values in (*said, found.testing):
        key.update(b"\0" if values is None else np.ascontiguousarray(values).tobytes())
    key.update(repr((job.kind, job.target, job.classes)).encode())
    path = None if found.path is None else str(found.path)
    return Source(found.name, path, key.hexdigest(), found.n_bytes, " ".join(images.store.said))
