"""One file → one picture of a given form, and the facts of the file. Imports NumPy and Pillow only: workers start fast.

A picture is turned upright as its EXIF orientation says, put on white where it is transparent, made grey or colour, and
scaled (bilinear, each source pixel weighted: Pillow's `resize`, which does not alias). Of an animation or a file of
several pages the first picture counts. Colour profiles are ignored. What cannot be decoded raises `Broken`.
"""

from __future__ import annotations

import io
import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from annvil.kinds.pictures.form import PictureForm

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = NDArray[np.uint8]

FORMATS = ("", "PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM")
"""What is decoded, and nothing else: some of Pillow's other decoders start programs or are hardly ever tested."""

GREY_MODES = ("1", "L", "LA", "La")
MODES = ("", *GREY_MODES, "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "I;16")
_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")

MOST_PIXELS = 89_478_485
"""Pictures that say to be larger are refused before they are decoded: Pillow's own limit (a quarter GiB as RGB)."""

MOST_BYTES = 512 * 2**20
"""A single file may be this large (assumed; the largest honest files, uncompressed TIFFs, have three bytes a pixel)."""

COLOUR_TOLERANCE = 8
"""A picture is grey where no pixel's channels differ by more: JPEG rounds grey to within 3 (assumed with a margin)."""

FACTS = np.dtype(
    [
        ("height", "<i4"),  # of the file, turned upright; 0 where it could not be decoded
        ("width", "<i4"),
        ("mode", "u1"),  # index into MODES
        ("format", "u1"),  # index into FORMATS
        ("orientation", "u1"),  # EXIF, 1 is upright
        ("exif", "?"),  # has camera data
        ("coarseness", "u1"),  # of JPEG: mean step of the first quantisation table, at most 255; 0 for other formats
        ("animated", "?"),  # more pictures in the file than the first
        ("deep", "?"),  # more than 8 bits
        ("transparent", "?"),
        ("coloured", "?"),
        ("digest", "<u8"),  # BLAKE2b of the decoded pixels
    ]
)
"""What is known of a file beside its pixels."""

Facts = NDArray[Any]

_TURNS = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # EXIF orientation → PIL.Image.Transpose
_QUIET = threading.Lock()


class Broken(Exception):
    """A file is no picture that can be used; the text completes "cat.png …"."""


@contextmanager
def opened(stream: BinaryIO, size: int) -> Iterator[Image]:
    """The picture in ``stream``, its header read and found honest, its pixels not decoded yet.

    Raises
    ------
    Broken
        Where there is no picture; also for whatever Pillow raises inside the block, in words.
    """
    from PIL import Image, UnidentifiedImageError

    if size == 0:
        raise Broken("is empty (0 bytes)")
    if size > MOST_BYTES:
        raise Broken(f"has {size / 2**20:.0f} MB, more than the {MOST_BYTES / 2**20:.0f} MB a picture may have")
    # Pillow warns of odd headers through Python's warnings, whose filters belong to all threads; what matters raises.
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(stream, formats=_known_formats()) as picture:
                width, height = picture.size
                if width * height > MOST_PIXELS:
                    raise Broken(_too_large(width * height))
                yield picture
        except Broken:
            raise
        except UnidentifiedImageError:
            raise Broken(_unknown(stream)) from None
        except Image.DecompressionBombError as error:
            raise Broken(_too_large(int(next(iter(re.findall(r"\d+", str(error))), 0)))) from None
        except Exception as error:  # decoders of damaged files raise nearly everything
            raise Broken(f"is damaged: {_in_words(error)}") from None


@cache
def _known_formats() -> tuple[str, ...]:
    """Those of `FORMATS` that this Pillow was built with; its decoders register when they are imported."""
    from importlib import import_module

    from PIL import Image

    for name in ("Bmp", "Gif", "Jpeg", "Mpo", "Png", "Ppm", "Tiff", "WebP"):
        import_module(f"PIL.{name}ImagePlugin")
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # it would print what is raised as well
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _too_large(n_pixels: int) -> str:
    return (
        f"has {n_pixels / 1e6:.0f} million pixels by its header, more than the {MOST_PIXELS / 1e6:.0f} million allowed"
    )


def _unknown(stream: BinaryIO) -> str:
    try:
        stream.seek(0)
        head = stream.read(512)
    except (OSError, ValueError):
        head = b""
    if head and all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return "holds text, not a picture"
    return "is not a PNG, JPEG, WebP, TIFF, BMP, GIF or PPM picture, or its header is damaged"


def _in_words(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return text[:120] if text and not isinstance(error, (KeyError, IndexError)) else type(error).__name__


def decode(stream: BinaryIO, size: int, form: PictureForm) -> tuple[Pixels, Facts]:
    """Pixels ``(height, width, channels)`` of the form, and one record of `FACTS`. Raises `Broken`."""
    with opened(stream, size) as picture:
        facts = header_facts(picture)
        target = (2 * form.width, 2 * form.height)
        if picture.format == "JPEG" and facts["orientation"] <= 4:
            picture.draft(None, target)  # decodes at a half, quarter or eighth: much faster
        picture.load()
        facts["exif"] = _has_camera(picture)
        pixels = fitted(picture, form, facts)
    return pixels, facts


def decode_bytes(content: bytes, form: PictureForm) -> tuple[Pixels, Facts]:
    """As `decode`, of a file's content."""
    return decode(io.BytesIO(content), len(content), form)


def header_facts(picture: Image) -> Facts:
    """What the header alone tells."""
    facts = np.zeros((), FACTS)
    mode = picture.mode
    facts["mode"] = MODES.index(mode) if mode in MODES else MODES.index("I;16") if mode.startswith("I;16") else 0
    facts["format"] = FORMATS.index(picture.format) if picture.format in FORMATS else 0
    facts["deep"] = _is_deep(picture)
    facts["transparent"] = mode in _ALPHA or "transparency" in picture.info
    facts["animated"] = bool(getattr(picture, "is_animated", False)) and picture.format != "MPO"
    orientation = picture.getexif().get(0x0112, 1) if picture.format in ("JPEG", "MPO", "TIFF", "WEBP", "PNG") else 1
    facts["orientation"] = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    tables = getattr(picture, "quantization", None) or {}
    facts["coarseness"] = min(255, round(float(np.mean(tables[0])))) if 0 in tables else 0
    width, height = picture.size
    facts["width"], facts["height"] = (height, width) if facts["orientation"] > 4 else (width, height)
    return facts


def _is_deep(picture: Image) -> bool:
    return picture.mode in ("I", "F") or picture.mode.startswith("I;16")


def _has_camera(picture: Image) -> bool:
    """Whether EXIF names a maker, a model or a moment: a photograph straight from a camera."""
    exif = picture.getexif()
    return any(tag in exif for tag in (0x010F, 0x0110, 0x0132))


def fitted(picture: Image, form: PictureForm, facts: Facts | None = None) -> Pixels:
    """A decoded picture of any mode in the form; the record in ``facts`` learns orientation, colour and digest."""
    facts = np.zeros((), FACTS) if facts is None else facts
    if int(facts["orientation"]) in _TURNS:
        from PIL.Image import Transpose

        picture = picture.transpose(Transpose(_TURNS[int(facts["orientation"])]))
    pixels = placed(_eight_bits(picture, form), form)
    if pixels.shape[2] == 3:
        red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
        high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        facts["coloured"] = bool((high - low).max() > COLOUR_TOLERANCE)  # ten times faster than .max(axis=2)
        if form.channels == 1:
            pixels = grey(pixels)
    elif form.channels == 3:
        pixels = np.repeat(pixels, 3, axis=2)
    facts["digest"] = digest(pixels)
    return pixels


def digest(pixels: Pixels) -> int:
    """64 bits that tell pictures of one form apart."""
    return int.from_bytes(blake2b(np.ascontiguousarray(pixels).data, digest_size=8).digest(), "little")


def grey(pixels: Pixels) -> Pixels:
    """Luma of ``(…, 3)`` as ``(…, 1)``: ITU-R 601, as Pillow's own conversion, rounded to the nearest."""
    weights = np.array([19595, 38470, 7471], dtype=np.uint32)  # of 2¹⁶: .299, .587, .114
    luma: Pixels = ((pixels.astype(np.uint32) @ weights + 2**15) >> 16).astype(np.uint8)[..., None]
    return luma


def _eight_bits(picture: Image, form: PictureForm) -> Image:
    """The picture as L or RGB; transparency on white, deep values by their range."""
    from PIL import Image

    if _is_deep(picture):
        return Image.fromarray(scaled(np.asarray(picture), form))
    if picture.mode == "P":
        picture = picture.convert("RGBA" if "transparency" in picture.info else "RGB")
    elif "transparency" in picture.info and picture.mode in ("L", "RGB", "1"):
        picture = picture.convert("RGBA")
    if picture.mode in _ALPHA:
        was_grey = picture.mode in ("LA", "La")
        picture = picture.convert("LA").convert("RGBA") if picture.mode == "La" else picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("L" if was_grey else "RGB")
    if picture.mode in ("L", "RGB"):
        return picture
    return picture.convert("L" if picture.mode in GREY_MODES else "RGB")


def scaled(values: NDArray[Any], form: PictureForm) -> Pixels:
    """Deep values as uint8: ``form.low`` to ``form.high`` become 0 to 255, what lies outside is clipped.

    Where the form has no range, that of 16-bit integers is their type's, and any other values' is their own.
    """
    if values.dtype == np.uint8:
        return values
    if form.has_range:
        low, high = form.low, form.high
    elif values.dtype.kind in "bu" or values.dtype == np.int16:
        low, high = (0.0, 1.0) if values.dtype.kind == "b" else (0.0, float(np.iinfo(values.dtype).max))
    else:
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    spread = (high - low) or 1.0
    shares = (values.astype(np.float64) - low) * (255 / spread)
    result: Pixels = np.rint(np.clip(np.nan_to_num(shares, nan=0.0), 0, 255)).astype(np.uint8)
    return result


def placed(picture: Image, form: PictureForm) -> Pixels:
    """An L or RGB picture scaled into the form: pixels ``(height, width, 1 or 3)``."""
    from PIL.Image import Resampling

    width, height = picture.size
    if (height, width) == (form.height, form.width):
        return _as_array(picture)
    if form.fit == "crop":
        scale = max(form.width / width, form.height / height)
        w, h = form.width / scale, form.height / scale
        left, top = (width - w) / 2, (height - h) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + w, width), min(top + h, height))
        return _as_array(picture.resize((form.width, form.height), Resampling.BILINEAR, box=box))
    rows, columns = inside_of(form, height, width)
    size = (columns.stop - columns.start, rows.stop - rows.start)
    inside = _as_array(picture.resize(size, Resampling.BILINEAR))
    canvas = np.empty((form.height, form.width, inside.shape[2]), dtype=np.uint8)
    canvas[:] = border_mean(inside)
    canvas[rows, columns] = inside
    return canvas


def inside_of(form: PictureForm, height: int, width: int) -> tuple[slice, slice]:
    """Rows and columns that a picture of that size fills of a form that pads; the rest are bands of its border's mean.

    >>> from annvil.kinds.pictures.form import PictureForm
    >>> inside_of(PictureForm(128, 128, 1), 256, 128)
    (slice(0, 128, None), slice(32, 96, None))
    """
    if form.fit == "crop" or not height or not width:
        return slice(0, form.height), slice(0, form.width)
    scale = min(form.width / width, form.height / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (form.width - w) // 2, (form.height - h) // 2
    return slice(top, top + h), slice(left, left + w)


def border_mean(pixels: Pixels) -> Pixels:
    """Mean colour of the outermost pixels, uint8 ``(channels,)``."""
    edges = [pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]
    mean: Pixels = np.rint(np.concatenate(edges).mean(axis=0)).astype(np.uint8)
    return mean


def _as_array(picture: Image) -> Pixels:
    pixels = np.asarray(picture)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]
