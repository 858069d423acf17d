"""Folders that say what is on the pictures in them: ``cats/…``, ``train/cats/…``, ``test/cats/…``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annvil.data.readers.parts import (
    is_drawn,
    is_shard,
    part_and_class,
    part_of,
    parts_among,
    says_nothing,
)
from annvil.data.readers.raw import column_from_texts
from annvil.errors import DataError
from annvil.kinds.pictures.reading.found import Named
from annvil.kinds.pictures.reading.listing import Listing
from annvil.text.quantities import plain_count
from annvil.text.safe import composed, short_name, some_names

CLASS = "class"
"""Name of the target where folders hold the classes."""


def by_folder(listing: Listing) -> Named:
    """The class of every picture by the folder it lies in.

    Folders that all pictures share are passed through (an archive's top folder). Where what follows are parts of the
    data (`annvil.data.readers.parts`), the next folder is the class, also below the same part again
    (``train/train/cats``) or a folder that says nothing (``train/images/cats``). Otherwise the first folder is the
    class, parts inside it are kept apart, and other folders inside it do not matter. Numbered pieces that all hold
    folders of the same names (``fold1/cats``) are passed through, and ``trainA`` is class A of a part where all folders
    are named so. Names that differ by capitals alone between two parts are one class.

    Raises
    ------
    DataError
        Where there are no pictures, no folders, or one; or parts without folders in them.
    """
    where, pictures = listing.shown, listing.pictures
    if not pictures:
        raise DataError(_no_pictures(listing))
    folders = [tuple(map(composed, entry.parts[:-1])) for entry in pictures]
    shared = _shared(folders)
    below = [folder[len(shared) :] if folder[: len(shared)] == shared else () for folder in folders]
    if not any(below):
        raise DataError(_one_folder(where, shared, len(pictures)))
    _refuse_masks(where, {folder[0] for folder in below if folder})
    below = _by_part_and_class(_without_shards(below))
    inside, passed = _inside(below)
    roles = parts_among(sorted(inside), inside)
    if len(roles) > 1 and not any(inside[name] for name in roles):
        raise DataError(_parts_alone(where, sorted(roles)))
    in_parts = bool(roles) and any(inside[name] for name in roles)
    parts = [(roles.get(folder[0], "") if folder else "") if in_parts else "train" for folder in below]
    rest = [folder[1 + (len(folder) > 2 and folder[0] in passed) :] if in_parts else folder for folder in below]
    known = {folder[0] for folder, part in zip(rest, parts, strict=True) if part and folder}
    kept = [row for row, folder in enumerate(rest) if folder and (parts[row] or folder[0] in known)]
    labels = _spelt_alike([rest[row][0] for row in kept], [parts[row] for row in kept])
    if not in_parts:
        parts = _parts_inside(rest, kept)
    testing = np.array([parts[row] == "test" for row in kept])
    said = _beside([entry.name for entry in pictures], kept)
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
        if testing.any():
            said.append(f"{plain_count(int(testing.sum()), 'picture')} in the folder for testing are kept apart.")
    if any(parts[row] == "validation" for row in kept):
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
    """The leading folders that all pictures lie in, but for a minority that lies above."""
    shared: tuple[str, ...] = ()
    while True:
        below = [folder[len(shared) :] for folder in folders if folder[: len(shared)] == shared]
        firsts = {folder[0] for folder in below if folder}
        n_above, n_deeper = sum(not folder for folder in below), sum(len(folder) > 1 for folder in below)
        if len(firsts) != 1 or n_above > n_deeper:
            return shared
        shared = (*shared, firsts.pop())


def _inside(below: Sequence[tuple[str, ...]]) -> tuple[dict[str, set[str]], set[str]]:
    """Names of the folders in each first one, and the first ones whose only folder was passed through for them.

    That is one called like a part again, or one that says nothing (``train/train/cats``, ``train/images/cats``).
    """
    inside: dict[str, set[str]] = {folder[0]: set() for folder in below if folder}
    deeper: dict[str, set[str]] = {first: set() for first in inside}
    for folder in below:
        if folder:
            inside[folder[0]].update(folder[1:2])
            deeper[folder[0]].update(folder[2:3])
    passed: set[str] = set()
    for first, names in inside.items():
        again = len(names) == 1 and all(part_of(name) or says_nothing(name) or name == first for name in names)
        if again and deeper[first]:
            inside[first] = deeper[first]
            passed.add(first)
    return inside, passed


def _without_shards(below: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Without the first folders where they are numbered pieces that all hold two or more folders of the same names."""
    inside: dict[str, set[str]] = {}
    for folder in below:
        if folder:
            inside.setdefault(folder[0], set()).update(folder[1:2])
    held = list(inside.values())
    alike = len(held) > 1 and len(held[0]) > 1 and all(names == held[0] for names in held)
    return [folder[1:] for folder in below] if alike and all(map(is_shard, inside)) else below


def _by_part_and_class(below: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """``trainA`` as ``train/A``, where every first folder names a part and a class, and every part all the classes."""
    firsts = sorted({folder[0] for folder in below if folder})
    read = {name: part_and_class(name) for name in firsts}
    pairs = [pair for pair in read.values() if pair]
    parts, classes = {part for part, _ in pairs}, {label for _, label in pairs}
    grid = len(set(pairs)) == len(firsts) == len(parts) * len(classes)
    if not grid or len(parts) < 2 or len(classes) < 2 or any(len(folder) > 1 for folder in below):
        return below
    return [read[folder[0]] or folder if folder else folder for folder in below]


def _spelt_alike(labels: list[str], parts: list[str]) -> list[str]:
    """The labels, those of later parts spelt as in training where they differ by capitals alone."""
    of_part: dict[str, set[str]] = {}
    for label, part in zip(labels, parts, strict=True):
        of_part.setdefault(part, set()).add(label)
    known: dict[str, set[str]] = {}
    for label in of_part.get("train", ()):
        known.setdefault(label.casefold(), set()).add(label)

    def spelt(label: str, part: str) -> str:
        there = known.get(label.casefold(), set())
        twins = sum(other.casefold() == label.casefold() for other in of_part[part])
        return next(iter(there)) if part != "train" and len(there) == 1 and twins == 1 else label

    table = {(label, part): spelt(label, part) for part, names in of_part.items() for label in names}
    return [table[pair] for pair in zip(labels, parts, strict=True)]


def _refuse_masks(where: str, firsts: set[str]) -> None:
    """Pictures beside what was drawn of them are one set, and no two classes."""
    drawn = sorted(filter(is_drawn, firsts))
    if drawn and all(is_drawn(name) or says_nothing(name) for name in firsts) and len(firsts) > 1:
        raise DataError(
            f"{where} holds pictures and, in {some_names(drawn)}, pictures made of them, such as masks; masks are not "
            "learnt. Put the pictures into a folder per class, or add a labels.csv with path and label."
        )


def _parts_inside(rest: list[tuple[str, ...]], kept: list[int]) -> list[str]:
    """Part of each picture where all folders inside the classes are parts, as in ``cats/train``."""
    seconds = {rest[row][1] if len(rest[row]) > 1 else "" for row in kept}
    roles = {name: part_of(name) for name in seconds}
    if len(set(roles.values()) - {None}) < 2 or None in roles.values():
        return ["train"] * len(rest)
    return [roles[folder[1]] or "train" if len(folder) > 1 else "train" for folder in rest]


def _beside(names: Sequence[str], kept: Sequence[int]) -> list[str]:
    beside = sorted(set(range(len(names))) - set(kept))
    if not beside:
        return []
    shown = some_names([names[row] for row in beside])
    return [f"{plain_count(len(beside), 'picture')} in no class folder left out: {shown}."]


def _parts_alone(where: str, names: Sequence[str]) -> str:
    return (
        f"{where} holds the parts {some_names(names)} of a data set, but no folders in them, and no table of labels "
        "says what is on the pictures; put them into a folder per class, or add a labels.csv with path and label."
    )


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
