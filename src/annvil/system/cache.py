"""What Annvil keeps between runs, in the user's cache folder: decoded files, and how fast the machine is.

``annvil`` in ``XDG_CACHE_HOME`` or ``~/.cache``. Decoded files are copies of the user's own, so their folder is for the
user alone (mode 0700), and one that belongs to somebody else is not used. All may be deleted at any time.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

UNFINISHED_SECONDS = 24 * 3600.0
"""What is being made (``.….part``) and was touched since then belongs to a process that lives (assumed: nothing takes a
day)."""


def cache_root() -> Path:
    """Where everything is kept; it may not be there yet."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "annvil"


def private_folder(name: str) -> Path:
    """A folder below `cache_root` that nobody else may look into, made where it is not there.

    Raises
    ------
    OSError
        Where it cannot be made, or belongs to somebody else.
    """
    folder = cache_root() / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.name == "posix":
        status = folder.stat()
        if status.st_uid != os.geteuid():
            raise PermissionError(f"{folder} belongs to another user")
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    return folder


@dataclass(frozen=True)
class Kept:
    """One folder or file of the cache: its path, bytes, and when it was used last (seconds since 1970)."""

    path: Path
    n_bytes: int
    used: float

    @property
    def is_unfinished(self) -> bool:
        """Whether a process may be making it just now."""
        return self.path.name.startswith(".") and time.time() - self.used < UNFINISHED_SECONDS

    def remove(self) -> None:
        """Delete it; a process that still reads it keeps its pages until it ends (on Windows it stays)."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            with suppress(OSError):
                self.path.unlink()


def kept(folder: Path) -> list[Kept]:
    """What lies in a folder of the cache, the one used longest ago first; nothing where there is none."""
    found = []
    with suppress(OSError):
        for path in folder.iterdir():
            with suppress(OSError):
                status = path.stat()
                size = sum(_sizes(path)) if path.is_dir() else status.st_size
                found.append(Kept(path, size, status.st_mtime))
    return sorted(found, key=lambda one: (one.used, one.path))


def _sizes(folder: Path) -> Iterator[int]:
    for file in folder.rglob("*"):
        with suppress(OSError):
            yield file.stat().st_size


def make_room(folder: Path, most_bytes: int) -> None:
    """Delete what dead processes left in a folder of the cache, and what was used longest ago beyond so many bytes."""
    finished = []
    for one in kept(folder):
        if not one.path.name.startswith("."):
            finished.append(one)
        elif not one.is_unfinished:
            one.remove()
    total = sum(one.n_bytes for one in finished)
    for one in finished:
        if total <= most_bytes:
            break
        one.remove()
        total -= one.n_bytes


def all_kept() -> list[Kept]:
    """Everything in the cache: the entries of its folders, and files beside them."""
    found = []
    for one in kept(cache_root()):
        found += kept(one.path) if one.path.is_dir() else [one]
    return found


def clear() -> list[Kept]:
    """Delete everything that no process is making just now; what was deleted."""
    gone = []
    for one in all_kept():
        if not one.is_unfinished:
            one.remove()
            if not one.path.exists():
                gone.append(one)
    return gone
