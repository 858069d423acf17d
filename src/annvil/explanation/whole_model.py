"""What a whole model does: its effects with bands, what they were tested by, and three sentences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.bundle.effects import Check, Effect
from annvil.bundle.explanation import explained_names
from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.explanation.effect_sentences import sentences_of
from annvil.explanation.effects import Curve, busy_effects, effects_of
from annvil.explanation.exact_effects import SumLayout
from annvil.explanation.faithfulness import additivity, deletion, stability
from annvil.explanation.local_effects import LOCAL_ROWS, LocalLayout, screened, with_lines
from annvil.explanation.refits import affordable, refit
from annvil.explanation.weight_randomisation import FEW_ROWS, contributions_of, weight_randomisation
from annvil.models.contract import Contender
from annvil.models.jobs import Deadline
from annvil.models.members import Fitted
from annvil.models.terms import Additive
from annvil.tasks.base import FloatArray

MOST_ROWS = 2000
"""Rows that stand for the data (assumed)."""

REFIT_ROWS = 200
"""Rows that a refit of what is no sum is asked about (assumed: a band need not be as exact as its curve)."""

MOST_PREDICTIONS = 24_000
"""Predictions that curves of what is no sum may take (measured: 1 s with a thousand boosted trees)."""

ByRow = Callable[[Table, int], FloatArray]
"""Of rows and the number of a score: what each column contributes to it, float64 ``(n_rows, n_columns)``."""

LEAST_FOR_ROWS = 1.0
"""Seconds that must be left for single rows to be explained and tested (assumed: forty rows take some 0.4)."""

BEYOND, BEYOND_CALIBRATED = 1e-9, 1e-3
"""Probabilities below it are next to 0 (assumed). A calibration takes those below 1e-7 for 1e-7, and may draw them away
from 0 after that."""

FOR_REFITS = 0.75
"""Part of the time that refits may take; tests of rows come before them, in the rest (assumed)."""


@dataclass(frozen=True)
class WholeModel:
    """What a model does.

    Attributes
    ----------
    title, family : of its contender; "team" where there is none, and so no refits
    outputs, base : names of the scores that are explained, and what they are on average over the rows
    effects : the most important first
    idle : columns that next to nothing rests on
    checks, sentences : tests of whether this may be believed; what drives it, what it ignores, where it is unsure
    n_refits : models of other draws of the rows, from which the bands are
    is_sum : whether it is the sum of its effects
    """

    title: str
    family: str
    outputs: tuple[str, ...]
    base: tuple[float, ...]
    effects: tuple[Effect, ...]
    idle: tuple[str, ...]
    checks: tuple[Check, ...]
    sentences: tuple[str, ...]
    n_refits: int
    is_sum: bool


def explain_model(
    dataset: Dataset,
    contender: Contender | None,
    fitted: Fitted,
    deadline: Deadline,
    *,
    title: str = "",
    explained: ByRow | None = None,
    points: Table | None = None,
    again: Sequence[Fitted] | None = None,
) -> WholeModel:
    """What the model does, as far as the deadline lets refits be made.

    Parameters
    ----------
    contender : whose model it is, for refits; None: there are none
    explained : how single rows are explained of what is no sum, to be tested
    again : refits that were made already
    points : summary points, the weightiest first, whose own lines are drawn of what is no sum
    """
    random = np.random.default_rng(fitted.job.seed)
    chosen = np.sort(random.permutation(fitted.job.rows)[:MOST_ROWS])
    rows, additive, task = dataset.inputs.take(chosen), fitted.additive(), dataset.task
    outputs = explained_names(task)

    def scores(inputs: Table) -> FloatArray:
        return task.link.explained(fitted.predict(inputs))

    names, curves, others = _curves(rows, fitted, additive)
    if additive is None and points is not None:
        curves = with_lines(curves, rows, points, scores)
    in_time = Deadline((1 - FOR_REFITS) * deadline.left)
    learnt = dataset.y[fitted.job.rows]
    checks = _checks(
        rows,
        scores,
        fitted,
        (learnt.min(), learnt.max()),
        explained if deadline.left > LEAST_FOR_ROWS else None,
        in_time,
    )
    if again is None:
        again = _refits(dataset, contender, fitted, deadline)
    refits = [one for one in map(others, again) if one is not None]
    effects = effects_of(curves, refits, outputs, exact=additive is not None)
    base = scores(rows).mean(axis=0) if additive is None else additive.scores(rows).mean(axis=0)
    return WholeModel(
        title=title or fitted.contender,
        family="team" if contender is None else contender.family,
        outputs=outputs,
        base=tuple(base.tolist()),
        effects=effects,
        idle=busy_effects(effects, names)[1],
        checks=tuple(check for check in (*checks, stability(curves, refits)) if check is not None),
        sentences=sentences_of(effects, task, outputs, base, names, len(rows.names)),
        n_refits=len(refits),
        is_sum=additive is not None,
    )


def _curves(
    rows: Table, fitted: Fitted, additive: Additive | None
) -> tuple[tuple[str, ...], list[Curve], Callable[[Fitted], list[Curve] | None]]:
    """The columns that were looked at, the model's curves, and how those of a refit are found."""
    link = fitted.task.link
    if additive is None:
        names = screened(rows, lambda table: link.explained(fitted.predict(table)))
        few = LocalLayout.of(rows, most=REFIT_ROWS, names=names)
        most = min(LOCAL_ROWS, max(REFIT_ROWS, MOST_PREDICTIONS // (2 * max(1, len(names)))))
        layout = LocalLayout.of(rows, most=most, names=names)
        own = layout.curves(lambda table: link.explained(fitted.predict(table)))
        names = tuple(column.name for column in layout.columns)  # of a column of rare values nothing is known
        return names, own, lambda other: few.curves(lambda table: link.explained(other.predict(table)))
    sums = SumLayout.of(additive, rows)
    used = {name for term in additive.terms for name in term.columns}
    seen = {name for term in sums.terms for name in term.columns}

    def of_sum(other: Fitted) -> list[Curve] | None:
        found = other.additive()
        return None if found is None else sums.curves(found)

    return tuple(n for n in rows.names if n in seen or n not in used), sums.curves(additive), of_sum


def _refits(dataset: Dataset, contender: Contender | None, fitted: Fitted, deadline: Deadline) -> list[Fitted]:
    if contender is None or deadline.passed or contender.family in ("dummy", "team"):
        return []
    seconds = FOR_REFITS * deadline.left
    n = affordable(contender, fitted, seconds)
    return refit(dataset, contender, fitted.job, fitted.configuration, seconds, n=n)


def _checks(
    rows: Table,
    scores: Callable[[Table], FloatArray],
    fitted: Fitted,
    limits: tuple[float, float],
    explained: ByRow | None,
    deadline: Deadline,
) -> list[Check | None]:
    """Of a sum, whether it adds up; of what contributes by row, whether the order is right, and of networks whether it
    is theirs."""
    found: list[Check | None] = []
    additive = fitted.additive()
    few = rows if additive is not None else rows.take(np.arange(min(rows.n_rows, FEW_ROWS)))
    if additive is not None:
        found.append(additivity(_missed(fitted, rows, additive.scores(rows), limits), scores(rows)))
    k = int(np.ptp(scores(rows), axis=0).argmax())
    mine = contributions_of(fitted, few, k, rows)
    if mine is not None:
        alone = few.take(np.arange(min(few.n_rows, FEW_ROWS)))

        def of(other: Fitted) -> FloatArray | None:
            return contributions_of(other, alone, k, rows)

        found.append(weight_randomisation(fitted, alone, of, lambda: deadline.passed))
    elif explained is not None:
        mine = explained(few, k)
    if mine is not None:
        found.append(deletion(lambda table: scores(table)[:, k], few, mine))
    return found


def _missed(fitted: Fitted, rows: Table, sums: FloatArray, limits: tuple[float, float]) -> FloatArray:
    """What sums miss of the scores that the model says.

    Numbers are held within the targets of the training, ``limits``. Probabilities next to 0 have no logarithm worth
    comparing: such rows are left out.
    """
    outputs = fitted.predict(rows)
    said = fitted.task.link.explained(outputs)
    if not fitted.task.predicts_probabilities:
        return np.asarray(np.clip(sums, *limits) - said)
    least = BEYOND if fitted.calibration is None else BEYOND_CALIBRATED
    return np.asarray((sums - said)[outputs.min(axis=1) >= least])
