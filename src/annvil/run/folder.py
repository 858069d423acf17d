"""The run folder: what lies where, which state it is in, and how much of the budget it has used.

runs/titanic-1/
    request.json            what was asked
    state.json              running, interrupted, finished or failed; seconds spent
    data.safetensors        the rows, only when they came from memory
    race/                   one result and its predictions per contender and fold
    comparison.json         standings, curves, verdict
    model/                  the bundle of the recommended contender
    sections/               what the report shows beside the comparison
    held_out.safetensors    predictions behind the charts of the report
    run.json                everything else the report shows
    studies/                what studies of the finished run have measured
    report.html
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from numpy.typing import NDArray

from annvil.comparison.results import Comparison
from annvil.errors import MachineError, RequestError, did_you_mean
from annvil.files import read_kept, write_atomically
from annvil.run.request import FitRequest, decode_request

T = TypeVar("T")
State = Literal["running", "interrupted", "failed", "finished"]


@dataclass(frozen=True)
class RunState:
    """Where a run stands; rewritten at every stage."""

    state: State
    stage: str
    spent_seconds: float
    started: float  # seconds since 1970
    message: str = ""
    data_sha256: str = ""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run, and its small state files."""

    path: Path

    @property
    def race(self) -> Path:
        """Results of contenders and folds."""
        return self.path / "race"

    @property
    def decisions(self) -> Path:
        """What was done in which order, and why."""
        return self.race / "decisions.jsonl"

    @property
    def model(self) -> Path:
        """The bundle."""
        return self.path / "model"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def sections(self) -> Path:
        """What the report shows beside the comparison. Earlier versions called the folder otherwise."""
        earlier = self.path / "exhibits"
        return earlier if earlier.is_dir() else self.path / "sections"

    @property
    def data(self) -> Path:
        """The rows of a run on data from memory."""
        return self.path / "data.safetensors"

    def write_request(self, request: FitRequest) -> None:
        """Keep what was asked for."""
        write_atomically(self.path / "request.json", request.encoded())

    def read_request(self) -> FitRequest:
        """What was asked for."""
        return self._read("request.json", decode_request)

    def read_comparison(self) -> Comparison:
        """What the comparison found.

        Raises
        ------
        RequestError
            When there is none yet.
        """
        if not (self.path / "comparison.json").exists():
            raise RequestError(f"{self.path} has no comparison yet. Go on with it: annvil resume {self.path}")
        return self.decoded("comparison.json", Comparison)

    def write_state(self, state: RunState) -> None:
        """Keep where the run stands."""
        write_atomically(self.path / "state.json", msgspec.json.format(msgspec.json.encode(state), indent=1))

    def read_state(self) -> RunState:
        """Where the run stands."""
        return self.decoded("state.json", RunState)

    def decoded(self, name: str, kind: type[T]) -> T:
        """What the JSON file of that name holds.

        Raises
        ------
        RequestError, DataError
            When it is not there; when it is damaged.
        """
        return self._read(name, msgspec.json.Decoder(kind).decode)

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of the file of that name. Raises as `decoded` does."""
        from safetensors.numpy import load

        return self._read(name, load)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """While this lasts no other process may work on the run; the lock goes with the process, however it ends.

        Raises
        ------
        RequestError
            When another process works on it now.
        MachineError
            When the folder cannot be written.
        """
        try:
            import fcntl
        except ImportError:  # no such locks on Windows
            yield
            return
        try:
            opened = (self.path / ".lock").open("w")
        except OSError as error:
            raise MachineError(
                f"Cannot work on {self.path}: {error.strerror or error}. Copy it to a folder of your own first."
            ) from error
        with opened as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RequestError(f"Another process is working on {self.path}; wait for it, or stop it.") from None
            self._sweep()
            yield

    def _sweep(self) -> None:
        """Take away what killed writes left; an older model is put back where the new one never came."""
        for older in sorted(self.path.glob(f".{self.model.name}.*.old")):
            if not self.model.exists():
                older.rename(self.model)
        for litter in (*self.path.rglob(".*.part"), *self.path.glob(f".{self.model.name}.*.old")):
            shutil.rmtree(litter) if litter.is_dir() else litter.unlink(missing_ok=True)

    def _read(self, name: str, decode: Callable[[bytes], T]) -> T:
        try:
            return read_kept(self.path / name, decode)
        except FileNotFoundError:
            message = f"{self.path} is not the folder of a run: it has no {name}. `annvil runs` lists what there is."
            raise RequestError(message) from None


def new_folder(out: str | Path, stem: str, fill: Callable[[RunFolder], None] = lambda folder: None) -> RunFolder:
    """A fresh ``out/stem-N`` with the smallest free N; safe against another process doing the same.

    ``fill`` writes what the folder must hold from the beginning; only then does the folder get its name, so that no
    run is ever half begun.
    """
    out = Path(out)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", stem).strip("-.") or "data"
    try:
        out.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=out, prefix=f".{name}."))
        making.chmod(0o755)
        try:
            fill(RunFolder(making))
            return RunFolder(_given_a_number(making, out, name))
        except BaseException:
            shutil.rmtree(making, ignore_errors=True)
            raise
    except OSError as error:
        raise MachineError(f"Cannot make a run folder in {out}: {error.strerror or error}.") from error


def _given_a_number(making: Path, out: Path, name: str) -> Path:
    taken = [int(m[1]) for p in out.iterdir() if (m := re.fullmatch(re.escape(name) + r"-(\d+)", p.name))]
    number = max(taken, default=0) + 1
    while True:
        path = out / f"{name}-{number}"
        if not path.exists():
            try:
                return making.rename(path)
            except OSError:
                if not path.exists():  # not because another process took the number
                    raise
        number += 1


def existing_folder(folder: str | Path) -> RunFolder:
    """The run at ``folder``; refuses what is not there with the nearest names."""
    path = Path(folder)
    if not path.is_dir():
        near = [str(p) for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise RequestError(
            f"There is no run at {path}.{did_you_mean(str(path), near)} `annvil runs` lists what there is."
        )
    return RunFolder(path)


class Clock:
    """Seconds of the budget used so far, across interruptions; writes the run's state at each stage."""

    def __init__(
        self, folder: RunFolder, spent_before: float = 0.0, since: float | None = None, started: float | None = None
    ) -> None:
        self._folder = folder
        self._before = spent_before
        self._since = time.monotonic() if since is None else since
        self._started = time.time() if started is None else started
        self.data_sha256 = ""

    @property
    def spent(self) -> float:
        """Seconds used, all sittings together."""
        return self._before + time.monotonic() - self._since

    def mark(self, state: State, stage: str, message: str = "") -> None:
        """Write where the run stands."""
        self._folder.write_state(RunState(state, stage, self.spent, self._started, message, self.data_sha256))
