"""Anything that holds sound and answers → `Dataset` of `Clips`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import replace as changed
from numpy.typing import NDArray

from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.data.groups import read_groups, read_time
from annvil.data.readers.frames import column_from_any, target_column
from annvil.data.readers.labels import read_answers
from annvil.data.readers.opened import Opened
from annvil.data.readers.raw import RawColumn
from annvil.data.readers.target import refuse_gaps
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.sound.audit.alike import alike_groups
from annvil.kinds.sound.clips import Clips, Store
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.options import SoundOptions
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.kinds.sound.reading.decoded import HIGHEST_DEFAULT, Progress, decoded
from annvil.kinds.sound.reading.decoding import SUFFIXES
from annvil.kinds.sound.reading.detection import are_paths
from annvil.kinds.sound.reading.folders import by_folder, no_sounds
from annvil.kinds.sound.reading.found import Named
from annvil.kinds.sound.reading.grouping import joined_groups, names_of, speakers_of
from annvil.kinds.sound.reading.label_tables import (
    by_table,
    in_listing,
    names_sounds,
    on_disk,
    read_table,
    tables_beside,
    texts_of,
)
from annvil.kinds.sound.reading.listing import TABLES, Listing, list_source
from annvil.kinds.sound.reading.said import said_of
from annvil.kinds.sound.reading.transcripts import by_transcripts, read_words
from annvil.options import ReadOptions
from annvil.tasks.base import Task
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

FEWEST_CLIPS = 20
"""As `annvil.kinds.tables.reading.FEWEST_ROWS`."""

NAME = "sound"


@dataclass(frozen=True)
class Found:
    """What is named, with the clips themselves; ``name``, ``path`` and ``n_bytes`` are of the source."""

    named: Named
    store: Store
    name: str
    path: Path | None = None
    n_bytes: int = 0


def read_sound(opened: Opened, options: SoundOptions, progress: Progress | None = None) -> Dataset[Clips]:
    """The clips and their answers.

    Raises
    ------
    DataError, RequestError
        With file and reason, and what to change.
    """
    ask = opened.ask
    for argument, value in (("columns", ask.columns), ("drop", ask.drop), ("kinds", ask.kinds)):
        if value:
            raise RequestError(f"Sound has no columns to choose from, so {argument} means nothing; leave it out.")
    file = Path(ask.groups) if ask.groups is not None and Path(ask.groups).suffix.lower() in TABLES else None
    columns = changed(ask, groups=None) if file is not None else ask
    found = _found(opened, columns, options, progress)
    return _finished(found, ask, file, transcribed=options.transcripts is not None)


def _found(opened: Opened, ask: ReadOptions, options: SoundOptions, progress: Progress | None) -> Found:
    source, path = opened.source, opened.path
    if options.transcripts is not None and (path is None or not (path.is_dir() or path.suffix.lower() == ".zip")):
        raise RequestError("Transcripts are of the recordings of a folder or a zip: name that as the data.")
    if isinstance(source, tuple) and len(source) == 2:
        X, y = source
        answers = _answers_of(y)
        if are_paths(X):
            return _of_paths([str(one) for one in X], answers, options.rate, progress)
        return _of_arrays(X, answers, options.rate)
    if path is None:
        raise RequestError(
            f"{short_name(str(source))} is no source of sound: name a folder, a zip, a table of paths and labels, or "
            "(clips, labels) with rate=16000."
        )
    if not path.exists():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise RequestError(f"There is no file or folder {str(path)!r}.{near}")
    if path.suffix.lower() in SUFFIXES and path.is_file():
        raise RequestError(f"{path.name} is one sound file; name the folder of all of them.")
    if path.is_dir() or path.suffix.lower() == ".zip":
        listing = list_source(path)
        if not listing.sounds:
            raise DataError(no_sounds(listing))
        if options.transcripts is not None:
            named: Named | None = by_transcripts(listing, Path(options.transcripts), ask)
        else:
            named = _by_inner_table(listing, ask)
        if named is None:
            _refuse_columns(ask, listing.shown)
            named = by_folder(listing)
        return _decoded(named, listing, listing.shown, path, options.rate, progress)
    raw = texts_of(path)
    resolve = on_disk(path.parent)
    if names_sounds(raw, resolve) is None:
        resolve = in_listing(list_source(path.parent))
    named = by_table(raw, resolve, path.name, ask)
    return _decoded(named, Listing(path.parent), path.name, path, options.rate, progress)


def _by_inner_table(listing: Listing, ask: ReadOptions) -> Named | None:
    """By a table of labels beside the clips; None where there is none, or it is about something else."""
    for entry in tables_beside(listing):
        try:
            raw = read_table(listing, entry)
        except DataError:
            continue  # about something else
        folder = "/".join((*entry.folders, ""))
        resolve = in_listing(listing, folder if entry.folders else "")
        path = names_sounds(raw, resolve)
        if path is not None and len(raw.names) > 1:
            return by_table(raw, resolve, f"{short_name(entry.name)} in {listing.shown}", ask, path)
    return None


def _refuse_columns(ask: ReadOptions, where: str) -> None:
    """There is no table of labels that a column could be in."""
    for argument, value in (("target", ask.target), ("groups", ask.groups), ("time", ask.time)):
        if value is not None:
            named = " To name speakers, pass a table of paths and speakers (--groups speakers.csv)."
            hint = named * (argument == "groups")
            raise RequestError(f"{where} has no column {value!r} ({argument}): folders hold the classes.{hint}")


def _answers_of(y: Any) -> tuple[RawColumn, ...]:
    array = y if not hasattr(y, "__array__") else np.asarray(y)
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] > 1:
        return tuple(column_from_any(f"label {k + 1}", array[:, k]) for k in range(array.shape[1]))
    return (column_from_any("label", target_column(y)),)


def _of_paths(paths: Sequence[str], answers: tuple[RawColumn, ...], rate: int | None, progress: Any) -> Found:
    """A list of paths and as many answers."""
    n = len(answers[0].values)
    if len(paths) != n:
        raise DataError(f"There are {len(paths)} paths and {n} answers; they must be equal.")
    resolve = on_disk(Path())
    entries = [resolve(path) for path in paths]
    distinct = sorted({entry.place: entry for entry in entries if entry}.values(), key=lambda entry: entry.name)
    if not distinct:
        raise DataError(f"None of the {n} sound files is there: {short_name(paths[0])}.")
    at = {entry.place: row for row, entry in enumerate(distinct)}
    rows = np.array([at[entry.place] if entry else -1 for entry in entries], dtype=np.int64)
    named = Named(sounds=distinct, rows=rows, answers=answers, testing=np.zeros(n, dtype=bool))
    return _decoded(named.take(np.flatnonzero(rows >= 0)), Listing(Path()), "data", None, rate, progress)


def _of_arrays(X: Any, answers: tuple[RawColumn, ...], rate: int | None) -> Found:
    capped = None if rate is None else min(rate, HIGHEST_DEFAULT)
    clips = clips_from_arrays(X, rate, form_rate=capped)
    n = len(answers[0].values)
    if clips.n_rows != n:
        raise DataError(f"X has {plain_count(clips.n_rows, 'clip')} and y has {n} answers; they must be equal.")
    named = Named(rows=clips.index, answers=answers, testing=np.zeros(n, dtype=bool), certain="codes")
    return Found(named, clips.store, "data")


def _decoded(
    named: Named, listing: Listing, name: str, path: Path | None, rate: int | None, progress: Progress | None
) -> Found:
    chosen = replace(listing, sounds=list(named.sounds))
    store = decoded(chosen, rate=rate, progress=progress)
    n_bytes = sum(entry.n_bytes for entry in named.sounds)
    return Found(named, store, name, path and path.absolute(), n_bytes)


def _finished(found: Found, ask: ReadOptions, groups_file: Path | None, *, transcribed: bool) -> Dataset[Clips]:
    """Broken files, gaps and the official test taken away; groups and notes made."""
    where, missing = found.name, ask.missing
    left_out = (*found.store.left_out, *found.named.left_out)
    lengths = np.diff(found.store.starts)
    named = found.named.take(np.flatnonzero(lengths[found.named.rows] > 0))
    _refuse_few(int((~named.testing).sum()), where)
    if transcribed:
        job, y, gaps = read_words(named.answers[0], where)
    else:
        job, y, gaps = read_answers(named.answers, ask.task, missing=missing, certain=named.certain, where=where)
    if not ask.drop_missing_target:
        refuse_gaps(gaps, job.target, where)
    elif gaps.any():
        named, y = named.take(np.flatnonzero(~gaps)), y[~gaps]
        _refuse_few(int((~named.testing).sum()), f"{where} without the clips that lack a target")
    one_word = named.answers[0].values if transcribed else y if job.one_class_a_row else None
    speakers, told = speakers_of(named, found.store.names, one_word, groups_file)
    training = lengths[named.rows[~named.testing]]
    form = SoundForm(found.store.form.rate, int(training.min()), int(training.max()))
    codes = None if speakers is None else read_groups(speakers, missing, where)
    voices = () if codes is None or speakers is None else names_of(speakers, codes)
    facts = found.store.facts[named.rows]
    said = (*named.said, *said_of(facts, form, left_out), *told)
    alike = np.full(len(lengths), -1, dtype=np.int64)
    alike[named.rows] = alike_groups(Clips(found.store, named.rows))
    store = replace(found.store, form=form, said=said, left_out=left_out, speakers=voices, alike=alike)
    clips = Clips(store, named.rows)
    moments = read_time(named.time, missing, where)[0] if named.time is not None else None
    whole: Dataset[Clips] = Dataset(
        inputs=clips,
        y=y,
        task=job,
        groups=joined_groups(clips, y, codes),
        grouped=codes is not None,
        time=moments,
        notes=(_note(clips), *_answer_notes(named), *named.notes),
        source=_source(found, clips, (y, codes, moments, named.testing), job),
    )
    if not named.testing.any():
        return whole
    apart, kept = np.flatnonzero(named.testing), np.flatnonzero(~named.testing)
    return replace(whole.take(kept), official_test=whole.take(apart))  # groups keep their common numbers


def _refuse_few(n: int, where: str) -> None:
    if n < FEWEST_CLIPS:
        held = f"{plain_count(n, 'clip') if n else 'no clip'} that can be used"
        raise DataError(f"{where} has {held}; at least {FEWEST_CLIPS} are needed to train and to test.")


def _note(clips: Clips) -> ColumnNote:
    distinct = len({clips.store.digests[row] for row in clips.index.tolist()})
    return ColumnNote(NAME, "sound", True, clips.form.describe(), len(clips.store.left_out), distinct)


def _answer_notes(named: Named) -> list[ColumnNote]:
    known = {note.name for note in named.notes}
    return [
        ColumnNote(column.name, "role", False, "the target", 0, len(column.levels) or len(np.unique(column.values)))
        for column in named.answers
        if column.name not in known
    ]


def _source(found: Found, clips: Clips, said: Sequence[NDArray[Any] | None], job: Task) -> Source:
    """Known again by what is heard and what is said of it, not by where or when it was kept."""
    key = hashlib.sha256(clips.digest().encode())
    for values in said:
        key.update(b"\0" if values is None else np.ascontiguousarray(values).tobytes())
    key.update(repr((job.kind, job.target, job.classes)).encode())
    path = None if found.path is None else str(found.path)
    return Source(found.name, path, key.hexdigest(), found.n_bytes, " ".join(clips.store.said))
