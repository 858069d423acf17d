"""One fit, from raw input to Run: read, check, compare, ship, explain, report."""

from __future__ import annotations

import shutil
import time as clock_module
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from annvil.comparison.request import Listener as ComparisonListener, Moment, Quiet
from annvil.comparison.results import Comparison, Standing, Verdict
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.data.readers.opened import Opened
from annvil.data.storage import save_dataset
from annvil.errors import AnnvilError, DataError, Interrupted, RequestError
from annvil.files import write_atomically
from annvil.kinds.base import Found, Kind, Loaded, Stage
from annvil.kinds.registry import audit, fit_options, kind_of, name_of, options_for, options_of_kinds
from annvil.options import FitOptions, budget_in_seconds, check_names, chosen, cleaned, declared, lasting, listed_in
from annvil.run.folder import Clock, RunFolder, existing_folder, new_folder
from annvil.run.load import Decoding, check_request, kept_options, kind_again, read_again
from annvil.run.request import FitRequest
from annvil.run.result import Run
from annvil.system import onnx_runtime
from annvil.system.memory import require_room_to_fit

if TYPE_CHECKING:
    from annvil.comparison import Store
    from annvil.comparison.race.decisions import Unit
    from annvil.explanation.permutation import Importance
    from annvil.models.contract import Contender, Deadline

LIBRARIES = "annvil.bundle", "onnx", "scipy.optimize", "sklearn.ensemble", "sklearn.linear_model"
"""What simple contenders and exports import when they are first needed; PyTorch waits for the first network."""

LEAST_FOR_SHIPPING = 1.0
"""Seconds that a fit to ship is given though the budget has ended, as after a late kill: most take less (assumed)."""

LEAST_FOR_REPORT = 2.0
"""Seconds kept for importance and report when the final fit has used its reserve (assumed)."""


class Listener(ComparisonListener, Protocol):
    """Whoever shows how a fit goes."""

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """The data are read and checked; nothing is written yet."""

    def finished(self, run: Run) -> None:
        """All is written."""


class Silent(Quiet):
    """A listener that shows nothing: what `fit` uses from Python unless told otherwise."""

    def read(self, dataset: Dataset[Inputs], findings: Sequence[Any]) -> None:
        """Show nothing."""

    def finished(self, run: Run) -> None:
        """Show nothing."""


def fit(data: Any, *, listener: Listener | None = None, **options: Any) -> Run:
    """A `Run`: the verdict on whether a neural network is worth it here, the evidence, a report and a model.

    Parameters
    ----------
    data : path (CSV, TSV, Parquet, Arrow/Feather, JSON lines, Excel), ``"sample:NAME"``, a pandas, polars or Arrow
        frame, a dict of columns, or ``(X, y)`` NumPy arrays; or whatever another kind of data takes, such as a folder
    listener : told how it goes; default: nobody
    options : what ``annvil fit --help`` lists, by these names

    Raises
    ------
    DataError, RequestError
        Before anything is written, with what to change.
    TypeError
        For an unknown option, with the nearest that are known.
    Interrupted
        On Ctrl-C, a `KeyboardInterrupt` that names the folder to resume.
    """
    require_room_to_fit()
    started = clock_module.monotonic()
    listener = listener or Silent()
    generic = {one.name for one in declared(FitOptions)}
    check_names(options, (*generic, *options_of_kinds()), "fit()")
    asked = cleaned(FitOptions, {name: value for name, value in options.items() if name in generic}, "fit()")
    listener.stage("Reading")
    opened = Opened(data, asked)
    kind = kind_of(opened)
    rest = {name: value for name, value in options.items() if name not in generic}
    own = options_for(kind, rest, name_of(data))
    loaded = kind.load(own)
    dataset = kind.read(opened, own, Decoding(kind.words.rows, listener))
    check_request(asked, dataset)
    _followed(asked.like)  # refused before anything is written
    findings = audit(dataset)
    listener.read(dataset, findings)
    from_path = isinstance(data, str | Path)
    request = FitRequest(
        data=lasting(data) if from_path else None,
        asked=asked,
        given=chosen(own),
        kind=kind.name,
        start_digest=None if loaded is None else loaded.digest,
    )

    def fill(folder: RunFolder) -> None:
        folder.write_request(request)
        if not from_path:
            save_dataset(dataset, folder.data)
        clock = Clock(folder, 0.0, started)
        clock.data_sha256 = dataset.source.sha256
        clock.mark("running", "Reading")

    folder = new_folder(asked.out, Path(dataset.source.name).stem, fill)
    clock = Clock(folder, 0.0, started)
    try:
        return _carry_through(_Work(folder, request, kind, own, loaded, dataset, findings, clock, listener))
    except RequestError:  # a budget that loading has used up, say: nothing was begun, so nothing is left behind
        if not folder.decisions.exists():
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


listed_in(fit, fit_options())


def resume(folder: str | Path, *, budget: str | float | None = None, listener: Listener | None = None) -> Run:
    """Go on with an interrupted run; a finished one is returned as it is, or goes on with a larger ``budget``.

    Parameters
    ----------
    folder : of the run
    budget : new budget of the whole run, what it has used so far included; None: the one it was asked for

    What its log of decisions holds is not done again; the rest is decided as if there had been no interruption.

    Raises
    ------
    RequestError
        When there is no run in ``folder``, or it has used the budget already.
    DataError
        When the data have changed since, or the table of groups, or are gone.
    """
    require_room_to_fit()
    started = clock_module.monotonic()
    listener = listener or Silent()
    run_folder = existing_folder(folder)
    request, state = run_folder.read_request(), run_folder.read_state()
    if budget is not None:
        request = _with_budget(run_folder, request, state.spent_seconds, budget_in_seconds(budget))
    elif state.state == "finished" and run_folder.report.exists():
        run = Run(run_folder)
        listener.finished(run)
        return run
    listener.stage("Reading")
    kind = kind_again(run_folder, request)
    dataset = read_again(kind, run_folder, request, listener)
    if state.data_sha256 != dataset.source.sha256:
        groups = request.asked.groups
        of_its_own = groups is not None and Path(groups).is_file()
        what = f"{request.data}, or {groups}," if of_its_own else request.data
        raise DataError(
            f"{what} has changed since this run began, so its results would not belong together. "
            f"Restore {'them' if of_its_own else 'it'}, or fit again."
        )
    own = kept_options(kind, request, dataset.source.name)
    loaded = kind.load(own)
    if loaded is not None and loaded.digest != request.start_digest:
        raise DataError(
            f"{loaded.name} is not what it was when this run began from it, so its results would not belong together. "
            "Restore it, or fit again."
        )
    findings = audit(dataset)
    listener.read(dataset, findings)
    clock = Clock(run_folder, state.spent_seconds, started, state.started)
    return _carry_through(_Work(run_folder, request, kind, own, loaded, dataset, findings, clock, listener))


def _with_budget(folder: RunFolder, request: FitRequest, spent: float, budget: float) -> FitRequest:
    """The request with another budget, kept."""
    if budget <= spent:
        raise RequestError(
            f"{folder.path} has used {spent:.0f} s already, and the budget is that of the whole run; give it more than "
            f"the {budget:g} s that were asked for."
        )
    changed = replace(request, asked=msgspec.structs.replace(request.asked, budget=budget))
    folder.write_request(changed)
    return changed


def _followed(like: str | None) -> tuple[tuple[Unit, ...] | None, int | None]:
    """What the run that is to be followed did, and its test folds."""
    if like is None:
        return None, None
    from annvil.comparison import Store
    from annvil.comparison.race.decisions import read_decisions

    store = Store(existing_folder(like).race)
    decisions = read_decisions(store.decisions)
    return tuple(one.unit for one in decisions if one.ending == "complete"), store.folds()


@dataclass(frozen=True)
class _Work:
    folder: RunFolder
    request: FitRequest
    kind: Kind
    options: Any
    loaded: Loaded | None
    dataset: Dataset[Inputs]
    findings: Sequence[Any]
    clock: Clock
    listener: Listener

    def enter(self, stage: str) -> None:
        self.clock.mark("running", stage)
        self.listener.stage(stage)

    def deadline(self, kept: float = LEAST_FOR_REPORT, least: float = float("-inf")) -> Deadline:
        """What is left of the budget but for ``kept`` seconds, and no less than ``least``."""
        from annvil.models.contract import Deadline

        if self.request.asked.like is not None:
            return Deadline(float("inf"))
        return Deadline(max(least, self.request.asked.budget - self.clock.spent - kept))


def _carry_through(work: _Work) -> Run:
    """All the rest, with the state of the run kept true whatever happens."""
    work.clock.data_sha256 = work.dataset.source.sha256
    with work.folder.locked():
        return _carry_through_alone(work)


def _carry_through_alone(work: _Work) -> Run:
    keeping = _Keeping(work)
    try:
        run = _compare_ship_report(work, keeping)
    except KeyboardInterrupt:
        work.clock.mark("interrupted", "stopped by the user")
        raise Interrupted(str(work.folder.path), keeping.so_far()) from None
    except AnnvilError as error:
        work.clock.mark("failed", "stopped", str(error))
        raise
    except Exception as error:
        write_atomically(work.folder.path / "error.txt", traceback.format_exc().encode())
        work.clock.mark("failed", "stopped by a bug", f"{type(error).__name__}: {error}")
        raise
    work.listener.finished(run)
    return run


def _load_libraries() -> None:
    """Loaded here, so that the seconds this takes are charged to no contender."""
    onnx_runtime.load()
    for name in LIBRARIES:
        import_module(name)


def _compare_ship_report(work: _Work, keeping: _Keeping) -> Run:
    _load_libraries()
    from annvil.comparison import Store
    from annvil.run.official_test import official_test
    from annvil.run.reporting import assemble, write_report
    from annvil.run.shipping import ship
    from annvil.sections import read_sections, write_sections

    kind, dataset, folder = work.kind, work.dataset, work.folder
    contenders, store = kind.contenders(dataset, work.options, work.loaded), Store(folder.race)
    comparison = _compared(work, contenders, store, keeping)
    keeping.verdict = comparison.verdict
    work.enter(f"Fitting the recommended model on all {kind.words.rows}")
    follow, _ = _followed(work.request.asked.like)
    deadline = work.deadline(least=LEAST_FOR_SHIPPING)
    shipped = ship(dataset, contenders, comparison, folder, store, deadline, kind, follow or ())
    tested = official_test(dataset, comparison, folder.model, shipped.threshold, work.deadline(least=1.0), kind.words)
    comparison = _with_notices(work, comparison, (*([shipped.notice] if shipped.notice else []), *tested))
    importance: tuple[tuple[Importance, ...], int] = ((), 0)
    for stage in Stage:
        if stage is Stage.EXPLAINED:
            work.enter(kind.words.explaining)
        found = Found(dataset, comparison, store, folder.path, folder.model, work.deadline(LEAST_FOR_REPORT / 2, 1.0))
        if stage is Stage.EXPLAINED:
            importance = kind.importance(found)
        write_sections(folder.sections, kind.sections(stage, found))
    work.enter("Writing the report")
    findings = (*work.findings, *(one for section in read_sections(folder.sections) for one in section.findings))
    assemble(folder, work.request, dataset, findings, comparison, shipped, importance, store, work.clock.spent)
    write_report(folder.path)
    work.clock.mark("finished", "finished")
    return Run(folder)


def _compared(work: _Work, contenders: Sequence[Contender], store: Store, keeping: _Keeping) -> Comparison:
    from annvil.comparison import Request, compare

    asked, task = work.request.asked, work.dataset.task
    work.enter("Comparing")
    follow, folds = _followed(asked.like)
    request = Request(
        metric=task.metric(asked.metric or None),
        worth=asked.worth,
        budget_seconds=asked.budget,
        seed=asked.seed,
        spent_seconds=work.clock.spent,
        follow=follow,
        folds=folds,
        use_all=asked.use_all,
    )
    comparison = compare(work.kind.problem(work.dataset), contenders, request, store, keeping)
    write_atomically(work.folder.path / "comparison.json", msgspec.json.encode(comparison))
    return comparison


def _with_notices(work: _Work, comparison: Comparison, notices: tuple[str, ...]) -> Comparison:
    """The comparison with what happened after it, told and kept."""
    for notice in notices:
        work.listener.notice(notice)
    comparison = replace(comparison, notices=(*comparison.notices, *notices))
    write_atomically(work.folder.path / "comparison.json", msgspec.json.encode(comparison))
    return comparison


class _Keeping:
    """Passes everything on, and keeps the time used so far on disk for a resumed run; knows the answer so far."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._stage = "Comparing"
        self._standings: tuple[Standing, ...] = ()
        self.verdict: Verdict | None = None

    def so_far(self) -> tuple[str, ...]:
        """What would be answered now, in sentences; nothing before there is a table."""
        from annvil.comparison.race.so_far import tell_so_far

        asked = self._work.request.asked.metric or None
        return tell_so_far(self.verdict, self._standings, self._work.dataset.task.metric(asked))

    def stage(self, text: str) -> None:
        self._stage = text
        self._work.enter(text)

    def standings(self, standings: tuple[Standing, ...], spent_seconds: float) -> None:
        self._standings = standings
        self._work.clock.mark("running", self._stage)
        self._work.listener.standings(standings, self._work.clock.spent)

    def moment(self, moment: Moment) -> None:
        self.verdict = moment.verdict
        self._work.listener.moment(moment)

    def notice(self, text: str) -> None:
        self._work.listener.notice(text)
