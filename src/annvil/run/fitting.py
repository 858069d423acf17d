"""One fit, from raw input to Run: read, check, compare, ship, explain, report."""

from __future__ import annotations

import math
import shutil
import time as clock_module
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from annvil.data.readers.opened import Opened
from annvil.data.storage import save_dataset
from annvil.errors import DataError, RequestError
from annvil.kinds.registry import audit, check_values, fit_options, kind_of, name_of, options_for, options_of_kinds
from annvil.options import FitOptions, budget_in_seconds, check_names, chosen, cleaned, declared, lasting, listed_in
from annvil.run.folder import Clock, RunFolder, existing_folder, new_folder
from annvil.run.listener import Listener, Silent
from annvil.run.load import Decoding, check_request, kept_options, kind_again, read_again
from annvil.run.pace import Pace, slowness
from annvil.run.request import FitRequest
from annvil.run.result import Run
from annvil.run.stages import Work, carry_through, followed
from annvil.system.memory import require_room_to_fit


def fit(data: Any, *, listener: Listener | None = None, started: float | None = None, **options: Any) -> Run:
    """A `Run`: the verdict on whether a neural network is worth it here, the evidence, a report and a model.

    Parameters
    ----------
    data : path (CSV, TSV, Parquet, Arrow/Feather, JSON lines, Excel), ``"sample:NAME"``, a pandas, polars or Arrow
        frame, a dict of columns, or ``(X, y)`` NumPy arrays; or whatever another kind of data takes, such as a folder
    listener : told how it goes; default: nobody
    started : reading of ``time.monotonic()`` from which the budget counts, as the start of a process; default: now
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
    starting = None if started is None else clock_module.monotonic() - started
    started = clock_module.monotonic() if started is None else started
    listener = listener or Silent()
    generic = {one.name for one in declared(FitOptions)}
    check_names(options, (*generic, *options_of_kinds()), "fit()")
    asked = cleaned(FitOptions, {name: value for name, value in options.items() if name in generic}, "fit()")
    rest = {name: value for name, value in options.items() if name not in generic}
    check_values(rest)
    pace = Pace(asked.budget if asked.like is None else math.inf, started, starting)
    pace.check_source(data)
    listener.stage("Reading")
    opened = Opened(data, asked, rest)
    kind = kind_of(opened)
    own = options_for(kind, rest, name_of(data))
    loaded = kind.load(own)
    dataset = kind.read(opened, own, Decoding(kind.words.rows, listener, pace.check_decoding))
    pace.check_read(kind.audit_seconds(dataset))
    check_request(asked, dataset)
    followed(asked.like)  # refused before anything is written
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
        work = Work(folder, request, kind, own, loaded, dataset, findings, clock, listener, pace.slowness)
        return carry_through(work)
    except RequestError:  # a budget that loading has used up, say: nothing was begun, so nothing is left behind
        if not folder.decisions.exists():
            shutil.rmtree(folder.path, ignore_errors=True)
        raise


listed_in(fit, fit_options())


def resume(
    folder: str | Path,
    *,
    budget: str | float | None = None,
    listener: Listener | None = None,
    started: float | None = None,
) -> Run:
    """Go on with an interrupted run; a finished one is returned as it is, or goes on with a larger ``budget``.

    Parameters
    ----------
    folder : of the run
    budget : new budget of the whole run, what it has used so far included; None: the one it was asked for
    listener, started : as of `fit`

    What its log of decisions holds is not done again; the rest is decided as if there had been no interruption.

    Raises
    ------
    RequestError
        When there is no run in ``folder``, or it has used the budget already.
    DataError
        When the data have changed since, or the table of groups, or are gone.
    """
    require_room_to_fit()
    slower = slowness(None if started is None else clock_module.monotonic() - started)
    started = clock_module.monotonic() if started is None else started
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
    return carry_through(Work(run_folder, request, kind, own, loaded, dataset, findings, clock, listener, slower))


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
