"""The page: everything the template needs, in words, and the rendering itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from annvil.comparison.results import Comparison, Standing
from annvil.report import column_importance, figures
from annvil.report.figure import panels_figure, shapes_figure, waterfall_figure
from annvil.report.figures import score_text
from annvil.report.first_screen import first_screen
from annvil.report.glossary import Glossary
from annvil.report.held_out import errors
from annvil.report.price import price_view
from annvil.report.view import ReportView
from annvil.sections import Section
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.text import quantities as wording
from annvil.text.phrases import named, outside
from annvil.text.safe import clean

FAMILY_NAMES = {
    "dummy": "baseline", "linear": "linear models", "trees": "trees", "neighbours": "k-nearest neighbours",
    "generative": "models of each class", "network": "networks",
}  # fmt: skip
FAMILIES = {
    "dummy": "no learning", "linear": "simple", "trees": "simple", "neighbours": "simple", "generative": "simple",
    "network": "network", "team": "team",
}  # fmt: skip
SEVERITIES = ("serious", "warning", "info")


def render(view: ReportView) -> str:
    """The report as one HTML document that needs nothing else: style and charts inside, no script, no network.

    Every text of the view (column names, categories, file names, sentences) is escaped, and a content security policy
    in the page forbids everything but its own style.
    """
    return _rendered(view, "report.html.j2")


def render_explanation(view: ReportView) -> str:
    """What explains the whole model, as such a document: importance, and the sections that explain."""
    sections = tuple(section for section in view.sections if section.explains)
    return _rendered(replace(view, sections=sections), "explanation.html.j2")


def _rendered(view: ReportView, template: str) -> str:
    glossary = Glossary(view.words)
    style, digest = style_and_digest()
    return (
        environment()
        .get_template(template)
        .render(
            **_context(view),
            view=view,
            style=Markup(style),  # our own file
            style_hash=digest,
            glossary=glossary,
            term=glossary.link,
            said=view.words.fill,
            as_data=as_data,
            as_sound=as_sound,
            is_heard=is_heard,
            as_figure=panels_figure,
            as_shapes=shapes_figure,
            as_steps=waterfall_figure,
            version=dict(view.reproduction.versions).get("annvil", ""),
            w=wording,
            named=named,
        )
    )


@cache
def environment() -> Environment:
    """Of the templates: escapes everything, and fails on what it does not know."""
    return Environment(
        loader=PackageLoader("annvil.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )


@cache
def style_and_digest() -> tuple[str, str]:
    """The style of every page, and its SHA-256 as a content security policy wants it."""
    source = environment().loader
    assert source is not None
    style = source.get_source(environment(), "report.css")[0]
    return style, base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")


@dataclass(frozen=True)
class CostRow:
    """One line of the cost table, in words; empty where unknown."""

    title: str
    family: str
    recommended: bool
    score: str
    fit: str
    row: str
    size: str
    state: str
    leads: bool


def _context(view: ReportView) -> dict[str, Any]:
    comparison = view.comparison
    metric = METRICS[comparison.metric]
    standings = {s.contender: s for s in comparison.standings}
    recommended = standings.get(comparison.verdict.recommended)
    first = first_screen(comparison, view.findings, view.words, view.folder)
    rows = {s.contender: _cost_row(s, metric, comparison, leads=s in first.leaders) for s in comparison.standings}
    price = price_view(comparison, view.words)
    by_severity = {kind: i for i, kind in enumerate(SEVERITIES)}
    return {
        "metric": metric,
        "metric_title": outside(metric.title),
        "comparison": comparison,
        "titles": {s.contender: s.title for s in comparison.standings},
        "verdict": comparison.verdict,
        "first": first,
        "family_names": FAMILY_NAMES,
        "repeats": 1 + max((fold.repeat for fold in comparison.folds), default=0),
        "recommended": recommended,
        "chances": figures.chances_figure(first),
        "posterior": figures.posterior_figure(comparison),
        "folds": figures.fold_figure(comparison, view.words),
        "paired": figures.paired_figure(comparison, view.words),
        "effort": figures.effort_figure(comparison),
        "race": figures.race_in_words(comparison),
        "pareto": figures.pareto_figure(comparison),
        "learning": figures.learning_figure(comparison, view.words),
        "ablation": figures.ablation_figure(comparison),
        "importance": column_importance.importance_figure(view),
        "no_importance": column_importance.no_importance(view),
        "training": figures.training_figure(view),
        "errors": errors(view),
        "costs": list(rows.values()),
        "price": price,
        "price_rows": [rows[name] for name in price.contenders] if price is not None else [],
        "all_metrics": _all_metrics(view),
        "findings": sorted(view.findings, key=lambda f: by_severity.get(f.severity, len(SEVERITIES))),
        "left_out": [note for note in view.columns if not note.used and note.kind != "role"],
        "tried": [_tried(s, comparison) for s in comparison.standings],
        "more_importances": view.importance[column_importance.MOST_IMPORTANCES :],
    }


def as_data(png: bytes) -> Markup:
    """A picture as a data URI: the page loads nothing."""
    return Markup("data:image/png;base64," + base64.b64encode(png).decode("ascii"))


def as_sound(wav: bytes) -> Markup:
    """A WAV file as a data URI."""
    return Markup("data:audio/wav;base64," + base64.b64encode(wav).decode("ascii"))


def is_heard(sections: Iterable[Section]) -> bool:
    """Whether anything in them can be played: only then does the page allow sound, and only its own."""
    return any(picture.wav for section in sections for picture in section.pictures)


def _cost_row(standing: Standing, metric: Metric, comparison: Comparison, *, leads: bool) -> CostRow:
    cost = standing.cost
    latency = cost.latency_ms_p50 if cost else None
    return CostRow(
        title=standing.title,
        family=FAMILIES[standing.family],
        recommended=standing.contender == comparison.verdict.recommended,
        score=score_text(metric, standing),
        fit=wording.seconds(cost.fit_seconds) if cost else "",
        row=wording.seconds(latency / 1000) if latency is not None else "",
        size=wording.size(cost.size_bytes) if cost and cost.size_bytes is not None else "",
        state=_cost_state(standing),
        leads=leads,
    )


def _cost_state(standing: Standing) -> str:
    """Which step is judged and whether more effort may help; why there is none."""
    if standing.state != "finished" or standing.rung is None:
        return "" if standing.state == "finished" else standing.told
    return judged_step(standing) if len(standing.rungs) > 1 else ""


def judged_step(standing: Standing) -> str:
    """``"step 2 of 5, still improves"``; that it does shows only from two steps."""
    rung = -1 if standing.rung is None else standing.rung
    improves = "still improves" if len(standing.rung_means) > 1 else "may improve"
    return f"step {rung + 1} of {len(standing.rungs)}{f', {improves}' if standing.still_improves else ''}"


def _all_metrics(view: ReportView) -> dict[str, Any]:
    """Head and rows of the table of every metric."""
    shown = view.task.metrics
    rows = [(s.title, [score_text(m, s) for m in shown]) for s in figures.scored(view.comparison)]
    return {"head": [(m.title, m.greater_is_better) for m in shown], "rows": rows}


def _tried(standing: Standing, comparison: Comparison) -> dict[str, Any]:
    """What one contender tried on the first fold, best first, and what it used."""
    folds = [fold for fold in comparison.folds if fold.contender == standing.contender]
    tried = sorted(folds[0].tried if folds else (), key=lambda one: (one.get("score") is None, one.get("score") or 0.0))
    return {
        "standing": standing,
        "step": judged_step(standing) if standing.rung is not None else "",
        "steps": _ladder(standing, METRICS[comparison.metric]),
        "candidates": [(str(one.get("what", "")), _inner_loss(one.get("score"), one.get("spread"))) for one in tried],
        "notes": list(dict.fromkeys(note for fold in folds for note in fold.notes)),
        "parameters": wording.count(standing.cost.n_parameters) if standing.cost else "",
        "core_seconds": wording.seconds(standing.cost.core_seconds) if standing.cost else "",
        "parity": wording.tiny(standing.parity) if standing.parity is not None else "",
    }


def _ladder(standing: Standing, metric: Metric) -> list[tuple[str, str, str, str]]:
    """(effort, score, seconds used until then, remark) of every step; nothing of a ladder that has no words."""
    rows = []
    for number, what in enumerate(standing.rungs if any(standing.rungs) else ()):
        means, used = standing.rung_means[number : number + 1], standing.rung_seconds[number : number + 1]
        remark = "judged" if number == standing.rung else "" if means else "not reached"
        score = metric.shows(means[0]) if means else "–"
        rows.append((f"{number + 1} · {what}", score, wording.seconds(used[0]) if used else "–", remark))
    return rows


def _inner_loss(mean: float | None, spread: float | None) -> str:
    if mean is None:
        return "failed"
    return wording.with_spread(mean, spread) if spread else f"{mean:,.4g}"
