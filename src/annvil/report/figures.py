"""From the records of a run to figures: which numbers go into which chart, and the sentence under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import cast

import numpy as np

from annvil.comparison.results import Comparison, Standing
from annvil.plots.charts import confusion as confusion_chart
from annvil.plots.charts.confusion import confusion
from annvil.plots.charts.fold_scores import Strip, fold_scores
from annvil.plots.charts.intervals import Estimate, interval_bars
from annvil.plots.charts.learning import Curve, crossing, learning
from annvil.plots.charts.paired import Pair, paired
from annvil.plots.charts.pareto import Offer, frontier, pareto
from annvil.plots.charts.posterior import Belief, posterior
from annvil.plots.charts.reliability import reliability
from annvil.plots.charts.residuals import residuals
from annvil.plots.charts.training import History, training
from annvil.report import summaries
from annvil.report.view import HeldOut, ReportView
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.text.phrases import listed
from annvil.text.quantities import count, minus, percent, probability, seconds, told, with_spread
from annvil.text.words import ROWS, Words

WIDE, NARROW = 700.0, 342.0
"""Widths in CSS pixels: a readable column, and a phone of 390 pixels less its margins."""

MOST_IMPORTANCES = 20
MOST_DOTS = 1500


@dataclass(frozen=True)
class Figure:
    """A chart drawn for wide and for narrow screens, with its caption."""

    title: str
    caption: str
    wide: str
    narrow: str


def _estimates(metric: Metric, rows: Sequence[tuple[str, float, float, float]], sign: str = "") -> list[Estimate]:
    """(name, mean, low, high) as estimates in points or in the metric's unit, all with equal decimals."""
    factor = 100.0 if metric.greater_is_better else 1.0
    half = sorted(factor * (high - low) / 2 for _, _, low, high in rows)[len(rows) // 2]
    places = 0 if half >= 10 else min(4, max(1, -floor(log10(half)))) if half > 0 else 1
    made = []
    for name, *values in rows:
        mean, low, high = (factor * v for v in values)
        a, b, c = (round(v, places) + 0.0 for v in (mean, low, high))  # adding 0 turns -0.0 into 0.0
        shown = f"{a:{sign},.{places}f} ({b:{sign},.{places}f} to {c:{sign},.{places}f})"
        made.append(Estimate(name, mean, low, high, minus(shown)))
    return made


def _figure(name: str, title: str, caption: str, draw: Callable[[float, str], str]) -> Figure:
    return Figure(title, caption, draw(WIDE, f"{name}-wide"), draw(NARROW, f"{name}-narrow"))


def score_text(metric: Metric, mean: float, spread: float) -> str:
    """``"0.871 ± 0.021"``."""
    return with_spread(mean, spread, 3 if metric.greater_is_better else None)


def scored(comparison: Comparison) -> list[Standing]:
    """Contenders with at least one fold, best first."""
    return [s for s in comparison.standings if s.per_fold and comparison.metric in s.means]


def fold_figure(comparison: Comparison, words: Words = ROWS) -> Figure | None:
    """Every contender on every fold."""
    metric, standings = METRICS[comparison.metric], scored(comparison)
    if not standings:
        return None
    strips = [
        Strip(
            s.title, s.family, s.per_fold, s.means[metric.name], s.spreads[metric.name],
            score_text(metric, s.means[metric.name], s.spreads[metric.name]),
            s.contender == comparison.verdict.recommended,
        )
        for s in standings
    ]  # fmt: skip
    caption = (
        f"Each mark is one fold, scored on {words.rows} the model had not seen; the upright line is the mean of the "
        "folds and the bar reaches one standard deviation to each side."
    )
    return _figure(
        "folds", "Every contender on every fold", caption,
        lambda width, name: fold_scores(strips, metric.title, metric.greater_is_better, width, name),
    )  # fmt: skip


def paired_figure(comparison: Comparison, words: Words = ROWS) -> Figure | None:
    """The two sides, fold by fold."""
    metric, verdict = METRICS[comparison.metric], comparison.verdict
    if verdict.network is None or verdict.simple is None:
        return None
    titles = {s.contender: s.title for s in comparison.standings}
    folds = list(zip(verdict.network.per_fold, verdict.simple.per_fold, strict=True))
    if not folds:
        return None
    names = [
        (titles.get(a, a), titles.get(b, b))
        for a, b in zip(verdict.network.contenders, verdict.simple.contenders, strict=True)
    ]
    pairs = [
        Pair(f"fold {i + 1}", a, b, told(metric, metric.gain(a, b), signed=True), network, simple)
        for i, ((a, b), (network, simple)) in enumerate(zip(folds, names, strict=True))
    ]
    wins = sum(metric.gain(a, b) > 0 for a, b in folds)
    caption = (
        f"The network side was ahead in {_of(wins, len(folds))}. In every fold each side is represented by the "
        f"contender that inner validation preferred, before the test {words.rows} were looked at."
    )
    return _figure(
        "paired", f"The two sides on the same {words.rows}", caption,
        lambda width, name: paired(pairs, metric.title, metric.greater_is_better, width, name),
    )  # fmt: skip


def _of(part: int, whole: int) -> str:
    """``"3 of 5 folds"``, ``"all 5 folds"``, ``"none of 5 folds"``."""
    return f"all {whole} folds" if part == whole else f"{part or 'none'} of {whole} folds"


def posterior_figure(comparison: Comparison) -> Figure | None:
    """What is believed about the difference."""
    metric, p = METRICS[comparison.metric], comparison.verdict.posterior
    if p is None:
        return None
    factor = 100.0 if metric.greater_is_better else 1.0
    unit = f"points of {metric.title}" if metric.greater_is_better else metric.title
    chances = p.p_second, p.p_equal, p.p_first
    shown = cast("tuple[str, str, str]", tuple(probability(chance, brief=True) for chance in chances))
    belief = Belief(
        factor * p.mean, factor * p.scale, p.df, factor * p.worth, tuple(factor * d for d in p.differences),
        shown,
    )  # fmt: skip
    caption = (
        f"The gain of the network side is {told(metric, p.mean, signed=True)}, with 95% probability between "
        f"{told(metric, p.low, signed=True)} and {told(metric, p.high, signed=True)}; inside the shaded region, "
        f"±{told(metric, p.worth)}, the two sides count as practically equal. Short ticks are the folds."
    )
    return _figure(
        "posterior", "How sure the difference is", caption,
        lambda width, name: posterior(belief, f"gain of the network side, {unit}", width, name),
    )  # fmt: skip


def pareto_figure(comparison: Comparison) -> Figure | None:
    """Cost beside score."""
    metric = METRICS[comparison.metric]
    offers = [
        Offer(
            s.title, s.family, max(s.cost.fit_seconds, 1e-4), s.means[metric.name], s.spreads[metric.name],
            f"{score_text(metric, s.means[metric.name], s.spreads[metric.name])}, {seconds(s.cost.fit_seconds)}",
            s.contender == comparison.verdict.recommended,
        )
        for s in scored(comparison) if s.cost is not None and s.family != "dummy"
    ]  # fmt: skip
    if len(offers) < 2:
        return None
    unbeaten = listed([o.title for o in frontier(offers, metric.greater_is_better)], 6)
    caption = (
        f"No contender is both cheaper and better than those on the stepped line ({unbeaten}); everything off the line "
        "is beaten on both counts. Upright bars are one standard deviation over folds; the ringed mark is recommended."
    )
    return _figure(
        "pareto", "What a better score costs", caption,
        lambda width, name: pareto(
            offers, metric.title, "seconds to train one fold", metric.greater_is_better, width, name
        ),
    )  # fmt: skip


def learning_figure(comparison: Comparison, words: Words = ROWS) -> Figure | None:
    """Learning curves."""
    metric = METRICS[comparison.metric]
    families = {s.contender: (s.title, s.family) for s in comparison.standings}
    score = metric.error  # its own inverse: 1 - (1 - score), or the error as it is
    curves = []
    for one in comparison.curves:
        if not one.anchors:
            continue
        title, family = families.get(one.contender, (one.contender, "simple"))
        law = one.law if one.well_behaved else None
        curves.append(
            Curve(
                title, family,
                tuple(float(a.n_train) for a in one.anchors),
                tuple(score(a.mean) for a in one.anchors),
                tuple(a.spread for a in one.anchors),
                law.sizes if law else (),
                tuple(map(score, law.median)) if law else (),
                tuple(map(score, law.high if metric.greater_is_better else law.low)) if law else (),
                tuple(map(score, law.low if metric.greater_is_better else law.high)) if law else (),
            )
        )  # fmt: skip
    if not curves:
        return None
    pairs = [(a, b) for i, a in enumerate(curves) for b in curves[i + 1 :]]
    met = [crossing(a, b) for a, b in pairs if (a.family == "network") != (b.family == "network")]
    crossings = [c for c in met if c is not None]
    caption = (
        "Marks are measured, with one standard deviation around them; dashed lines continue the fitted power law, with "
        "the band that holds 90% of its bootstrap."
        if any(c.law for c in curves)
        else "Marks are measured, with one standard deviation around them; none was regular enough to be continued."
    )
    if crossings:
        caption += " The ring marks where a network and a simple model would meet."
    return _figure(
        "learning", f"{metric.title[:1].upper()}{metric.title[1:]} against training {words.rows}", caption,
        lambda width, name: learning(curves, metric.title, metric.greater_is_better, width, name, crossings, words),
    )  # fmt: skip


def ablation_figure(comparison: Comparison) -> Figure | None:
    """What each step of preparation changed."""
    metric = METRICS[comparison.metric]
    if not comparison.ablations:
        return None
    titles = {s.contender: s.title for s in comparison.standings}
    rows = [(f"{a.what}, {titles.get(a.contender, a.contender)}", a.mean, a.low, a.high) for a in comparison.ablations]
    estimates = _estimates(metric, rows, "+")
    worth = (100.0 if metric.greater_is_better else 1.0) * comparison.worth
    unit = f"gain in points of {metric.title}" if metric.greater_is_better else f"gain in {metric.title}"
    caption = (
        "Gain from each step, with its 95% interval, on the same folds with and without it; the shaded region is the "
        "difference that counts as practically none."
    )
    return _figure(
        "ablation", "Gain from each step", caption,
        lambda width, name: interval_bars(
            estimates, unit, "Gain from each step of preparation", width, name, worth
        ),
    )  # fmt: skip


def importance_figure(view: ReportView) -> Figure | None:
    """What the recommended model relies on."""
    metric = METRICS[view.comparison.metric]
    if not view.importance:
        return None
    ranked = sorted(view.importance, key=lambda one: -one.mean)[:MOST_IMPORTANCES]
    estimates = _estimates(metric, [(one.column, one.mean, one.low, one.high) for one in ranked])
    rows = f" Measured on {count(view.importance_rows)} rows it had not seen." if view.importance_rows else ""
    caption = (
        f"How much worse the predictions become when one column is shuffled, with the 95% interval; an interval that "
        f"reaches zero means the column may not matter to this model.{rows}"
    )
    unit = f"points of {metric.title} lost" if metric.greater_is_better else f"{metric.title} gained"
    return _figure(
        "importance", "Loss from shuffling each column", caption,
        lambda width, name: interval_bars(estimates, unit, "Importance of the input columns", width, name),
    )  # fmt: skip


def training_figure(view: ReportView) -> tuple[Figure, str] | None:
    """Loss while training, of the recommended contender or else of the best network, and whose it is."""
    standings = view.comparison.standings
    recommended = [s for s in standings if s.contender == view.comparison.verdict.recommended]
    for standing in [*recommended, *(s for s in standings if s.family == "network")]:
        histories = _histories(view.comparison, standing.contender)
        if histories:
            return _training_of(standing, histories, view.words), standing.title
    return None


def _histories(comparison: Comparison, contender: str) -> list[History]:
    results = [r for r in comparison.folds if r.contender == contender]
    curves = [
        History(f"fold {i + 1}", tuple(r.history.get("train_loss", ())), tuple(r.history.get("validation_loss", ())))
        for i, r in enumerate(results)
    ]
    return [curve for curve in curves if curve.train or curve.validation]


def _training_of(standing: Standing, histories: list[History], words: Words) -> Figure:
    is_network = standing.family == "network"
    family, steps = ("network", "epochs") if is_network else ("simple", "rounds")
    caption = f"One pair of lines per fold; the ring marks the lowest loss on validation {words.rows}"
    caption += ", where the weights were taken from." if is_network else "."
    return _figure(
        "training", f"Loss while training: {standing.title}", caption,
        lambda width, name: training(histories, family, steps, width, name, words),
    )  # fmt: skip


def confusion_figure(view: ReportView, held_out: HeldOut) -> Figure | None:
    """What each class was taken for; None with more classes than a page holds."""
    classes = [str(c) for c in view.task.classes]
    if len(classes) > confusion_chart.MOST_CLASSES:
        return None
    counts = summaries.confusion_counts(
        held_out.y, view.task.decide(held_out.outputs, held_out.threshold), len(classes)
    )
    right, everything = int(np.trace(counts)), int(counts.sum())
    caption = (
        f"{count(right)} of {count(everything)} held-out {view.words.rows} were put into the right class "
        f"({percent(right / everything)}); {held_out.how}."
    )
    cut = held_out.threshold
    if cut is not None:
        caption += f" “{classes[1]}” is predicted from a probability of {cut:.2f} on."
    return _figure(
        "confusion", "Confusion matrix", caption,
        lambda width, name: confusion(counts.tolist(), classes, width, name, view.words),
    )  # fmt: skip


def reliability_figure(view: ReportView, held_out: HeldOut) -> Figure:
    """Whether predicted probabilities come true."""
    of = view.task.certainty(held_out.y, held_out.outputs)
    answers = of.answers or view.words.rows
    bins = summaries.reliability_bins(of.probability, of.happened)
    off = sum(not one.low <= one.predicted <= one.high for one in bins)
    caption = (
        "Marks on the dashed line mean that predicted probabilities can be taken at their word; upright bars are 95% "
        f"intervals, and {len(bins) - off} of {len(bins)} of them contain the line. "
        f"Below, how many {answers} were given which probability."
    )
    return _figure(
        "reliability", "Calibration: can the probabilities be trusted?", caption,
        lambda width, name: reliability(
            bins, summaries.tenths(of.probability), of.predicted, of.observed, width, name, answers
        ),
    )  # fmt: skip


def residual_figure(view: ReportView, held_out: HeldOut) -> Figure:
    """Predicted against observed."""
    rows = summaries.spread_rows(len(held_out.y), MOST_DOTS)
    caption = f"Each dot is a {view.words.row}; on the line, prediction and observation are the same. " + (
        f"{held_out.how[:1].upper()}{held_out.how[1:]}."
        if len(rows) == len(held_out.y)
        else f"{count(len(rows))} of {count(len(held_out.y))} {view.words.rows} are drawn; {held_out.how}."
    )
    predicted, observed = held_out.outputs[rows, 0].tolist(), held_out.y[rows].tolist()
    return _figure(
        "residuals", "Predicted and observed", caption,
        lambda width, name: residuals(predicted, observed, view.task.target, width, name, view.words),
    )  # fmt: skip


ERRORS: Mapping[str, Callable[[ReportView, HeldOut], Figure | None]] = {
    "confusion": confusion_figure,
    "reliability": reliability_figure,
    "residuals": residual_figure,
}
"""Figures that show how a model errs, by the names that tasks use (`annvil.tasks.base.Task.errors`)."""
