"""What a comparison has found so far, on disk: killed at any moment, it goes on from here.

    <folder>/
      request.json                    what was asked of which data; a comparison of other data is refused
      decisions.jsonl                 what was done in which order, and why (`race.decisions`)
      problems.log                    tracebacks of contenders that failed
      <contender>/
        repeat-0-fold-3.json          a `FoldResult`
        repeat-0-fold-3.safetensors   its test rows ("rows", int64) and predictions for them ("outputs", float64); the
                                      same out of fold inside its training rows ("inner_rows"; "inner_outputs", float32)
        repeat-0.outcome.json         how the contender's fits of that repeat ended
        cost.json, model.onnx         a `Cost` and the parity of the first fold's exported model; the graph itself
        curve.json                    a `LearningCurve`
        rung-1/                       the same with the next effort (`Effort.rung`)
        checkpoint/                   the contender's own, removed when the repeat is done
      ablations/<name>.json           an `Ablation`

Every file is written whole or not at all, predictions before the record that stands for both, so that a record on disk
is always complete. Nothing here is pickled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from annvil.comparison.results import Ablation, Cost, FoldResult, LearningCurve, State
from annvil.errors import RequestError
from annvil.files import legible, read_kept, write_atomically, write_json
from annvil.tasks.base import FloatArray, IntArray

T = TypeVar("T")


class Predicted(NamedTuple):
    """Rows int64 ``(n,)`` and outputs ``(n, n_outputs)`` for them."""

    rows: IntArray
    outputs: FloatArray


@dataclass(frozen=True)
class Outcome:
    """How one call of a contender ended: "finished", "cut short" or "failed", and why."""

    state: State
    reason: str = ""
    bug: bool = False  # an exception we did not foresee; its traceback is in problems.log


@dataclass(frozen=True)
class ShippedCost:
    """Cost of the model of the first fold as it would be shipped, and how far it is from the one in memory.

    A model that could not be exported has neither; ``problem`` says why.
    """

    cost: Cost | None
    parity: float | None
    problem: str = ""


class Store:
    """A folder of records; see the module's text. ``folder`` is made when first written to."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        # Read once: the table is drawn after every fit.
        self._results: dict[tuple[str, int, str], FoldResult] = {}
        self._outcomes: dict[tuple[str, int, str], Outcome | None] = {}

    def open(self, fingerprint: Mapping[str, Any]) -> None:
        """Begin, or go on with, the comparison of that fingerprint.

        Raises
        ------
        RequestError
            When the folder holds a comparison of something else; the message says what differs.
        """
        path = self.folder / "request.json"
        asked = json.loads(json.dumps(fingerprint))  # tuples become lists, as they are on disk
        if not path.exists():
            write_json(path, asked)
            return
        known = _readable(path)
        differing = [name for name in {*known, *asked} if known.get(name) != asked.get(name)]
        if differing:
            raise RequestError(
                f"{self.folder} holds a comparison that differs in: {', '.join(sorted(differing))}. "
                "Go on with the same data and options, or choose another folder."
            )

    def folds(self) -> int | None:
        """Test folds of the comparison that lies here, or None where none was begun."""
        path = self.folder / "request.json"
        if not path.exists():
            return None
        with legible(self.folder):
            return int(_readable(path)["the plan"]["outer_folds"])

    @property
    def decisions(self) -> Path:
        """The log of what was done, in order."""
        return self.folder / "decisions.jsonl"

    # -- folds -----------------------------------------------------------------------------------------------------

    def _home(self, contender: str, rung: int) -> Path:
        """Of what was found with that effort. The first one has no folder of its own: most runs have no other."""
        return self.folder / contender / f"rung-{rung}" if rung else self.folder / contender

    def result(self, contender: str, job: str, rung: int = 0) -> FoldResult | None:
        """The record of one fit, or None while it is not done."""
        if (contender, rung, job) not in self._results:
            result = self._read(self._home(contender, rung) / f"{job}.json", FoldResult)
            if result is None:
                return None
            self._results[contender, rung, job] = result
        return self._results[contender, rung, job]

    def predictions(self, contender: str, job: str, rung: int = 0) -> Predicted:
        """For the test rows, numbered as in the whole data set; float64."""
        arrays = self._arrays(contender, job, rung)
        return Predicted(arrays["rows"], arrays["outputs"])

    def inner_predictions(self, contender: str, job: str, rung: int = 0) -> Predicted | None:
        """Out of fold for training rows, ascending and numbered as in the whole data set; None where none were kept."""
        arrays = self._arrays(contender, job, rung)
        if "inner_rows" not in arrays:
            return None
        return Predicted(arrays["inner_rows"], arrays["inner_outputs"].astype(np.float64))

    def _arrays(self, contender: str, job: str, rung: int) -> dict[str, np.ndarray]:
        from safetensors.numpy import load

        path = self._home(contender, rung) / f"{job}.safetensors"
        return read_kept(path, load, f"Delete the folder {self.folder} and start anew.")

    def keep_result(
        self, result: FoldResult, rows: IntArray, outputs: FloatArray, inner: Predicted | None = None
    ) -> None:
        """Write predictions (``inner``: out of fold) and record of one fit, where those of its rung are."""
        from safetensors.numpy import save

        arrays = {"rows": np.ascontiguousarray(rows), "outputs": np.ascontiguousarray(outputs)}
        if inner is not None:
            arrays["inner_rows"] = np.ascontiguousarray(inner.rows)
            arrays["inner_outputs"] = np.ascontiguousarray(inner.outputs, dtype=np.float32)
        home = self._home(result.contender, result.rung)
        write_atomically(home / f"{result.job}.safetensors", save(arrays))
        self._write(home / f"{result.job}.json", result)
        self._results[result.contender, result.rung, result.job] = result

    # -- contenders ------------------------------------------------------------------------------------------------

    def outcome(self, contender: str, call: str, rung: int = 0) -> Outcome | None:
        """How that call ended, or None while it has not."""
        key = contender, rung, call
        if key not in self._outcomes:
            self._outcomes[key] = self._read(self._home(contender, rung) / f"{call}.outcome.json", Outcome)
        return self._outcomes[key]

    def keep_outcome(self, contender: str, call: str, outcome: Outcome, rung: int = 0) -> None:
        """Write how a call ended, and drop its checkpoints."""
        self._write(self._home(contender, rung) / f"{call}.outcome.json", outcome)
        self._outcomes[contender, rung, call] = outcome
        shutil.rmtree(self.checkpoint(contender, call, rung), ignore_errors=True)

    def forget(self, contender: str) -> None:
        """Drop all that is known of a contender."""
        shutil.rmtree(self.folder / contender, ignore_errors=True)
        for known in (self._results, self._outcomes):
            for key in [key for key in known if key[0] == contender]:
                del known[key]

    def checkpoint(self, contender: str, call: str, rung: int = 0) -> Path:
        """Where the contender may keep its checkpoints during that call."""
        return self._home(contender, rung) / "checkpoint" / call

    def cost(self, contender: str, rung: int = 0) -> ShippedCost | None:
        """Cost of the first fold's model of that rung, or None while it is not measured."""
        return self._read(self._home(contender, rung) / "cost.json", ShippedCost)

    def graph(self, contender: str, rung: int = 0) -> bytes | None:
        """The ONNX graph of the first fold's model of that rung, or None where there is none."""
        path = self._home(contender, rung) / "model.onnx"
        return path.read_bytes() if path.exists() else None

    def keep_cost(self, contender: str, cost: ShippedCost, graph: bytes = b"", rung: int = 0) -> None:
        """Write the cost of the first fold's model of that rung, and its graph where it could be exported."""
        if graph:
            write_atomically(self._home(contender, rung) / "model.onnx", graph)
        self._write(self._home(contender, rung) / "cost.json", cost)

    def curve(self, contender: str) -> LearningCurve | None:
        """The contender's learning curve, or None while it is not measured."""
        return self._read(self.folder / contender / "curve.json", LearningCurve)

    def keep_curve(self, curve: LearningCurve) -> None:
        """Write a learning curve."""
        self._write(self.folder / curve.contender / "curve.json", curve)

    def ablation(self, name: str) -> Ablation | None:
        """An ablation, or None while it is not measured."""
        return self._read(self.folder / "ablations" / f"{name}.json", Ablation)

    def keep_ablation(self, name: str, ablation: Ablation) -> None:
        """Write an ablation."""
        self._write(self.folder / "ablations" / f"{name}.json", ablation)

    # -- problems --------------------------------------------------------------------------------------------------

    @property
    def problems(self) -> Path:
        """Where tracebacks of failed contenders are."""
        return self.folder / "problems.log"

    def log_problem(self, text: str) -> None:
        """Append a traceback to ``problems.log``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.problems.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")

    # -- records ---------------------------------------------------------------------------------------------------

    def _write(self, path: Path, record: object) -> None:
        write_atomically(path, msgspec.json.format(msgspec.json.encode(record), indent=1))

    def _read(self, path: Path, kind: type[T]) -> T | None:
        if not path.exists():
            return None
        decode = msgspec.json.Decoder(kind).decode
        return read_kept(path, decode, "Delete it to have that part done again.")


def _readable(path: Path) -> dict[str, Any]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return read_kept(path, decode, f"Delete the folder {path.parent} and start anew.")


def plain(value: Any) -> Any:
    """The value with Python's own types only, as JSON can hold it: NumPy scalars unpacked, non-finite floats None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value


def finite_prefix(values: Any) -> tuple[float, ...]:
    """Values up to the first that is not finite: a training curve until it diverged."""

    def until_lost() -> Iterator[float]:
        for value in values:
            if not np.isfinite(value):
                return
            yield float(value)

    return tuple(until_lost())
