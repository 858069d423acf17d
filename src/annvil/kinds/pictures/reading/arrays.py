"""Pictures in arrays: in memory, in NumPy files, in idx files (MNIST's), and the digits that scikit-learn ships."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.kinds.pictures.form import PictureForm, Survey, choose_form
from annvil.kinds.pictures.images import Images, Store, Temporary
from annvil.kinds.pictures.reading.decoding import FACTS, Pixels, fitted, grey, placed, scaled
from annvil.kinds.pictures.reading.given_arrays import blocks_of, eight_bits, learnt_range
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

MOST_BYTES = 32 * 2**30
"""Arrays in compressed files are unpacked up to this (assumed); larger ones are refused by their header."""

IN_MEMORY = 2**30
"""Converted arrays beyond this are kept in a temporary file instead of memory (assumed)."""

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@dataclass(frozen=True)
class Stack:
    """Pictures in an array and their answers; the last ``n_testing`` are kept apart for testing."""

    X: NDArray[Any]
    y: NDArray[Any]
    n_testing: int = 0


def images_from_arrays(
    X: Any, *, form: PictureForm | None = None, size: int | Sequence[int] | None = None, given: bool = False
) -> Images:
    """`Images` over an array ``(n, height, width)`` or ``(n, height, width, 1, 3 or 4)`` of any numeric type.

    uint8 of a fitting size is used as it is, without a copy (a memory-mapped array stays on disk). Other types, and
    uint8 of 0 and 1, are scaled to 0–255 by their range: 0 to 1, 0 to 255, or their least and greatest value. A fourth
    channel is transparency. ``given``: values are in the user's range (`annvil.kinds.pictures.reading.given_arrays`),
    not pixels of a form.

    Raises
    ------
    DataError
        Where the shape is not that of pictures, or values are not finite numbers.
    """
    array, said = _channels_last(np.asarray(X) if not isinstance(X, np.memmap) else X)
    n, height, width, channels = array.shape
    if form is None:
        low, high = learnt_range(array)
        given = given or (array.dtype == np.uint8 and high > 0)
        survey = Survey(np.array([height]), np.array([width]), channels >= 3, low, high)
        form, sentence = choose_form(survey, size)
        said = (sentence, *said, *_range_said(array, form))
    keep: Temporary | None = None
    if given or array.dtype != np.uint8 or array.shape[1:] != form.shape:
        array, keep = _converted(array, form, given)
    facts = np.zeros(n, FACTS)
    facts["height"], facts["width"], facts["coloured"] = height, width, channels >= 3
    names = _Numbered(n)
    return Images(Store(array, form, names, facts, np.zeros(n, dtype=np.int64), said, keep=keep), np.arange(n))


class _Numbered(Sequence[str]):
    """``"image 1"``, ``"image 2"``, …: names of pictures that have none."""

    def __init__(self, n: int) -> None:
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: Any) -> Any:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(self._n))]
        return f"image {range(self._n)[row] + 1}"


def _channels_last(array: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """``(n, height, width, channels)``, and what was made of the axes."""
    if array.dtype.kind not in "buif":
        raise DataError(f"Pictures are arrays of numbers; got an array of {array.dtype}.")
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or 0 in array.shape:
        shape = " × ".join(map(str, array.shape))
        raise DataError(f"Pictures are arrays (n, height, width) or (n, height, width, channels); got {shape}.")
    if array.shape[3] in (1, 3, 4):
        return array, ()
    if array.shape[1] in (1, 3, 4):
        return np.moveaxis(array, 1, 3), ("The second axis is taken for the channels and put last.",)
    raise DataError(
        f"Pictures have 1, 3 or 4 channels on the last axis; got an array {' × '.join(map(str, array.shape))}."
    )


def _range_said(array: NDArray[Any], form: PictureForm) -> tuple[str, ...]:
    if not form.has_range or (form.low, form.high) == (0.0, 255.0):
        return ()
    return (f"Values from {form.low:.6g} to {form.high:.6g} become 0 to 255.",)


def _converted(array: NDArray[Any], form: PictureForm, given: bool) -> tuple[Pixels, Temporary | None]:
    """The array in the form, block by block: in memory, or in a temporary file where it is large."""
    shape: tuple[int, ...] = (len(array), *form.shape)
    keep: Temporary | None = None
    out: Pixels
    if prod(shape) <= IN_MEMORY:
        out = np.empty(shape, dtype=np.uint8)
    else:
        keep = Temporary()
        out = np.lib.format.open_memmap(keep.path / "pixels.npy", mode="w+", dtype=np.uint8, shape=shape)
    for start, block in blocks_of(array):
        out[start : start + len(block)] = in_form(eight_bits(block, form, start) if given else block, form)
    return out, keep


def in_form(array: NDArray[Any], form: PictureForm) -> Pixels:
    """Pictures ``(n, height, width, channels)`` of any size and numeric type in the form."""
    pixels = scaled(array, form)
    if pixels.shape[3] == 4:
        share = pixels[..., 3:].astype(np.float32) / 255
        pixels = np.rint(pixels[..., :3] * share + 255 * (1 - share)).astype(np.uint8)
    if pixels.shape[1:3] == (form.height, form.width):
        return _with_channels(pixels, form)
    from PIL import Image

    made = [placed(Image.fromarray(one[..., 0] if one.shape[2] == 1 else one), form) for one in pixels]
    return _with_channels(np.stack(made), form)


def _with_channels(pixels: Pixels, form: PictureForm) -> Pixels:
    if pixels.shape[3] == form.channels:
        return np.ascontiguousarray(pixels)
    return grey(pixels) if form.channels == 1 else np.repeat(pixels, 3, axis=3)


def picture_in_form(picture: Any, form: PictureForm) -> Pixels:
    """A PIL image in the form, ``(1, height, width, channels)``."""
    facts = np.zeros((), FACTS)
    orientation = picture.getexif().get(0x0112, 1)
    facts["orientation"] = orientation if orientation in range(1, 9) else 1
    return fitted(picture, form, facts)[None]


def digits() -> Stack:
    """1797 handwritten digits of 8 × 8 pixels (UCI, 1998), values 0 to 16, as scikit-learn ships them."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    return Stack(bunch.images, bunch.target)


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an idx file, plain (memory-mapped) or ``.gz``.

    Raises
    ------
    DataError
        Where it is no idx file, is shorter than its header says, or larger than `MOST_BYTES`.
    """
    packed = path.name.lower().endswith(".gz")
    opener: Any = gzip.open if packed else open
    with _told(path, "is damaged and cannot be unpacked"), opener(path, "rb") as stream:
        dtype, shape = _idx_header(stream.read(4), stream, path)
        n_bytes = prod(shape) * dtype.itemsize
        _refuse_large(path, "says to hold", n_bytes)
        if not packed and n_bytes and path.stat().st_size >= stream.tell() + n_bytes:
            return np.memmap(path, dtype, "r", stream.tell(), shape)
        content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise DataError(
            f"{short_name(path.name)} is truncated: {len(content):,} of {n_bytes:,} bytes of values are there."
        )
    return np.frombuffer(content, dtype).reshape(shape)


@contextmanager
def _told(path: Path, damaged: str) -> Iterator[None]:
    """What fails inside, in a sentence on the file; ``damaged`` begins it where the content is to blame."""
    try:
        yield
    except (ValueError, zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, KeyError, NotImplementedError) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise DataError(f"{short_name(path.name)} {damaged}: {reason.rstrip('.')}.") from None
    except OSError as error:
        raise DataError(f"{short_name(path.name)} cannot be read: {error.strerror or error}.") from None


def _refuse_large(path: Path, holds: str, n_bytes: int) -> None:
    if n_bytes > MOST_BYTES:
        raise DataError(f"{short_name(path.name)} {holds} {n_bytes / 2**30:,.0f} GiB, more than {MOST_BYTES >> 30}.")


def _idx_header(magic: bytes, stream: IO[bytes], path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not 1 <= magic[3] <= 4:
        raise DataError(f"{short_name(path.name)} is not an idx file: it begins with {magic.hex(' ') or 'nothing'}.")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{short_name(path.name)} is truncated inside its header.")
    return np.dtype(_IDX_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").astype(int).tolist())


def read_numpy(path: Path) -> dict[str, NDArray[Any]]:
    """Arrays of a ``.npy`` (memory-mapped, called by the file's stem) or ``.npz`` file; never runs code from it.

    Raises
    ------
    DataError
        Where it is damaged, holds objects, or is larger than `MOST_BYTES`.
    """
    with _told(path, "cannot be read as NumPy arrays"):
        if path.suffix.lower() == ".npy":
            return {path.stem: np.load(path, mmap_mode="r", allow_pickle=False)}
        with zipfile.ZipFile(path) as archive:
            _refuse_large(path, "would unpack to", sum(member.file_size for member in archive.infolist()))
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def read_stack(paths: Sequence[Path], where: str) -> Stack:
    """Training pictures with answers, and behind them test pictures where there are some, from idx or NumPy files.

    Files and arrays belong together by name (``train-images-…`` and ``train-labels-…``, ``X_train`` and ``y_train``,
    ``X`` and ``y``), and are told apart by their shape.

    Raises
    ------
    DataError
        Where there are no pictures, pictures without answers, or test pictures of another shape.
    """
    arrays: dict[str, NDArray[Any]] = {}
    for path in paths:
        plain = path.name.lower().removesuffix(".gz")
        arrays |= read_numpy(path) if plain.endswith((".npy", ".npz")) else {path.name: read_idx(path)}
    train, test = (_stack(arrays, wanted, where) for wanted in (False, True))
    if train is None and test is not None:
        train, test = test, None
    if train is None:
        shapes = ", ".join(f"{name} {' × '.join(map(str, a.shape))}" for name, a in list(arrays.items())[:4])
        raise DataError(f"{where} holds no array of pictures (n, height, width); it holds {shapes or 'nothing'}.")
    if test is None:
        return train
    if test.X.shape[1:] != train.X.shape[1:]:
        raise DataError(f"{where} holds training and test pictures of different shapes.")
    return Stack(np.concatenate([train.X, test.X]), np.concatenate([train.y, test.y]), len(test.X))


def _stack(arrays: Mapping[str, NDArray[Any]], testing: bool, where: str) -> Stack | None:
    ours = {name: array for name, array in arrays.items() if _is_test(name) == testing}
    pictures = {name: array for name, array in ours.items() if array.ndim in (3, 4)}
    if not pictures:
        return None
    if len(pictures) > 1:
        raise DataError(
            f"{where} holds several arrays of pictures ({', '.join(pictures)}); keep one, or name its file."
        )
    (name, X), *_ = pictures.items()
    answers = [array for array in ours.values() if array.ndim in (1, 2) and len(array) == len(X)]
    if len(answers) != 1:
        what = "no array" if not answers else "several arrays"
        raise DataError(f"{where} holds {plain_count(len(X), 'picture')} in {name!r} and {what} of as many answers.")
    return Stack(X, answers[0])


def _is_test(name: str) -> bool:
    lower = name.lower()
    return "test" in lower or "t10k" in lower
