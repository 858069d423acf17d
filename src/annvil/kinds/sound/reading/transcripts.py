"""What is said in each recording, from a table: ``path,words``, where words are a text such as "seven oh two"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.raw import RawColumn
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.kinds.sound.reading.found import Named
from annvil.kinds.sound.reading.label_tables import WORDS, by_table, in_listing, names_sounds
from annvil.kinds.sound.reading.listing import Listing
from annvil.options import ReadOptions
from annvil.tasks.base import IntArray, Task
from annvil.tasks.transcription import MOST_WORDS
from annvil.tasks.union import make_task
from annvil.text.safe import composed, short_name, some_names

TRANSCRIPT_NAMES = ("transcript", "transcription", "sentence", "text", "words", "said")
"""Usual names of the column with what is said, the surest first."""

NOTHING = -1
"""Behind the last word of an answer."""


def by_transcripts(listing: Listing, path: Path, ask: ReadOptions) -> Named:
    """Recordings of a folder or an archive that a table names, and what is said in them.

    Raises
    ------
    RequestError, DataError
        Where the table is not there, or has no column of paths or of words.
    """
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise RequestError(f"There is no file {str(path)!r} of transcripts.{near}")
    names = set(read_file(path).names)
    raw = read_file(path, Wanted(whole=names, texts=names))  # "012" are three words, perhaps, and no number
    resolve = in_listing(listing)
    named = names_sounds(raw, resolve)
    if named is None:
        raise DataError(f"No column of {path.name} names the recordings; it needs one with paths such as '1/a.wav'.")
    target = ask.target
    if target is None:
        by_name = {name.strip().lower(): name for name in reversed(raw.names) if name != named}
        target = next((by_name[one] for one in (*TRANSCRIPT_NAMES, *WORDS) if one in by_name), None)
    if target is None:
        free = [name for name in raw.names if name != named]
        if len(free) != 1:
            raise RequestError(f"Name the column of {path.name} with the words (--target); it has {some_names(free)}.")
        target = free[0]
    if not isinstance(target, str):
        raise RequestError(f"The words are in one column of {path.name}; got {len(target)}.")
    return by_table(raw, resolve, path.name, replace(ask, target=target), named)


def read_words(column: RawColumn, where: str) -> tuple[Task, IntArray, NDArray[np.bool_]]:
    """The task, codes of the words ``(n_rows, most)`` padded with `NOTHING`, and which rows have no words.

    Words are parted by spaces, and taken as they are written.

    Raises
    ------
    DataError
        Where nothing is said anywhere, or an answer is too long.
    """
    said = [tuple(composed(level).split()) for level in column.levels]
    classes = sorted({word for words in said for word in words})
    if not classes:
        raise DataError(f"Column {column.name!r} of {where} holds no words.")
    most = max(map(len, said))
    if most > MOST_WORDS:
        longest = max(column.levels, key=len)
        raise DataError(
            f"{short_name(longest)!r} of {where} has {most:,} words; {MOST_WORDS} are the most that is learnt."
        )
    codes = _codes(said, classes, most)
    rows = np.asarray(column.values, dtype=np.int64)
    y = np.concatenate([codes, np.full((1, most), NOTHING)])[rows]
    gaps = (y == NOTHING).all(axis=1)
    reason = f"{column.name!r} says which words are in each recording"
    task = make_task("transcription", column.name, tuple(classes), reason).replace(most=most)
    return task, y, np.asarray(gaps)


def _codes(said: Sequence[Sequence[str]], classes: Sequence[str], most: int) -> IntArray:
    number = {word: code for code, word in enumerate(classes)}
    codes = np.full((len(said), most), NOTHING, dtype=np.int64)
    for row, words in enumerate(said):
        codes[row, : len(words)] = [number[word] for word in words]
    return codes
