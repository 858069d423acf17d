"""A handful of files → pixels at their places in one file, and facts: what a worker does, in whichever process.

As a program (``python -m annvil.kinds.pictures.reading.chunks``) it reads one line of JSON that says what to do, then a
line per handful, and answers each with a line. A subprocess of its own, not `multiprocessing`: nothing is asked of the
user's script, and a decoder that crashes on a hostile file takes no one with it.
"""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Sequence
from contextlib import closing
from typing import IO, Any, BinaryIO

import msgspec
import numpy as np

from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.reading.decoding import FACTS, MOST_BYTES, Broken, Facts, decode


class Order(msgspec.Struct, frozen=True):
    """Where pixels go (row ``r`` at ``offset + r × form.n_values`` of ``target``) and where files come from."""

    target: str
    offset: int
    form: PictureForm
    archive: str | None

    def to_json(self) -> str:
        """One line; `json` takes names of any bytes, which msgspec refuses."""
        return json.dumps(msgspec.to_builtins(self))

    @classmethod
    def from_json(cls, line: str) -> Order:
        """What `to_json` wrote."""
        return msgspec.convert(json.loads(line), cls)


class Decoder:
    """Decodes handfuls of one order."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._target = os.open(order.target, os.O_WRONLY | getattr(os, "O_BINARY", 0))
        self._archive = zipfile.ZipFile(order.archive) if order.archive else None

    def close(self) -> None:
        """Give files back."""
        os.close(self._target)
        if self._archive is not None:
            self._archive.close()

    def decode(self, first: int, places: Sequence[str]) -> tuple[Facts, dict[int, str]]:
        """Facts of the files, whose pixels are written to rows from ``first`` on, and what is wrong with which row.

        Raises
        ------
        OSError
            Where the pixels cannot be written (a full disk).
        """
        form = self._order.form
        block = np.zeros((len(places), *form.shape), dtype=np.uint8)
        facts = np.zeros(len(places), FACTS)
        wrong = {}
        for i, place in enumerate(places):
            try:
                block[i], facts[i] = self._one(place)
            except Broken as broken:
                wrong[first + i] = str(broken)
        _write_all(self._target, block.tobytes(), self._order.offset + first * form.n_values)
        return facts, wrong

    def _one(self, place: str) -> tuple[Any, Facts]:
        try:
            with content_of(place, self._archive) as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(0)
                return decode(stream, size, self._order.form)
        except OSError as error:
            raise Broken(f"cannot be read: {error.strerror or error}") from None


def content_of(place: str, archive: zipfile.ZipFile | None) -> BinaryIO:
    """A file, or a member of an archive, which is read into memory."""
    return open(place, "rb") if archive is None else io.BytesIO(member_bytes(archive, place))


def member_bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a member; `Broken` where it is damaged or too large."""
    try:
        with archive.open(name) as member:
            content = member.read(MOST_BYTES + 1)
    except Exception as error:  # damaged archives raise nearly everything
        raise Broken(f"is damaged in the archive: {str(error)[:100] or type(error).__name__}") from None
    if len(content) > MOST_BYTES:
        raise Broken(f"has more than the {MOST_BYTES / 2**20:.0f} MB a picture may have")
    return content


def _write_all(target: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        if hasattr(os, "pwrite"):
            written = os.pwrite(target, view, offset)
        else:  # Windows: this descriptor has no other user
            os.lseek(target, offset, os.SEEK_SET)
            written = os.write(target, view)
        view, offset = view[written:], offset + written


def serve(asked: IO[str], answers: IO[str]) -> None:
    """Do as the lines say until there are no more."""
    with closing(Decoder(Order.from_json(asked.readline()))) as decoder:
        for line in asked:
            first, places = json.loads(line)
            try:
                facts, wrong = decoder.decode(first, places)
                answer: dict[str, Any] = {"facts": facts.tobytes().hex(), "wrong": wrong}
            except OSError as error:
                answer = {"failed": [error.errno or 0, error.strerror or str(error)]}
            answers.write(json.dumps(answer) + "\n")
            answers.flush()


if __name__ == "__main__":
    real = os.dup(1)
    os.dup2(2, 1)  # whatever a decoder prints is no answer
    serve(sys.stdin, os.fdopen(real, "w", encoding="ascii"))
