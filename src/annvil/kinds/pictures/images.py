"""Pictures as the rooms above see them: uint8, channels last, picked by row, read when asked for.

All rows of a data set share one `Store` (an array in memory, or a memory-mapped file). `Images` is a list of row
numbers into it, so that folds, subsets and batches cost nothing but their numbers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from math import prod
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from annvil.data.form import Arrays
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.decoding import FACTS, Facts, Pixels, digest, inside_of
from annvil.tasks.base import IntArray

BLOCK_BYTES = 8 * 2**20
"""Pictures looked through one after another are taken so many bytes at a time (assumed: small beside any memory)."""


class Temporary:
    """A folder that goes when nothing refers to this any more."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="annvil-images-"))
        self._end = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


@dataclass(frozen=True)
class LeftOut:
    """A file that is not among the rows, and why: the reason completes "cat.png …"."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Store:
    """Decoded pictures and what is known of them; row ``i`` of every array is picture ``i``.

    Attributes
    ----------
    array : uint8 ``(n, height, width, channels)``, in memory or memory-mapped read-only
    form : size, channels and resize policy
    names : paths below the source, or ``"image 12"`` for arrays
    facts : records of `annvil.kinds.pictures.reading.decoding.FACTS` ``(n,)``
    n_bytes : of each file, int64 ``(n,)``; 0 for arrays
    said : sentences on what was made of the files
    left_out : files that could not be used
    alike : int64 ``(n,)``, equal for pictures that show the same, or None where nobody has looked; -1 for pictures that
        are no rows
    keep : whatever must live as long as the array (a temporary folder)
    """

    array: Pixels
    form: PictureForm
    names: Sequence[str]
    facts: Facts
    n_bytes: IntArray
    said: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    alike: IntArray | None = None
    keep: Temporary | None = None

    def gather(self, rows: IntArray | slice) -> Pixels:
        """A copy of the pictures asked for, ``(len(rows), height, width, channels)``.

        From a mapped file they are read, not touched: touching maps ever more of the file into the process, and rows
        picked here and there would bring in all of it.
        """
        file = _file_of(self.array)
        if file is not None:
            with suppress(OSError):  # another process has swept the file away; its mapping still holds
                return _read_rows(*file, self.array, range(len(self.array))[rows] if isinstance(rows, slice) else rows)
        return np.array(self.array[rows])

    @cached_property
    def digests(self) -> NDArray[np.uint64]:
        """64 bits that tell pictures apart, uint64 ``(n,)``."""
        known = np.asarray(self.facts["digest"], dtype=np.uint64)
        if np.all((known != 0) | (self.facts["height"] == 0)):
            return known
        return np.fromiter((digest(pixels) for pixels in self.array), dtype=np.uint64, count=len(self.array))


def _file_of(array: Pixels) -> tuple[str, int] | None:
    """The file whose bytes an array is, and where they begin; None for arrays in memory."""
    root: Any = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    mapped = isinstance(root, np.memmap) and root.mode in ("r", "r+") and array.flags.c_contiguous
    if not mapped or root.filename is None or not hasattr(os, "preadv"):
        return None
    return str(root.filename), int(root.offset + array.ctypes.data - root.ctypes.data)


def _read_rows(path: str, offset: int, array: Pixels, rows: IntArray | range) -> Pixels:
    """Rows of a mapped array, read from its file."""
    out: Pixels = np.empty((len(rows), *array.shape[1:]), dtype=np.uint8)
    size = prod(array.shape[1:])
    target = os.open(path, os.O_RDONLY)
    try:
        if isinstance(rows, range) and rows.step == 1:
            _read_whole(target, out.data.cast("B"), offset + rows.start * size)
        else:
            for place, row in zip(out.reshape(len(rows), size), map(int, rows), strict=True):
                _read_whole(target, place.data, offset + row * size)
    finally:
        os.close(target)
    return out


def _read_whole(target: int, place: memoryview, offset: int) -> None:
    while len(place):
        n = os.preadv(target, [place], offset)
        if n == 0:
            raise OSError("the file is shorter than it was")
        place, offset = place[n:], offset + n


@dataclass(frozen=True)
class Images:
    """Pictures of one form: the inputs of a data set of images.

    >>> from annvil.kinds.pictures import images_from_arrays
    >>> images = images_from_arrays(np.zeros((3, 8, 8), dtype=np.uint8))
    >>> images.take(np.array([2, 0])).pixels().shape, images.form.describe()
    ((2, 8, 8, 1), '8 × 8 grey')
    """

    store: Store
    index: IntArray

    @property
    def n_rows(self) -> int:
        """Number of pictures."""
        return len(self.index)

    @property
    def form(self) -> PictureForm:
        """Size, channels and resize policy."""
        return self.store.form

    def take(self, rows: IntArray | slice) -> Images:
        """The rows asked for, in the order asked for; no pixel is copied or read."""
        return replace(self, index=self.index[rows])

    def pixels(self, rows: IntArray | slice | None = None) -> Pixels:
        """Pictures of these rows (default: all), uint8 ``(n, height, width, channels)``: a copy, read now."""
        return self.store.gather(self.index if rows is None else self.index[rows])

    def blocks(self, n_bytes: int = BLOCK_BYTES) -> Iterator[tuple[slice, Pixels]]:
        """All pictures in order, a block at a time: rows of the block and their pixels."""
        step = max(1, n_bytes // self.form.n_values)
        for start in range(0, self.n_rows, step):
            rows = slice(start, min(start + step, self.n_rows))
            yield rows, self.pixels(rows)

    def names(self) -> list[str]:
        """Where each picture came from."""
        return [self.store.names[row] for row in self.index.tolist()]

    def padded(self, row: int) -> NDArray[np.bool_]:
        """Which pixels of a picture are bands that its file does not have, bool ``(height, width)``."""
        rows, columns = inside_of(self.form, int(self.facts["height"][row]), int(self.facts["width"][row]))
        padded = np.ones((self.form.height, self.form.width), dtype=bool)
        padded[rows, columns] = False
        return padded

    @property
    def facts(self) -> Facts:
        """What is known of each file: records of `annvil.kinds.pictures.reading.decoding.FACTS` ``(n_rows,)``."""
        facts: Facts = self.store.facts[self.index]
        return facts

    @property
    def n_bytes(self) -> IntArray:
        """Size of each file, int64 ``(n_rows,)``; 0 for arrays."""
        return self.store.n_bytes[self.index]

    @property
    def alike(self) -> IntArray | None:
        """Equal numbers for pictures that show the same, int64 ``(n_rows,)``, or None where nobody has looked."""
        return None if self.store.alike is None else self.store.alike[self.index]

    @property
    def n_values(self) -> int:
        """Values of a picture: height × width × channels."""
        return self.form.n_values

    @property
    def n_texts(self) -> int:
        """Pictures hold no texts."""
        return 0

    @property
    def n_levels(self) -> int:
        """Pictures hold no texts."""
        return 0

    def raw_row(self, row: int) -> NDArray[Any]:
        """One picture as a user would hand it to a saved model, ``(height, width, channels)``: uint8, or float64 in the
        range of the values that were given."""
        picture: Pixels = self.store.gather(self.index[row : row + 1])[0]
        low, high = self.form.low, self.form.high
        return picture if not self.form.has_range or high == 255 else low + picture * ((high - low) / 255)

    def with_holes(self, share: float, random: np.random.Generator) -> Images:
        """A copy in memory with about that share of its pixels black."""
        pixels = self.pixels()
        pixels[random.random(pixels.shape[:3]) < share] = 0
        return images_in_memory(pixels, self.form, self.names())

    def feeds(self) -> dict[str, NDArray[Any]]:
        """What a saved graph takes for these rows: ``{"pixels": uint8 (n_rows, height, width, channels)}``."""
        return {"pixels": self.pixels()}

    def digest(self) -> str:
        """Hexadecimal digits that change with any pixel, the form, or the order of rows."""
        form = self.form  # in the words in which runs of earlier versions were begun, so that they can be resumed
        words = (
            f"ImageForm(height={form.height!r}, width={form.width!r}, channels={form.channels!r}, fit={form.fit!r}, "
            f"low={form.low!r}, high={form.high!r})"
        )
        key = blake2b(words.encode(), digest_size=20)
        key.update(np.ascontiguousarray(self.store.digests[self.index]).data)
        return key.hexdigest()

    def to_arrays(self) -> tuple[Arrays, dict[str, Any]]:
        """These pictures as arrays by name, and what describes them beside the form as JSON-able values."""
        arrays: Arrays = {
            "pixels": self.pixels(),
            "facts": np.ascontiguousarray(self.facts).view(np.uint8),
            "file_bytes": np.array(self.n_bytes),
        }
        alike = self.alike
        if alike is not None:
            arrays["alike"] = np.array(alike)
        described: dict[str, Any] = {
            "names": [name.encode("utf-8", "replace").decode() for name in self.names()],
            "said": self.store.said,
            "left_out": self.store.left_out,
        }
        return arrays, described

    @classmethod
    def from_arrays(cls, form: PictureForm, arrays: Arrays, described: dict[str, Any]) -> Images:
        """Pictures of that form from what `to_arrays` gave."""
        store = Store(
            arrays["pixels"],
            form,
            described["names"],
            arrays["facts"].view(FACTS),
            arrays["file_bytes"],
            tuple(described["said"]),
            msgspec.convert(described["left_out"], tuple[LeftOut, ...]),
            arrays.get("alike"),
        )
        return cls(store, np.arange(len(store.array)))


def images_in_memory(
    pixels: Pixels, form: PictureForm, names: Sequence[str] | None = None, facts: Facts | None = None
) -> Images:
    """`Images` over an array that is already of the form, uint8 ``(n, height, width, channels)``.

    ``facts`` are of the files they come from, where they do.
    """
    n = len(pixels)
    if facts is None:
        facts = np.zeros(n, FACTS)
        facts["height"], facts["width"] = form.height, form.width
        facts["coloured"] = form.channels == 3
    names = [f"image {row + 1}" for row in range(n)] if names is None else names
    return Images(Store(pixels, form, names, facts, np.zeros(n, dtype=np.int64)), np.arange(n))
