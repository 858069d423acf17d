"""Rows of inputs that lie in a file: the next batch is read while the step before it is computed.

An array that does not fit into memory is mapped (`numpy.memmap`, or pictures decoded into the cache), and whoever
touches a row waits for the disk. Here a thread does the waiting, one batch ahead; the bytes are the same. Long rows are
read from the file instead of touched: rows picked here and there would map all of it into the process, page by page,
and the disk can be told of all of a batch at once.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from annvil.errors import DataError

READ_FROM = 2048
"""Bytes of a row from which it is read, not touched (assumed: half a page; a call of the system takes 1 to 2 µs)."""

SMALL = 1 << 20
"""Bytes below which an input is not worth asking whose memory it is (0.2 ms, measured): it stays in memory anyway."""

_MAPPINGS = Path("/proc/self/maps")
_NO_DISK = ("/dev/", "/memfd:", "/SYSV", "/proc/")


@dataclass(frozen=True)
class Mapping:
    """The file that a tensor's memory is, and the byte at which the tensor begins."""

    path: str
    offset: int

    @classmethod
    def of(cls, tensor: Tensor) -> Mapping | None:
        """The file of a tensor with rows first; None for memory, small ones, and on systems that do not tell.

        Linux tells.
        """
        if tensor.device.type != "cpu" or not tensor.is_contiguous() or tensor.nbytes <= SMALL:
            return None
        try:
            lines = _MAPPINGS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except OSError:
            return None
        start, end = tensor.data_ptr(), tensor.data_ptr() + tensor.nbytes
        for line in lines:
            columns = line.split(maxsplit=5)
            first, last = (int(number, 16) for number in columns[0].split("-"))
            if not first <= start < last:
                continue
            # A private mapping that can be written may hold other bytes than the file.
            same = columns[1][3] == "s" or columns[1][1] == "-"
            if end > last or len(columns) < 6 or not same or columns[5].startswith(_NO_DISK):
                return None
            found = cls(columns[5], int(columns[2], 16) + start - first)
            return found if found._holds(tensor) else None
        return None

    def _holds(self, tensor: Tensor) -> bool:
        """Whether the file of that name still is the one that was mapped: its first and last rows are."""
        try:
            with Reader(self, tensor) as reader:
                rows = torch.tensor([0, len(tensor) - 1])
                return torch.equal(_bytes(reader.read(rows)), _bytes(tensor[rows]))
        except (OSError, DataError):
            return False


class Reader:
    """Reads rows of a mapped tensor from its file."""

    def __init__(self, mapping: Mapping, tensor: Tensor) -> None:
        self._mapping = mapping
        self._shape, self._dtype = tensor.shape[1:], tensor.dtype
        self._n_bytes = tensor.nbytes // len(tensor)
        self._file = os.open(mapping.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._close = weakref.finalize(self, os.close, self._file)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *raised: object) -> None:
        self._close()

    def read(self, rows: Tensor, out: Tensor | None = None) -> Tensor:
        """The rows ``(n,)``, as ``(n, *shape)``; into ``out`` if given."""
        out = torch.empty(len(rows), *self._shape, dtype=self._dtype) if out is None else out
        places = out.view(-1).view(torch.uint8).numpy().data
        size, numbers = self._n_bytes, rows.numpy()
        order = np.argsort(numbers, kind="stable")  # as they lie on the disk
        wanted = [(int(place) * size, self._mapping.offset + int(numbers[place]) * size) for place in order]
        if hasattr(os, "posix_fadvise"):
            for _, offset in wanted:  # all of them are fetched at once, not each when the one before has come
                os.posix_fadvise(self._file, offset, size, os.POSIX_FADV_WILLNEED)
        for place, offset in wanted:
            self._read(places[place : place + size], offset)
        return out

    def _read(self, place: memoryview, offset: int) -> None:
        while len(place):
            try:
                n = os.preadv(self._file, [place], offset)
            except OSError as error:
                raise DataError(f"{self._mapping.path} cannot be read: {error.strerror or error}.") from error
            if n == 0:
                raise DataError(f"{self._mapping.path} has become shorter while a network learnt from it.")
            place, offset = place[n:], offset + n


class FileSource:
    """An input whose rows are in a file."""

    def __init__(self, tensor: Tensor, mapping: Mapping) -> None:
        self.tensor = tensor
        self.path = mapping.path
        long = tensor.nbytes // len(tensor) >= READ_FROM
        self._reader = Reader(mapping, tensor) if long else None

    def gather(self, rows: Tensor, out: Tensor) -> None:
        """Put the rows ``(n,)`` into ``out (n, ...)``."""
        if self._reader is None:
            torch.index_select(self.tensor, 0, rows, out=out)
        else:
            self._reader.read(rows, out)


def sources(inputs: Sequence[Tensor]) -> list[FileSource | None]:
    """For every input the source it is read from, None where it is in memory."""
    mappings = [Mapping.of(tensor) if hasattr(os, "preadv") else None for tensor in inputs]
    return [None if mapping is None else FileSource(t, mapping) for t, mapping in zip(inputs, mappings, strict=True)]


@dataclass
class _Read:
    """A batch that is being read: its row numbers, where they go, and when that is done."""

    order: Tensor
    rows: list[Tensor | None]
    done: Future[None]


class Fetcher:
    """Brings the rows of batches, those in files one batch ahead.

    The thread ends with the fetcher. Two batches are held at a time: the one in use and the next.
    """

    def __init__(self, inputs: Sequence[Tensor], found: Sequence[FileSource | None]) -> None:
        self._inputs, self._sources = list(inputs), list(found)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="annvil-fetch")
        self._reads: list[_Read] = []

    def expect(self, now: Tensor, then: Tensor | None) -> None:
        """Row numbers ``(members, batch)`` that are needed now, and those after them."""
        known = {read.order.data_ptr(): read for read in self._reads if read.order.shape == now.shape}
        current = known.get(now.data_ptr())
        free = [read for read in self._reads if read is not current]
        for read in free:
            read.done.result()  # its memory is used again
        current = self._begin(now, free.pop() if free else None) if current is None else current
        self._reads = [current]
        if then is not None and then.numel():
            self._reads.append(self._begin(then, free.pop() if free else None))

    def _begin(self, order: Tensor, free: _Read | None) -> _Read:
        if free is not None and free.order.shape == order.shape:
            rows = free.rows
        else:
            rows = [
                None if source is None else torch.empty(*order.shape, *t.shape[1:], dtype=t.dtype)
                for t, source in zip(self._inputs, self._sources, strict=True)
            ]
        return _Read(order, rows, self._pool.submit(self._gather, order, rows))

    def _gather(self, order: Tensor, rows: Sequence[Tensor | None]) -> None:
        flat = order.reshape(-1)
        for source, target in zip(self._sources, rows, strict=True):
            if source is not None and target is not None:
                source.gather(flat, target.view(len(flat), *target.shape[2:]))

    def fill(self, order: Tensor, targets: Sequence[Tensor]) -> None:
        """Put the rows of ``order``, the batch needed now or some columns of it, into ``targets (members, …)``."""
        current = self._reads[0]
        current.done.result()
        first = order.storage_offset() - current.order.storage_offset()
        for tensor, read, target in zip(self._inputs, current.rows, targets, strict=True):
            if read is None:
                torch.index_select(tensor, 0, order.reshape(-1), out=target.view(-1, *target.shape[2:]))
            else:
                target.copy_(read[:, first : first + order.shape[1]])


def _bytes(tensor: Tensor) -> Tensor:
    return tensor.contiguous().view(-1).view(torch.uint8)
