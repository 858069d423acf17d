"""A picture as JSON may hold it: a file's content as a data URL (RFC 2397), or rows of pixels."""

from __future__ import annotations

import binascii
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import DataError
from annvil.kinds.pictures.form import PictureForm

PREFIX, SIGN = "data:", ";base64,"


def schema_of(form: PictureForm) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one picture as an object.

    Pixels are numbers of 0 to 255 of uint8, or what the training pictures held where they had a range of their own; a
    pixel is one number (grey) or a list of three (red, green, blue) or four (and transparency).
    """
    number = {"type": "number"} if form.has_range else {"type": "integer", "minimum": 0, "maximum": 255}
    pixels = [
        {"type": "array", "minItems": 1, "items": {"type": "array", "minItems": 1, "items": pixel}}
        for pixel in (number, *({"type": "array", "minItems": n, "maxItems": n, "items": number} for n in (1, 3, 4)))
    ]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            form.column: {
                "description": f"A picture of any size, scaled to {form.describe()}: a file as a data URL, or "
                "rows of pixels, all of one length.",
                "anyOf": [{"type": "string", "format": "uri", "pattern": f"^{PREFIX}image/[^,]+{SIGN}"}, *pixels],
            }
        },
        "required": [form.column],
        "additionalProperties": False,
    }


def is_path(source: Any) -> bool:
    """Whether something names a file: data URLs are texts, too."""
    return isinstance(source, PathLike) or (isinstance(source, str) and not source.startswith(PREFIX))


def content_of(url: str, where: str) -> bytes:
    """The file's content that a data URL holds."""
    head, sign, content = url.partition(SIGN)
    try:
        if not sign or not head.startswith(f"{PREFIX}image/"):
            raise ValueError("it must begin with 'data:image/png;base64,' or the like")
        return binascii.a2b_base64(content, strict_mode=True)
    except ValueError as error:
        raise DataError(f"{where} is not a picture as a data URL: {error}.") from None


def is_rows_of_pixels(source: Any) -> bool:
    """Whether something is lists of lists of numbers, or of lists of numbers."""
    inner = source
    for depth in range(4):
        if not isinstance(inner, list) or not inner:
            return depth >= 2 and isinstance(inner, int | float)
        inner = inner[0]
    return False


def pixels_of_rows(rows: Any, form: PictureForm, where: str) -> NDArray[Any]:
    """Rows of pixels as an array ``(1, height, width, channels)``: uint8 where the form knows no other range."""
    try:
        array = np.asarray(rows)
    except ValueError:
        raise DataError(f"{where} must be rows of pixels, all of one length.") from None
    array = array[None, :, :, None] if array.ndim == 2 else array[None]
    if array.shape[3] not in (1, 3, 4):
        raise DataError(f"{where} has pixels of {array.shape[3]} values; pictures have 1, 3 or 4 channels.")
    if form.has_range or (array != np.rint(array)).any():
        return array
    if array.min() < 0 or array.max() > 255:
        raise DataError(f"{where} holds pixels outside 0 to 255.")
    return array.astype(np.uint8)
