"""All pictures of a listing → one `Store`: looked over, decoded or found in the cache, never decoded twice."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from msgspec import structs

from annvil.errors import DataError
from annvil.kinds.pictures.form import PictureForm, Survey, choose_form
from annvil.kinds.pictures.images import BLOCK_BYTES, LeftOut, Store, Temporary
from annvil.kinds.pictures.reading import cache
from annvil.kinds.pictures.reading.chunks import content_of
from annvil.kinds.pictures.reading.decoding import (
    GREY_MODES,
    MODES,
    Broken,
    Facts,
    Pixels,
    digest,
    grey,
    header_facts,
    opened,
)
from annvil.kinds.pictures.reading.filling import Progress, fill
from annvil.kinds.pictures.reading.listing import Entry, Listing, archive_opened
from annvil.text.safe import short_name

LOOKED_OVER = 1000
"""Headers that are read to choose a form, spread evenly over the files (assumed: fixes medians to a few percent)."""

DEEP_LOOKED_OVER = 64
"""Pictures with more than 8 bits that are decoded to find their range (assumed)."""

_COLOUR_MODES = [MODES.index(mode) for mode in MODES if mode not in ("", *GREY_MODES, "I", "F", "I;16")]


def decoded(
    listing: Listing,
    *,
    size: int | Sequence[int] | None = None,
    form: PictureForm | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> Store:
    """The pictures of ``listing`` in one form, in the order of the listing.

    Rows of broken files hold zeros; `Store.facts` has a height of 0 there, and `Store.left_out` names them.

    Raises
    ------
    DataError
        Where no file at all can be decoded.
    MachineError
        Where Pillow is not installed, or the disk is full.
    """
    key = cache.key_of(listing, (size, form))
    folder = cache.find(key)
    keep: Temporary | None = None
    if folder is None:
        chosen, said = (form, ()) if form is not None else _looked_over(listing, size)
        with cache.new_entry(key, len(listing.pictures) * chosen.n_values * 4 // 3) as (making, keep):
            _make(listing, chosen, making, said, workers, progress)
            folder = making if keep is not None else cache.publish(making, key)
            if keep is not None:
                said = (f"{cache.cache_folder()} cannot be written, so decoded pictures are not kept.",)
    pixels, chosen, facts, wrong, told = cache.load(folder)
    if keep is not None:
        told = (*told, *said)
    names = [entry.name for entry in listing.pictures]
    broken = tuple(LeftOut(names[row], reason) for row, reason in sorted(wrong.items()))
    sizes = np.array([entry.n_bytes for entry in listing.pictures], dtype=np.int64)
    return Store(pixels, chosen, names, facts, sizes, told, (*broken, *listing.left_out), keep=keep)


def _make(
    listing: Listing, form: PictureForm, folder: Path, said: tuple[str, ...], workers: int, progress: Progress | None
) -> None:
    """Decode into ``folder``; again in colour, or squeezed to grey, where the look at the headers was mistaken."""
    target = folder / "pixels.npy"
    facts, wrong = fill(listing, form, target, workers, progress)
    usable = facts["height"] > 0
    if not usable.any():
        raise _nothing(listing, wrong)
    if said:  # the form is ours to choose
        coloured = bool(facts["coloured"][usable].any())
        if form.channels == 1 and coloured:
            form = structs.replace(form, channels=3)
            facts, wrong = fill(listing, form, target, workers, progress)
        elif form.channels == 3 and not coloured:
            form = structs.replace(form, channels=1)
            _squeeze(target, form, facts)
        said = (*said, *_said(facts[usable], form))
    cache.write_record(folder, form, facts, wrong, said)


def _squeeze(target: Path, form: PictureForm, facts: Facts) -> None:
    """Colour that is grey everywhere → one channel, block by block."""
    wide = np.load(target, mmap_mode="r")
    beside = target.with_name("grey.npy")
    narrow: Pixels = np.lib.format.open_memmap(beside, mode="w+", dtype=np.uint8, shape=(len(wide), *form.shape))
    step = max(1, BLOCK_BYTES // (3 * form.n_values))
    for start in range(0, len(wide), step):
        block = grey(wide[start : start + step])
        narrow[start : start + step] = block
        for i, pixels in enumerate(block, start):
            if facts["height"][i] > 0:
                facts["digest"][i] = digest(pixels)
    narrow.flush()  # type: ignore[attr-defined]
    del wide, narrow
    beside.replace(target)


def _nothing(listing: Listing, wrong: dict[int, str]) -> DataError:
    row, reason = next(iter(sorted(wrong.items())), (0, "cannot be read"))
    n = len(listing.pictures)
    files = f"None of the {n} picture files" if n > 1 else "The only picture file"
    return DataError(f"{files} of {listing.shown} can be used: {short_name(listing.pictures[row].name)} {reason}.")


def _looked_over(listing: Listing, size: int | Sequence[int] | None) -> tuple[PictureForm, tuple[str, ...]]:
    """A form for pictures like these, from a sample of their headers."""
    picked = np.unique(np.linspace(0, len(listing.pictures) - 1, LOOKED_OVER).astype(int))
    seen: list[Facts] = []
    extremes: list[tuple[float, float]] = []
    wrong: dict[int, str] = {}
    with archive_opened(listing.archive) if listing.archive else nullcontext() as archive:
        for row in picked.tolist():
            try:
                facts, extreme = _header(listing.pictures[row], archive, len(extremes) < DEEP_LOOKED_OVER)
            except Broken as broken:
                wrong[row] = str(broken)
                continue
            seen.append(facts)
            if extreme is not None:
                extremes.append(extreme)
    if not seen:
        if len(picked) < len(listing.pictures):
            wrong = dict(list(wrong.items())[:1])
        raise _nothing(listing, wrong)
    table = np.array(seen)
    low = min((low for low, _ in extremes), default=0.0)
    high = max((high for _, high in extremes), default=0.0)
    survey = Survey(
        table["height"].astype(np.int64), table["width"].astype(np.int64),
        bool(np.isin(table["mode"], _COLOUR_MODES).any()), low, high,
    )  # fmt: skip
    form, sentence = choose_form(survey, size)
    return form, (sentence,)


def _header(entry: Entry, archive: zipfile.ZipFile | None, look_deep: bool) -> tuple[Facts, tuple[float, float] | None]:
    """What the header tells, and the least and greatest value where there are more than 8 bits."""
    try:
        with content_of(entry.place, archive) as stream, opened(stream, entry.n_bytes) as picture:
            facts = header_facts(picture)
            if not (facts["deep"] and look_deep):
                return facts, None
            values = np.asarray(picture, dtype=np.float64)
            finite = values[np.isfinite(values)]
            low, high = np.quantile(finite, [0.001, 0.999]) if finite.size else (0.0, 1.0)
            return facts, (float(low), float(high))
    except OSError as error:
        raise Broken(f"cannot be read: {error.strerror or error}") from None


def _said(facts: Facts, form: PictureForm) -> tuple[str, ...]:
    """What was made of unusual files, one sentence each."""
    n = len(facts)
    said = []
    if form.channels == 1 and np.isin(facts["mode"], _COLOUR_MODES).any():
        said.append("Files in colour show grey only, so one channel is kept.")
    greys = int(n - facts["coloured"].sum())
    if form.channels == 3 and greys:
        said.append(f"{greys:,} of {n:,} pictures are grey and get three equal channels, since others are in colour.")
    for name, text in (
        ("deep", f"more than 8 bits; values from {form.low:.6g} to {form.high:.6g} become 0 to 255"),
        ("transparent", "transparent parts, put on white"),
        ("animated", "several frames or pages; the first one counts"),
    ):
        count = int(facts[name].sum())
        if count:
            said.append(f"{count} picture{'s have' if count > 1 else ' has'} {text}.")
    turned = int((facts["orientation"] > 1).sum())
    if turned:
        said.append(f"{turned} picture{'s were' if turned > 1 else ' was'} turned upright, as EXIF says.")
    return tuple(said)
