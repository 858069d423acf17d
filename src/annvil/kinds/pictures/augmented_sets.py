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
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from annvil.data.dataset import Dataset
from annvil.errors import MachineError, RequestError
from annvil.files import write_atomically
from annvil.kinds.pictures.changed_copies import changed_copies, contact_sheet, spread_rows
from annvil.kinds.pictures.harmless_names import file_names, folder_names
from annvil.kinds.pictures.images import Images
from annvil.kinds.pictures.reading.decoding import Pixels
from annvil.kinds.pictures.reading.read_images import read_images
from annvil.options import ReadOptions, cleaned
from annvil.preparation.augmentation import Augmentation, augmentation_of
from annvil.sections import png

Format = Literal["png", "jpeg"]
Label = tuple[str, ...]

MOST_COPIES = 1_000
"""Of a picture (assumed: beyond it the same changes come again)."""

SHEET_ROWS, SHEET_COLUMNS = 8, 10
"""Pictures of the contact sheet, below and beside each other."""

JPEG_QUALITY = 95

TABLE, SHEET = "labels.csv", "contact-sheet.png"

_PICTURES_AT_ONCE = 64


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
    ask = cleaned(ReadOptions, {"target": target, "groups": groups, "task": task}, "augment()")
    dataset = read_images(source, ask, size=size, workers=workers)
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
        writing.write(partial, progress or (lambda done, of: None))
        if folder.exists():
            folder.rmdir()  # empty, as was checked
        os.replace(partial, folder)
    except OSError as error:
        raise MachineError(f"Cannot write {folder}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return AugmentedSet(
        folder,
        folder / TABLE,
        folder / SHEET,
        writing.n_originals,
        writing.n_pictures,
        chosen,
        tuple(writing.said()),
    )


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


@dataclass(frozen=True)
class _Writing:
    """The pictures to write, in order: those learnt from with their copies, then those kept for testing."""

    dataset: Dataset[Images]
    augmentation: Augmentation
    times: int
    seed: int
    format: Format

    @cached_property
    def parts(self) -> list[tuple[str, Dataset[Images], list[Label], int]]:
        """Name of a side of the split, its pictures, their cells of the label, and how many copies of each."""
        found = [("train", self.dataset, self.dataset.task.written(self.dataset.y), self.times)]
        test = self.dataset.official_test
        return found if test is None else [*found, ("test", test, test.task.written(test.y), 0)]

    @cached_property
    def folders(self) -> dict[Label, str]:
        """The folder of a label: of its name where a picture has one class."""
        labels = [label for _, _, part, _ in self.parts for label in part]
        names = folder_names([label[0] for label in labels]) if self.dataset.task.one_class_a_row else {}
        return {label: names.get(label[0], "pictures") for label in labels}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that say what is on a picture: one, or one of 0 and 1 for each of several labels."""
        if self.dataset.task.n_questions == 1:
            return ("label",)
        taken = ("path", "origin", "split")
        return tuple(f"label {name}" if str(name) in taken else str(name) for name in self.dataset.task.classes)

    @property
    def n_originals(self) -> int:
        return sum(len(labels) for _, _, labels, _ in self.parts)

    @property
    def n_pictures(self) -> int:
        return sum(len(labels) * (copies + 1) for _, _, labels, copies in self.parts)

    def said(self) -> Iterator[str]:
        """What is to be known of the folder."""
        yield (
            f"{self.dataset.n_rows:,} pictures and {self.times} {'copies' if self.times > 1 else 'copy'} of each were "
            f"written in {self.dataset.inputs.form.describe()} pixels. Copies have {self.augmentation.short()}."
        )
        for _, test, _, _ in self.parts[1:]:
            yield f"{test.n_rows:,} test pictures were written without copies and are marked as such."
        if len(self.columns) > 1:
            targets = " ".join(f"--target {name!r}" for name in self.columns)
            yield f"{TABLE} has a column of 0 and 1 for each label: annvil fit {targets}."
        yield (
            f"Copies of a picture have its origin in {TABLE}, and stay on one side of every split when annvil fit "
            "reads the folder."
        )

    def write(self, folder: Path, progress: Callable[[int, int], None]) -> None:
        """Everything, pictures first and the table that names them last."""
        for name in sorted(set(self.folders.values())):
            (folder / name).mkdir(parents=True)
        rows = [("path", *self.columns, "origin", "split")]
        for path, label, origin, split, pixels in self._pictures():
            (folder / path).write_bytes(self._encoded(pixels))
            rows.append((path, *label, origin, split))
            progress(len(rows) - 1, self.n_pictures)
        (folder / SHEET).write_bytes(png(self._sheet()))
        text = io.StringIO()
        shown = slice(None if len(self.parts) > 1 else -1)  # without test pictures there is no split to tell
        csv.writer(text, lineterminator="\n").writerows(row[shown] for row in rows)
        write_atomically(folder / TABLE, text.getvalue().encode("utf-8", errors="replace"))

    def _pictures(self) -> Iterator[tuple[str, Label, str, str, Pixels]]:
        """Path, cells of the label, origin, split and pixels of every picture."""
        ending = "png" if self.format == "png" else "jpg"
        for split, dataset, labels, times in self.parts:
            before, beginning = ("test-", "test ") if split == "test" else ("", "")
            names, origins = file_names(dataset.inputs.names()), _origins(dataset, beginning)
            for start in range(0, dataset.n_rows, _PICTURES_AT_ONCE):
                pixels = dataset.inputs.pixels(slice(start, start + _PICTURES_AT_ONCE))
                versions = [pixels, *changed_copies(pixels, self.augmentation, times, (self.seed, start))]
                for row, number in product(range(start, start + len(pixels)), range(times + 1)):
                    name = names[row] if number == 0 else f"{names[row]}-{number:0{len(str(times))}d}"
                    path = f"{self.folders[labels[row]]}/{before}{name}.{ending}"
                    yield path, labels[row], origins[row], split, versions[number][row - start]

    def _encoded(self, pixels: Pixels) -> bytes:
        if self.format == "png":
            return png(pixels)
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(stream, "JPEG", quality=JPEG_QUALITY)
        return stream.getvalue()

    def _sheet(self) -> Pixels:
        """Originals of as many classes as possible, each with copies beside it."""
        pixels = self.dataset.inputs.pixels(spread_rows(self.parts[0][2], SHEET_ROWS))
        seed = (self.seed, self.dataset.n_rows)
        return contact_sheet([pixels, *changed_copies(pixels, self.augmentation, SHEET_COLUMNS - 1, seed)])


def _origins(dataset: Dataset[Images], prefix: str) -> list[str]:
    """The name of the first picture of each group, for every picture of the group."""
    names = dataset.inputs.names()
    first: dict[int, str] = {}
    return [first.setdefault(group, prefix + name) for group, name in zip(dataset.groups.tolist(), names, strict=True)]
