"""All that follows reading: compare, ship, explain, report; with the state of the run kept true whatever happens."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec

from annvil.comparison.request import Moment
from annvil.comparison.results import Comparison, Standing, Verdict
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.errors import AnnvilError, Interrupted, RequestError
from annvil.files import write_atomically
from annvil.kinds.base import Kind
from annvil.kinds.found import Found, Loaded, Stage
from annvil.run.folder import Clock, RunFolder, existing_folder
from annvil.run.listener import Listener
from annvil.run.request import FitRequest
from annvil.run.result import Run
from annvil.system import onnx_runtime

if TYPE_CHECKING:
    from annvil.comparison import Store
    from annvil.comparison.race.decisions import Unit
    from annvil.explanation.permutation import Importance
    from annvil.models.contract import Contender
    from annvil.models.jobs import Deadline

LIBRARIES = "annvil.bundle", "onnx"
"""What every model needs to be exported; scikit-learn and PyTorch wait for the first contender that needs them."""

LEAST_FOR_SHIPPING = 1.0
"""Seconds that a fit to ship is given though the budget has ended, as after a late kill: most take less (assumed)."""

LEAST_FOR_LOOKING = 0.5
"""Seconds in which importances are looked for though the budget has ended (assumed: 0.2 on a small table)."""

REPORT_SHARE = 0.04
"""Part of a long budget that the fit to ship leaves for importance and report, more than a race does, which knows how
many rows there are: larger inputs take longer to look into (measured: 5 s of 3,400 photographs in two minutes, a test
of their own included)."""


@dataclass(frozen=True)
class Work:
    """A run after its data are read; every stage is of its clock. ``slowness``: of the machine (`annvil.run.pace`)."""

    folder: RunFolder
    request: FitRequest
    kind: Kind
    options: Any
    loaded: Loaded | None
    dataset: Dataset[Inputs]
    findings: Sequence[Any]
    clock: Clock
    listener: Listener
    slowness: float = 1.0

    def enter(self, stage: str) -> None:
        self.clock.mark("running", stage)
        self.listener.stage(stage)

    @property
    def least_for_report(self) -> float:
        """Seconds kept for importance and report when the final fit has used its reserve."""
        from annvil.comparison.cost import seconds_for_report

        return seconds_for_report(0.0, self.slowness)

    def deadline(self, kept: float, least: float = float("-inf")) -> Deadline:
        """What is left of the budget but for ``kept`` seconds, and no less than ``least``."""
        from annvil.models.jobs import Deadline

        if self.request.asked.like is not None:
            return Deadline(float("inf"))
        return Deadline(max(least, self.request.asked.budget - self.clock.spent - kept))


def carry_through(work: Work) -> Run:
    """All the rest, with the state of the run kept true whatever happens."""
    work.clock.data_sha256 = work.dataset.source.sha256
    with work.folder.locked():
        return _carry_through_alone(work)


def _carry_through_alone(work: Work) -> Run:
    keeping = Keeping(work)
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


def load_libraries() -> None:
    """Loaded here, so that the seconds this takes are charged to no contender."""
    onnx_runtime.load()
    for name in LIBRARIES:
        import_module(name)


def _compare_ship_report(work: Work, keeping: Keeping) -> Run:
    load_libraries()
    from annvil.comparison import Store
    from annvil.comparison.cost import readable_cost, seconds_for_report, seconds_to_explain, seconds_to_predict
    from annvil.run.official_test import n_tested, official_test
    from annvil.run.parity import rows_after
    from annvil.run.reporting import assemble, render_report
    from annvil.run.shipping import ship, standing_of
    from annvil.sections import read_sections, write_sections

    kind, dataset, folder = work.kind, work.dataset, work.folder
    contenders, store = _contenders(work), Store(folder.race)
    comparison = _compared(work, contenders, store, keeping)
    keeping.verdict = comparison.verdict
    work.enter(f"Fitting the recommended model on all {kind.words.rows}")
    follow, _ = followed(work.request.asked.like)
    cost = standing_of(comparison, comparison.verdict.recommended).cost
    explaining = seconds_to_explain(
        kind.passes_to_explain,
        cost,
        work.request.asked.budget,
        kind.refits_to_explain,
        readable_cost(comparison.standings, comparison.verdict.recommended),
    )
    after = seconds_for_report(REPORT_SHARE * work.request.asked.budget, work.slowness)
    after += seconds_to_predict(rows_after(dataset), cost)
    deadline = work.deadline(after + explaining, LEAST_FOR_SHIPPING)
    shipped, fitted = ship(dataset, contenders, comparison, folder, store, deadline, kind, follow or ())
    testing = work.deadline(work.least_for_report + explaining, 1.0 + seconds_to_predict(n_tested(dataset), cost))
    tested, worse = official_test(dataset, comparison, folder.model, shipped.threshold, testing, kind.words)
    comparison = _with_notices(work, comparison, (*([shipped.notice] if shipped.notice else []), *tested))
    importance: tuple[tuple[Importance, ...], int] = ((), 0)
    for stage in Stage:
        if stage is Stage.EXPLAINED:
            work.enter(kind.words.explaining)
        left = work.deadline(work.least_for_report / 2, LEAST_FOR_LOOKING)
        found = Found(dataset, comparison, store, folder.path, folder.model, left, contenders, fitted)
        if stage is Stage.EXPLAINED:
            looking = work.deadline(work.least_for_report / 2 + explaining, LEAST_FOR_LOOKING)
            importance = kind.importance(replace(found, deadline=looking))
        write_sections(folder.sections, kind.sections(stage, found))
    work.enter("Writing the report")
    findings = (
        *work.findings,
        *worse,
        *(one for section in read_sections(folder.sections) for one in section.findings),
    )
    assemble(folder, work.request, dataset, findings, comparison, shipped, importance, store, work.clock.spent)
    render_report(folder)
    work.clock.mark("finished", "finished")
    return Run(folder)


def _contenders(work: Work) -> list[Contender]:
    """Who competes; with ``explainable``, only the baseline and whose models a person can read.

    Raises
    ------
    RequestError
        Where there is nobody but the baseline then.
    """
    contenders = work.kind.contenders(work.dataset, work.options, work.loaded)
    if not work.request.asked.explainable:
        return contenders
    readable = [one for one in contenders if one.traits.explainable or one.family == "dummy"]
    if all(one.family == "dummy" for one in readable):
        data = work.kind.words.data[0]
        raise RequestError(
            f"No model for {data} can be read by a person, so nobody would compete. Leave out --explainable."
        )
    return readable


def _compared(work: Work, contenders: Sequence[Contender], store: Store, keeping: Keeping) -> Comparison:
    from annvil.comparison import Request, compare
    from annvil.run.parity import rows_after

    asked, task = work.request.asked, work.dataset.task
    work.enter("Comparing")
    follow, folds = followed(asked.like)
    request = Request(
        metric=task.metric(asked.metric or None),
        worth=asked.worth,
        budget_seconds=asked.budget,
        seed=asked.seed,
        spent_seconds=work.clock.spent,
        follow=follow,
        folds=folds,
        use_all=asked.use_all,
        slowness=work.slowness,
        rows_after=rows_after(work.dataset),
    )
    comparison = compare(work.kind.problem(work.dataset), contenders, request, store, keeping)
    write_atomically(work.folder.path / "comparison.json", msgspec.json.encode(comparison))
    return comparison


def _with_notices(work: Work, comparison: Comparison, notices: tuple[str, ...]) -> Comparison:
    """The comparison with what happened after it, told and kept."""
    for notice in notices:
        work.listener.notice(notice)
    comparison = replace(comparison, notices=(*comparison.notices, *notices))
    write_atomically(work.folder.path / "comparison.json", msgspec.json.encode(comparison))
    return comparison


def followed(like: str | None) -> tuple[tuple[Unit, ...] | None, int | None]:
    """What the run that is to be followed did, and its test folds."""
    if like is None:
        return None, None
    from annvil.comparison import Store
    from annvil.comparison.race.decisions import read_decisions

    store = Store(existing_folder(like).race)
    decisions = read_decisions(store.decisions)
    return tuple(one.unit for one in decisions if one.ending == "complete"), store.folds()


class Keeping:
    """Passes everything on, and keeps the time used so far on disk for a resumed run; knows the answer so far."""

    def __init__(self, work: Work) -> None:
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
