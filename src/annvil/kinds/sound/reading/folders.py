"""Folders that say what is heard in the clips in them: ``yes/…``, ``train/yes/…``, ``test/yes/…``."""

from __future__ import annotations

import numpy as np

from annvil.data.readers.parts import parts_among
from annvil.data.readers.raw import column_from_texts
from annvil.errors import DataError
from annvil.kinds.sound.clips import LeftOut
from annvil.kinds.sound.reading.found import Named
from annvil.kinds.sound.reading.listing import Listing
from annvil.text.quantities import plain_count
from annvil.text.safe import composed, short_name, some_names

CLASS = "class"
"""Name of the target where folders hold the classes."""


def by_folder(listing: Listing) -> Named:
    """The class of every clip by the folder it lies in.

    Folders that all clips share are passed through (an archive's top folder). Where the first that differ are parts of
    the data (`annvil.data.readers.parts`), the next folder is the class; otherwise they are.

    Raises
    ------
    DataError
        Where there are no clips, no folders, or one.
    """
    where, sounds = listing.shown, listing.sounds
    if not sounds:
        raise DataError(no_sounds(listing))
    folders = [tuple(map(composed, entry.folders)) for entry in sounds]
    while folders and len({folder[:1] for folder in folders}) == 1 and folders[0][:1]:
        folders = [folder[1:] for folder in folders]
    if not any(folders):
        raise DataError(
            f"{where} holds {plain_count(len(sounds), 'sound file')} but nothing says what is heard in them; put them "
            "into a folder per class, or add a labels.csv with the columns path and label."
        )
    inside: dict[str, set[str]] = {folder[0]: set() for folder in folders if folder}
    for folder in folders:
        if len(folder) > 1:
            inside[folder[0]].add(folder[1])
    roles = parts_among(sorted(inside), inside)
    in_parts = len(set(roles.values())) > 1 and any(inside[name] for name in roles)
    parts = [roles.get(folder[0], "") if in_parts and folder else "train" for folder in folders]
    labels = [(folder[1:] if in_parts else folder)[:1] for folder in folders]
    kept = [row for row, label in enumerate(labels) if label and parts[row]]
    testing = np.array([parts[row] == "test" for row in kept])
    known = {labels[row][0] for row, test in zip(kept, testing, strict=True) if not test}
    fits = np.array([labels[row][0] in known for row in kept]) if not testing.all() else np.ones(len(kept), dtype=bool)
    testing = testing & (not testing.all())
    kept, testing = [row for row, fit in zip(kept, fits, strict=True) if fit], testing[fits]
    beside = sorted(set(range(len(sounds))) - set(kept))
    said = []
    if testing.any():
        said.append(f"{plain_count(int(testing.sum()), 'clip')} in the folder for testing are kept apart.")
    answer = column_from_texts(CLASS, [short_name(labels[row][0], 200).strip() for row in kept])
    if len(answer.levels) < 2:
        raise DataError(
            f"{where} holds one class only, {some_names(list(answer.levels))}; a model needs examples of two at least."
        )
    return Named(
        sounds=[sounds[row] for row in kept],
        rows=np.arange(len(kept)),
        answers=(answer,),
        testing=testing,
        said=tuple(said),
        left_out=tuple(LeftOut(sounds[row].name, "lies in no folder of a class") for row in beside),
        certain="folders",
    )


def no_sounds(listing: Listing) -> str:
    """Why there is nothing to learn from."""
    if listing.left_out:
        left = listing.left_out[0]
        return f"{listing.shown} holds no sound file that can be read: {short_name(left.name)} {left.reason}."
    kinds = ", ".join(f"{n} {suffix}" for suffix, n in listing.others.most_common(3))
    what = f"only other files ({kinds})" if kinds else "no files"
    return f"{listing.shown} holds {what}; clips are .wav, .flac, .ogg or .mp3 files in a folder per class."
