"""What a saved model of a table carries so that its predictions can be explained without the table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from annvil.attribution.background import FEWEST, SAID, Values, summary_points
from annvil.bundle.explanation import (
    Background,
    Explanation,
    Feature,
    StoredTerm,
    write_explanation,
    write_terms,
)
from annvil.bundle.gradients import write_gradients
from annvil.bundle.manifest import EXPLANATION, GRADIENTS, TERMS
from annvil.data.dataset import Dataset
from annvil.data.table import Column
from annvil.models.members import Fitted

CENTRED_ON = 10_000
"""Training rows over which terms are centred, and from whose mean gradients begin, drawn evenly (assumed: more do not
move a mean that anybody reads)."""

MOST_DECIMALS = 6
"""Decimals to which means are rounded at most."""

MOST_LEVELS = 100
"""Texts of a column that a counterfactual may propose (assumed: each is a call of the model)."""

DAY = 86_400.0


def explaining(dataset: Dataset, fitted: Fitted | None) -> dict[str, bytes]:
    """The record of a model that learnt from these rows, and the graph of its terms if it is a sum, of its gradients if
    it has some.

    Parameters
    ----------
    fitted : the model; None where another ships, which is then explained as whatever can be called
    """
    parts: dict[str, bytes] = {}
    terms: tuple[StoredTerm, ...] = ()
    base: tuple[float, ...] = ()
    form = dataset.inputs.form
    if fitted is not None:
        rows = fitted.job.rows
        if len(rows) > CENTRED_ON:
            rows = rows[np.linspace(0, len(rows) - 1, CENTRED_ON).astype(np.int64)]
        learnt, additive = dataset.inputs.take(rows), fitted.additive()
        if additive is not None and additive.terms:
            centred = additive.centred(learnt)
            terms = tuple(StoredTerm(term.columns, term.features, term.weights) for term in centred.terms)
            base = tuple(centred.base.tolist())
            parts[TERMS] = write_terms(centred.write, len(terms), len(base), form)
        elif (gradients := fitted.gradients(learnt)) is not None:
            parts[GRADIENTS] = write_gradients(gradients.write, form, dataset.task)
    columns = [_values(column) for column in dataset.inputs.columns]
    points, weights = summary_points(columns, dataset.groups if dataset.grouped else None)
    limits = None if dataset.task.predicts_probabilities else (float(dataset.y.min()), float(dataset.y.max()))
    explanation = Explanation(
        features=features_of(dataset),
        background=Background(tuple(points), tuple(weights.tolist()), SAID),
        terms=terms,
        base=base,
        limits=limits,
    )
    return {EXPLANATION: write_explanation(explanation), **parts}


def features_of(dataset: Dataset) -> tuple[Feature, ...]:
    """Every column, with what a change of it may be."""
    places, found = {"numbers": 0, "texts": 0}, []
    least = min(FEWEST, max(2, dataset.n_rows // 20))
    for column in dataset.inputs.columns:
        name = "texts" if column.field.is_text else "numbers"
        of = {"name": column.name, "kind": column.kind, "input": name, "place": places[name]}
        places[name] += 1
        found.append(_of_texts(column, of, least) if column.field.is_text else _of_numbers(column, of))
    return tuple(found)


def _of_texts(column: Column, of: Mapping[str, object], least: int) -> Feature:
    counts = np.bincount(column.values[column.values >= 0], minlength=len(column.levels))
    order = [code for code in np.argsort(-counts, kind="stable") if counts[code] >= least][:MOST_LEVELS]
    return Feature(**of, levels=tuple(column.levels[code] for code in order))  # type: ignore[arg-type]


def _of_numbers(column: Column, of: Mapping[str, object]) -> Feature:
    present = column.values[np.isfinite(column.values)]
    if not len(present):
        return Feature(**of)  # type: ignore[arg-type]
    spread = float(np.median(np.abs(present - np.median(present)))) or float(present.std())
    low, high, whole = float(present.min()), float(present.max()), not np.mod(present, 1).any()
    return Feature(**of, low=low, high=high, spread=spread, whole=whole)  # type: ignore[arg-type]


def _values(column: Column) -> Values:
    if column.field.is_text:
        return Values(column.values, column.levels)
    return Values(column.values, unit=DAY if column.kind == "datetime" else _unit(column))


def _unit(column: Column) -> float:
    """The last decimal place that numbers of a column are written with."""
    present = column.values[np.isfinite(column.values)]
    for decimals in range(MOST_DECIMALS):
        if np.array_equal(np.round(present, decimals), present):
            return float(10.0**-decimals)
    return float(10.0**-MOST_DECIMALS)
