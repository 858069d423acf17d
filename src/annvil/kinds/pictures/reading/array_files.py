"""Arrays in NumPy files and idx files (MNIST's): training pictures, their answers, and those kept for testing."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.readers.numpy_files import read_numpy, refuse_large, told_if_damaged
from annvil.data.readers.parts import part_said
from annvil.errors import DataError
from annvil.text.quantities import plain_count
from annvil.text.safe import short_name

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}

_XY = re.compile(r"^[xy](?=[a-z])", re.IGNORECASE)
"""Before a part: ``Xtrain``, ``ytest``."""


@dataclass(frozen=True)
class Stack:
    """Pictures in an array and their answers; the last ``n_testing`` are kept apart for testing."""

    X: NDArray[Any]
    y: NDArray[Any]
    n_testing: int = 0


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an idx file, plain (memory-mapped) or ``.gz``.

    Raises
    ------
    DataError
        Where it is no idx file, is shorter than its header says, or larger than `MOST_BYTES`.
    """
    packed = path.name.lower().endswith(".gz")
    opener: Any = gzip.open if packed else open
    with told_if_damaged(path, "is damaged and cannot be unpacked"), opener(path, "rb") as stream:
        dtype, shape = _idx_header(stream.read(4), stream, path)
        n_bytes = prod(shape) * dtype.itemsize
        refuse_large(path, "says to hold", n_bytes)
        if not packed and n_bytes and path.stat().st_size >= stream.tell() + n_bytes:
            return np.memmap(path, dtype, "r", stream.tell(), shape)
        content = stream.read(n_bytes)
    if len(content) < n_bytes:
        raise DataError(
            f"{short_name(path.name)} is truncated: {len(content):,} of {n_bytes:,} bytes of values are there."
        )
    return np.frombuffer(content, dtype).reshape(shape)


def _idx_header(magic: bytes, stream: IO[bytes], path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _IDX_TYPES or not 1 <= magic[3] <= 4:
        raise DataError(f"{short_name(path.name)} is not an idx file: it begins with {magic.hex(' ') or 'nothing'}.")
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{short_name(path.name)} is truncated inside its header.")
    return np.dtype(_IDX_TYPES[magic[2]]), tuple(np.frombuffer(sizes, ">u4").astype(int).tolist())


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
    train, more, test = (_stack(arrays, part, where) for part in ("train", "validation", "test"))
    if train is not None and more is not None:
        _refuse_shapes(train, more, where)
        train = Stack(np.concatenate([train.X, more.X]), np.concatenate([train.y, more.y]))
    if train is None:
        train, more = more, None
    if train is None and test is not None:
        train, test = test, None
    if train is None:
        shapes = ", ".join(f"{name} {' × '.join(map(str, a.shape))}" for name, a in list(arrays.items())[:4])
        raise DataError(f"{where} holds no array of pictures (n, height, width); it holds {shapes or 'nothing'}.")
    if test is None:
        return train
    _refuse_shapes(train, test, where)
    return Stack(np.concatenate([train.X, test.X]), np.concatenate([train.y, test.y]), len(test.X))


def _stack(arrays: Mapping[str, NDArray[Any]], part: str, where: str) -> Stack | None:
    ours = {name: array for name, array in arrays.items() if _part(name) == part}
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


def _refuse_shapes(train: Stack, other: Stack, where: str) -> None:
    if other.X.shape[1:] != train.X.shape[1:]:
        raise DataError(f"{where} holds training pictures and test or validation pictures of different shapes.")


def _part(name: str) -> str:
    """The part of the data that an array is of, by its name."""
    if "t10k" in name.lower():
        return "test"
    return part_said(name) or part_said(_XY.sub("", name)) or "train"


def with_partner(path: Path) -> list[Path]:
    """An array file and what lies beside it under a name that differs by images/labels or X/y only."""
    name = path.name
    if path.name.lower().endswith(".npz"):
        return [path]
    swaps = (("images", "labels"), ("idx3", "idx1"), ("X", "y"), ("x", "y"), ("data", "labels"))
    swapped = name.replace("images", "labels").replace("idx3", "idx1")
    beside = {path.with_name(swapped), *(path.with_name(name.replace(a, b)) for a, b in swaps)}
    partners = sorted(other for other in beside if other != path and other.is_file())
    if not partners:
        raise DataError(
            f"{name} holds pictures but no answers; put a file such as {swapped!r} beside it, or pass (X, y)."
        )
    return [path, partners[0]]
