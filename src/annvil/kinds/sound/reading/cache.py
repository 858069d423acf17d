"""Decoded clips on disk, so that files are decoded once and the next run begins at once.

``annvil/sound/<key>/`` in the user's cache folder, which is for the user alone (`annvil.system.cache`), holds
``samples.f32`` (all clips end to end), ``lengths.npy``, ``facts.npy`` and ``record.json``. The key is made of names,
sizes and versions of all files, the rate, what resamples, and the version of the decoder. An entry is made under
another name and renamed when it is whole. The entries used longest ago give way beyond `MOST_BYTES`.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np

from annvil.errors import MachineError
from annvil.files import sync_folder
from annvil.kinds.sound.clips import Samples, Temporary
from annvil.kinds.sound.facts import FACTS, Facts
from annvil.kinds.sound.reading.listing import Listing
from annvil.kinds.sound.reading.resampling import resampler
from annvil.system.cache import make_room, private_folder
from annvil.tasks.base import IntArray

FOLDER = "sound"

VERSION = 1
"""Raised whenever the same file would be read as other samples, or the entries are laid out in another way."""

MOST_BYTES = 40 * 2**30
"""All entries together are kept below this (assumed: what a laptop can spare)."""

_FILES = ("samples.f32", "lengths.npy", "facts.npy", "record.json")


def key_of(listing: Listing, rate: int) -> str:
    """The name of the entry for these files at this rate."""
    told = repr((VERSION, resampler(), rate, str(listing.archive or "")))
    key = blake2b(told.encode("utf-8", "replace"), digest_size=16)
    if listing.archive is None:
        key.update(os.fsencode(listing.root.absolute()))
    for entry in listing.sounds:
        key.update(f"\0{entry.name}\0{entry.n_bytes}\0{entry.version}".encode("utf-8", "surrogateescape"))
    return key.hexdigest()


@contextmanager
def new_entry(key: str) -> Iterator[tuple[Path, Temporary | None]]:
    """A folder to make the entry in, and what must live as long as it is used; `publish` gives it its name.

    Where the cache folder cannot be written, a temporary folder that goes with the process.

    Raises
    ------
    MachineError
        Where the disk is full.
    """
    keep = None
    try:
        home = private_folder(FOLDER)
        make_room(home, MOST_BYTES)
        folder = home / f".{key}.{secrets.token_hex(4)}.part"
        folder.mkdir(mode=0o700)
    except OSError:
        keep = Temporary()
        folder = keep.path
    try:
        yield folder, keep
    except OSError as error:
        raise MachineError(
            f"Cannot keep the decoded clips in {folder.parent}: {error.strerror or error}. Free some space, or set "
            "XDG_CACHE_HOME to another disk."
        ) from error
    finally:
        if keep is None and folder.exists():  # not published
            shutil.rmtree(folder, ignore_errors=True)


def write_record(folder: Path, lengths: IntArray, facts: Facts, wrong: Mapping[int, str]) -> None:
    """Everything of an entry but its samples."""
    np.save(folder / "lengths.npy", lengths)
    np.save(folder / "facts.npy", facts)
    (folder / "record.json").write_text(json.dumps({"wrong": dict(wrong)}), encoding="ascii")


def publish(folder: Path, key: str) -> Path:
    """Give a finished entry its name; where another process was first, its entry is as good."""
    for name in _FILES:
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
        load(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    with suppress(OSError):
        os.utime(folder)
    return folder


def load(folder: Path) -> tuple[Samples, IntArray, Facts, dict[int, str]]:
    """Samples of all clips (mapped), their lengths, facts, and what is wrong with which file.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError
        Where the entry is not there, or is damaged.
    """
    record = json.loads((folder / "record.json").read_text(encoding="ascii"))
    lengths = np.load(folder / "lengths.npy", allow_pickle=False)
    facts = np.load(folder / "facts.npy", allow_pickle=False)
    file = folder / "samples.f32"
    n = int(lengths.sum())
    if facts.dtype != FACTS or len(facts) != len(lengths) or file.stat().st_size != 4 * n:
        raise ValueError(f"{folder} does not hold what its record says")
    samples: Samples = np.memmap(file, dtype=np.float32, mode="r", shape=(n,)) if n else np.empty(0, np.float32)
    return samples, lengths, facts, {int(row): str(reason) for row, reason in record["wrong"].items()}
