"""The Protocol Buffers wire format, as little of it as reading an ONNX graph needs.

Only positions are handed out, nothing is copied, so walking a graph costs no memory. Anything that an honest writer
does not produce (groups, field 0, lengths beyond the message, endless varints) raises `WireError`.
Source: "Encoding", protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

Part = tuple[int, int, int, int]
"""Field number, wire type, first byte of the value, first byte after it."""


class WireError(ValueError):
    """The bytes are not a message."""


def varint(content: bytes, at: int, end: int) -> tuple[int, int]:
    """An unsigned integer of at most 64 bits at ``at``, and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise WireError("a number runs over the end")
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise WireError("a number has more than ten bytes")


def parts(content: bytes, start: int, end: int) -> Iterator[Part]:
    """The fields of the message in ``content[start:end]``, in order; for `BYTES` the length prefix is not included."""
    at = start
    while at < end:
        tag, at = varint(content, at, end)
        number, kind = tag >> 3, tag & 7
        first = at
        if kind == VARINT:
            _, at = varint(content, at, end)
        elif kind == BYTES:
            length, first = varint(content, at, end)
            at = first + length
        elif kind == FIXED64:
            at += 8
        elif kind == FIXED32:
            at += 4
        else:
            raise WireError(f"wire type {kind} is not in use")
        if number == 0 or at > end:
            raise WireError("a field runs over the end")
        yield number, kind, first, at


def integers(content: bytes, kind: int, start: int, end: int) -> Iterator[int]:
    """The integers of one field: a single one, or a packed list."""
    at = start
    while at < end:
        value, at = varint(content, at, end)
        yield value
        if kind == VARINT:
            return


def varints(content: bytes) -> NDArray[np.int64]:
    """All the integers of a packed list at once, as signed ones."""
    found = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(found < 0x80)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    if len(found) and (not len(ends) or ends[-1] != len(found) - 1 or lengths.max() > 10):
        raise WireError("a list of integers is cut or has a number of more than ten bytes")
    values = np.zeros(len(ends), np.uint64)
    for place in range(int(lengths.max(initial=0))):
        longer = lengths > place
        values[longer] |= (found[starts[longer] + place] & np.uint64(0x7F)) << np.uint64(7 * place)
    return values.view(np.int64)
