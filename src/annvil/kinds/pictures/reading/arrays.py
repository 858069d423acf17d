"""Pictures in arrays in memory, and the digits that scikit-learn ships."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.kinds.pictures.form import PictureForm, Survey, choose_form
from annvil.kinds.pictures.images import Images, Store, Temporary
from annvil.kinds.pictures.reading.array_files import Stack
from annvil.kinds.pictures.reading.decoding import FACTS, Pixels, fitted, grey, placed, scaled
from annvil.kinds.pictures.reading.given_arrays import blocks_of, eight_bits, learnt_range

IN_MEMORY = 2**30
"""Converted arrays beyond this are kept in a temporary file instead of memory (assumed)."""


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


def stacked(pictures: Sequence[Any]) -> NDArray[Any]:
    """A list of arrays or PIL images as one array.

    Raises
    ------
    DataError
        Where they differ in shape.
    """
    made = [np.asarray(one) for one in pictures]
    shapes = [one.shape for one in made]
    other = next((number for number, shape in enumerate(shapes) if shape != shapes[0]), None)
    if other is not None:
        raise DataError(
            f"A list of pictures must hold pictures of one shape; the first is {_times(shapes[0])}, number "
            f"{other + 1} is {_times(shapes[other])}. Bring them to one size, or pass their files."
        )
    return np.stack(made)


def _times(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


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
