"""Explaining what a saved model predicts, from the bundle alone: onnxruntime and NumPy.

Contributions are on the scale of `annvil.tasks.link.Link.explained`: log-odds of classes, units of the target. A model
that is a sum says exactly what each of its terms adds; anything else is called with features taken from the summary
points of its explanation (`annvil.attribution.shapley`); networks can be asked for their gradients, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from annvil.attribution.explained import Explained, Method, shown_values
from annvil.attribution.shapley import Attribution, Feeds, Game, shapley
from annvil.bundle.explanation import Explanation, StoredTerm, explained_names
from annvil.bundle.gradients import explain_by_gradients
from annvil.bundle.manifest import GRADIENTS, TERMS, Manifest
from annvil.bundle.term_graph import TermGraph
from annvil.data.form import Conformed, Form, Inputs
from annvil.errors import DataError, RequestError, did_you_mean
from annvil.tasks.base import FloatArray, IntArray, Task
from annvil.text.phrases import listed
from annvil.text.quantities import number, probability

SECONDS_A_ROW = 0.01
"""What the calls that explain a row may take: a hundred rows take some 1 s."""

SECONDS_A_CALL, SECONDS_A_SUM, SECONDS_A_TEXT, SECONDS_A_VALUE = 0.8e-6, 3e-10, 1e-7, 2e-8
"""What one of many calls takes: by itself, for each product and sum, text and number of a row (measured on one core:
networks and nearest neighbours take 2 to 3e-10 for each product and sum, trees up to 1e-9). Counted rather than
measured each time, so that the same row is always explained by the same numbers."""

SECONDS_A_SUM_OF_TERMS = 2e-9
"""The same of graphs of terms, which compute in float64, and a hyperbolic tangent for every few products (measured on
one core: 2.4 µs a row for 740 products and sums, 4.4 for 1836)."""

BEYOND = 1e-3
"""Rows with a probability below it are compared by their probabilities: a calibration takes those below 1e-7 for 1e-7
and may draw them away from 0, and the logarithm of what is next to 0 has no digits."""


class SavedModel(Protocol):
    """What is asked of a saved model: `annvil.bundle.predictor.Predictor`, which stands on this module."""

    manifest: Manifest
    parts: dict[str, bytes]
    work: float
    form: Form
    task: Task

    @property
    def explanation(self) -> Explanation | None:
        """What it carries."""

    def conform(self, rows: Any, *, where: str) -> Conformed:
        """Rows as its graph takes them."""

    def raw(self, inputs: Any) -> FloatArray:
        """Outputs."""

    def decide(self, outputs: FloatArray) -> NDArray[Any]:
        """What is said."""


@dataclass(frozen=True)
class Arrays:
    """Rows that are the arrays a graph takes already."""

    arrays: Feeds

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.arrays.values())))

    def take(self, rows: IntArray | slice) -> Self:
        """The rows asked for."""
        return type(self)({name: array[rows] for name, array in self.arrays.items()})

    def feeds(self) -> Feeds:
        """The arrays."""
        return self.arrays


@dataclass(frozen=True)
class _Found:
    """What each feature adds to all scores that are explained, ``(n_rows, n_features, n_explained)``, and the rest.

    ``scores`` are what base and contributions should add up to, ``terms`` what single terms add.
    """

    attribution: Attribution
    terms: FloatArray | None = None


def explain(predictor: SavedModel, rows: Any, method: str, label: str | None) -> Explained:
    """See `annvil.bundle.predictor.Predictor.explain`."""
    stored = explanation_of(predictor)
    output = None if label is None else predictor.task.output_named(label)
    used = _method(predictor, stored, method)
    conformed = predictor.conform(rows, where="the rows to explain")
    inputs = conformed.inputs
    if not inputs.n_rows:
        raise DataError("The rows to explain are none: give at least one row.")
    found = {"exact": _by_terms, "shapley": _by_calls, "integrated-gradients": _by_gradients}[used](
        predictor, stored, inputs
    )
    return _told(predictor, stored, inputs, found, used, output, conformed.notices)


def explanation_of(predictor: SavedModel) -> Explanation:
    """What the bundle keeps to explain it by.

    Raises
    ------
    RequestError
        When it keeps nothing.
    """
    if predictor.explanation is None:
        raise RequestError(
            f"{predictor!r} carries nothing to explain it by: an earlier version saved it, or it is no model of a "
            "table. Fit again to have it."
        )
    return predictor.explanation


def _method(predictor: SavedModel, stored: Explanation, method: str) -> Method:
    known = get_args(Method)
    if method == "auto":
        return "exact" if stored.terms else "shapley"
    if method not in known:
        hint, choose = did_you_mean(method, known), listed(["auto", *known])
        raise RequestError(f"No method of explaining is called {method!r}.{hint} There are {choose}.")
    if method == "exact" and not stored.terms:
        raise RequestError("This model is no sum of terms, so there are no exact contributions: use shapley, or auto.")
    if method == "integrated-gradients" and GRADIENTS not in predictor.parts:
        raise RequestError("This model carries no gradients, which networks on columns have: use shapley, or auto.")
    return cast(Method, method)


def scores_of(predictor: SavedModel, feeds: Feeds) -> FloatArray:
    """What is explained of rows that are arrays already, float64 ``(n_rows, n_explained)``."""
    return predictor.task.link.explained(predictor.raw(Arrays(feeds)))


def game_of(
    predictor: SavedModel, stored: Explanation, score: Any = None, features: Sequence[int] | None = None
) -> Game:
    """The model, or another score of its rows, against its background; of all ``features``, or of those in places."""
    chosen = stored.features if features is None else [stored.features[j] for j in features]
    places = [(one.input, one.place) for one in chosen]
    points, weights = stored.feeds(predictor.form), np.array(stored.background.weights)
    return Game(score or (lambda feeds: scores_of(predictor, feeds)), points, weights / weights.sum(), places)


def base_of(predictor: SavedModel, stored: Explanation) -> tuple[float, ...]:
    """The mean of each score over the background."""
    weights = np.array(stored.background.weights)
    return tuple((weights @ scores_of(predictor, stored.feeds(predictor.form)) / weights.sum()).tolist())


def evaluations(predictor: SavedModel, work: float, seconds_a_sum: float = SECONDS_A_SUM) -> int:
    """Calls that a row is worth of a graph that takes so many products and sums for each."""
    texts = sum(int(spec.shape[0]) for spec in predictor.form.graph_inputs() if spec.dtype == "string")
    per_call = SECONDS_A_CALL + seconds_a_sum * work + SECONDS_A_TEXT * texts
    return int(SECONDS_A_ROW / (per_call + SECONDS_A_VALUE * predictor.form.n_values))


def _by_calls(predictor: SavedModel, stored: Explanation, inputs: Inputs) -> _Found:
    calls = evaluations(predictor, predictor.work)
    return _Found(shapley(game_of(predictor, stored), inputs.feeds(), calls))


def _by_gradients(predictor: SavedModel, stored: Explanation, inputs: Inputs) -> _Found:
    found = explain_by_gradients(predictor.parts[GRADIENTS], predictor.form, predictor.task, inputs)
    return _Found(Attribution(found.contributions, np.zeros_like(found.contributions), found.base))


def _by_terms(predictor: SavedModel, stored: Explanation, inputs: Inputs) -> _Found:
    """What terms add, by feature: that of a pair in halves, that of projections by Shapley values.

    Half of a pairwise interaction is its Shapley value where its mean over either column is 0, as it is by the
    definition of such terms.
    """
    graph = TermGraph(predictor.parts.get(TERMS), predictor.form, len(stored.terms), len(stored.base))
    terms = graph.contributions(inputs.feeds())
    shape = inputs.n_rows, len(stored.features), terms.shape[2]
    found = Attribution(np.zeros(shape), np.zeros(shape), np.array(stored.base))
    names, several = stored.names, np.array([_is_projection(term) for term in stored.terms])
    for place in np.flatnonzero(~several):
        columns = stored.terms[place].columns
        for name in columns:
            found.contributions[:, names.index(name)] += terms[:, place] / len(columns)
    if several.any():

        def score(feeds: Feeds) -> FloatArray:
            return np.asarray(graph.contributions(feeds)[:, several].sum(axis=1))

        # Only columns that are projected: every other one adds nothing there, and would be called all the same.
        projected = {name for place in np.flatnonzero(several) for name in stored.terms[place].columns}
        used = [j for j, name in enumerate(names) if name in projected]
        calls = evaluations(predictor, graph.work, SECONDS_A_SUM_OF_TERMS)
        shared = shapley(game_of(predictor, stored, score, used), inputs.feeds(), calls)
        found.contributions[:, used] += shared.contributions
        found.errors[:, used] = shared.errors
        found = Attribution(found.contributions, found.errors, found.base + shared.base)
    return _Found(found, terms)


def _is_projection(term: StoredTerm) -> bool:
    return bool(term.weights) and len(term.columns) > 1


def _told(
    predictor: SavedModel,
    stored: Explanation,
    inputs: Inputs,
    found: _Found,
    method: Method,
    output: int | None,
    notices: Sequence[str],
) -> Explained:
    """One score of each row, and all that people are told of it."""
    attribution = found.attribution
    outputs = predictor.raw(inputs)
    each = np.arange(inputs.n_rows)
    which, sign, names = _asked(predictor, outputs, output)
    sums = attribution.base + attribution.contributions.sum(axis=1)
    held, defect = _compared(predictor, stored, outputs, sums)
    rows = [inputs.raw_row(row) for row in range(inputs.n_rows)]
    terms = None if found.terms is None else found.terms[each, :, which] * sign
    return Explained(
        features=stored.names,
        values=tuple(shown_values(stored.names, row) for row in rows),
        matrix=attribution.contributions[each, :, which] * sign,
        errors=attribution.errors[each, :, which],
        base_value=attribution.base[which] * sign,
        score=sums[each, which] * sign,
        output=names,
        prediction=predictor.decide(outputs),
        said=_in_words(predictor, outputs, output),
        defect=defect[each, which],
        held=held,
        method=method,
        of_number=not predictor.task.predicts_probabilities,
        terms=tuple(" × ".join(term.columns) for term in stored.terms) if terms is not None else (),
        term_matrix=terms,
        mistrust=tuple(check.said for check in stored.checks if not check.passed),
        notices=tuple(notices),
    )


def _asked(predictor: SavedModel, outputs: FloatArray, output: int | None) -> tuple[IntArray, float, tuple[str, ...]]:
    """Which score is explained for each row, its sign, and what it is called.

    Of two classes the second, unless the first is asked for; of several the one that a row is said to be of.
    """
    task, names = predictor.task, explained_names(predictor.task)
    n_rows = len(outputs)
    if len(names) < task.n_outputs:
        first = f"log-odds of {task.output_names[0]!r}" if output == 0 else names[0]
        return np.zeros(n_rows, dtype=np.int64), -1.0 if output == 0 else 1.0, (first,) * n_rows
    threshold = predictor.manifest.info.threshold
    chosen = [task.foremost(row, threshold) if output is None else output for row in outputs]
    return np.array(chosen, dtype=np.int64), 1.0, tuple(names[one] for one in chosen)


def _compared(
    predictor: SavedModel, stored: Explanation, outputs: FloatArray, sums: FloatArray
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Where predictions are held within what the training knows, and what sums miss, in parts of the range.

    Numbers are held within the targets of the training. Probabilities next to 0 have no logarithm worth comparing: of
    such rows the outputs are compared that the sums make.
    """
    task = predictor.task
    said = task.link.explained(outputs)
    points = scores_of(predictor, stored.feeds(predictor.form))
    if stored.limits is not None:
        low, high = stored.limits
        span = max(high - low, 1e-12 * max(abs(low), abs(high), 1.0))
        beyond = (sums < low - 1e-9 * span) | (sums > high + 1e-9 * span)
        return np.asarray(beyond.any(axis=1)), np.abs(np.clip(sums, low, high) - said) / span
    ranges = np.ptp(np.concatenate([points, said]), axis=0)
    defect = np.abs(sums - said) / np.where(ranges > 0, ranges, 1.0)
    tiny = outputs.min(axis=1, keepdims=True) < BEYOND
    whole = sums if sums.shape[1] == task.n_outputs else np.concatenate([np.zeros_like(sums), sums], axis=1)
    of_outputs = np.abs(task.link.apply(whole) - outputs).max(axis=1, keepdims=True)
    return np.zeros(len(outputs), dtype=bool), np.where(tiny, of_outputs, defect)


def _in_words(predictor: SavedModel, outputs: FloatArray, output: int | None) -> tuple[str, ...]:
    """What is predicted of each row: ``"'yes' (probability 83%)"``, ``"31.2"``."""
    task, threshold = predictor.task, predictor.manifest.info.threshold
    if not task.predicts_probabilities:
        return tuple(f"{task.target} = {number(float(row[0]))}" for row in outputs)
    chosen = [task.foremost(row, threshold) if output is None else output for row in outputs]
    said = []
    for row, other in zip(outputs, chosen, strict=True):
        one = task.foremost(row, threshold)
        of = "" if one == other else f" of {task.output_names[other]!r}"
        said.append(f"{task.output_names[one]!r} (probability{of} {probability(float(row[other]))})")
    return tuple(said)
