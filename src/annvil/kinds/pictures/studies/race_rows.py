"""The rows of the table that cost nothing: what both networks reached and cost in the race, from what it kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from annvil.comparison.results import Comparison, FoldResult
from annvil.comparison.studies.shelf import as_bytes
from annvil.comparison.studies.wording import Scale
from annvil.kinds.found import Found
from annvil.kinds.pictures.studies.cost_text import RACED, Pair, reached_and_cost
from annvil.kinds.pictures.studies.findings import DenseAndConvolutional
from annvil.kinds.pictures.studies.measuring import PLAIN
from annvil.kinds.pictures.studies.planning import CONVOLUTIONAL, DENSE
from annvil.kinds.pictures.studies.trials import Trial, what_ships
from annvil.tasks.base import IntArray


def measure_the_race(found: Found, again: str) -> DenseAndConvolutional:
    """The rows that cost nothing, from what the race kept. Where one of the two did not compete there are no rows, and
    it is said why.

    ``again`` is the command that measures the other rows.
    """
    raced = from_race(found)
    if raced is None:
        return DenseAndConvolutional((), (_who_is_missing(found.comparison), f"To measure it: {again}"))
    pair, rows = raced
    scale, on = Scale(found.dataset.task), f"all {len(rows):,} held-out pictures"
    how = (
        "Both learnt from the same training pictures of the comparison's folds, each searched with the care of the "
        "comparison; the dense network sees pixels as columns."
    )
    more = "How many pictures each needs, and what shuffled pixels, shifts, turns and other classes do to them: "
    findings = reached_and_cost(pair, found.dataset.groups[rows], scale, on)
    return DenseAndConvolutional(tuple(findings), (how, more + again))


def _who_is_missing(comparison: Comparison) -> str:
    """Why there is nothing to compare."""
    results = {fold.contender for fold in comparison.folds if fold.repeat == 0}
    reasons = {standing.contender: standing.reason for standing in comparison.standings}
    missing = [name for name in (DENSE, CONVOLUTIONAL) if name not in results] or [DENSE]
    said = [
        f"the {PLAIN[name].lower()} ({reasons.get(name, '').rstrip('.') or 'no fold in common'})" for name in missing
    ]
    return f"The comparison has no results of {' and '.join(said)}, so the two were not compared on these pictures."


def from_race(found: Found) -> tuple[Pair, IntArray] | None:
    """Both networks as they were in the first repeat of the race, and the held-out pictures that both predicted."""
    first = [fold for fold in found.comparison.folds if fold.repeat == 0]
    jobs = [{fold.job for fold in first if fold.contender == name} for name in (DENSE, CONVOLUTIONAL)]
    shared = jobs[0] & jobs[1]
    if not shared:
        return None
    dense, convolutional = (
        _raced(found, name, [fold for fold in first if fold.contender == name and fold.job in shared])
        for name in (DENSE, CONVOLUTIONAL)
    )
    return Pair(dense[0], convolutional[0]), dense[1]


def _raced(found: Found, name: str, folds: Sequence[FoldResult]) -> tuple[Trial, IntArray]:
    """A contender's folds as one trial, whose losses are in the order of the rows, and these."""
    parts = [found.store.predictions(name, fold.job, fold.rung) for fold in folds]
    rows, outputs = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    losses = found.dataset.task.shares_wrong(found.dataset.y[rows], outputs)
    order = np.argsort(rows, kind="stable")
    first = folds[0]
    shipped = found.store.cost(name, first.rung)
    cost = None if shipped is None else shipped.cost
    trial = Trial(
        contender=name,
        key=RACED,
        n_train=round(float(np.mean([fold.n_train for fold in folds]))),
        n_parameters=first.n_parameters,
        epochs=max((len(curve) for curve in first.history.values()), default=0),
        summary=first.summary,
        configuration=first.configuration,
        fit_seconds=float(np.mean([fold.fit_seconds for fold in folds])),
        memory_mb=None if cost is None else cost.peak_memory_mb,
        losses=as_bytes(losses[order]),
        **what_ships(cost, found.store.graph(name, first.rung)),
    )
    return trial, rows[order]
