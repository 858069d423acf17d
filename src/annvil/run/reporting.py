"""Everything a report shows, kept in the run folder so that it can be written again without the data."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from annvil.bundle import load
from annvil.comparison import Store
from annvil.comparison.held_out import held_out_predictions
from annvil.comparison.results import Comparison
from annvil.data.dataset import ColumnNote, Dataset, Source
from annvil.data.findings import Finding
from annvil.data.form import Inputs
from annvil.data.plugins import words_of
from annvil.errors import RequestError
from annvil.explanation.permutation import Importance
from annvil.files import from_here, legible, write_atomically
from annvil.report import (
    HeldOut,
    ReportView,
    Reproduction,
    ShippedModel,
    render,
    render_explanation,
    usage_snippets,
)
from annvil.run.folder import RunFolder, existing_folder
from annvil.run.request import FitRequest
from annvil.run.shipping import Shipped, machine, standing_of
from annvil.sections import read_sections
from annvil.system.processors import allowed_cores
from annvil.tasks.base import Decision
from annvil.tasks.union import AnyTask, tagged
from annvil.text.words import Words


@dataclass(frozen=True)
class RunRecord:
    """``run.json``: what the report shows beside ``comparison.json`` and the held-out predictions."""

    name: str
    task: AnyTask
    source: Source
    columns: tuple[ColumnNote, ...]
    n_rows: int
    findings: tuple[Finding, ...]
    importance: tuple[Importance, ...]
    importance_rows: int
    shipped: Shipped
    reproduction: Reproduction


def assemble(
    folder: RunFolder,
    request: FitRequest,
    dataset: Dataset[Inputs],
    findings: tuple[Finding, ...],
    comparison: Comparison,
    shipped: Shipped,
    importance: tuple[tuple[Importance, ...], int],
    store: Store,
    spent_seconds: float,
) -> RunRecord:
    """Gather and keep what the report needs: ``comparison.json``, ``run.json`` and ``held_out.safetensors``."""
    record = RunRecord(
        name=folder.path.name,
        task=tagged(dataset.task),
        source=replace(dataset.source, path=None),
        columns=tuple(map(_without_persons, dataset.notes)),
        n_rows=dataset.n_rows,
        findings=tuple(replace(finding, which="") for finding in findings),
        importance=importance[0],
        importance_rows=importance[1],
        shipped=shipped,
        reproduction=_reproduction(folder, request, spent_seconds),
    )
    _keep_held_out(folder, dataset, comparison, store)
    write_atomically(folder.path / "run.json", msgspec.json.format(msgspec.json.encode(record), indent=1))
    return record


def write_report(folder: str | Path) -> Path:
    """Write the report of a finished run again and return its path.

    Raises
    ------
    RequestError
        When there is no finished run in ``folder``.
    DataError
        When its files are damaged or do not belong together.
    """
    run_folder = _finished(folder, "it has no report")
    with legible(run_folder.path):
        return render_report(run_folder)


def render_report(folder: RunFolder) -> Path:
    """As `write_report`, for who has just written what it is made from."""
    page = render(_view(folder, read_record(folder), folder.read_comparison()))
    write_atomically(folder.report, page.encode("utf-8"))
    return folder.report


def write_explanation_page(folder: str | Path) -> Path:
    """What explains the model of a finished run as a page of its own, ``explanation.html``, and its path.

    Raises
    ------
    RequestError
        When there is no finished run in ``folder``.
    DataError
        When its files are damaged or do not belong together.
    """
    run_folder = _finished(folder, "nothing explains it")
    with legible(run_folder.path):
        page = render_explanation(_view(run_folder, read_record(run_folder), run_folder.read_comparison()))
    path = run_folder.path / "explanation.html"
    write_atomically(path, page.encode("utf-8"))
    return path


def _finished(folder: str | Path, so: str) -> RunFolder:
    """The folder of a run that was finished once, though it may go on now: its record is written last."""
    run_folder = existing_folder(folder)
    if run_folder.read_state().state != "finished" and not (run_folder.path / "run.json").exists():
        raise RequestError(f"{folder} is not finished, so {so}. Go on with it: annvil resume {folder}")
    return run_folder


def read_record(folder: RunFolder) -> RunRecord:
    """``run.json`` of a finished run."""
    return folder.decoded("run.json", RunRecord)


def _view(folder: RunFolder, record: RunRecord, comparison: Comparison) -> ReportView:
    standing, shipped = standing_of(comparison, record.shipped.contender), record.shipped
    words = words_of(load(folder.model).form)
    cost = standing.cost
    return ReportView(
        name=record.name,
        comparison=comparison,
        task=record.task,
        source=record.source,
        columns=record.columns,
        n_rows=record.n_rows,
        reproduction=record.reproduction,
        findings=record.findings,
        preparation=shipped.preparation,
        importance=record.importance,
        importance_rows=record.importance_rows,
        words=words,
        folder=str(from_here(folder.path)),
        sections=read_sections(folder.sections),
        held_out=_read_held_out(folder, shipped.threshold, words),
        shipped=ShippedModel(
            title=shipped.title,
            folder=str(from_here(folder.model)),
            size_bytes=shipped.size_bytes,
            n_parameters=shipped.n_parameters,
            n_rows=shipped.n_rows,
            latency_ms_p50=cost.latency_ms_p50 if cost else None,
            latency_ms_p95=cost.latency_ms_p95 if cost else None,
            rows_per_second=cost.rows_per_second if cost else None,
            parity=shipped.parity,
            parity_rows=shipped.parity_rows,
            in_eight_bits=shipped.in_eight_bits,
            eight_bits=shipped.eight_bits,
        ),
        usage=usage_snippets(
            str(from_here(folder.path)),
            str(from_here(folder.model)),
            record.task,
            words,
        ),
    )


def _keep_held_out(folder: RunFolder, dataset: Dataset[Inputs], comparison: Comparison, store: Store) -> None:
    """Predictions of the recommended contender for the test rows of the first repeat, with their targets."""
    from safetensors.numpy import save

    rows, outputs = held_out_predictions(comparison, store)
    arrays = {"y": np.ascontiguousarray(dataset.y[rows]), "outputs": np.ascontiguousarray(outputs)}
    write_atomically(folder.path / "held_out.safetensors", save(arrays))


def _read_held_out(folder: RunFolder, threshold: Decision, words: Words) -> HeldOut:
    arrays = folder.arrays("held_out.safetensors")
    how = f"each {words.row} was predicted by a model of a fold that had not seen it"
    return HeldOut(arrays["y"], arrays["outputs"], how, threshold)


def _threads() -> int:
    """Those of PyTorch; where no network was trained, it is not loaded for that."""
    torch = sys.modules.get("torch")
    return allowed_cores() if torch is None else int(torch.get_num_threads())


def _reproduction(folder: RunFolder, request: FitRequest, spent_seconds: float) -> Reproduction:
    from importlib.metadata import version

    names = ("annvil", "torch", "scikit-learn", "numpy", "onnx", "onnxruntime", "duckdb")
    state, place = folder.read_state(), machine()
    return Reproduction(
        command=request.elsewhere().command(),
        seed=request.asked.seed,
        machine=f"{place['system']}, {place['processor']}, {place['cores']} cores, MKL_CBWR {place['mkl_cbwr']}, "
        f"Python {place['python']}",
        threads=_threads(),
        versions=tuple((name, version(name)) for name in names),
        started=f"{datetime.fromtimestamp(state.started, UTC):%Y-%m-%d %H:%M} UTC",
        seconds=round(spent_seconds, 1),
    )


def _without_persons(note: ColumnNote) -> ColumnNote:
    """Without examples of a column that is left out: names, addresses and numbers of persons are left out as a rule."""
    return note if note.used else replace(note, examples=())
