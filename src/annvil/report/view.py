"""Everything a report shows, gathered by whoever ran the comparison."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

from annvil.comparison.results import Comparison
from annvil.data.dataset import ColumnNote, Source
from annvil.explanation.permutation import Importance
from annvil.sections import Section
from annvil.tasks.base import Decision, FloatArray, Task
from annvil.text.words import ROWS, Words

if TYPE_CHECKING:
    from annvil.data.findings import Finding


@dataclass(frozen=True)
class HeldOut:
    """Predictions of the recommended model for rows it had not seen.

    Attributes
    ----------
    y : int64 codes into ``task.classes`` ``(n,)``, 0 and 1 ``(n, n_classes)`` of several labels, or float64 values
    outputs : float64 ``(n, n_outputs)``
    how : half a sentence on where they come from, such as "every row was predicted by the fold that had not seen it"
    threshold : decides for the positive class of a binary task, and for each label; None: what is likelier
    """

    y: NDArray[Any]
    outputs: FloatArray
    how: str
    threshold: Decision = None


@dataclass(frozen=True)
class ShippedModel:
    """Facts of the saved bundle."""

    title: str  # of the contender
    folder: str  # as it is typed in a command
    size_bytes: int
    n_parameters: int
    latency_ms_p50: float | None = None  # one raw row, Python call included
    latency_ms_p95: float | None = None
    rows_per_second: float | None = None
    parity: float | None = None  # largest |shipped - in memory| over ``parity_rows`` held-out rows
    parity_rows: int = 0
    in_eight_bits: bool = False  # whether convolutions compute so; ``parity`` is that of the graph before
    eight_bits: str = ""  # why they do or do not, in one sentence; empty without convolutions
    n_rows: int | None = None  # that it learnt from


@dataclass(frozen=True)
class Snippet:
    """Code to copy."""

    title: str
    language: Literal["shell", "python"]
    code: str


@dataclass(frozen=True)
class Reproduction:
    """What somebody else needs to get the same numbers."""

    command: str
    seed: int
    machine: str
    threads: int
    versions: tuple[tuple[str, str], ...]  # (library, version)
    started: str = ""  # for people, such as "2026-03-01 14:05 UTC"
    seconds: float | None = None  # of the whole run


@dataclass(frozen=True)
class ReportView:
    """One finished run, for `annvil.report.render`. Parts that a run does not have are empty or None."""

    name: str  # of the run
    comparison: Comparison
    task: Task
    source: Source
    columns: tuple[ColumnNote, ...]
    n_rows: int
    reproduction: Reproduction
    findings: tuple[Finding, ...] = ()
    preparation: tuple[str, ...] = ()
    importance: tuple[Importance, ...] = ()
    importance_rows: int = 0  # held-out rows it was measured on
    held_out: HeldOut | None = None
    shipped: ShippedModel | None = None
    usage: tuple[Snippet, ...] = ()
    sections: tuple[Section, ...] = ()  # whatever can be looked at
    words: Words = ROWS  # what the rows are called
    folder: str = ""  # of the run, as it is typed in a command


def usage_snippets(run_folder: str, model_folder: str, task: Task, words: Words = ROWS) -> tuple[Snippet, ...]:
    """How to use the model of a run, from the shell and from Python; paths are quoted for each."""
    new, rows = words.example, words.example_python
    shell = f"annvil predict {shlex.quote(run_folder)} {new} -o predictions.csv"
    lines = [
        "import annvil",
        "",
        f"model = annvil.load({model_folder!r})",
        f"# new {rows}",
        f'model.predict("{new}")',
    ]
    if task.predicts_probabilities:
        lines += ["# one column per class", f'model.predict_proba("{new}")']
    return (
        Snippet("From the command line", "shell", shell),
        Snippet("From Python: needs onnxruntime and NumPy, no training library", "python", "\n".join(lines)),
    )
