"""Effects of the model that ships and of the best one that a person can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np

from annvil.bundle import Predictor, load
from annvil.bundle.effects import Axis, Effect
from annvil.bundle.explaining import base_of, explanation_of
from annvil.bundle.explanation import explained_names, write_explanation
from annvil.bundle.manifest import EXPLANATION
from annvil.bundle.storage import add_parts
from annvil.comparison.data_problem import DataProblem
from annvil.comparison.results import FIRST_FOLD, Standing
from annvil.data.dataset import Dataset
from annvil.data.table import Table
from annvil.explanation.effect_sentences import label_of
from annvil.explanation.effects import busy_effects
from annvil.explanation.faithfulness import ROUNDING
from annvil.explanation.refits import FEWEST_REFITS, refit
from annvil.explanation.whole_model import FOR_REFITS, ByRow, WholeModel, explain_model
from annvil.kinds.found import Found
from annvil.kinds.tables.sections.written_out import REFITS, has_coefficients, written_out
from annvil.models.contract import Contender
from annvil.models.jobs import Context, Deadline, Effort
from annvil.models.members import Fitted
from annvil.plots.charts.term_shapes import Along, Shape, Shapes, Trace
from annvil.sections import Rows, Section
from annvil.tasks.base import FloatArray
from annvil.text.phrases import listed, named, outside
from annvil.text.quantities import minus, percent, plain_count

FIRST = 8
"""Effects that are shown at once; the others unfold."""

MOST = 40
"""Effects that are drawn at all, and classes whose lines are (assumed: nobody looks at more)."""

MOST_CLASSES = 5

MOST_LEVELS = 12
"""Categories of a column that are drawn, those in which it does most (assumed)."""

ORDER = 20
"""Place among the sections."""


def effect_sections(found: Found) -> Iterator[Section]:
    """One section of the model that ships, one of the best readable model where that is another."""
    contenders = {contender.name: contender for contender in found.contenders}
    shipped, readable = found.shipped, best_readable(found)
    titles = {s.contender: s.title for s in found.comparison.standings}
    same = shipped is not None and readable is not None and shipped.contender == readable.contender
    if readable is not None and not same:
        contender = contenders[readable.contender]
        fitted = fit_readable(found, contender, readable)
        if fitted is not None:
            half = Deadline(found.deadline.left / (1 if shipped is None else 2))
            again = refits_of_both(found.dataset, contender, fitted, half)
            out = found.dataset, contender, fitted, half.left, "readable", readable.title, ORDER + 1, again
            yield from written_out(*out)
            model = explain_model(found.dataset, contender, fitted, half, title=readable.title, again=again)
            yield section(model, "readable-effects", f"The best readable model: {named(readable.title)}", ORDER + 1)
    if shipped is not None and shipped.contender != "dummy":
        title = titles.get(shipped.contender, shipped.contender)
        asked = contenders.get(shipped.contender)
        again = refits_of_both(found.dataset, asked, shipped, found.deadline)
        yield from written_out(found.dataset, asked, shipped, found.deadline.left, "shipped", title, ORDER, again)
        model = explain_model(
            found.dataset,
            asked,
            shipped,
            found.deadline,
            title=title,
            explained=by_bundle(found.model),
            points=summary_points(found.model, found.dataset.inputs),
            again=again,
        )
        keep(found.model, model)
        yield section(model, "effects", f"What the recommended model does: {named(title)}", ORDER)


def refits_of_both(
    dataset: Dataset, contender: Contender | None, fitted: Fitted, deadline: Deadline
) -> list[Fitted] | None:
    """Refits for coefficients and effects alike, where there are coefficients; None: whoever wants some makes them."""
    if contender is None or deadline.passed or not has_coefficients(fitted):
        return None
    return refit(dataset, contender, fitted.job, fitted.configuration, FOR_REFITS * deadline.left, n=REFITS)


def by_bundle(bundle: Path) -> ByRow:
    """Single rows as the saved model explains them."""

    def explained(rows: Table, output: int) -> FloatArray:
        predictor = load(bundle)
        labels = [str(one) for one in predictor.task.classes]
        label = labels[-1 if len(labels) == 2 and predictor.task.one_class_a_row else output] if labels else None
        return predictor.explain([rows.raw_row(row) for row in range(rows.n_rows)], label=label).matrix

    return explained


def summary_points(bundle: Path, like: Table) -> Table | None:
    """The points of the saved model's background as a table, the weightiest first; None where it has none."""
    explanation = load(bundle).explanation
    if explanation is None:
        return None
    points = [explanation.background.points[k] for k in np.argsort(-np.array(explanation.background.weights))]
    columns = []
    for place, column in enumerate(like.columns):
        values = [point[place] for point in points]
        missing = -1 if column.field.is_text else np.nan
        codes = {level: code for code, level in enumerate(column.levels)}
        stored = [missing if v is None else codes.get(str(v), -1) if column.field.is_text else v for v in values]
        columns.append(replace(column, values=np.array(stored, dtype=column.values.dtype)))
    return replace(like, columns=tuple(columns), n_rows=len(points))


def keep(bundle: Path, model: WholeModel) -> None:
    """Put what was found into what explains the saved model, where it has such a thing."""
    explanation = load(bundle).explanation
    if explanation is not None:
        told = msgspec.structs.replace(
            explanation, effects=model.effects, checks=model.checks, sentences=model.sentences
        )
        add_parts(bundle, {EXPLANATION: write_explanation(told)})


def best_readable(found: Found) -> Standing | None:
    """The best of the contenders that a person can read, of those that are judged."""
    readable = {one.name for one in found.contenders if one.traits.explainable}
    judged = (s for s in found.comparison.standings if s.contender in readable and s.rung is not None)
    return next(judged, None)


def fit_readable(found: Found, contender: Contender, standing: Standing) -> Fitted | None:
    """Its model of all rows, by what the first fold chose; None where there is no time or record."""
    dataset: Dataset = found.dataset
    result = found.store.result(contender.name, FIRST_FOLD, standing.rung or 0)
    if result is None:
        return None
    problem = DataProblem(dataset)
    rung = contender.ladder(problem.shape(dataset.n_rows))[standing.rung or 0]
    job = problem.final(min(dataset.n_rows, rung.effort.rows or dataset.n_rows), 1, found.comparison.plan.seed)
    effort = Effort(scale=rung.effort.scale, configuration=result.configuration)
    return next(iter(contender.fit(dataset, [job], effort, Context(found.deadline.left))), None)


def section(model: WholeModel, key: str, title: str, order: int) -> Section:
    """Sentences, effects, and what they were tested by."""
    busy, _ = busy_effects(model.effects, ())
    shapes = [shape_of(group) for group in _by_term(busy)[:MOST]]
    first, others = tuple(shapes[:FIRST]), tuple(shapes[FIRST:])
    base = model.base[0] if len(model.outputs) == 1 and model.outputs[0].startswith("log-odds") else None
    scores = model.outputs[0] if len(model.outputs) == 1 else f"the log-odds of {len(model.outputs)} classes"
    y_title = f"added to {scores}"
    charts = [
        Shapes(key, f"What each column adds, {named(model.title)}", caption(model), y_title, first, base, model.family)
    ]
    if others:
        more = f"{plain_count(len(others), 'more effect')}"
        charts.append(
            Shapes(f"{key}-more", "Further effects", "", y_title, others, base, model.family, folded=f"{more}")
        )
    return Section(
        key=key,
        title=title,
        sentences=(*model.sentences, *failures(model)),
        shapes=tuple(charts) if first else (),
        tables=(tested(model),) if model.checks else (),
        order=order,
        explains=True,
    )


def section_of_saved(predictor: Predictor) -> list[Section]:
    """The section of a saved model, from what it carries; none where nothing was measured."""
    stored = explanation_of(predictor)
    if not stored.effects:
        return []
    info, outputs = predictor.manifest.info, explained_names(predictor.task)
    n_refits = FEWEST_REFITS if any(effect.low for effect in stored.effects) else 0
    idle = busy_effects(stored.effects, stored.names)[1]
    model = WholeModel(
        title=info.title,
        family="",
        outputs=outputs,
        base=stored.base or base_of(predictor, stored),
        effects=stored.effects,
        idle=idle,
        checks=stored.checks,
        sentences=stored.sentences,
        n_refits=n_refits,
        is_sum=bool(stored.terms),
    )
    return [section(model, "effects", f"What {named(info.title)} does", ORDER)]


def failures(model: WholeModel) -> Iterator[str]:
    """Tests that failed, in words; the first thing to read of an explanation that is not to be relied on."""
    for check in model.checks:
        if not check.passed:
            yield check.said


def tested(model: WholeModel) -> Rows:
    """The tests."""
    rows = [(outside(c.name), "passed" if c.passed else "failed", _value(c.value), c.said) for c in model.checks]
    return Rows(("Test", "Result", "Value", "What it says"), tuple(rows))


def _value(value: float) -> str:
    """Of a test; what only rounding leaves is no number to read."""
    return "0" if abs(value) < ROUNDING else minus(f"{value:.3g}")


def caption(model: WholeModel) -> str:
    """How the curves were made and are to be read."""
    what = "The model is the sum of these effects" if model.is_sum else (
        "Accumulated local effects (numbers and dates) and partial dependence (categories) of a model that is no sum: "
        "what single rows get may differ"
    )  # fmt: skip
    parts = [
        f"{what}. Each is 0 on average; grey bars below, and percentages beside categories, show where the rows are."
    ]
    if any(effect.lines for effect in model.effects):
        parts.append("Thin lines: the same of single summary points; where they cross, columns act together.")
    if model.n_refits >= FEWEST_REFITS:
        parts.append(
            f"Bands: 95% over {model.n_refits} models of other draws of the same rows; the share beside a title is "
            "that of rows for which they agree whether it adds or takes."
        )
        if any(effect.mistrust for effect in model.effects):
            parts.append("× before a title: they agree for too few rows, so do not rely on that effect.")
    else:
        team = model.family == "team"
        why = "A team is not fitted again" if team else "There was no time for models of other draws of the rows"
        parts.append(f"{why}, so there are no bands.")
    if model.idle:
        parts.append(f"Next to nothing rests on {listed([repr(name) for name in model.idle], 8)}.")
    return " ".join(parts)


def _by_term(effects: Sequence[Effect]) -> list[list[Effect]]:
    """Effects of one term together, one for each score."""
    groups: dict[tuple[str, tuple[str, ...], tuple[float, ...]], list[Effect]] = {}
    for effect in effects:
        groups.setdefault((effect.name, effect.features, effect.weights), []).append(effect)
    return list(groups.values())


def shape_of(group: Sequence[Effect]) -> Shape:
    """The effect of one term on each score as a chart has it."""
    first = group[0]
    several, group = len(group) > 1, [_with_few_levels(group, one) for one in group]
    traces = tuple(
        Trace(one.values, missing=one.missing[:1], name=label_of(one.output))
        if several
        else Trace(one.values, one.low, one.high, one.missing, lines=one.lines)
        for one in group[: 1 if len(first.axes) == 2 else MOST_CLASSES]
    )
    certain = None if several or first.certain is None else f"sign certain: {percent(first.certain, brief=True)}"
    return Shape(
        title=outside(first.name) if first.weights else first.name,
        axes=tuple(map(_along, group[0].axes)),
        traces=traces,
        note=certain or "",
        flagged=bool(first.mistrust),
        weights=tuple(zip(first.features, first.weights, strict=True)),
    )


def _with_few_levels(group: Sequence[Effect], effect: Effect) -> Effect:
    """An effect with the categories in which it, or another of its group, does most; its ends are among them."""
    axis = effect.axes[0]
    if len(effect.axes) == 2 or len(axis.levels) <= MOST_LEVELS:
        return effect
    values = np.array([one.values for one in group])
    most = np.abs(values).max(axis=0)
    most[[*values.argmax(axis=1), *values.argmin(axis=1)]] = np.inf
    kept = sorted(np.argsort(-most, kind="stable")[:MOST_LEVELS].tolist())

    def chosen(numbers: Sequence[float]) -> tuple[float, ...]:
        return tuple(numbers[place] for place in kept) if numbers else ()

    few = msgspec.structs.replace(
        axis, levels=tuple(axis.levels[place] for place in kept), density=chosen(axis.density)
    )
    return msgspec.structs.replace(
        effect, axes=(few,), values=chosen(effect.values), low=chosen(effect.low), high=chosen(effect.high)
    )


def _along(axis: Axis) -> Along:
    return Along(axis.column, axis.values, axis.levels, axis.density, axis.kind == "datetime")
