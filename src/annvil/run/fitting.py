"""One fit, from raw input to Run: read, check, compare, ship, explain, report."""

from __future__ import annotations

import time as clock_module
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import msgspec

from annvil.comparison.request import Listener as ComparisonListener
from annvil.comparison.results import Comparison
from annvil.data.dataset import Dataset, Inputs
from annvil.data.plugins import words_of
from annvil.data.storage import load_dataset, save_dataset
from annvil.errors import AnnvilError, DataError, Interrupted
from annvil.files import write_atomically
from annvil.kinds.pictures.contenders.pretrained import Start
from annvil.kinds.pictures.images import Images
from annvil.kinds.tables.audit import audit
from annvil.run.folder import Clock, RunFolder, existing_folder, new_folder
from annvil.run.load import check_request, lasting, lasting_groups, read_as_asked
from annvil.run.request import FitRequest, budget_in_seconds, size_in_pixels
from annvil.run.result import Run
from annvil.run.starting import check_start, lasting_backbone, refusal_of, start_of

LEAST_FOR_REPORT = 2.0
"""Seconds kept for importance and report when the final fit has used its reserve (assumed)."""


class Listener(ComparisonListener, Protocol):
    """Whoever shows how a fit goes."""

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """The data are read and checked; nothing is written yet."""

    def finished(self, run: Run) -> None:
        """All is written."""


class Silent:
    """A listener that shows nothing: what `fit` uses from Python unless told otherwise."""

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """Show nothing."""

    def stage(self, text: str) -> None:
        """Show nothing."""

    def standings(self, standings: Any, spent_seconds: float) -> None:
        """Show nothing."""

    def notice(self, text: str) -> None:
        """Show nothing."""

    def finished(self, run: Run) -> None:
        """Show nothing."""


def fit(
    data: Any,
    *,
    target: str | Sequence[str] | None = None,
    budget: str | float = "2m",
    metric: str | None = None,
    worth: float | None = None,
    groups: str | Path | None = None,
    time: str | None = None,
    task: str | None = None,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    missing: Sequence[str] = (),
    drop_missing_target: bool = False,
    size: int | Sequence[int] | None = None,
    workers: int = 1,
    start: str | Path | None = None,
    backbone: str | Path | None = None,
    seed: int = 0,
    out: str | Path = "runs",
    listener: Listener | None = None,
) -> Run:
    """A `Run`: the verdict on whether a neural network is worth it here, the evidence, a report and a model.

    Parameters
    ----------
    data : path (CSV, TSV, Parquet, Arrow/Feather, JSON lines, Excel), ``"sample:NAME"``, a pandas, polars or Arrow
        frame, a dict of columns, or ``(X, y)`` NumPy arrays; of pictures: a folder, a zip archive, a table of paths and
        labels, ``.npz``, ``.npy`` or idx files, or ``(X, y)`` with X ``(n, height, width[, channels])``
    target : column to predict; samples and ``(X, y)`` have one of their own. Several columns of 0 and 1 are several
        labels at once, as is a column of lists such as ``"cat|dog"``
    budget : for everything from reading to report: ``"60s"``, ``"2m"``, ``"1h30m"`` or seconds
    metric : what decides; default ROC AUC (binary), accuracy (multiclass), R² (regression), average precision
        (several labels)
    worth : gain in the metric that would justify a network; default 0.01 of a score, 1% of the base rate's error
    groups : column whose equal values stay on one side of every split; for pictures also a table (path → group)
    time : column by which training rows come before test rows
    task : "binary", "multiclass", "regression" or "multilabel"; default: inferred, with the reason in
        ``run.model.task.reason``
    columns, drop : the only columns to use; columns not to use
    kinds : column → "number", "category", "boolean" or "datetime"; overrules what was inferred
    missing : further texts that mean a missing value
    drop_missing_target : leave out rows without a target instead of refusing them
    size : of pictures: side of a square in pixels, or ``(height, width)``; default: chosen from the pictures
    workers : processes that decode pictures side by side; the result does not depend on it
    start : of pictures: a network to go on from, the model of an earlier run or a folder that `annvil.pretrain` wrote;
        default: the small one that ships with Annvil, where pictures are few
    backbone : of pictures: a pretrained network of Hugging Face's transformers instead, a folder or a name on their hub
    seed : for everything random; the same seed gives the same bytes (same type of processor, threads,
        versions and precision) unless the budget cuts something short
    out : folder in which the run's folder is made
    listener : told how it goes; default: nobody

    Raises
    ------
    DataError, RequestError
        Before anything is written, with what to change.
    Interrupted
        On Ctrl-C, a `KeyboardInterrupt` that names the folder to resume.
    """
    started = clock_module.monotonic()
    listener = listener or Silent()
    from_path = isinstance(data, str | Path)
    request = FitRequest(
        data=lasting(data) if from_path else None,
        target=target if target is None or isinstance(target, str) else tuple(target),
        budget_seconds=budget_in_seconds(budget),
        metric=metric,
        worth=worth,
        groups=lasting_groups(groups),
        time=time,
        task=task,
        columns=None if columns is None else tuple(columns),
        drop=tuple(drop),
        kinds=dict(kinds or {}),
        missing=tuple(missing),
        drop_missing_target=drop_missing_target,
        size=size_in_pixels(size),
        seed=seed,
        start=None if start is None else lasting(start),
        backbone=None if backbone is None else lasting_backbone(backbone),
    )
    begun_from = start_of(request.start, request.backbone)
    request = replace(request, start_digest=None if begun_from is None else begun_from.digest)
    listener.stage("Reading")
    dataset = read_as_asked(data, request, listener, workers)
    check_request(request, dataset)
    check_start(dataset, request.start, request.backbone)
    findings = audit(dataset)
    listener.read(dataset, findings)

    def fill(folder: RunFolder) -> None:
        folder.write_request(request)
        if not from_path:
            save_dataset(dataset, folder.data)
        clock = Clock(folder, 0.0, started)
        clock.data_sha256 = dataset.source.sha256
        clock.mark("running", "Reading")

    folder = new_folder(out, Path(dataset.source.name).stem, fill)
    clock = Clock(folder, 0.0, started)
    return _carry_through(_Work(folder, request, dataset, findings, clock, listener, begun_from))


def resume(folder: str | Path, *, listener: Listener | None = None) -> Run:
    """Go on with an interrupted run; a finished one is returned as it is.

    It ends with the bytes it would have had without the interruption, unless the budget cuts something short.

    Raises
    ------
    RequestError
        When there is no run in ``folder``.
    DataError
        When the data have changed since, or the table of groups, or are gone.
    """
    started = clock_module.monotonic()
    listener = listener or Silent()
    run_folder = existing_folder(folder)
    request, state = run_folder.read_request(), run_folder.read_state()
    if state.state == "finished" and run_folder.report.exists():
        run = Run(run_folder)
        listener.finished(run)
        return run
    listener.stage("Reading")
    dataset = load_dataset(run_folder.data) if request.data is None else read_as_asked(request.data, request, listener)
    if state.data_sha256 != dataset.source.sha256:
        of_its_own = request.groups is not None and Path(request.groups).is_file()
        what = f"{request.data}, or {request.groups}," if of_its_own else request.data
        raise DataError(
            f"{what} has changed since this run began, so its results would not belong together. "
            f"Restore {'them' if of_its_own else 'it'}, or fit again."
        )
    begun_from = start_of(request.start, request.backbone)
    if begun_from is not None and begun_from.digest != request.start_digest:
        raise DataError(
            f"{begun_from.name} is another network than the one that this run began from, so its results would not "
            "belong together. Restore it, or fit again."
        )
    findings = audit(dataset)
    listener.read(dataset, findings)
    clock = Clock(run_folder, state.spent_seconds, started, state.started)
    return _carry_through(_Work(run_folder, request, dataset, findings, clock, listener, begun_from))


@dataclass(frozen=True)
class _Work:
    folder: RunFolder
    request: FitRequest
    dataset: Dataset[Inputs]
    findings: Sequence[Any]
    clock: Clock
    listener: Listener
    start: Start | None = None

    def enter(self, stage: str) -> None:
        self.clock.mark("running", stage)
        self.listener.stage(stage)


def _carry_through(work: _Work) -> Run:
    """All the rest, with the state of the run kept true whatever happens."""
    work.clock.data_sha256 = work.dataset.source.sha256
    with work.folder.locked():
        return _carry_through_alone(work)


def _carry_through_alone(work: _Work) -> Run:
    try:
        run = _compare_ship_report(work)
    except KeyboardInterrupt:
        work.clock.mark("interrupted", "stopped by the user")
        raise Interrupted(str(work.folder.path)) from None
    except AnnvilError as error:
        work.clock.mark("failed", "stopped", str(error))
        raise
    except Exception as error:
        write_atomically(work.folder.path / "error.txt", traceback.format_exc().encode())
        work.clock.mark("failed", "stopped by a bug", f"{type(error).__name__}: {error}")
        raise
    work.listener.finished(run)
    return run


def _compare_ship_report(work: _Work) -> Run:
    from annvil.comparison import Request, Store, compare
    from annvil.kinds.registry import contenders_for
    from annvil.models.contract import Deadline
    from annvil.run import augmented, looking, pictures, shipping, studying
    from annvil.run.reporting import assemble, write_report
    from annvil.sections import write_exhibits

    request, dataset, task = work.request, work.dataset, work.dataset.task
    import torch  # noqa: F401 (loaded here, so that the two seconds this takes are charged to no contender)

    contenders = contenders_for(dataset, work.start, refusal_of(dataset, work.start))
    store, words = Store(work.folder.race), words_of(dataset.inputs.form)
    metric = task.metric(request.metric or None)
    work.enter("Comparing")
    asked = Request(
        metric=metric,
        worth=request.worth,
        budget_seconds=request.budget_seconds,
        seed=request.seed,
        data_kind="pictures" if isinstance(dataset.inputs, Images) else "table",
        words=words,
        spent_seconds=work.clock.spent,
    )
    comparison = compare(dataset, contenders, asked, store, _Keeping(work))
    write_atomically(work.folder.path / "comparison.json", msgspec.json.encode(comparison))
    deadline = Deadline(request.budget_seconds - work.clock.spent - LEAST_FOR_REPORT)
    work.enter(f"Fitting the recommended model on all {words.rows}")
    shipped = shipping.ship(dataset, contenders, comparison, work.folder, store, deadline)
    deadline = Deadline(request.budget_seconds - work.clock.spent - LEAST_FOR_REPORT)
    tested = pictures.official_test(dataset, comparison, work.folder, shipped.threshold, deadline)
    comparison = _with_notices(work, comparison, (*([shipped.notice] if shipped.notice else []), *tested))
    write_exhibits(work.folder.exhibits, pictures.pictures_and_predictions(dataset, comparison, store))
    write_exhibits(work.folder.exhibits, augmented.augmentation_samples(dataset, comparison, store))
    write_exhibits(work.folder.exhibits, studying.exhibits_of_race(dataset, comparison, store, work.folder))
    work.enter(words.explaining)
    deadline = Deadline(max(1.0, request.budget_seconds - work.clock.spent - LEAST_FOR_REPORT / 2))
    importance, importance_rows = shipping.explain(dataset, comparison, store, deadline)
    write_exhibits(work.folder.exhibits, looking.explained(dataset, comparison, work.folder, store, deadline))
    work.enter("Writing the report")
    assemble(
        work.folder,
        request,
        dataset,
        tuple(work.findings),
        comparison,
        shipped,
        importance,
        importance_rows,
        store,
        work.clock.spent,
    )
    write_report(work.folder.path)
    work.clock.mark("finished", "finished")
    return Run(work.folder)


def _with_notices(work: _Work, comparison: Comparison, notices: tuple[str, ...]) -> Comparison:
    """The comparison with what happened after it, told and kept."""
    for notice in notices:
        work.listener.notice(notice)
    comparison = replace(comparison, notices=(*comparison.notices, *notices))
    write_atomically(work.folder.path / "comparison.json", msgspec.json.encode(comparison))
    return comparison


class _Keeping:
    """Passes everything on, and keeps the time used so far on disk for a resumed run."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._stage = "Comparing"

    def stage(self, text: str) -> None:
        self._stage = text
        self._work.enter(text)

    def standings(self, standings: Any, spent_seconds: float) -> None:
        self._work.clock.mark("running", self._stage)
        self._work.listener.standings(standings, self._work.clock.spent)

    def notice(self, text: str) -> None:
        self._work.listener.notice(text)
