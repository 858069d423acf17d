"""Clips to predict, brought into the form of a model, however they come: by the same steps as in reading."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from annvil.errors import DataError, RequestError
from annvil.kinds.sound.clips import Clips
from annvil.kinds.sound.form import SoundForm
from annvil.kinds.sound.reading.arrays import clips_from_arrays
from annvil.kinds.sound.reading.decoded import decoded_at_once
from annvil.kinds.sound.reading.label_tables import on_disk
from annvil.kinds.sound.reading.listing import Listing, list_source
from annvil.kinds.sound.reading.said import said_of
from annvil.text.phrases import outside
from annvil.text.quantities import part_of
from annvil.text.safe import short_name, some_names

LEVEL_MARGIN = 12.0
"""dB beyond the training's levels from which a clip is told of (assumed)."""

LENGTH_MARGIN = 1.5
"""Factor beyond the training's lengths (assumed)."""

BAND_SHARE = 0.6
"""Share of the training's bandwidth below which a clip is told of (assumed: telephones have half)."""


def conform_sound(raw: Any, form: SoundForm, where: str) -> tuple[Clips, tuple[str, ...]]:
    """`Clips` of that form, and what there is to say of them.

    Parameters
    ----------
    raw : `Clips`; a path, a folder, a zip, or a list of paths; an array ``(n, time)`` or ``(time,)``, or a list of
        arrays, at the model's rate; ``{"samples": …, "rate": …}``, or a list of these

    Raises
    ------
    DataError, RequestError
        Where nothing of it can be read.
    """
    said: tuple[str, ...] = ()
    if isinstance(raw, Clips):
        clips = _of_form(raw, form, where)
    elif isinstance(raw, (str, Path)):
        clips, said = _from_files(_listing(Path(raw)), form)
    elif isinstance(raw, Mapping):
        clips = _from_mappings([raw], form, where)
    elif isinstance(raw, (list, tuple)) and raw and all(isinstance(one, Mapping) for one in raw):
        clips = _from_mappings(raw, form, where)
    elif isinstance(raw, (list, tuple)) and raw and all(isinstance(one, (str, Path)) for one in raw):
        clips, said = _from_files(_listed([Path(one) for one in raw]), form)
    else:
        clips = clips_from_arrays(_stacked(raw), form=form)
    return clips, (*said, *_notices(clips, form))


def _of_form(clips: Clips, form: SoundForm, where: str) -> Clips:
    if clips.form.rate != form.rate:
        raise DataError(f"{outside(where)} have {clips.form.rate:,} samples a second; the model takes {form.rate:,}.")
    return clips


def _stacked(raw: Any) -> Any:
    """A list of clips; a single one is a list of numbers or an array of one axis."""
    if isinstance(raw, (list, tuple)):
        return [np.asarray(raw)] if raw and all(isinstance(one, (int, float)) for one in raw) else raw
    array = np.asarray(raw)
    return array[None] if array.ndim == 1 else array


def _from_mappings(raw: Sequence[Mapping[str, Any]], form: SoundForm, where: str) -> Clips:
    parts = []
    for place, one in enumerate(raw):
        called = f"clip {place + 1}"
        if "samples" not in one:
            raise DataError(f"{outside(called)} of {where} has no 'samples'; it has {some_names([*map(str, one)], 8)}.")
        unknown = sorted({*map(str, one)} - {"samples", "rate"})
        if unknown:
            raise DataError(f"{outside(called)} of {where} has {some_names(unknown)}, which means nothing here.")
        rate = form.rate if one.get("rate") is None else one["rate"]
        samples = one["samples"]
        try:
            array = np.asarray(samples, dtype=np.float32 if isinstance(samples, (list, tuple)) else None)
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"{outside(called)} of {where} holds values that are not numbers.") from None
        parts.append(clips_from_arrays([array], rate, form, [called]))
    if len(parts) == 1:
        return parts[0]
    from annvil.kinds.sound.clips import clips_in_memory

    facts = np.concatenate([part.facts for part in parts])
    return clips_in_memory([part.one(0) for part in parts], form, [part.names()[0] for part in parts], facts)


def _listing(path: Path) -> Listing:
    if path.is_dir() or (path.suffix.lower() == ".zip" and path.is_file()):
        listing = list_source(path)
        if not listing.sounds:
            raise DataError(f"{short_name(path.name)} holds no sound files.")
        return listing
    return _listed([path])


def _listed(paths: Sequence[Path]) -> Listing:
    """A listing of these files, and of the folders among them."""
    listing = Listing(Path())
    resolve = on_disk(Path())
    for path in paths:
        if path.is_dir():
            inside = list_source(path)
            listing.sounds += [replace(entry, name=f"{path.name}/{entry.name}") for entry in inside.sounds]
            continue
        entry = resolve(str(path))
        if entry is None:
            raise RequestError(f"There is no file or folder {str(path)!r}.")
        listing.sounds.append(entry)
    return listing


def _from_files(listing: Listing, form: SoundForm) -> tuple[Clips, tuple[str, ...]]:
    store = decoded_at_once(listing, form.rate)
    kept = np.flatnonzero(np.diff(store.starts) > 0)
    store = replace(store, form=form)
    return Clips(store, kept), said_of(store.facts[kept], form, store.left_out, predicting=True)


def _notices(clips: Clips, form: SoundForm) -> Iterator[str]:
    """Sentences where clips are unlike those of the training."""
    facts, lengths = clips.facts, clips.lengths
    low, high = form.seconds(form.shortest), form.seconds(form.longest)
    for bad, word, limit in (
        (lengths > LENGTH_MARGIN * form.longest, "longer", f"{high:.2g} s at most"),
        (lengths * LENGTH_MARGIN < form.shortest, "shorter", f"{low:.2g} s at least"),
    ):
        if bad.any():
            yield f"{_which(clips, bad)} much {word} than those of the training ({limit}): {_care(bad)}."
    silent = facts["silent"]
    if silent.any():
        yield f"{_which(clips, silent)} silent: what the model says of {_them(silent)} means nothing."
    seen = form.seen
    if seen is None:
        return
    heard = ~silent & (facts["level"] != 0)
    for bad, word, limit in (
        (heard & (facts["level"] < seen.quietest - LEVEL_MARGIN), "quieter", f"{seen.quietest:.0f} dB at least"),
        (heard & (facts["level"] > seen.loudest + LEVEL_MARGIN), "louder", f"{seen.loudest:.0f} dB at most"),
        (
            heard & (facts["bandwidth"] < BAND_SHARE * seen.bandwidth),
            "duller",
            f"which have sound up to {seen.bandwidth:,.0f} Hz",
        ),
    ):
        if bad.any():
            yield f"{_which(clips, bad)} much {word} than those of the training ({limit}): {_care(bad)}."


def _which(clips: Clips, bad: Any) -> str:
    rows = np.flatnonzero(bad)
    names = some_names(clips.take(rows[:3]).names()) + ", …" * (len(rows) > 3)
    named = f" ({names})" if clips.n_rows > 1 else ""
    return f"{outside(part_of(len(rows), clips.n_rows, 'clip'))}{named} {'is' if len(rows) == 1 else 'are'}"


def _them(bad: Any) -> str:
    return "it" if int(np.sum(bad)) == 1 else "them"


def _care(bad: Any) -> str:
    return f"unlike the training data, so do not rely on what the model says of {_them(bad)}"
