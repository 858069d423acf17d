"""Folders that say what is on the pictures in them: ``cats/…``, ``train/cats/…``, ``test/cats/…``."""

from __future__ import annotations

import numpy as np

from annvil.data.readers.raw import column_from_texts
from annvil.errors import DataError
from annvil.kinds.pictures.reading.found import Named, split_of
from annvil.kinds.pictures.reading.listing import Listing
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name, some_names

CLASS = "class"
"""Name of the target where folders hold the classes."""


def by_folder(listing: Listing) -> Named:
    """The class of every picture by the folder it lies in.

    Folders that all pictures share are passed through (an archive's top folder). Where what follows is called
    ``train``, ``val`` and ``test``, these are parts of the data and the next folder is the class; otherwise the first
    folder is, and folders inside it do not matter.

    Raises
    ------
    DataError
        Where there are no pictures, no folders, or one.
    """
    where, pictures = listing.shown, listing.pictures
    if not pictures:
        raise DataError(_no_pictures(listing))
    shared = _shared([entry.parts[:-1] for entry in pictures])
    below = [entry.parts[len(shared) : -1] for entry in pictures]
    if not any(below):
        raise DataError(_one_folder(where, shared, len(pictures)))
    firsts = sorted({parts[0] for parts in below if parts})
    in_parts = all(split_of(first) for first in firsts) and any(len(parts) > 1 for parts in below)
    level = 1 if in_parts else 0
    kept = [row for row, parts in enumerate(below) if len(parts) > level]
    labels = [below[row][level] for row in kept]
    testing = np.array([in_parts and split_of(below[row][0]) == "test" for row in kept])
    said = []
    if len(kept) < len(pictures):
        beside = sorted(set(range(len(pictures))) - set(kept))
        names = some_names([pictures[row].name for row in beside])
        said.append(f"{plain_count(len(beside), 'picture')} in no class folder left out: {names}.")
    if testing.all():
        testing = ~testing
    if testing.any():
        known = {label for label, test in zip(labels, testing, strict=True) if not test}
        unknown = sorted({label for label in labels if label not in known})
        if unknown:
            fits = np.array([label in known for label in labels])
            said.append(f"Test pictures of classes without training pictures left out: {some_names(unknown)}.")
            kept = [row for row, fit in zip(kept, fits, strict=True) if fit]
            labels = [label for label in labels if label in known]
            testing = testing[fits]
        said.append(f"{plain_count(int(testing.sum()), 'picture')} in the folder for testing are kept apart.")
    if in_parts and any(split_of(f) == "train" and f.lower().startswith(("val", "dev")) for f in firsts):
        said.append("Pictures in the folder for validation are learnt from: folds choose here.")
    answer = column_from_texts(CLASS, [short_name(label, 200).strip() or repr(label) for label in labels])
    return Named(
        pictures=[pictures[row] for row in kept],
        rows=np.arange(len(kept)),
        answers=(answer,),
        testing=testing,
        said=tuple(said),
        certain="folders",
    )


def _shared(folders: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The leading folders that all pictures lie in."""
    first, last = min(folders), max(folders)
    n = 0
    while n < min(len(first), len(last)) and first[n] == last[n]:
        n += 1
    return first[:n]


def _no_pictures(listing: Listing) -> str:
    if listing.left_out:
        left = listing.left_out[0]
        return f"{listing.shown} holds no picture that can be read: {short_name(left.name)} {left.reason}."
    if listing.tables:
        names = some_names([entry.name for entry in listing.tables])
        return f"{listing.shown} holds no pictures; to read a table in it, name the file: {names}."
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in listing.others.most_common(3))
    what = f"only other files ({kinds})" if kinds else "no files"
    return (
        f"{listing.shown} holds {what}; pictures are .png, .jpg, .webp, .tif, .bmp or .gif files in a folder per class."
    )


def _one_folder(where: str, shared: tuple[str, ...], n: int) -> str:
    if shared:
        return (
            f"{where} holds one class only, the {plain_count(n, 'picture')} in {short_name('/'.join(shared))!r}; "
            "a model needs examples of at least two."
        )
    return (
        f"{where} holds {plain_count(n, 'picture')} but nothing says what is on them; put them into a folder per "
        "class, or add a labels.csv with the columns path and label."
    )
