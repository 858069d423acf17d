"""Arrow and Feather files, decoded by nanoarrow and handed to DuckDB.

nanoarrow reads Arrow *streams*. A file holds the same messages plus a footer that says where they are, and two things
in files are beyond nanoarrow 0.9: Polars begins its files with a schema that is no stream message, and compressed
dictionaries (pandas categories in Feather) are not unpacked. So a stream is put together here from the file's own
messages: a new schema message is written *before* a copy of the footer and points into it, columns of categories are
declared as the plain numbers they are stored as, and each dictionary is read as a little stream of its own.

Layout of the messages: Apache Arrow columnar format 1.5, "Serialization and Interprocess Communication", and its
flatbuffer schemas ``Schema.fbs``, ``Message.fbs`` and ``File.fbs``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.dataset import Source
from annvil.data.readers.delimited import MOST_COLUMNS
from annvil.data.readers.duckdb import Wanted, columns_of, reader
from annvil.data.readers.raw import RawColumn, RawTable, column_from_values, merge_levels, refuse_repeated_names
from annvil.errors import DataError

_MAGIC = b"ARROW1"
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3  # Message.fbs, MessageHeader
_INT = 2  # Schema.fbs, Type
_V5 = struct.pack("<h", 4)  # MetadataVersion.V5
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def read_arrow(path: Path, source: Source) -> RawTable:
    """The table in an Arrow IPC file (Feather version 2) or an Arrow stream.

    Raises
    ------
    DataError
        Where the file is damaged or holds types that cannot be read.
    """
    import duckdb

    try:
        data = path.read_bytes()
        if data.startswith(b"FEA1"):
            raise DataError(f"{source.name} is Feather version 1, which no longer is written; save it as Parquet.")
        stream = _ArrowFile(data) if data.startswith(_MAGIC) else None
        with reader(path) as (connection, _):
            names, categories = (stream.names, stream.categories) if stream else (None, {})
            messages = _Messages(stream.messages() if stream else iter([data]))
            names = _load(connection, messages, names, source.name)
            columns = columns_of(connection, "t", names, Wanted(whole=names), typed=True)
            n_rows = int(connection.execute("SELECT count(*) FROM t").fetchall()[0][0])
        if stream:
            made = {at: stream.values_of(dictionary) for at, dictionary in categories.items()}
            columns = [_decode(c, made[at]) if at in made else c for at, c in enumerate(columns)]
    except (struct.error, IndexError, ValueError, RuntimeError, OverflowError, MemoryError, duckdb.Error) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        if "View not yet supported" in reason:
            reason = "its texts are of Arrow's newer view type, as Polars writes them unless told compat_level='oldest'"
        raise DataError(
            f"{source.name} cannot be read as an Arrow file: {reason}. Save it as Parquet or CSV."
        ) from None
    return RawTable(tuple(columns), n_rows, Source(source.name, source.path, source.sha256, source.n_bytes, "Arrow"))


def _load(connection: Any, messages: _Messages, names: Sequence[str] | None, where: str) -> list[str]:
    """Make table ``t`` with columns c0, c1, …, and return their names."""
    import nanoarrow
    from nanoarrow.ipc import InputStream

    arrays = nanoarrow.ArrayStream(InputStream.from_readable(messages))
    if names is None:
        names = [str(f.name) for f in arrays.schema.fields]
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{where} has {len(names)} columns; Annvil reads at most {MOST_COLUMNS}. Keep those that matter."
        )
    refuse_repeated_names(names, where)
    connection.register("arrow", arrays)
    aliases = ", ".join(f"c{i}" for i in range(len(names)))
    connection.execute(f"CREATE TABLE t AS SELECT * FROM arrow AS a({aliases})")
    return list(names)


def _decode(column: RawColumn, values: Sequence[Any]) -> RawColumn:
    """A column of positions in a dictionary → the column of what stands there."""
    codes = np.where(np.isnan(column.values), -1, column.values).astype(np.int32)
    if all(value is None or isinstance(value, str) for value in values):
        codes, levels = merge_levels(codes, [(value or "").strip() for value in values])
        return RawColumn(column.name, "text", codes, levels)
    return column_from_values(column.name, [None if code < 0 else values[code] for code in codes.tolist()])


class _Messages:
    """Message bytes one after another, as something that nanoarrow can read from."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        self._rest = memoryview(b"")

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(target):
            if not self._rest:
                self._rest = memoryview(next(self._parts, b""))
                if not self._rest:
                    break
            n = min(len(target) - filled, len(self._rest))
            target[filled : filled + n] = self._rest[:n]
            self._rest = self._rest[n:]
            filled += n
        return filled


class _ArrowFile:
    """The footer of an Arrow file, and the streams that can be made from its blocks."""

    def __init__(self, data: bytes) -> None:
        if not data.endswith(_MAGIC):
            raise ValueError("it ends too early")
        (length,) = struct.unpack_from("<i", data, len(data) - 10)
        if not 0 < length <= len(data) - 10:
            raise ValueError("its footer is damaged")
        self._data = data
        self._footer = data[len(data) - 10 - length : len(data) - 10]
        footer = _root(self._footer)
        self._fields = _child(footer, 1).tables(1)
        self._dictionaries, self._batches = footer.blocks(2), footer.blocks(3)
        self.names = [f.text(0) for f in self._fields]
        encodings = {i: f.child(4) for i, f in enumerate(self._fields)}
        self._encodings = {i: encoding for i, encoding in encodings.items() if encoding is not None}
        self.categories = {i: encoding.number(0, "<q") for i, encoding in self._encodings.items()}

    def messages(self) -> Iterator[bytes]:
        """A stream of the table in which categories are plain integers."""
        fields = [self._index_field(i) if i in self._encodings else f.at for i, f in enumerate(self._fields)]
        yield _schema_message(self._footer, fields)
        for block in self._batches:
            yield self._slice(block)
        yield _END

    def _index_field(self, i: int) -> _NewTable:
        index = self._encodings[i].child(1)
        bits, signed = (index.number(0, "<i", 32), index.number(1, "<?", False)) if index else (32, True)
        kind = _NewTable({0: struct.pack("<i", bits), 1: struct.pack("<?", signed)})
        return _NewTable({0: self._fields[i].position(0), 1: b"\x01", 2: bytes([_INT]), 3: kind})

    def values_of(self, dictionary: int) -> list[Any]:
        """What the dictionary with that number holds, in order."""
        import nanoarrow
        from nanoarrow.ipc import InputStream

        owner = next(self._fields[i] for i, number in self.categories.items() if number == dictionary)
        plain = _NewTable({1: b"\x01", 2: struct.pack("<B", owner.number(2, "<B")), 3: owner.position(3)})
        parts = [_schema_message(self._footer, [plain])]
        for offset, meta_length, body_length in self._dictionaries:
            meta = self._metadata(offset, meta_length)
            batch = _child(_root(meta), 2)
            if batch.number(0, "<q") == dictionary:
                body = self._data[offset + meta_length : offset + meta_length + body_length]
                parts.append(_batch_message(meta, _child(batch, 1).at, body_length) + body)
        parts.append(_END)
        arrays = nanoarrow.ArrayStream(InputStream.from_readable(_Messages(iter(parts))))
        return [value for array in arrays for value in array.child(0).to_pylist()]

    def _metadata(self, offset: int, length: int) -> bytes:
        prefix = 8 if self._data[offset : offset + 4] == b"\xff\xff\xff\xff" else 4
        return self._data[offset + prefix : offset + length]

    def _slice(self, block: tuple[int, int, int]) -> bytes:
        offset, meta_length, body_length = block
        return self._data[offset : offset + meta_length + body_length]


@dataclass(frozen=True)
class _Table:
    """A table in a flatbuffer: fields are found through its vtable; an absent field has position 0."""

    data: bytes
    at: int

    def slot(self, n: int) -> int:
        vtable = self.at - _unpack("<i", self.data, self.at)
        size = _unpack("<H", self.data, vtable)
        offset = _unpack("<H", self.data, vtable + 4 + 2 * n) if 4 + 2 * n < size else 0
        return self.at + offset if offset else 0

    def number(self, n: int, form: str, default: Any = 0) -> Any:
        slot = self.slot(n)
        return _unpack(form, self.data, slot) if slot else default

    def position(self, n: int) -> int:
        """Where the thing is that field ``n`` points to."""
        slot = self.slot(n)
        if not slot:
            raise ValueError("a part of it is missing")
        return slot + int(_unpack("<I", self.data, slot))

    def child(self, n: int) -> _Table | None:
        return _Table(self.data, self.position(n)) if self.slot(n) else None

    def text(self, n: int) -> str:
        if not self.slot(n):
            return ""
        at = self.position(n)
        return self.data[at + 4 : at + 4 + _unpack("<I", self.data, at)].decode("utf-8", "replace")

    def tables(self, n: int) -> list[_Table]:
        at = self.position(n)
        count = _unpack("<I", self.data, at)
        if 4 * count > len(self.data):
            raise ValueError("its footer is damaged")
        places = range(at + 4, at + 4 + 4 * count, 4)
        return [_Table(self.data, place + _unpack("<I", self.data, place)) for place in places]

    def blocks(self, n: int) -> list[tuple[int, int, int]]:
        """A vector of File.fbs ``Block``: offset, length of metadata, length of body."""
        if not self.slot(n):
            return []
        at = self.position(n)
        count = _unpack("<I", self.data, at)
        if 24 * count > len(self.data):
            raise ValueError("its footer is damaged")
        return [struct.unpack_from("<qi4xq", self.data, at + 4 + 24 * i) for i in range(count)]


def _unpack(form: str, data: bytes, at: int) -> Any:
    if at < 0:
        raise ValueError("an offset points before its beginning")
    return struct.unpack_from(form, data, at)[0]


def _root(data: bytes) -> _Table:
    return _Table(data, _unpack("<I", data, 0))


def _child(table: _Table, n: int) -> _Table:
    return _Table(table.data, table.position(n))


@dataclass(eq=False)
class _NewTable:
    """A table to be written: slot → its bytes, another new piece, or a position in the copied buffer."""

    slots: dict[int, bytes | int | _NewTable | _NewVector]
    at: int = field(default=0, init=False)

    def place(self, start: int) -> int:
        """Give it a position; returns where the next piece may begin. Every slot takes 8 bytes, so all are aligned."""
        self.at = start + _round(4 + 2 * self._count)
        return self.at + 8 + 8 * self._count

    @property
    def _count(self) -> int:
        return max(self.slots) + 1

    def write(self, out: bytearray, base: int) -> None:
        vtable = self.at - _round(4 + 2 * self._count)
        struct.pack_into("<HH", out, vtable, 4 + 2 * self._count, 8 + 8 * self._count)
        struct.pack_into("<i", out, self.at, self.at - vtable)
        for n, value in self.slots.items():
            struct.pack_into("<H", out, vtable + 4 + 2 * n, 8 + 8 * n)
            _write_slot(out, self.at + 8 + 8 * n, value, base)


@dataclass(eq=False)
class _NewVector:
    """A vector of tables to be written."""

    items: list[int | _NewTable]
    at: int = field(default=0, init=False)

    def place(self, start: int) -> int:
        self.at = start
        return start + _round(4 + 4 * len(self.items))

    def write(self, out: bytearray, base: int) -> None:
        struct.pack_into("<I", out, self.at, len(self.items))
        for i, item in enumerate(self.items):
            _write_slot(out, self.at + 4 + 4 * i, item, base)


def _write_slot(out: bytearray, place: int, value: Any, base: int) -> None:
    if isinstance(value, bytes):
        out[place : place + len(value)] = value
    else:
        target = base + value if isinstance(value, int) else value.at
        struct.pack_into("<I", out, place, target - place)


def _round(n: int) -> int:
    return (n + 7) // 8 * 8


def _before(tail: bytes, pieces: Sequence[_NewTable | _NewVector]) -> bytes:
    """A flatbuffer whose root is the first piece: the new pieces, parents first, then the buffer they point into."""
    position = 8
    for piece in pieces:
        position = piece.place(position)
    out = bytearray(position)
    struct.pack_into("<I", out, 0, pieces[0].at)
    for piece in pieces:
        piece.write(out, position)
    return bytes(out) + tail


def _schema_message(footer: bytes, fields: Sequence[int | _NewTable]) -> bytes:
    vector = _NewVector(list(fields))
    schema = _NewTable({0: struct.pack("<h", 0), 1: vector})
    message = _NewTable({0: _V5, 1: bytes([_SCHEMA]), 2: schema, 3: struct.pack("<q", 0)})
    new = [item for item in fields if isinstance(item, _NewTable)]
    kinds = [slot for item in new for slot in item.slots.values() if isinstance(slot, _NewTable)]
    return _wrap(_before(footer, [message, schema, vector, *new, *kinds]))


def _batch_message(meta: bytes, batch: int, body_length: int) -> bytes:
    message = _NewTable({0: _V5, 1: bytes([_BATCH]), 2: batch, 3: struct.pack("<q", body_length)})
    return _wrap(_before(meta, [message]))


def _wrap(flatbuffer: bytes) -> bytes:
    """A flatbuffer as an encapsulated message without a body."""
    padded = flatbuffer + bytes(_round(len(flatbuffer)) - len(flatbuffer))
    return b"\xff\xff\xff\xff" + struct.pack("<i", len(padded)) + padded
