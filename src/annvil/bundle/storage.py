"""The files of a bundle: read with suspicion, written all or nothing.

A bundle is a folder or one zip file of the same parts. Reading opens the manifest first and nothing else before it is
verified; each part is read once, and what is used later are the very bytes whose size and SHA-256 were compared.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from annvil.bundle.manifest import (
    LARGEST_PART,
    MANIFEST,
    WEIGHTS,
    Manifest,
    Part,
    describe_part,
    described,
    read_manifest,
    write_manifest,
)
from annvil.errors import BundleError, MachineError, RequestError
from annvil.files import sync_folder, write_atomically, write_durably

_BLOCK = 1 << 20
_LARGEST_ZIP = (2 << 30) - 1  # beyond it a zip file needs its 64-bit form, which is refused
_LARGEST_DIRECTORY = 1 << 16  # bytes of a zip's list of members; ours has some 200
_HIGHEST_RATIO, _FREE_BYTES = 100, 1 << 20  # a part above both is taken for a bomb; trees compress about 10:1
_ZIP_END, _ZIP64_LOCATOR = b"PK\x05\x06", b"PK\x06\x07"
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError)


class Storage(AbstractContextManager["Storage"]):
    """An opened bundle with its verified manifest; a context manager that closes the zip file, if it is one."""

    def __init__(self, path: Path, read: Callable[[bytes, str], Manifest] = read_manifest) -> None:
        self.path = path
        self._files = ExitStack()
        try:
            members: Mapping[str, zipfile.ZipInfo] = {}
            if path.is_dir():
                self._open: Callable[[str], IO[bytes]] = self._open_file
            elif path.exists():
                archive, members = _open_zip(path)
                self._files.enter_context(archive)
                self._open = lambda name: _open_member(archive, members, name)
            else:
                raise BundleError(f"There is no saved model at {path}. Name a model folder, a model.zip, or a run.")
            content = self._read(MANIFEST, LARGEST_PART[MANIFEST])
            self.manifest: Manifest = read(content, str(path / MANIFEST))
            if members and members.keys() != {MANIFEST, *self.manifest.parts}:
                raise BundleError(f"{path} is refused: it does not hold exactly the parts that its manifest lists.")
        except BaseException:
            self._files.close()
            raise

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def part(self, name: str) -> bytes:
        """The bytes of a listed part.

        Raises
        ------
        BundleError
            When it is missing, is a link, or is not what the manifest says.
        """
        expected = self.manifest.parts[name]
        content = self._read(name, expected.size)
        if describe_part(content) != expected:
            raise self._changed(name)
        return content

    def verify(self, name: str) -> None:
        """Compare a listed part with the manifest without keeping its bytes; raises as `part` does."""
        expected = self.manifest.parts[name]
        digest, size = hashlib.sha256(), 0
        with self._stream(name) as stream:
            while size <= expected.size and (block := stream.read(_BLOCK)):
                digest.update(block)
                size += len(block)
        if Part(size, digest.hexdigest()) != expected:
            raise self._changed(name)

    def _read(self, name: str, most: int) -> bytes:
        with self._stream(name) as stream:
            content = stream.read(most + 1)
        if len(content) > most:
            raise self._changed(name)
        return content

    @contextmanager
    def _stream(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._open(name) as stream:
                yield stream
        except (FileNotFoundError, NotADirectoryError):
            raise BundleError(f"{self.path} is not a saved model: it has no {name}.") from None
        except _UNREADABLE as error:
            reason = getattr(error, "strerror", None) or error
            raise BundleError(f"{self.path / name} cannot be read: {reason}.") from None

    def _open_file(self, name: str) -> IO[bytes]:
        """Open a part in a folder; links of both kinds could make us read or trust a file outside the bundle."""
        path = self.path / name
        if path.is_symlink():  # said here in words; O_NOFOLLOW closes the moment between
            raise BundleError(
                f"{path} is a link. Parts of a model must be plain files: copy the model with its contents."
            )
        stream = os.fdopen(os.open(path, os.O_RDONLY | _NO_LINKS), "rb")
        status = os.fstat(stream.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            stream.close()
            raise BundleError(
                f"{path} is not a plain file of its own (it is a device, or a hard link to another file). "
                "Copy the model with its contents."
            )
        return stream

    def _changed(self, name: str) -> BundleError:
        return BundleError(
            f"{self.path / name} is not the file that the manifest describes: it was changed, damaged or cut short. "
            "Copy the model again, or fit it again."
        )


def opened(path: str | Path, read: Callable[[bytes, str], Any] = read_manifest) -> tuple[dict[str, bytes], Any]:
    """The parts of a bundle by name, but for the weights, and its manifest as ``read`` reads it.

    All parts are compared with the manifest.
    """
    with Storage(Path(path), read) as storage:
        parts = {name: storage.part(name) for name in storage.manifest.parts if name != WEIGHTS}
        if WEIGHTS in storage.manifest.parts:
            storage.verify(WEIGHTS)
        return parts, storage.manifest


def add_parts(path: str | Path, added: Mapping[str, bytes]) -> None:
    """Put further parts into a bundle, or others in their place; atomic as saving is, and all else stays as it was.

    Raises
    ------
    BundleError
        When there is no bundle, or it is damaged.
    MachineError
        When it cannot be written; the bundle is intact.
    """
    path = Path(path)
    with Storage(path) as storage:
        parts = {name: storage.part(name) for name in storage.manifest.parts} | dict(added)
        manifest = msgspec.structs.replace(storage.manifest, parts=described(parts))
    write_parts(path, {MANIFEST: write_manifest(manifest), **parts})


def write_parts(path: Path, files: Mapping[str, bytes]) -> None:
    """As one file where the path ends in ``.zip``, as a folder otherwise; both all or nothing."""
    if path.suffix.lower() == ".zip":
        write_zip(path, files)
    else:
        write_folder(path, files)


def _open_zip(path: Path) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """Open a zip file that holds parts of a bundle and nothing else."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BundleError(f"{path} is neither a folder nor a file.")
        with path.open("rb") as stream:
            _check_zip_end(path, stream)
        archive = zipfile.ZipFile(path)
    except _UNREADABLE as error:
        raise BundleError(
            f"{path} is not a saved model: a folder or a zip file that Annvil wrote is expected."
        ) from error
    members = {member.filename: member for member in archive.infolist()}
    problem = None
    if len(members) != len(archive.infolist()) or not {MANIFEST} <= set(members) <= set(LARGEST_PART):
        problem = f"it must hold {', '.join(LARGEST_PART)} and nothing else"
    for name, member in members.items():
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or member.flag_bits & 0x1 or member.compress_type not in (0, 8):
            problem = f"{name} in it is a link, encrypted, or packed in an unusual way"
        elif member.file_size > max(_FREE_BYTES, _HIGHEST_RATIO * member.compress_size):
            problem = (
                f"{name} in it would unpack to {member.file_size / max(1, member.compress_size):.0f} times its size"
            )
    if problem:
        archive.close()
        raise BundleError(f"{path} is refused: {problem}.")
    return archive, members


def _check_zip_end(path: Path, stream: IO[bytes]) -> None:
    """Bound the list of members before `zipfile` reads it; 64-bit forms and trailing bytes are refused."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - 42))
    tail = stream.read()
    if size > _LARGEST_ZIP or len(tail) < 22 or tail[-22:-18] != _ZIP_END or tail[:4] == _ZIP64_LOCATOR:
        raise zipfile.BadZipFile(f"{path} does not end as a zip file should")
    directory_bytes = struct.unpack("<L", tail[-10:-6])[0]
    if directory_bytes > _LARGEST_DIRECTORY:
        raise zipfile.BadZipFile(f"{path} has too many members")


def _open_member(archive: zipfile.ZipFile, members: Mapping[str, zipfile.ZipInfo], name: str) -> IO[bytes]:
    if name not in members:
        raise FileNotFoundError(name)
    return archive.open(members[name])


def write_folder(path: Path, parts: Mapping[str, bytes]) -> None:
    """Write the parts to a folder beside ``path``, then rename: the old bundle or the new one, never half of either.

    An older bundle at ``path`` is moved aside first and deleted last; a crash in the moment between the two renames
    leaves it under a name that begins with ``.`` and ends with ``.old``.

    Raises
    ------
    RequestError
        When something other than a bundle or an empty folder is there.
    MachineError
        When the disk is full or the folder cannot be written; the older bundle is intact.
    """
    if path.exists() and not _may_be_replaced(path):
        raise RequestError(f"{path} exists and is not a saved model: choose another name, nothing is overwritten.")
    temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
    try:
        temporary.mkdir(parents=True)
        for name, content in parts.items():
            write_durably(temporary / name, content)
        sync_folder(temporary)
        if path.exists():
            older = temporary.with_suffix(".old")
            path.rename(older)
            temporary.rename(path)
            shutil.rmtree(older)
        else:
            temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise MachineError(
            f"Cannot write the model to {path}: {error.strerror or error}. Free some space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _may_be_replaced(path: Path) -> bool:
    return path.is_dir() and ((path / MANIFEST).is_file() or not any(path.iterdir()))


def write_zip(path: Path, parts: Mapping[str, bytes]) -> None:
    """Write the parts as one zip file, atomically. The same parts give the same bytes.

    Raises
    ------
    MachineError
        When it cannot be written, or would exceed 2 GiB.
    """
    if sum(map(len, parts.values())) > _LARGEST_ZIP:
        raise MachineError(f"The model is too large for one zip file ({path}): save it as a folder, without '.zip'.")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            member = zipfile.ZipInfo(name)  # dated 1980, so that nothing depends on the clock
            member.external_attr = (stat.S_IFREG | 0o644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    write_atomically(path, packed.getvalue())
