"""Fits of a study, each kept as soon as it is there: a study that is stopped goes on where it was.

<run>/studies/<study>/
  plan.json                 what was planned of which data; other data or another budget begin anew
  <key>.<contender>.json    a trial
  findings.json             the table as it was written last
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import numpy as np

from annvil.errors import DataError
from annvil.files import write_atomically
from annvil.tasks.base import FloatArray


class Kept(Protocol):
    """One fit: who, and which of the plan's."""

    @property
    def contender(self) -> str:
        """Who."""

    @property
    def key(self) -> str:
        """Which fit of the plan: ``"whole-0"`` …"""


T = TypeVar("T", bound=Kept)


class Shelf(Generic[T]):
    """The folder of a study whose fits are of one type, a `msgspec.Struct`."""

    def __init__(self, folder: Path, kind: type[T]) -> None:
        self.folder, self.kind = folder, kind

    def open(self, plan: Any) -> None:
        """Begin the study of that plan, or go on with it; what another plan has left goes."""
        path = self.folder / "plan.json"
        content = msgspec.json.format(msgspec.json.encode(plan), indent=1)
        if not path.exists() or path.read_bytes() != content:
            shutil.rmtree(self.folder, ignore_errors=True)
            write_atomically(path, content)

    def trial(self, contender: str, key: str) -> T | None:
        """A fit that is done, or None.

        Raises
        ------
        DataError
            When its file is damaged.
        """
        path = self.folder / f"{key}.{contender}.json"
        if not path.exists():
            return None
        try:
            return msgspec.json.decode(path.read_bytes(), type=self.kind)
        except msgspec.MsgspecError as error:
            raise DataError(f"{path} is damaged ({error}). Delete it to have that fit done again.") from error

    def keep(self, trial: T) -> None:
        """Write a fit."""
        write_atomically(self.folder / f"{trial.key}.{trial.contender}.json", msgspec.json.encode(trial))


def losses_from(content: bytes) -> FloatArray:
    """float64 from the bytes of `as_bytes`."""
    return np.frombuffer(content, dtype="<f4").astype(np.float64)


def as_bytes(losses: FloatArray) -> bytes:
    """Losses as float32 in little-endian order: 0 and 1 are exact."""
    return np.asarray(losses, dtype="<f4").tobytes()
