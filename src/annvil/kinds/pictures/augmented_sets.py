"""Writing an augmented data set: the pictures with changed copies of each, and which copies are whose.

Copies of one picture on both sides of a split would make any model look good. So the table of labels has a column
``origin``, which is the same for a picture and all its copies (and for all pictures that show the same, or belong to
one group): where the table is read and no other groups are asked for, its equal values stay on one side.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Dataset
from annvil.errors import MachineError, RequestError
from annvil.files import write_atomically
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.preparation.augmentation import Augmentation, augmentation_of
from annvil.sections import enlargement, png

Pixels = NDArray[np.uint8]
Format = Literal["png", "jpeg"]
Label = tuple[str, ...]

MOST_COPIES = 1_000
"""Of a picture (assumed: beyond it the same changes come again)."""

SHEET_ROWS, SHEET_COLUMNS, SHEET_GAP = 8, 10, 4
"""Pictures of the contact sheet, below and beside each other, and pixels between them."""

JPEG_QUALITY = 95

_PICTURES_AT_ONCE = 64
_LONGEST_FOLDER = 60


@dataclass(frozen=True)
class AugmentedSet:
    """What was written.

    Attributes
    ----------
    folder : with a folder of pictures for each class, ``labels.csv`` and ``contact-sheet.png``
    table : ``labels.csv``: path, label (or one column for each of several), origin, and split where the source keeps
        test pictures apart; those have no copies
    contact_sheet : originals in the first column, some of their copies beside them
    n_originals, n_pictures : pictures read, and written in all
    augmentation : what was done
    said : sentences for people
    """

    folder: Path
    table: Path
    contact_sheet: Path
    n_originals: int
    n_pictures: int
    augmentation: Augmentation
    said: tuple[str, ...]


def default_augmentation(height: int, width: int, channels: int) -> Augmentation:
    """Small changes of place, size, light and noise, which keep the meaning of nearly all pictures; no flips.

    Strengths are assumed.
    """
    return Augmentation(
        shift=max(1, round(min(height, width) / 14)),
        rotate=10.0,
        scale=0.1,
        crop=0.1,
        brightness=0.08,
        contrast=0.15,
        colour=0.15 if channels == 3 else 0.0,
        noise=0.02,
    )


def augment(
    source: Any,
    times: int = 10,
    out: str | Path = "augmented",
    *,
    augmentation: Augmentation | Mapping[str, Any] | str | None = None,
    target: str | Sequence[str] | None = None,
    groups: str | Path | None = None,
    task: str | None = None,
    size: int | Sequence[int] | None = None,
    workers: int = 1,
    seed: int = 0,
    format: Format = "png",
    progress: Callable[[int, int], None] | None = None,
) -> AugmentedSet:
    """Write the pictures of ``source`` and ``times`` changed copies of each into the new folder ``out``.

    Parameters
    ----------
    source, target, groups, task, size, workers : as for `annvil.read` and `annvil.fit`; pictures are written in the
        form in which they are read, so that a file does not tell whether it is a copy
    times : copies of each picture, from 1 to 1,000
    out : a folder that does not exist yet, or is empty
    augmentation : what to change, as an `Augmentation`, a dict of strengths or a text such as
        ``"shift=2,flip=random"``; default: small shifts, turns, scales and crops, light and noise, no flips. Mixes are
        left to training: a picture of two classes has no folder, and one of two origins no side of a split.
    seed : the same seed writes the same pixels
    format : "png", or "jpeg" of quality 95
    progress : told how many pictures are written, and of how many

    Raises
    ------
    RequestError, DataError
        Where the request or the pictures cannot be used; nothing is written then.
    MachineError
        Where the disk has not enough space, or the folder cannot be written.
    """
    folder = Path(out)
    _check(times, folder, format)
    dataset = read_images(source, target=target, groups=groups, task=task, size=size, workers=workers)
    form = dataset.inputs.form
    chosen = augmentation_of(augmentation)
    if augmentation is None:
        chosen = default_augmentation(form.height, form.width, form.channels)
    if chosen.mixes:
        raise RequestError(
            "Mixed pictures (mixup, cutmix) have two classes and two origins, so that no folder and no side of a split "
            "is right for them; mix in training instead (annvil.train(..., augment=...))."
        )
    if chosen.does_nothing:
        raise RequestError("The augmentation changes nothing; its copies would be the pictures themselves.")
    writing = _Writing(dataset, chosen, times, seed, format)
    _check_space(folder, writing.n_pictures * form.n_values)
    partial = folder.with_name(f".{folder.name}.{token_hex(4)}.part")
    try:
        writing.write(partial, progress or _nobody)
        if folder.exists():
            folder.rmdir()  # empty, as was checked
        os.replace(partial, folder)
    except OSError as error:
        raise MachineError(f"Cannot write {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return AugmentedSet(
        folder,
        folder / "labels.csv",
        folder / "contact-sheet.png",
        writing.n_originals,
        writing.n_pictures,
        chosen,
        tuple(writing.said()),
    )


def _nobody(done: int, of: int) -> None:
    """Hears nothing."""


def _check(times: int, folder: Path, format: str) -> None:
    if isinstance(times, bool) or not isinstance(times, int) or not 1 <= times <= MOST_COPIES:
        raise RequestError(f"times is a whole number of copies from 1 to {MOST_COPIES}; got {times!r}.")
    if format not in ("png", "jpeg"):
        raise RequestError(f"format must be 'png' or 'jpeg'; got {format!r}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"{folder} exists and is not empty; choose another folder.")
    if not folder.resolve().parent.is_dir():
        raise RequestError(f"There is no folder {folder.resolve().parent} to make {folder.name} in.")


def _check_space(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder.resolve().parent).free
    if n_bytes > 0.9 * free:
        raise MachineError(
            f"The pictures may take {n_bytes / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free in "
            f"{folder.resolve().parent}; ask for fewer copies (--times) or smaller pictures (--size)."
        )


@dataclass
class _Writing:
    """The pictures to write, in order: those learnt from with their copies, then those kept for testing."""

    dataset: Dataset[Images]
    augmentation: Augmentation
    times: int
    seed: int
    format: Format

    def __post_init__(self) -> None:
        labels = self.dataset.task.written(self.dataset.y)
        test = self.dataset.official_test
        self._tested = test.task.written(test.y) if test is not None else []
        every = [*labels, *self._tested]
        by_class = self.dataset.task.one_class_a_row
        names = folder_names([label[0] for label in every]) if by_class else {}
        self._folders = {label: names.get(label[0], "pictures") for label in every}
        self._labels = labels
        self._origins = _origins(self.dataset)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say what is on a picture: one, or one of 0 and 1 for each of several labels."""
        if self.dataset.task.n_questions == 1:
            return ("label",)
        taken = ("path", "origin", "split")
        return tuple(f"label {name}" if str(name) in taken else str(name) for name in self.dataset.task.classes)

    @property
    def n_originals(self) -> int:
        return len(self._labels) + len(self._tested)

    @property
    def n_pictures(self) -> int:
        return len(self._labels) * (self.times + 1) + len(self._tested)

    def said(self) -> Iterator[str]:
        """What is to be known of the folder."""
        yield (
            f"{len(self._labels):,} pictures and {self.times} {'copies' if self.times > 1 else 'copy'} of each were "
            f"written in {self.dataset.inputs.form.describe()} pixels. Copies have {self.augmentation.short()}."
        )
        if self._tested:
            yield f"{len(self._tested):,} test pictures were written without copies and are marked as such."
        if len(self.columns) > 1:
            targets = " ".join(f"--target {name!r}" for name in self.columns)
            yield f"labels.csv has a column of 0 and 1 for each label: annvil fit {targets}."
        yield (
            "Copies of a picture have its origin in labels.csv, and stay on one side of every split when annvil fit "
            "reads the folder."
        )

    def write(self, folder: Path, progress: Callable[[int, int], None]) -> None:
        """Everything, pictures first and the table that names them last."""
        folder.mkdir(parents=True)
        for name in sorted(set(self._folders.values())):
            (folder / name).mkdir()
        rows: list[tuple[str, ...]] = []
        for n, (path, label, origin, split, pixels) in enumerate(self._pictures(), start=1):
            (folder / path).write_bytes(self._encoded(pixels))
            rows.append((path, *label, origin, *([split] if self._tested else [])))
            progress(n, self.n_pictures)
        (folder / "contact-sheet.png").write_bytes(png(self._sheet()))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("path", *self.columns, "origin", *(["split"] if self._tested else [])))
        writer.writerows(rows)
        write_atomically(folder / "labels.csv", text.getvalue().encode("utf-8", errors="replace"))

    def _pictures(self) -> Iterator[tuple[str, Label, str, str, Pixels]]:
        """Path, cells of the label, origin, split and pixels of every picture."""
        inputs = self.dataset.inputs
        names = file_names(inputs.names())
        for start in range(0, inputs.n_rows, _PICTURES_AT_ONCE):
            rows = slice(start, start + _PICTURES_AT_ONCE)
            pixels = inputs.pixels(rows)
            copies = self._copies(pixels, start)
            for k, picture in enumerate(pixels):
                row = start + k
                label, origin = self._labels[row], self._origins[row]
                for number, version in enumerate((picture, *(copy[k] for copy in copies))):
                    name = names[row] if number == 0 else f"{names[row]}-{number:0{len(str(self.times))}d}"
                    yield f"{self._folders[label]}/{name}.{self._ending}", label, origin, "train", version
        test = self.dataset.official_test
        if test is not None:
            names = [f"test-{name}" for name in file_names(test.inputs.names())]
            origins = _origins(test, "test ")
            for row, label in enumerate(self._tested):
                path = f"{self._folders[label]}/{names[row]}.{self._ending}"
                yield path, label, origins[row], "test", test.inputs.pixels(slice(row, row + 1))[0]

    def _copies(self, pixels: Pixels, start: int) -> list[Pixels]:
        return changed_copies(pixels, self.augmentation, self.times, (self.seed, start))

    @property
    def _ending(self) -> str:
        return "png" if self.format == "png" else "jpg"

    def _encoded(self, pixels: Pixels) -> bytes:
        if self.format == "png":
            return png(pixels)
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()

    def _sheet(self) -> Pixels:
        """Originals of as many classes as possible, each with copies beside it."""
        rows = spread_rows(self._labels, SHEET_ROWS)
        pixels = self.dataset.inputs.pixels(rows)
        copies = changed_copies(pixels, self.augmentation, SHEET_COLUMNS - 1, (self.seed, len(self._labels)))
        return contact_sheet([[pixels[k], *(copy[k] for copy in copies)] for k in range(len(rows))])


def changed_copies(pixels: Pixels, augmentation: Augmentation, times: int, seed: int | tuple[int, ...]) -> list[Pixels]:
    """``times`` changed copies of uint8 pictures ``(n, height, width, channels)``; flips that alternate are tossed."""
    import torch

    from annvil.preparation.augment_batches import PictureChanges

    random = np.random.default_rng(seed)
    if augmentation.flip == "alternate":
        augmentation = replace(augmentation, flip="random")
    changes = PictureChanges(augmentation)
    given = torch.from_numpy(pixels)
    return [changes.changed(given, changes.draw(random, len(pixels), pixels.shape[1:])).numpy() for _ in range(times)]


def contact_sheet(rows: Sequence[Sequence[Pixels]]) -> Pixels:
    """Pictures of one form side by side on white, enlarged where they are small."""
    height, width, channels = rows[0][0].shape
    enlarge = enlargement(height, width, 64)
    tall, wide = height * enlarge + SHEET_GAP, width * enlarge + SHEET_GAP
    columns = max(map(len, rows))
    sheet = np.full((len(rows) * tall + SHEET_GAP, columns * wide + SHEET_GAP, channels), 255, dtype=np.uint8)
    for r, row in enumerate(rows):
        for c, picture in enumerate(row):
            top, left = SHEET_GAP + r * tall, SHEET_GAP + c * wide
            large = picture.repeat(enlarge, axis=0).repeat(enlarge, axis=1)
            sheet[top : top + large.shape[0], left : left + large.shape[1]] = large
    return sheet


def spread_rows(labels: Sequence[Any], most: int) -> NDArray[np.int64]:
    """Up to ``most`` rows, one of each label in turn."""
    seen: dict[Any, int] = {}
    turns = []
    for label in labels:
        turns.append(seen.get(label, 0))
        seen[label] = turns[-1] + 1
    return np.sort(np.argsort(turns, kind="stable")[:most]).astype(np.int64)


def _origins(dataset: Dataset[Images], prefix: str = "") -> list[str]:
    """The name of the first picture of each group, for every picture of the group."""
    names = dataset.inputs.names()
    first: dict[int, str] = {}
    return [first.setdefault(group, prefix + name) for group, name in zip(dataset.groups.tolist(), names, strict=True)]


def folder_names(labels: Sequence[str]) -> dict[str, str]:
    """A folder name for every label; one that could be the name of a folder keeps it."""
    found: dict[str, str] = {}
    for label in dict.fromkeys(labels):
        name = _harmless(label) or "none"
        taken = {other.lower() for other in found.values()}
        number = 2
        unique = name
        while unique.lower() in taken:
            unique, number = f"{name}-{number}", number + 1
        found[label] = unique
    return found


def file_names(names: Sequence[str]) -> list[str]:
    """A file name without ending for every picture; a number in front keeps them apart and in order."""
    found = []
    for row, name in enumerate(names):
        stem = _harmless(Path(name).stem)
        found.append(f"{row + 1:06d}-{stem}" if stem else f"{row + 1:06d}")
    return found


def _harmless(text: str) -> str:
    """The text as a name that every system takes: letters, figures, ``-``, ``_`` and inner dots, not too long."""
    kept = "".join(sign if sign.isalnum() or sign in "-_." else "-" for sign in text)
    kept = kept.strip("-. ")
    while len(kept.encode("utf-8")) > _LONGEST_FOLDER:
        kept = kept[:-1]
    reserved = kept.upper().split(".")[0] in {"CON", "PRN", "AUX", "NUL"}
    return f"{kept}-" if reserved else kept
