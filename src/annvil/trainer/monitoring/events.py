"""A training as lines of JSON, one event a line, for whoever watches from outside.

    {"event": "start", "time": "2026-03-01T12:00:00.123456+00:00", "annvil": "0.1.0", "torch": …, "settings": {…}}
    {"event": "epoch", "time": …, "epoch": 1, "loss": 0.61, "val_loss": 0.58, "learning_rate": 0.001}
    {"event": "notice", "time": …, "sentence": "…"}
    {"event": "end", "time": …, "best_epoch": 31, "state": "finished"}

Every line is written whole and at once, so that a file stays readable whenever the process dies. A training that goes
on appends to the file of the one that was killed; what a machine that lost power left of a line is removed.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from annvil.errors import MachineError
from annvil.trainer.monitoring.callbacks import Callback, Logs


class EventLog(Callback):
    """Writes the events of a training to ``path``; numbers that JSON does not know (NaN, infinity) become null."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def on_train_begin(self, logs: Logs) -> None:
        from importlib.metadata import version

        import torch

        versions = {"annvil": version("annvil"), "torch": torch.__version__, "python": platform.python_version()}
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _mend(self._path)
            self._write("start", {**versions, "settings": dict(logs)})
        except OSError as error:
            raise MachineError(f"The events cannot be written to {self._path}: {error.strerror}.") from error

    def on_epoch_end(self, epoch: int, logs: Logs) -> bool | None:
        self._write("epoch", {"epoch": epoch, **logs})
        return None

    def on_notice(self, sentence: str) -> None:
        self._write("notice", {"sentence": sentence})

    def on_train_end(self, logs: Logs) -> None:
        self._write("end", logs)

    def _write(self, event: str, facts: Mapping[str, Any]) -> None:
        line = {"event": event, "time": datetime.now(UTC).isoformat(), **facts}
        # One write to a file opened for appending: nobody ever sees half a line.
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(file, msgspec.json.encode(line, enc_hook=_plain) + b"\n")
        finally:
            os.close(file)


def _plain(value: Any) -> Any:
    """What JSON has no word for: arrays, tensors and NumPy's numbers as plain ones, other things as their text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _mend(path: Path) -> None:
    """Cut off a last line that has no end."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        with path.open("r+b") as file:
            file.truncate(whole)
