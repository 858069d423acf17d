"""What happens while one network trains: its history, who is told, and a line on the screen."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from annvil.trainer.arguments.train_request import Request
from annvil.training import Member, Population
from annvil.training.loop.batches import BatchShape
from annvil.training.optimizers.schedules import rate_factor
from annvil.training.recipe import Listener, Look, Progress

JUDGED_ROWS = 4096  # most training rows that metrics are computed on; drawn once, so that the curve is of the same rows
_BETWEEN_LINES = 0.1  # seconds


class HistoryRecorder:
    """Listens to the training of one network and keeps its history, one value an epoch.

    ``history`` has "loss" (mean over the epoch's steps, as the weights changed), "val_loss" with validation rows, each
    score by name on (at most `JUDGED_ROWS`) training rows and as "val_…" on all validation rows, both with the weights
    after the epoch, and "learning_rate" (of the epoch's last step).
    """

    def __init__(self, request: Request, member: Member, also: tuple[Listener, ...] = ()) -> None:
        self.request, self.member = request, member
        self._also = also
        self._line = ProgressLine(request.verbose)
        self._file = None if request.checkpoint is None else Path(f"{request.checkpoint}.history")
        self._steps = BatchShape.of(member, request.recipe).steps
        judged, validation = (np.asarray(rows, dtype=np.int64) for rows in (member.train, member.validation))
        if len(judged) > JUDGED_ROWS:
            judged = np.sort(np.random.default_rng([member.seed, 5]).choice(judged, JUDGED_ROWS, replace=False))
        rows = {"": judged} | ({"val_": validation} if len(validation) else {})
        self._rows = {prefix: torch.from_numpy(numbers) for prefix, numbers in rows.items()}
        scores = ["loss", *(score.name for score in request.scores)]
        names = [f"{prefix}{name}" for prefix in self._rows for name in scores]
        self.history: dict[str, list[float]] = {name: [] for name in (*names, "learning_rate")}

    def on_epoch(self, progress: Progress, look: Look) -> bool | None:
        """Note the epoch, tell the callbacks; True where one of them wants to stop."""
        logs = self._logs(progress, look)
        self._note(progress.epoch, logs)
        answers = [listener.on_epoch(progress, look) for listener in self._also]
        self._line.show(progress.epoch, progress.epochs, logs)
        return self.request.callbacks.epoch(progress.epoch, logs, look) or any(answers)

    def on_notice(self, progress: Progress) -> None:
        """Pass the engine's notices on; epochs come through `on_epoch`."""
        if progress.notice:
            self._line.say(progress.notice)
            self.request.callbacks.notice(progress.notice)

    def close(self) -> None:
        """End the line on the screen."""
        self._line.end()

    def finish(self, population: Population) -> None:
        """Complete the history where epochs were not heard of: a resumed training that was over, or one cut short."""
        known = population.histories[0]
        epochs = len(known["train_loss"])
        if len(self.history["loss"]) < epochs:
            self._recall(epochs)
        self.history["loss"] = list(known["train_loss"])
        if "val_loss" in self.history:
            self.history["val_loss"] = list(known["validation_loss"])
        together = self.request.distributed
        if together is not None:  # only the first process heard of the epochs
            history = together.bytes_from_first(json.dumps(self.history).encode() if together.is_first else None)
            self.history = json.loads(history or b"{}")

    def _logs(self, progress: Progress, look: Look) -> dict[str, float]:
        losses = {"": progress.train_loss, "val_": progress.validation_loss}
        logs = {f"{prefix}loss": float(losses[prefix][0]) for prefix in self._rows}
        if self.request.scores:  # one prediction for the scores of training and of validation rows
            outputs = look.predict(self.request.inputs, torch.cat([*self._rows.values()]).numpy(), [0])[0]
            parts = torch.split(outputs, [len(rows) for rows in self._rows.values()])
            for (prefix, rows), mine in zip(self._rows.items(), parts, strict=True):
                truth = self.request.targets[rows]
                logs |= {f"{prefix}{score.name}": score.compute(mine, truth) for score in self.request.scores}
        done = (progress.epoch - 1 / self._steps) / progress.epochs
        rate = self.member.learning_rate * rate_factor(self.request.recipe, max(done, 0.0))
        return {name: (logs | {"learning_rate": rate})[name] for name in self.history}

    def _note(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add the epoch; one that is told again after a resumption replaces what it said before.

        After a resumption earlier epochs are missing until `finish` puts them back.
        """
        for name, values in self.history.items():
            del values[epoch - 1 :]
            values.append(logs[name])
        if self._file is not None:
            with self._file.open("w" if epoch == 1 else "a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": epoch, **logs}) + "\n")

    def _recall(self, epochs: int) -> None:
        """The history of earlier epochs, from the file beside the checkpoint; NaN where it is not there."""
        known: dict[int, Mapping[str, float]] = {}
        if self._file is not None and self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                try:
                    logs = json.loads(line)
                    known[int(logs["epoch"])] = logs
                except (ValueError, KeyError, TypeError):  # half a line, from a machine that lost power
                    continue
        for name, values in self.history.items():
            values[:] = [float(known.get(epoch, {}).get(name, math.nan)) for epoch in range(1, epochs + 1)]


class ProgressLine:
    """One line on the error stream that is written over; none where that is no terminal, unless it was asked for."""

    def __init__(self, verbose: bool | None, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._shown = self._stream.isatty() if verbose is None else verbose
        self._over = self._stream.isatty()
        self._start = time.monotonic()
        self._last, self._width = -math.inf, 0

    def show(self, epoch: int, epochs: int, logs: Mapping[str, float]) -> None:
        """Where training stands, at most ten times a second; the last epoch always."""
        now = time.monotonic()
        if not self._shown or (now - self._last < _BETWEEN_LINES and epoch < epochs):
            return
        self._last = now
        facts = "  ".join(f"{name} {value:.4g}" for name, value in logs.items() if name != "learning_rate")
        self._write(f"epoch {epoch}/{epochs}  {facts}  {now - self._start:.1f} s")

    def say(self, sentence: str) -> None:
        """A sentence on a line of its own."""
        if self._shown:
            self.end()
            self._stream.write(sentence + "\n")
            self._stream.flush()

    def end(self) -> None:
        """Go on to the next line."""
        if self._shown and self._over and self._width:
            self._stream.write("\n")
            self._stream.flush()
        self._width = 0

    def _write(self, text: str) -> None:
        if self._over:
            self._stream.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


@contextmanager
def interruptible(stopped: Callable[[], None]) -> Iterator[None]:
    """While it lasts, the first Ctrl-C calls ``stopped``; a second one interrupts as usual.

    Signals reach the main thread only; elsewhere nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's: theirs to decide
        yield
        return

    def heard(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        stopped()

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
