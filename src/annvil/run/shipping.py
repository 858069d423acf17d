"""From a verdict to a model on disk: the recommended contender, fitted on all rows, exported and checked."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from annvil.bundle import Predictor, export, export_step, save
from annvil.comparison import Store
from annvil.comparison.held_out import held_out_predictions
from annvil.comparison.problem import Problem
from annvil.comparison.race.decisions import DecisionLog, Unit
from annvil.comparison.results import FIRST_FOLD, Comparison, Standing
from annvil.comparison.store import Predicted
from annvil.data.dataset import Dataset
from annvil.data.form import Inputs
from annvil.errors import OutOfTime
from annvil.kinds.base import Kind
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Deadline, Effort
from annvil.models.members import Fitted, Origin
from annvil.models.team import joined
from annvil.run.folder import RunFolder
from annvil.run.parity import PARITY_ROWS, STEP_TOLERANCE, measure_parity, step_difference
from annvil.system.processors import allowed_cores, processor_type
from annvil.tasks.base import Decision
from annvil.text.phrases import is_plural, listed, named
from annvil.text.words import Words

NO_TIME = "no time"
"""The step of a unit in the log of decisions that says that what was to ship was not fitted."""


@dataclass(frozen=True)
class Shipped:
    """The model as it lies in the run folder."""

    contender: str
    title: str
    summary: str
    preparation: tuple[str, ...]
    size_bytes: int
    n_parameters: int
    parity: float
    parity_rows: int
    n_rows: int  # rows it learnt from
    fit_seconds: float
    threshold: Decision
    notice: str = ""  # why it is not the model it should be
    in_eight_bits: bool = False  # whether convolutions compute so; ``parity`` is that of the graph before
    eight_bits: str = ""  # why they do or do not; empty without convolutions


def standing_of(comparison: Comparison, contender: str) -> Standing:
    """The contender's line in the table."""
    return next(standing for standing in comparison.standings if standing.contender == contender)


def ship(
    dataset: Dataset[Inputs],
    contenders: Sequence[Contender],
    comparison: Comparison,
    folder: RunFolder,
    store: Store,
    deadline: Deadline,
    kind: Kind,
    follow: Sequence[Unit] = (),
) -> tuple[Shipped, Fitted | None]:
    """Fit the recommended contender on all rows and write its bundle; the model, where it is one of all rows.

    When the budget ends before that fit, the model of the first fold ships in its place; ``Shipped.notice`` says so.
    The log of decisions does, too: whoever follows it (``follow``) leaves out what there was no time for.

    Raises
    ------
    OutOfTime
        When there is no model of the first fold either.
    RuntimeError
        When the graph does not predict as the model in memory does; that is our own bug.
    """
    standing = standing_of(comparison, comparison.verdict.recommended)
    unfitted = _without_time(follow)
    fitted, missing = fit_finally(kind.problem(dataset), contenders, comparison, folder, deadline, unfitted)
    log = DecisionLog(store.decisions)
    for name in missing:
        log.begin(Unit("ship", name, step=NO_TIME), "the budget ended before it was fitted", 0.0)
        log.end("complete", 0.0)
    if fitted is None:
        shipped, graph = _first_fold(standing, store, folder, kind.words)
        origin = step = None
    else:
        standing = standing_of(comparison, fitted.contender)
        shipped, graph, step = _exported(dataset, comparison, standing, fitted, deadline, kind)
        if missing:
            left_out = listed([named(standing_of(comparison, name).title) for name in missing])
            notice = f"The budget ended before all of the team was fitted: the model that ships is without {left_out}."
            shipped = replace(shipped, notice=" ".join(filter(None, [notice, shipped.notice])))
        origin = fitted.origin()
    save(
        folder.model,
        graph,
        form=kind.form_to_save(dataset, Predicted(*held_out_predictions(comparison, store))),
        task=dataset.task,
        info=_info(dataset, comparison, standing, shipped, origin),
        weights=None if origin is None else origin.weights,
        step=step,
        beside=kind.explaining(dataset, fitted),
    )
    shutil.rmtree(folder.path / "final", ignore_errors=True)  # checkpoints of a fit that is done
    return shipped, fitted


def fit_finally(
    problem: Problem,
    contenders: Sequence[Contender],
    comparison: Comparison,
    folder: RunFolder,
    deadline: Deadline,
    unfitted: Container[str] = (),
) -> tuple[Fitted | None, list[str]]:
    """The recommended model on all rows, as the comparison planned it (`FinalFit`): with the effort that was judged or
    more, so that scores of the race are a careful estimate. None when the deadline passed first.

    Members of a team are fitted one after another; the second value names those for which there was no time, and those
    that are to be left out (``unfitted``). The others are no substitute for it where they have less than half of the
    weight.
    """
    plan, final = comparison.plan, comparison.final
    assert final is not None  # only comparisons of earlier versions have none
    parts, by_name = final.members or (final,), {contender.name: contender for contender in contenders}
    fitted: list[Fitted] = []
    for place, part in enumerate(parts):
        if part.contender in unfitted:
            continue
        effort = Effort(part.candidates, part.scale, part.configuration, inner_folds=part.inner_folds)
        context = Context(deadline.left / (len(parts) - place), folder=folder.path / "final" / part.contender)
        job = problem.final(min(plan.n_rows, part.rows or plan.n_rows), part.inner_folds, plan.seed)
        fitted += list(islice(by_name[part.contender].fit(problem.data, [job], effort, context), 1))
    done = {one.contender for one in fitted}
    missing = [part.contender for part in parts if part.contender not in done]
    weights = [part.weight for part in parts if part.contender in done]
    if len(fitted) < 2:
        return (fitted[0] if sum(weights) >= 0.5 else None), missing
    return joined(fitted, weights, {name: contender.title for name, contender in by_name.items()}), missing


def _without_time(follow: Sequence[Unit]) -> set[str]:
    """Contenders that the run to be followed meant to ship in the end, and had no time for."""
    last = {unit.contender: unit for unit in follow if unit.what == "ship"}
    return {name for name, unit in last.items() if unit.step == NO_TIME}


def _exported(
    dataset: Dataset[Inputs],
    comparison: Comparison,
    standing: Standing,
    fitted: Fitted,
    deadline: Deadline,
    kind: Kind,
) -> tuple[Shipped, bytes, bytes | None]:
    graph = export(fitted, dataset.inputs.form, dataset.task)
    stepper = fitted.stepper()
    step = export_step(stepper, dataset.task)
    predictor = Predictor.from_graph(graph, dataset.inputs.form, dataset.task, step)
    differs = 0.0 if stepper is None else step_difference(stepper, predictor, dataset)
    parity, parity_rows = measure_parity(fitted, predictor, dataset)
    threshold = _threshold(dataset, fitted, comparison)
    trial = kind.improved(graph, dataset, fitted, comparison, threshold, deadline)
    in_eight_bits = trial is not None and trial.graph is not None
    if trial is not None and trial.graph is not None:
        graph = trial.graph
    shipped = Shipped(
        contender=standing.contender,
        title=standing.title,
        summary=fitted.summary,
        preparation=fitted.preparation,
        size_bytes=len(graph),
        n_parameters=fitted.n_parameters,
        parity=parity,
        parity_rows=parity_rows,
        n_rows=len(fitted.job.rows),
        fit_seconds=fitted.fit_seconds,
        threshold=threshold,
        in_eight_bits=in_eight_bits,
        eight_bits="" if trial is None else trial.said,
    )
    if not differs <= STEP_TOLERANCE:
        notice = f"The model that ships has no steps: called step by step it differed by {differs:.2g} from the whole."
        return replace(shipped, notice=notice), graph, None
    return shipped, graph, step


def _first_fold(standing: Standing, store: Store, folder: RunFolder, words: Words) -> tuple[Shipped, bytes]:
    """The best there is when time is over: the model of the first fold, already exported and checked."""
    rung = standing.rung or 0
    graph, cost = store.graph(standing.contender, rung), store.cost(standing.contender, rung)
    result = store.result(standing.contender, FIRST_FOLD, rung)
    if graph is None or cost is None or cost.parity is None or result is None:
        raise OutOfTime(
            f"The budget ended before {named(standing.title)} could be fitted on all {words.rows}. The comparison is "
            f"kept in {folder.path}; fit again with a longer --budget."
        )
    was = "were" if is_plural(standing.title) else "was"
    shipped = Shipped(
        contender=standing.contender,
        title=standing.title,
        summary=result.summary,
        preparation=(),
        size_bytes=len(graph),
        n_parameters=result.n_parameters,
        parity=cost.parity,
        parity_rows=min(result.n_test, PARITY_ROWS),
        n_rows=result.n_train,
        fit_seconds=result.fit_seconds,
        threshold=result.threshold,
        notice=f"The budget ended before {named(standing.title)} {was} fitted on all {words.rows}: the model that "
        f"ships is that of the first fold and learnt from {result.n_train:,} {words.rows}.",
    )
    return shipped, graph


def _threshold(dataset: Dataset[Inputs], fitted: Fitted, comparison: Comparison) -> Decision:
    """From which probability on the shipped model says a label, or the positive class where the metric asks for it."""
    known = np.isfinite(fitted.out_of_fold).all(axis=1)
    metric = dataset.task.metric(comparison.metric)
    return dataset.task.choose(metric, dataset.truth(fitted.job.rows[known]), fitted.out_of_fold[known])


def _info(
    dataset: Dataset[Inputs], comparison: Comparison, standing: Standing, shipped: Shipped, origin: Origin | None
) -> dict[str, Any]:
    source = dataset.source
    return {
        "contender": shipped.contender,
        "title": shipped.title,
        "summary": shipped.summary,
        "preparation": shipped.preparation,
        "data": {
            "name": source.name,
            "sha256": source.sha256,
            "n_bytes": source.n_bytes,
            "n_rows": shipped.n_rows,
            "n_columns": len(dataset.inputs.form.columns),
        },
        "metric": comparison.metric,
        "scores": standing.means,
        "spreads": standing.spreads,
        "threshold": shipped.threshold,
        "parity": shipped.parity,
        "parity_rows": shipped.parity_rows,
        "architecture": {} if origin is None else dict(origin.architecture),
        "quantization": shipped.eight_bits,
    }


def machine() -> dict[str, str]:
    """Where a run was made, for whoever wants to repeat it."""
    return {
        "system": platform.platform(),
        "processor": processor_type(),
        "cores": str(allowed_cores()),
        "mkl_cbwr": os.environ.get("MKL_CBWR", "not set"),
        "python": platform.python_version(),
    }
