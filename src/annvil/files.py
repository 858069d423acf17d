"""Writing so that a crash leaves the old file or the new one, never half of either; and reading what was written."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from annvil.errors import AnnvilError, DataError, MachineError, first_line

T = TypeVar("T")

LARGEST_KEPT = 4 << 30
"""Bytes of one file of a run (assumed): predictions of ten million rows for ten classes have 0.8 GB."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``: temporary file beside it, fsync, rename, fsync of the folder.

    Raises
    ------
    MachineError
        When the disk is full or the folder cannot be written; the previous file, if any, is intact.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"
        try:
            write_durably(temporary, content)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise MachineError(
            f"Cannot write {path}: {error.strerror or error}. Free some space or choose another folder."
        ) from error


def write_where_told(path: Path, content: bytes) -> None:
    """Write to what the user named, as other programs do: into a device or a pipe, and to what a link points to.

    The rename of `write_atomically` would put a file in the place of any of these.

    Raises
    ------
    MachineError
        As `write_atomically`.
    """
    try:
        of_the_system = path.exists() and (not path.is_file() or path.absolute().parts[1] in ("dev", "proc"))
        if of_the_system:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as stream:
                stream.write(content)
            return
    except OSError as error:
        raise MachineError(f"Cannot write {path}: {error.strerror or error}.") from error
    write_atomically(Path(os.path.realpath(path)), content)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file that is not there yet, down to the disk."""
    with path.open("xb") as stream:  # with the permissions of any new file, which tempfile would not give
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Make the rename itself durable, on systems where a folder can be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, values: Any) -> None:
    """Write ``values`` as indented JSON, atomically; NaN and infinity are refused by the encoder."""
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text.encode("utf-8"))


def read_kept(path: Path, decode: Callable[[bytes], T], then: str = "Fit again.") -> T:
    """What ``decode`` makes of a file that we wrote, or somebody else under its name.

    Raises
    ------
    FileNotFoundError
        When it is not there.
    DataError
        When it is no ordinary file or ``decode`` fails, however it does; ``then`` says what to do.
    MachineError
        When it cannot be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_KEPT:
            raise DataError(f"{path} is damaged (it is no ordinary file, or too large). {then}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise MachineError(f"Cannot read {path}: {error.strerror or error}.") from error
    try:
        return decode(content)
    except MemoryError:
        raise
    except Exception as error:  # what decoders raise has no common base
        raise DataError(f"{path} is damaged ({first_line(error)[:200]}). {then}") from error


@contextmanager
def legible(folder: Path) -> Iterator[None]:
    """For work on nothing but what the files of a run hold: where it fails, they do not belong together.

    Each may be sound by itself, and name a metric, a class or a row that the others do not know.

    Raises
    ------
    DataError
        In place of whatever was raised, but for what is said in our own words, and what the machine cannot do.
    """
    try:
        yield
    except (AnnvilError, OSError, MemoryError, ImportError):
        raise
    except Exception as error:
        raise DataError(
            f"The files of {folder} do not belong together ({type(error).__name__}: {first_line(error)[:200]}): they "
            "were changed, or written by another version of annvil. Fit again; if nothing has changed them, please "
            "report this."
        ) from error


def from_here(path: Path, last: int = 3) -> Path:
    """A path as a report may name it: from where we are, or by its end, and never with the name of the user.

    A whole path says whose machine it is; so does one from the root, or up and down again through the user's home.
    """
    home = Path(os.path.expanduser("~"))
    users = {home.name, *map(os.environ.get, ("LOGNAME", "USER", "USERNAME"))} - {"", None}
    try:
        here, whole = Path.cwd(), Path(os.path.abspath(path))
    except FileNotFoundError:  # where we were is gone
        here, whole = Path(path.anchor), path
    inside = here.parent != here and whole.is_relative_to(here)
    parts = whole.relative_to(here).parts if inside else whole.parts[-last:]
    named = [place for place, part in enumerate(parts) if part in users or part == whole.anchor]
    return Path(*parts[max(named, default=-1) + 1 :])
