"""Names, attributes and constants of a graph, read from its bytes; constants stay where they are in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from annvil.errors import BundleError
from annvil.onnx.protobuf import BYTES, FIXED32, VARINT, Part, WireError, integers, parts, varints

LONGEST_NAME = 1 << 12  # bytes (assumed)

STRING = 8
ELEMENTS = {
    1: "f4",
    2: "u1",
    3: "i1",
    4: "u2",
    5: "i2",
    6: "i4",
    7: "i8",
    9: "?",
    10: "f2",
    11: "f8",
    12: "u4",
    13: "u8",
}
"""NumPy's names of the element types of onnx.proto that are read; `STRING` beside them."""


@dataclass(frozen=True)
class Message:
    """Fields of one message of onnx.proto (ONNX 1.21, IR version 10) that `annvil.onnx.builder` writes."""

    name: str
    fields: frozenset[int]
    single: frozenset[int] = frozenset()  # may come once: readers merge or overwrite second copies


_ATTRIBUTE = Message("attribute", frozenset({1, 2, 3, 4, 5, 7, 8, 9, 20}), frozenset({1, 2, 3, 4, 5, 20}))
_TENSOR = Message("tensor", frozenset({1, 2, 4, 5, 6, 7, 8, 9, 10, 11}), frozenset({2, 8, 9}))  # no 13, 14: external
_SCALARS = {2: 1, 3: 2, 4: 3, 5: 4}  # field of an attribute's value → its type
_LISTS = {7: 6, 8: 7, 9: 8}

# Runs of unpacked values (a forest has millions), which `parts` would pass over 20 times as slowly.
_RUNS = {
    7: re.compile(rb"(?:\x3d[\s\S]{4})++"),
    8: re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f])++"),
    9: re.compile(rb"(?:\x4a\x04LEAF|\x4a\x0aBRANCH_LEQ)++"),
}


@dataclass(frozen=True)
class Constant:
    """A tensor of the file; ``values`` of strings stay unread."""

    element: int
    shape: tuple[int, ...]
    values: NDArray[Any] | None


def refusal(reason: str) -> BundleError:
    """The error for a graph that Annvil cannot have written."""
    return BundleError(f"The saved model is refused: {reason}. Only models that Annvil wrote can be loaded.")


def fields(content: bytes, start: int, end: int, message: Message) -> Iterator[Part]:
    """The fields of a message; refuses those that are not allowed and second copies of single ones."""
    seen = set()
    for part in parts(content, start, end):
        number = part[0]
        if number not in message.fields or number in seen:
            raise refusal(f"its {message.name} has a part that Annvil does not write (field {number})")
        if number in message.single:
            seen.add(number)
        yield part


def name_of(content: bytes, first: int, last: int) -> str:
    if last - first > LONGEST_NAME:
        raise refusal(f"it has a name of more than {LONGEST_NAME} bytes")
    try:
        return content[first:last].decode()
    except UnicodeDecodeError:
        raise refusal("it has a name that is no text (UTF-8)") from None


def number_of(content: bytes, kind: int, first: int, last: int) -> int:
    """A signed integer of one field."""
    if kind != VARINT:
        raise WireError("a number is written in another way")
    value = next(integers(content, kind, first, last))
    return value - (1 << 64) if value >> 63 else value


def attribute(content: bytes, start: int, end: int) -> tuple[str, Any]:
    name, at, kind, values, scalars = "", start, 0, dict[int, list[Any]](), dict[int, Any]()
    seen: set[int] = set()
    while at < end:
        for number, wire, first, last in fields(content, at, end, _ATTRIBUTE):
            if number in seen:
                raise refusal(f"its attribute has a part that Annvil does not write (field {number}, twice)")
            if number in _LISTS:
                run = _RUNS[number].match(content, at, end)
                at = run.end() if run else last
                values.setdefault(number, []).append(_listed(content, number, wire, first, last, run))
                break  # what follows may be another run
            at = last
            seen.add(number)
            if number == 1:
                name = name_of(content, first, last)
            elif number == 20:
                kind = number_of(content, wire, first, last)
            else:
                scalars[number] = _scalar(content, number, wire, first, last)
    found = [*scalars, *values]
    if not name or len(found) > 1 or (found and kind != (_SCALARS | _LISTS)[found[0]]):
        raise refusal("its graph has an attribute that is not written as Annvil writes it")
    if scalars:
        return name, next(iter(scalars.values()))
    lists = next(iter(values.values()), [])
    if values and 9 in values:
        return name, b"".join(lists)
    return name, np.concatenate(lists) if lists else np.zeros(0, np.int64)


def _scalar(content: bytes, number: int, wire: int, first: int, last: int) -> Any:
    if number == 2 and wire == FIXED32:
        return float(np.frombuffer(content, "<f4", 1, first)[0])
    if number == 3:
        return number_of(content, wire, first, last)
    if number in (4, 5) and wire == BYTES:
        return name_of(content, first, last) if number == 4 else tensor(content, first, last)[1]
    raise WireError("an attribute is written in another way")


def _listed(content: bytes, number: int, wire: int, first: int, last: int, run: re.Match[bytes] | None) -> Any:
    """Some of the values of a list: those of a run, or those of one field."""
    if number == 9:
        return run.group() if run else b"\x4a" + bytes([min(last - first, 0x80)]) + content[first:last]
    if run:
        if number == 8:
            return varints(run.group())[1::2]
        return np.frombuffer(run.group(), np.uint8).reshape(-1, 5)[:, 1:].copy().view("<f4")[:, 0]
    if wire not in ((VARINT, BYTES) if number == 8 else (FIXED32, BYTES)) or (number == 7 and (last - first) % 4):
        raise WireError("a list of numbers is written in another way")
    return varints(content[first:last]) if number == 8 else np.frombuffer(content[first:last], "<f4")


_TYPED = {4: "<f4", 10: "<f8"}


def tensor(content: bytes, start: int, end: int) -> tuple[str, Constant]:
    name, element, sizes, raw, n_texts = "", 0, list[int](), None, 0
    typed: list[NDArray[Any]] = []
    for number, kind, first, last in fields(content, start, end, _TENSOR):
        if number == 1:
            if kind not in (VARINT, BYTES) or last - first > 100:
                raise WireError("a tensor's sizes are no list of integers")
            sizes.extend(integers(content, kind, first, last))
        elif number == 2:
            element = number_of(content, kind, first, last)
        elif number == 8:
            name = name_of(content, first, last)
        elif number == 9 and kind == BYTES:
            raw = first, last
        elif number == 6:
            n_texts += 1
        elif number in (5, 7, 11) and kind in (VARINT, BYTES):
            typed.append(varints(content[first:last]))
        elif number in _TYPED and kind == BYTES and (last - first) % int(_TYPED[number][2]) == 0:
            typed.append(np.frombuffer(content[first:last], _TYPED[number]))
        else:
            raise WireError("the values of a tensor are written in another way")
    if len(sizes) > 8 or prod(sizes) > end - start:
        raise refusal("its graph has a tensor that claims more elements than it has bytes")
    if element not in ELEMENTS and element != STRING:
        raise refusal(f"its graph has a constant of a type that Annvil does not write ({element})")
    values = None
    if raw is not None and element != STRING and not typed and not n_texts:
        dtype = np.dtype(ELEMENTS[element]).newbyteorder("<")
        if prod(sizes) * dtype.itemsize == raw[1] - raw[0]:
            values = np.frombuffer(content, dtype, prod(sizes), raw[0])
    elif raw is None and element not in (10, STRING) and not n_texts:  # 10: halves lie there as bits
        values = np.concatenate(typed).astype(ELEMENTS[element]) if typed else np.zeros(0, ELEMENTS[element])
    n_values = n_texts if element == STRING and raw is None and not typed else -1 if values is None else len(values)
    if n_values != prod(sizes):
        raise refusal("its graph has a tensor that claims other elements than it has")
    return name, Constant(element, tuple(sizes), None if values is None else values.reshape(sizes))
