"""Decoded pictures on disk, so that files are decoded once and the next run begins at once.

``annvil/images/<key>/`` in the user's cache folder (``XDG_CACHE_HOME`` or ``~/.cache``), which is for the user alone
(`annvil.system.cache`), holds ``pixels.npy``, ``facts.npy`` and ``record.json``. The key is made of names, sizes and
versions of all files, the policy, and the version of the decoder. An entry is made under another name and renamed when
it is whole; where two processes make the same one, the first to finish wins and the other takes that. The entries used
longest ago give way beyond `MOST_BYTES`.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from annvil.errors import MachineError
from annvil.files import sync_folder, write_atomically
from annvil.kinds.pictures.form import PictureForm
from annvil.kinds.pictures.images import Images, Temporary
from annvil.kinds.pictures.reading.decoding import FACTS, Facts, Pixels
from annvil.kinds.pictures.reading.listing import Listing
from annvil.system.cache import cache_root, make_room, private_folder
from annvil.tasks.base import IntArray

FOLDER = "images"

VERSION = 2
"""Raised whenever the same file would be decoded to other pixels, or the entries are laid out in another way."""

MOST_BYTES = 40 * 2**30
"""All entries together are kept below this (assumed: what a laptop can spare)."""

MARGIN_BYTES = 200 * 2**20
"""So much of the disk is left free (assumed)."""


def cache_folder() -> Path:
    """Where the entries are."""
    return cache_root() / FOLDER


def key_of(listing: Listing, policy: Iterable[Any]) -> str:
    """The name of the entry for these files under this policy."""
    from PIL import __version__ as pillow

    key = blake2b(
        repr((VERSION, pillow, str(listing.archive or ""), *policy)).encode("utf-8", "replace"), digest_size=16
    )
    if listing.archive is None:
        key.update(os.fsencode(listing.root.absolute()))
    for entry in listing.pictures:
        key.update(f"\0{entry.name}\0{entry.n_bytes}\0{entry.version}".encode("utf-8", "surrogateescape"))
    return key.hexdigest()


@contextmanager
def new_entry(key: str, n_bytes: int) -> Iterator[tuple[Path, Temporary | None]]:
    """A folder to make the entry in, and what must live as long as it is used; `publish` gives it its name.

    Where the cache folder cannot be written, a temporary folder that goes with the process.

    Raises
    ------
    MachineError
        Where the disk is too full for ``n_bytes``.
    """
    folder, keep = _place(key, n_bytes)
    try:
        free = shutil.disk_usage(folder).free
        if n_bytes + MARGIN_BYTES > free:
            raise MachineError(
                f"The decoded pictures need {n_bytes / 2**30:.1f} GiB in {folder.parent}, and {free / 2**30:.1f} are "
                "free. Ask for a smaller size, free some space, or set XDG_CACHE_HOME to another disk."
            )
        yield folder, keep
    except OSError as error:
        raise MachineError(
            f"Cannot keep the decoded pictures in {folder.parent}: {error.strerror or error}. Free some space, or set "
            "XDG_CACHE_HOME to another disk."
        ) from error
    finally:
        if keep is None and folder.exists():  # not published
            shutil.rmtree(folder, ignore_errors=True)


def _place(key: str, n_bytes: int) -> tuple[Path, Temporary | None]:
    try:
        home = private_folder(FOLDER)
        make_room(home, max(0, MOST_BYTES - n_bytes))
        folder = home / f".{key}.{secrets.token_hex(4)}.part"
        folder.mkdir(mode=0o700)
    except OSError:
        keep = Temporary()
        return keep.path, keep
    return folder, None


def write_record(folder: Path, form: PictureForm, facts: Facts, wrong: dict[int, str], said: tuple[str, ...]) -> None:
    """Everything of an entry but its pixels."""
    np.save(folder / "facts.npy", facts)
    record = {"form": msgspec.structs.asdict(form), "wrong": wrong, "said": said, "n": len(facts)}
    (folder / "record.json").write_text(json.dumps(record), encoding="ascii")


def publish(folder: Path, key: str) -> Path:
    """Give a finished entry its name; where another process was first, its entry is as good."""
    for name in ("pixels.npy", "facts.npy", "record.json"):
        descriptor = os.open(folder / name, os.O_RDWR)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    final = folder.parent / key
    try:
        folder.rename(final)
        sync_folder(final.parent)
    except OSError:
        if find(key) is None:
            shutil.rmtree(final, ignore_errors=True)  # what was there is damaged
            folder.rename(final)
    return final


def find(key: str) -> Path | None:
    """The finished entry of that key, marked as used now."""
    try:
        folder = private_folder(FOLDER) / key
        entry = load(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    del entry
    with suppress(OSError):
        os.utime(folder)
    return folder


def load(folder: Path) -> tuple[Pixels, PictureForm, Facts, dict[int, str], tuple[str, ...]]:
    """Pixels (mapped), form, facts, what is wrong with which row, and what was said.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        Where the entry is not there, or is damaged.
    """
    record = json.loads((folder / "record.json").read_text(encoding="ascii"))
    form = PictureForm(**record["form"])
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    facts = np.load(folder / "facts.npy")
    if pixels.shape != (record["n"], *form.shape) or pixels.dtype != np.uint8 or len(facts) != record["n"]:
        raise ValueError(f"{folder} does not hold what its record says")
    if facts.dtype != FACTS:
        raise ValueError(f"{folder} was made by another version")
    wrong = {int(row): str(reason) for row, reason in record["wrong"].items()}
    return pixels, form, facts, wrong, tuple(record["said"])


def remembered_groups(images: Images) -> IntArray:
    """`near_duplicates.near_groups`, kept beside the pictures: the same pictures are compared once."""
    from annvil.kinds.pictures.audit.near_duplicates import VERSION as METHOD, near_groups

    file = cache_folder() / f"{images.digest()}-{METHOD}.npy"
    with suppress(OSError, ValueError):
        known = np.load(file, allow_pickle=False)
        if known.shape == (images.n_rows,) and known.dtype == np.int64:
            os.utime(file)
            return np.asarray(known, dtype=np.int64)
    groups = near_groups(images)
    stream = io.BytesIO()
    np.save(stream, groups)
    with suppress(MachineError, OSError):  # nothing is lost but the time to compare again
        private_folder(FOLDER)
        write_atomically(file, stream.getvalue())
    return groups
