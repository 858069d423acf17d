"""Series in arrays: ``(X, y)`` in memory, and ``.npy`` and ``.npz`` files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.data.dataset import Source
from annvil.data.readers.files import source_of
from annvil.data.readers.frames import LABEL_COLUMN, column_from_any, target_column
from annvil.data.readers.numpy_files import read_numpy
from annvil.data.readers.parts import part_said
from annvil.data.readers.raw import RawColumn, column_from_array
from annvil.data.readers.samples import DEFAULT_TARGET
from annvil.errors import DataError
from annvil.kinds.series.reading.arrays import flat, named_channels
from annvil.kinds.series.reading.found import Found, end_to_end
from annvil.text.safe import short_name

_X = re.compile(r"^(x|data|series|values|windows|signals?)([_\W].*)?$|^x(?=[a-z])", re.IGNORECASE)
_XY = re.compile(r"^[xy](?=[a-z])", re.IGNORECASE)
"""Before a part: ``Xtrain``, ``ytest``."""

_LENGTHS = ("lengths", "length", "n_steps")
_CHANNELS = ("channels", "channel_names", "feature_names")
_GROUPS = ("groups", "group", "subject", "subjects")


@dataclass(frozen=True)
class Stack:
    """Series and answers of one part of the data; ``lengths`` and ``groups`` where they are given."""

    X: Any
    y: Any
    lengths: NDArray[Any] | None = None
    groups: NDArray[Any] | None = None


def series_of_pair(X: Any, y: Any, channels: Sequence[str] | None) -> Found:
    """Series of ``(X, y)``: see `annvil.kinds.series.reading.arrays.flat` for what X may be."""
    return _found([("train", Stack(X, y))], channels, None, "arrays")


def series_in_file(path: Path, channels: Sequence[str] | None) -> Found:
    """Series of an ``.npz`` file, or of an ``.npy`` file with one of answers beside it.

    Arrays are told apart by their shape: X ``(n, channels, time)``, or ``(n, time)`` for one channel, and y of as many;
    by name, ``X_train``, ``y_test`` and their like are parts; ``lengths`` are how many steps of each count, ``groups``
    which belong together, ``channels`` their names.

    Raises
    ------
    DataError
        Where there are no series, none or several arrays of answers, or parts of different channels.
    """
    arrays = read_numpy(path)
    if path.suffix.lower() == ".npy":
        arrays |= read_numpy(_partner(path))
    named = next((arrays.pop(name) for name in list(arrays) if name.lower() in _CHANNELS), None)
    if channels is None and named is not None:
        channels = [str(name) for name in named.ravel().tolist()]
    stacks = [(part, _stack(arrays, part, path.name)) for part in ("train", "validation", "test")]
    return _found([(part, one) for part, one in stacks if one is not None], channels, source_of(path), path.name)


def arrays_to_predict(path: Path) -> Any:
    """The series of a file, as `annvil.kinds.series.reading.arrays.flat` takes them."""
    arrays = {name: array for name, array in read_numpy(path).items() if array.ndim in (2, 3) and array.size}
    found = [array for name, array in arrays.items() if array.ndim == 3] or [
        array for name, array in arrays.items() if len(arrays) == 1 or _X.match(name)
    ]
    if len(found) != 1:
        which = "several arrays" if found else "no array"
        raise DataError(f"{short_name(path.name)} holds {which} of series (n, channels, time).")
    return found[0]


def _partner(path: Path) -> Path:
    swaps = (("X", "y"), ("x", "y"), ("data", "labels"), ("series", "labels"), ("values", "labels"))
    beside = [path.with_name(path.name.replace(a, b)) for a, b in swaps if a in path.stem]
    found = next((other for other in beside if other != path and other.is_file()), None)
    if found is None:
        raise DataError(
            f"{short_name(path.name)} holds series but no answers; put X and y into one .npz file, or pass (X, y)."
        )
    return found


def _part(name: str) -> str:
    return part_said(name) or part_said(_XY.sub("", name)) or "train"


def _stack(arrays: Mapping[str, NDArray[Any]], part: str, where: str) -> Stack | None:
    ours = {name: array for name, array in arrays.items() if _part(name) == part}
    if not ours:
        return None
    found = [name for name, array in ours.items() if array.ndim == 3]
    found = found or [name for name, array in ours.items() if array.ndim == 2 and _X.match(name)]
    if len(found) != 1:
        shapes = ", ".join(f"{name} {' × '.join(map(str, array.shape))}" for name, array in list(ours.items())[:4])
        which = "several arrays" if found else "no array"
        raise DataError(f"{where} holds {which} of series (n, channels, time); it holds {shapes}.")
    X = ours.pop(found[0])
    for name, array in ours.items():
        if _bare(name) in (*_LENGTHS, *_GROUPS) and array.size != len(X):
            raise DataError(f"{where} holds {len(X):,} series in {found[0]!r} and {array.size:,} values in {name!r}.")
    beside = {name: array for name, array in ours.items() if array.ndim in (1, 2) and len(array) == len(X)}
    lengths = next((beside.pop(name) for name in list(beside) if _bare(name) in _LENGTHS), None)
    groups = next((beside.pop(name) for name in list(beside) if _bare(name) in _GROUPS), None)
    if len(beside) != 1:
        what = "several arrays" if beside else "no array"
        raise DataError(f"{where} holds {len(X):,} series in {found[0]!r} and {what} of as many answers.")
    return Stack(X, next(iter(beside.values())), lengths, groups)


def _bare(name: str) -> str:
    """A name without its part: ``lengths_train`` is "lengths"."""
    words = [word for word in name.lower().split("_") if part_said(word) is None]
    return "_".join(words)


def _found(
    stacks: Sequence[tuple[str, Stack]], channels: Sequence[str] | None, source: Source | None, where: str
) -> Found:
    parts = [flat(one.X, one.lengths, where) for _, one in stacks]
    widths = {values.shape[1] for values, _ in parts}
    if len(widths) > 1:
        raise DataError(f"{where} holds training and test series of different channels ({sorted(widths)}).")
    width = widths.pop()
    if channels is not None and len(channels) != width:
        raise DataError(f"{where} has {width} channels, and {len(channels)} names are given for them (channels).")
    lengths = np.concatenate([lengths for _, lengths in parts])
    values = np.concatenate([values for values, _ in parts])
    counts = [len(found) for _, found in parts]
    for (_, stack), n in zip(stacks, counts, strict=True):
        if len(stack.y) != n:
            raise DataError(f"X has {n:,} series and y has {len(stack.y):,} answers; they must be equal.")
    groups = [one.groups for _, one in stacks if one.groups is not None]
    digest = sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
    return Found(
        values=values,
        starts=end_to_end(lengths),
        channels=tuple(channels) if channels is not None else named_channels(width),
        names=[f"series {row + 1}" for row in range(len(lengths))],
        answers=_answers([one.y for _, one in stacks]),
        testing=np.repeat([part == "test" and len(stacks) > 1 for part, _ in stacks], counts),
        groups=column_from_array("groups", np.concatenate(groups)) if len(groups) == len(stacks) else None,
        source=source or Source("arrays", None, digest, values.nbytes),
        certain="codes",
    )


def _answers(parts: Sequence[Any]) -> tuple[RawColumn, ...]:
    columns = [target_column(y) for y in parts]
    whole = columns[0] if len(columns) == 1 else np.concatenate([np.asarray(y) for y in columns])
    if isinstance(whole, np.ndarray) and whole.ndim == 2:
        return tuple(column_from_array(f"{LABEL_COLUMN}{k + 1}", whole[:, k]) for k in range(whole.shape[1]))
    return (column_from_any(DEFAULT_TARGET, whole if hasattr(whole, "__len__") else list(whole)),)
