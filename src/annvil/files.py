"""Writing so that a crash leaves the old file or the new one, never half of either."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

from annvil.errors import MachineError


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


def read_json(path: Path) -> Any:
    """Read JSON that `write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


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
