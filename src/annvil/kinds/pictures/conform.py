"""Pictures to predict → `Images` of exactly the form that a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.files import read_file
from annvil.data.readers.numpy_files import read_numpy
from annvil.errors import DataError, RequestError, did_you_mean, name_rows
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images, images_in_memory
from annvil.kinds.pictures.json_pictures import content_of, is_path, is_rows_of_pixels, pixels_of_rows
from annvil.kinds.pictures.reading.array_files import read_idx
from annvil.kinds.pictures.reading.arrays import images_from_arrays, in_form, picture_in_form
from annvil.kinds.pictures.reading.decoded import decoded
from annvil.kinds.pictures.reading.decoding import Broken, Facts, Pixels, decode, decode_bytes
from annvil.kinds.pictures.reading.listing import TABLES, Listing, is_array, list_archive, list_folder
from annvil.kinds.pictures.reading.resolving import beside_table, names_pictures
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

IN_MEMORY = 256 * 2**20
"""Pictures of a folder that need more than this are decoded into the cache instead of memory (assumed)."""


def conform_images(
    source: Any, form: PictureForm, where: str = "the pictures to predict"
) -> tuple[Images, tuple[str, ...]]:
    """Pictures in the form, in the order given, and notices for people.

    Parameters
    ----------
    source : a path of a picture, of a folder or zip archive (all pictures in it, in the order of their names), of a
        table whose texts name pictures, or of a NumPy or idx file; a file's content as bytes; a PIL image; an array
        ``(height, width)``, ``(height, width, channels)``, ``(n, height, width)`` or ``(n, height, width, channels)``;
        `Images`; what JSON may hold (`annvil.kinds.pictures.json_pictures`); a dict ``{"image": …}``; or a list of any
        of these; of a folder, an archive, a table or `Files`, pictures that cannot be decoded are left out and named
    where : what to call them in messages

    Raises
    ------
    DataError
        Where no picture, or one of a list, can be decoded (its name and why), or an array has no shape of pictures.
    RequestError
        Where a path does not exist.
    """
    if isinstance(source, Images):
        return _reformed(source, form), ()
    if is_path(source):
        return _from_path(Path(source), form)
    if isinstance(source, Files):
        return _each([(Path(path), path) for path in source], form)
    if isinstance(source, (list, tuple)) and source:
        return _from_list(list(source), form, where), ()
    return images_in_memory(_one_or_more(source, form, where), form), ()


def _reformed(images: Images, form: PictureForm) -> Images:
    if images.form.shape == form.shape:
        return images
    made = [in_form(pixels, form) for _, pixels in images.blocks()]
    return images_in_memory(
        np.concatenate(made) if made else np.empty((0, *form.shape), np.uint8), form, images.names()
    )


def _from_list(sources: list[Any], form: PictureForm, where: str) -> Images:
    made, names = [], []
    for i, source in enumerate(sources):
        if is_path(source):
            made.append(_decoded_file(Path(source), form)[0][None])
            names.append(str(source))
        else:
            called = f"picture {i + 1} of {where}"
            pixels = _one_or_more(source, form, called)
            if len(pixels) != 1:
                raise DataError(
                    f"{called} is an array of {len(pixels)} pictures; pass one array of all, or single ones."
                )
            made.append(pixels)
            names.append(f"image {i + 1}")
    return images_in_memory(np.concatenate(made), form, names)


def _one_or_more(source: Any, form: PictureForm, where: str) -> Pixels:
    """Pictures ``(n, height, width, channels)`` from something in memory."""
    if isinstance(source, Mapping):
        name = form.column
        if set(source) != {name}:
            raise DataError(f"{where} must be given as {{{name!r}: …}}; got {sorted(map(str, source))[:5]}.")
        if is_rows_of_pixels(source[name]):
            return _one_or_more(pixels_of_rows(source[name], form, where), form, where)
        return conform_images(source[name], form, where)[0].pixels()
    if isinstance(source, str):
        source = content_of(source, where)
    if isinstance(source, (bytes, bytearray, memoryview)):
        try:
            return decode_bytes(bytes(source), form)[0][None]
        except Broken as broken:
            raise DataError(f"{where}: the content {broken}.") from None
    if hasattr(source, "getexif") and hasattr(source, "convert"):
        try:
            return picture_in_form(source, form)
        except OSError as error:
            raise DataError(f"{where}: the picture cannot be decoded: {error}.") from None
    array = np.asarray(source)
    if array.dtype == object or array.dtype.kind not in "buif":
        raise DataError(f"{where} must be paths, arrays, PIL images or files' contents; got {type(source).__name__}.")
    return images_from_arrays(_stacked(array, form, where), form=form, given=True).pixels()


def _stacked(array: Any, form: PictureForm, where: str) -> Any:
    """One picture or several → several."""
    if array.ndim == 2:
        return array[None]
    if array.ndim == 3:
        is_stack = array.shape[1:] == (form.height, form.width) or array.shape[2] not in (1, 3, 4)
        return array if is_stack else array[None]
    if array.ndim == 4:
        return array
    raise DataError(
        f"{where} is an array {' × '.join(map(str, array.shape))}; pictures are (height, width[, channels])."
    )


def _from_path(path: Path, form: PictureForm) -> tuple[Images, tuple[str, ...]]:
    if not path.exists():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise RequestError(f"There is no file or folder {str(path)!r}.{near}")
    name = path.name.lower()
    if path.is_dir() or name.endswith(".zip"):
        return _from_listing(list_folder(path) if path.is_dir() else list_archive(path), form)
    if name.endswith((".npy", ".npz")):
        stacks = [array for array in read_numpy(path).values() if array.ndim in (3, 4)]
        if len(stacks) != 1:
            raise DataError(f"{path.name} holds {plain_count(len(stacks), 'array')} of pictures; it must hold one.")
        return images_from_arrays(stacks[0], form=form, given=True), ()
    if is_array(name):
        return images_from_arrays(read_idx(path), form=form, given=True), ()
    if path.suffix.lower() in TABLES:
        return _from_table(path, form)
    pixels, facts = _decoded_file(path, form)
    return images_in_memory(pixels[None], form, [str(path)], facts[None]), ()


def _from_listing(listing: Listing, form: PictureForm) -> tuple[Images, tuple[str, ...]]:
    if not listing.pictures:
        raise DataError(f"{listing.shown} holds no pictures.")
    others = sum(listing.others.values())
    told = (f"{plain_count(others, 'file')} of other kinds not looked at.",) if others else ()
    if listing.archive is None and len(listing.pictures) * form.n_values <= IN_MEMORY:
        images, left_out = _each([(Path(entry.place), entry.name) for entry in listing.pictures], form)
        return images, (*left_out, *told)
    store = decoded(listing, form=form)
    usable = np.flatnonzero(store.facts["height"] > 0)
    broken = [f"{short_name(left.name)} {left.reason}" for left in store.left_out]
    return Images(store, usable), (*_left_out(broken), *told)


def _from_table(path: Path, form: PictureForm) -> tuple[Images, tuple[str, ...]]:
    raw = read_file(path)
    column = names_pictures(raw, path.parent)
    if column is None:
        raise DataError(f"{path.name} names no picture files that are there.")
    raw = read_file(path, Wanted(whole={column}, texts={column}))
    resolve, chosen = beside_table(raw, column, path.parent), raw[column]
    places = [(Path(entry.place) if (entry := resolve(level)) else path.parent / level) for level in chosen.levels]
    files = [(places[code], chosen.levels[code]) for code in chosen.values.tolist() if code >= 0]
    images, told = _each(files, form)
    gaps = np.flatnonzero(chosen.values < 0)
    if len(gaps):
        told = (*told, f"{path.name} names no picture in {name_rows(gaps[:5].tolist(), len(gaps))}: left out.")
    return images, told


class Files(tuple[str, ...]):
    """Paths of pictures each of which is for itself: those that cannot be decoded are left out, and named."""


def _each(files: Sequence[tuple[Path, str]], form: PictureForm) -> tuple[Images, tuple[str, ...]]:
    """The pictures that can be decoded, and what is wrong with the others; raises where there are none."""
    made: dict[Path, tuple[Pixels, Facts]] = {}
    wrong: dict[Path, DataError | RequestError] = {}
    for path, name in files:
        if path not in made and path not in wrong:
            try:
                made[path] = _decoded_file(path, form, name)
            except (DataError, RequestError) as error:
                wrong[path] = error
    if not made:
        raise next(iter(wrong.values())) if wrong else DataError("No picture is named.")
    kept = [(path, name) for path, name in files if path in made]
    pixels, facts = (np.stack(found) for found in zip(*(made[path] for path, _ in kept), strict=True))
    images = images_in_memory(pixels, form, [name for _, name in kept], facts)
    return images, _left_out([str(error).rstrip(".") for error in wrong.values()])


def _left_out(reasons: Sequence[str]) -> tuple[str, ...]:
    if not reasons:
        return ()
    shown = "; ".join(reasons[:5]) + ("; …" if len(reasons) > 5 else "")
    return (f"{plain_count(len(reasons), 'picture')} left out: {shown}.",)


def _decoded_file(path: Path, form: PictureForm, name: str = "") -> tuple[Pixels, Facts]:
    """One file's pixels and facts; errors name it."""
    name = short_name(name or str(path), 200)
    try:
        with path.open("rb") as stream:
            return decode(stream, path.stat().st_size, form)
    except FileNotFoundError:
        raise RequestError(f"There is no file {name!r}.") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{name} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    except Broken as broken:
        raise DataError(f"{name} {broken}.") from None
