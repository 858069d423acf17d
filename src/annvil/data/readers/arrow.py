"""Arrow and Feather files, decoded by nanoarrow and handed to DuckDB.

nanoarrow reads Arrow *streams*. A file holds the same messages plus a footer that says where they are, and two things
in files are beyond nanoarrow 0.9: Polars begins its files with a schema that is no stream message, and compressed
dictionaries (pandas categories in Feather) are not unpacked. So a stream is put together here from the file's own
messages: the schema is that of the footer with columns of categories declared as the plain numbers they are stored as,
and each dictionary is read as a little stream of its own.

Layout of the messages: Apache Arrow columnar format 1.5, "Serialization and Interprocess Communication", and its
flatbuffer schemas ``Schema.fbs``, ``Message.fbs`` and ``File.fbs``.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from annvil.data.dataset import Source
from annvil.data.readers.duckdb import Wanted, first_line, load, reader
from annvil.data.readers.raw import RawColumn, RawTable, column_from_values, merge_levels
from annvil.errors import DataError
from annvil.text.safe import tidy

_MAGIC = b"ARROW1"
_SCHEMA, _BATCH = 1, 3  # Message.fbs, MessageHeader
_V5 = 4  # MetadataVersion
_CONTINUES = b"\xff\xff\xff\xff"
_END = _CONTINUES + bytes(4)


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
        file = _ArrowFile(data) if data.startswith(_MAGIC) else None
        arrays = _arrays(file.stream() if file else data)
        names = file.names if file else [str(field.name) for field in arrays.schema.fields]
        with reader(path) as (connection, _):
            connection.register("arrow", arrays)
            columns, n_rows = load(connection, "arrow", names, Wanted(whole=names), typed=True, where=source.name)
        if file:
            made = {at: file.values_of(at) for at in file.categories}
            columns = [_decode(column, made[at]) if at in made else column for at, column in enumerate(columns)]
    except (struct.error, IndexError, ValueError, RuntimeError, OverflowError, MemoryError, duckdb.Error) as error:
        reason = first_line(error)
        if "View not yet supported" in reason:
            if (table := _by_its_writer(path, source)) is not None:
                return table
            reason = (
                "its texts are of Arrow's newer view type, as Polars writes them unless told compat_level='oldest', "
                "and neither Polars nor PyArrow is installed to read them"
            )
        raise DataError(
            f"{source.name} cannot be read as an Arrow file: {reason}. Save it as Parquet or CSV."
        ) from None
    return RawTable(tuple(columns), n_rows, replace(source, details="Arrow"))


def _by_its_writer(path: Path, source: Source) -> RawTable | None:
    """The table as Polars or PyArrow reads it, where one is installed: nanoarrow 0.9 does not know views of texts."""
    from annvil.data.readers.frames import table_from_frame

    reason = ""
    with path.open("rb") as stream:
        is_file = stream.read(6) == _MAGIC
    for read in (_by_polars, _by_pyarrow):
        try:
            frame = read(path, is_file)
        except ImportError:
            continue
        except BaseException as error:  # both raise many kinds on what is damaged; a panic of Rust's is no Exception
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            reason = first_line(error)
            continue
        return replace(table_from_frame(frame, source.name), source=replace(source, details="Arrow"))
    if reason:
        raise DataError(f"{source.name} cannot be read as an Arrow file: {reason}.")
    return None


def _by_polars(path: Path, is_file: bool) -> Any:
    import polars

    return polars.read_ipc(path) if is_file else polars.read_ipc_stream(path)


def _by_pyarrow(path: Path, is_file: bool) -> Any:
    ipc = import_module("pyarrow.ipc")

    with path.open("rb") as stream:
        return (ipc.open_file(stream) if is_file else ipc.open_stream(stream)).read_all()


def _arrays(stream: bytes) -> Any:
    """The nanoarrow ``ArrayStream`` of the bytes of an Arrow stream."""
    import nanoarrow
    from nanoarrow.ipc import InputStream

    return nanoarrow.ArrayStream(InputStream.from_readable(io.BytesIO(stream)))


def duration_units(schema: bytes) -> dict[str, float]:
    """Columns of durations in a schema message, and how many of their units are a second."""
    from nanoarrow import TimeUnit, Type

    try:
        fields = _arrays(schema + _END).schema.fields
    except RuntimeError as error:  # types newer than nanoarrow
        return _units_by_pyarrow(schema, error)
    per_second = {TimeUnit.SECOND: 1.0, TimeUnit.MILLI: 1e3, TimeUnit.MICRO: 1e6, TimeUnit.NANO: 1e9}
    return {str(field.name): per_second[field.unit] for field in fields if field.type == Type.DURATION}


def _units_by_pyarrow(schema: bytes, error: RuntimeError) -> dict[str, float]:
    """The same by PyArrow, where it is installed and knows the types; else ``error``: durations would be integers."""
    try:
        fields = import_module("pyarrow.ipc").read_schema(io.BytesIO(schema + _END))
    except Exception:  # it raises many kinds
        raise error from None
    per_second = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
    found = {field.name: str(field.type).removeprefix("duration[").removesuffix("]") for field in fields}
    return {name: per_second[unit] for name, unit in found.items() if unit in per_second}


def _decode(column: RawColumn, values: Sequence[Any]) -> RawColumn:
    """A column of positions in a dictionary → the column of what stands there."""
    codes = np.where(np.isnan(column.values), -1, column.values).astype(np.int32)
    if all(value is None or isinstance(value, str) for value in values):
        codes, levels = merge_levels(codes, [tidy(value or "") for value in values])
        return RawColumn(column.name, "text", codes, levels)
    return column_from_values(column.name, [None if code < 0 else values[code] for code in codes.tolist()])


class _ArrowFile:
    """The footer of an Arrow file, and the streams that can be made from its blocks."""

    def __init__(self, data: bytes) -> None:
        if not data.endswith(_MAGIC):
            raise ValueError("it ends too early")
        (length,) = struct.unpack_from("<i", data, len(data) - 10)
        if not 0 < length <= len(data) - 10:
            raise ValueError("its footer is damaged")
        self._data = memoryview(data)
        flatbuffer = data[len(data) - 10 - length : len(data) - 10]
        footer = _Table.root(flatbuffer)
        self._dictionaries, self._batches = footer.blocks(2), footer.blocks(3)
        fields = footer.child(1).tables(1)
        self.names = [field.text(0) for field in fields]
        self.categories = {at: field.child(4).number(0, "<q") for at, field in enumerate(fields) if field.slot(4)}
        """Position of a column of categories → number of its dictionary."""
        self._types = _arrays(_message(_SCHEMA, footer.position(1), flatbuffer) + _END).schema.fields

    def stream(self) -> bytes:
        """The table, in which categories are plain integers."""
        types = [kind.index_type if at in self.categories else kind for at, kind in enumerate(self._types)]
        return b"".join([_schema(types), *chain.from_iterable(map(self._block, self._batches)), _END])

    def values_of(self, column: int) -> list[Any]:
        """What the dictionary of that column holds, in order."""
        parts: list[bytes | memoryview] = [_schema([self._types[column].value_type])]
        for meta, body in map(self._block, self._dictionaries):
            flatbuffer = bytes(meta[8 if meta[:4] == _CONTINUES else 4 :])
            batch = _Table.root(flatbuffer).child(2)
            if batch.number(0, "<q") == self.categories[column]:
                parts += [_message(_BATCH, batch.position(1), flatbuffer, len(body)), body]
        return [value for array in _arrays(b"".join([*parts, _END])) for value in array.child(0).to_pylist()]

    def _block(self, block: tuple[int, int, int]) -> tuple[memoryview, memoryview]:
        """Metadata and body of a message."""
        offset, meta_length, body_length = block
        body = offset + meta_length
        return self._data[offset:body], self._data[body : body + body_length]


def _schema(types: Sequence[Any]) -> bytes:
    """The message that begins a stream of columns of these nanoarrow types."""
    import nanoarrow
    from nanoarrow.c_array_stream import CArrayStream
    from nanoarrow.ipc import StreamWriter

    schema = nanoarrow.c_schema(nanoarrow.struct({f"c{at}": kind for at, kind in enumerate(types)}))
    out = io.BytesIO()
    with StreamWriter.from_writable(out) as writer:
        writer.write_stream(CArrayStream.from_c_arrays([], schema))
    return out.getvalue().removesuffix(_END)


def _message(kind: int, header: int, flatbuffer: bytes, body_length: int = 0) -> bytes:
    """An encapsulated message, its body aside, whose header is the table at that position of a copied flatbuffer.

    Before the copy stand the place of the root, its vtable (bytes, fields, places of four fields), and the root: way
    back to the vtable, version, kind and place of the header, length of the body.
    """
    root = struct.pack("<I6HihBxI4xq", 16, 12, 24, 4, 6, 8, 16, 12, _V5, kind, 16 + header, body_length)
    padded = root + flatbuffer + bytes(-len(flatbuffer) % 8)
    return _CONTINUES + struct.pack("<i", len(padded)) + padded


@dataclass(frozen=True)
class _Table:
    """A table in a flatbuffer: fields are found through its vtable; an absent field has position 0."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, _unpack("<I", data, 0))

    def slot(self, n: int) -> int:
        vtable = self.at - _unpack("<i", self.data, self.at)
        size = _unpack("<H", self.data, vtable)
        offset = _unpack("<H", self.data, vtable + 4 + 2 * n) if 4 + 2 * n < size else 0
        return self.at + offset if offset else 0

    def number(self, n: int, form: str) -> Any:
        slot = self.slot(n)
        return _unpack(form, self.data, slot) if slot else 0

    def position(self, n: int) -> int:
        """Where the thing is that field ``n`` points to."""
        slot = self.slot(n)
        if not slot:
            raise ValueError("a part of it is missing")
        return slot + int(_unpack("<I", self.data, slot))

    def child(self, n: int) -> _Table:
        return _Table(self.data, self.position(n))

    def text(self, n: int) -> str:
        if not self.slot(n):
            return ""
        at = self.position(n)
        return self.data[at + 4 : at + 4 + _unpack("<I", self.data, at)].decode("utf-8", "replace")

    def tables(self, n: int) -> list[_Table]:
        at, count = self._vector(n, 4)
        places = range(at, at + 4 * count, 4)
        return [_Table(self.data, place + _unpack("<I", self.data, place)) for place in places]

    def blocks(self, n: int) -> list[tuple[int, int, int]]:
        """A vector of File.fbs ``Block``: offset, length of metadata, length of body."""
        at, count = self._vector(n, 24) if self.slot(n) else (0, 0)
        return [struct.unpack_from("<qi4xq", self.data, at + 24 * i) for i in range(count)]

    def _vector(self, n: int, size: int) -> tuple[int, int]:
        """Where the items of a vector begin, and how many there are."""
        at = self.position(n)
        count = _unpack("<I", self.data, at)
        if size * count > len(self.data):
            raise ValueError("its footer is damaged")
        return at + 4, count


def _unpack(form: str, data: bytes, at: int) -> Any:
    if at < 0:
        raise ValueError("an offset points before its beginning")
    return struct.unpack_from(form, data, at)[0]
