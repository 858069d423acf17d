"""All files of a listing → one `Store` at one rate: decoded or found in the cache, never decoded twice."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path, PurePosixPath

import numpy as np

from annvil.errors import DataError
from annvil.kinds.sound.clips import LeftOut, Samples, Store, Temporary, end_to_end
from annvil.kinds.sound.facts import Facts, no_facts
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.reading import cache
from annvil.kinds.sound.reading.broken import Broken
from annvil.kinds.sound.reading.cleaning import cleaned
from annvil.kinds.sound.reading.decoding import HEADER_BYTES, WAVES, decode, rate_by_library, rate_in
from annvil.kinds.sound.reading.listing import Entry, Listing, archive_opened, content_of
from annvil.tasks.base import IntArray
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

Progress = Callable[[int, int], None]
"""Told how many files are done, and of how many."""

LOOKED_OVER = 500
"""Headers that are read to learn the commonest rate, spread evenly over the files (assumed)."""

HIGHEST_DEFAULT = 16_000
"""Unless a rate is asked for, no model takes more (assumed: speech has little that matters above 8 kHz)."""

DEFAULT_RATE = 16_000
"""Where no header tells any."""


def decoded(listing: Listing, *, rate: int | None = None, progress: Progress | None = None) -> Store:
    """The files of ``listing``, in its order, at ``rate`` or the commonest of their own.

    A file that cannot be used has no samples there, and `Store.left_out` names it.

    Raises
    ------
    DataError
        Where no file at all, or less than half of them, can be decoded.
    """
    wanted = commonest_rate(listing) if rate is None else rate
    key = cache.key_of(listing, wanted)
    folder, keep = cache.find(key), None
    if folder is None:
        with cache.new_entry(key) as (making, keep):
            _make(listing, wanted, making, progress)
            folder = making if keep is not None else cache.publish(making, key)
    samples, lengths, facts, wrong = cache.load(folder)
    return _store(listing, wanted, samples, lengths, facts, wrong, keep)


def decoded_at_once(listing: Listing, rate: int) -> Store:
    """The same in memory, of files to predict: nothing is kept of them."""
    parts: list[Samples] = []
    facts, wrong = _decode_all(listing, rate, parts.append, None)
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    samples = np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
    return _store(listing, rate, samples, lengths, facts, wrong, None)


def _store(
    listing: Listing, rate: int, samples: Samples, lengths: IntArray, facts: Facts, wrong: dict[int, str],
    keep: Temporary | None,
) -> Store:  # fmt: skip
    names = [entry.name for entry in listing.sounds]
    broken = [LeftOut(names[row], reason) for row, reason in sorted(wrong.items())]
    _refuse_broken(listing, broken)
    usable = lengths[lengths > 0]
    form = SoundForm(rate, int(usable.min()), int(usable.max()))
    return Store(
        samples, end_to_end(lengths), form, names, facts, left_out=(*broken, *listing.left_out), keep=keep
    )  # fmt: skip


def _refuse_broken(listing: Listing, broken: list[LeftOut]) -> None:
    n = len(listing.sounds)
    if 2 * len(broken) > n or len(broken) == n:
        first = f"{short_name(broken[0].name)} {broken[0].reason}" if broken else "there are none"
        if n == 1:
            raise DataError(f"{first[:1].upper()}{first[1:]}." if not broken else f"{first}.")
        raise DataError(
            f"{len(broken):,} of the {plain_count(n, 'sound file')} of {listing.shown} cannot be used, more than half: "
            f"{first}."
        )


def _make(listing: Listing, rate: int, folder: Path, progress: Progress | None) -> None:
    lengths: list[int] = []
    with (folder / "samples.f32").open("wb") as stream:

        def write(samples: Samples) -> None:
            lengths.append(len(samples))
            stream.write(samples.astype("<f4", copy=False).tobytes())

        facts, wrong = _decode_all(listing, rate, write, progress)
    cache.write_record(folder, np.array(lengths, dtype=np.int64), facts, wrong)


def _decode_all(
    listing: Listing, rate: int, take: Callable[[Samples], object], progress: Progress | None
) -> tuple[Facts, dict[int, str]]:
    facts, wrong = no_facts(len(listing.sounds)), {}
    nothing = np.empty(0, dtype=np.float32)
    with archive_opened(listing.archive) if listing.archive else nullcontext() as archive:
        for row, entry in enumerate(listing.sounds):
            samples = nothing
            try:
                samples, facts[row] = _one(entry, archive, rate)
            except Broken as broken:
                wrong[row] = str(broken)
            take(samples)
            if progress is not None and (row % 100 == 99 or row + 1 == len(listing.sounds)):
                progress(row + 1, len(listing.sounds))
    return facts, wrong


def _one(entry: Entry, archive: zipfile.ZipFile | None, rate: int) -> tuple[Samples, Facts]:
    return cleaned(decode(content_of(entry, archive)), rate, entry.n_bytes)


def commonest_rate(listing: Listing) -> int:
    """Samples a second that most files have, `HIGHEST_DEFAULT` at most."""
    picked = np.unique(np.linspace(0, len(listing.sounds) - 1, LOOKED_OVER).astype(int)) if listing.sounds else ()
    seen: Counter[int] = Counter()
    with archive_opened(listing.archive) if listing.archive else nullcontext() as archive:
        for row in picked:
            entry = listing.sounds[int(row)]
            try:
                wave = PurePosixPath(entry.name).suffix.lower() in WAVES
                content = content_of(entry, archive, HEADER_BYTES) if wave else content_of(entry, archive)
            except Broken:
                continue
            found = rate_in(content, entry.n_bytes) or (None if wave else rate_by_library(content))
            if found is not None:
                seen[found] += 1
    return min(max(seen, key=lambda one: (seen[one], one)), HIGHEST_DEFAULT) if seen else DEFAULT_RATE
