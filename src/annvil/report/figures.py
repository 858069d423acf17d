"""From the records of a run to figures: which numbers go into which chart, and the sentence under it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from annvil.comparison.results import NO_SIDE, Comparison, Posterior, Side, Standing
from annvil.plots.charts.chances import chances
from annvil.plots.charts.effort import Climb, effort
from annvil.plots.charts.fold_scores import Strip, fold_scores
from annvil.plots.charts.intervals import interval_bars
from annvil.plots.charts.learning import Curve, learning
from annvil.plots.charts.paired import Pair, paired
from annvil.plots.charts.pareto import Offer, frontier, pareto
from annvil.plots.charts.posterior import Belief, posterior
from annvil.plots.charts.training import History, training
from annvil.report.figure import Figure, estimates, figure
from annvil.report.first_screen import FirstScreen
from annvil.report.view import ReportView
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.text.phrases import listed, outside
from annvil.text.quantities import plain_count, probability, seconds, told
from annvil.text.words import ROWS, Words


def score_text(metric: Metric, standing: Standing) -> str:
    """``"0.871 ± 0.021"``; nothing where it was not scored by that metric."""
    if metric.name not in standing.means:
        return ""
    return metric.shows_mean(standing.means[metric.name], standing.spread(metric.name))


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
            score_text(metric, s), s.contender == comparison.verdict.recommended,
        )
        for s in standings
    ]  # fmt: skip
    caption = (
        f"Each mark is one fold, scored on {words.rows} the model had not seen; the upright line is the mean of the "
        "folds and the bar reaches one standard deviation to each side."
    )
    draw = partial(fold_scores, strips, metric.title, metric.greater_is_better)
    return figure("folds", "Every model on every fold", caption, draw)


def paired_figure(comparison: Comparison, words: Words = ROWS) -> Figure | None:
    """The two sides, fold by fold."""
    metric, verdict = METRICS[comparison.metric], comparison.verdict
    pairs = fold_pairs(comparison, verdict.network, verdict.simple)
    if not pairs:
        return None
    wins = sum(metric.gain(pair.network, pair.simple) > 0 for pair in pairs)
    ahead = f"all {len(pairs)} folds" if wins == len(pairs) else f"{wins or 'none'} of {len(pairs)} folds"
    caption = (
        f"The network side was ahead in {ahead}. In every fold each side is represented by the "
        f"model that inner validation preferred, before the test {words.rows} were looked at."
    )
    draw = partial(paired, pairs, metric.title, metric.greater_is_better)
    return figure("paired", f"The two sides on the same {words.rows}", caption, draw)


def fold_pairs(comparison: Comparison, first: Side | None, second: Side | None) -> list[Pair]:
    """Two sides, fold by fold; none where there are not two."""
    if first is None or second is None:
        return []
    metric, titles = METRICS[comparison.metric], {s.contender: s.title for s in comparison.standings}
    folds = zip(first.per_fold, second.per_fold, first.contenders, second.contenders, strict=True)
    return [
        Pair(f"fold {i + 1}", a, b, told(metric, metric.gain(a, b), signed=True), titles.get(x, x), titles.get(y, y))
        for i, (a, b, x, y) in enumerate(folds)
    ]


def chances_figure(first: FirstScreen) -> Figure | None:
    """The strip of the first screen."""
    shares = [(chance.side, chance.share, chance.text) for chance in first.chances]
    return figure("chances", "", "", partial(chances, shares)) if shares else None


def posterior_figure(comparison: Comparison) -> Figure | None:
    """What is believed about the difference."""
    metric, p = METRICS[comparison.metric], comparison.verdict.posterior
    if p is None:
        return None
    caption = (
        f"The gain of the network side is {told(metric, p.mean, signed=True)}, with 95% probability between "
        f"{told(metric, p.low, signed=True)} and {told(metric, p.high, signed=True)}; inside the shaded region, "
        f"±{told(metric, p.worth)}, the two sides count as practically equal. Short ticks are the folds."
    )
    draw = partial(posterior, belief_of(p), f"gain of the network side in {metric.title}")
    return figure("posterior", "How sure the difference is", caption, draw)


def belief_of(p: Posterior) -> Belief:
    """As the chart takes it."""
    second, equal, first = (probability(chance, brief=True) for chance in (p.p_second, p.p_equal, p.p_first))
    return Belief(p.mean, p.scale, p.df, p.worth, tuple(p.differences), (second, equal, first))


def pareto_figure(comparison: Comparison) -> Figure | None:
    """Cost beside score."""
    metric = METRICS[comparison.metric]
    offers = [
        Offer(
            s.title, s.family, max(s.cost.fit_seconds, 1e-4), s.means[metric.name], s.spreads[metric.name],
            f"{score_text(metric, s)}, {seconds(s.cost.fit_seconds)}", s.contender == comparison.verdict.recommended,
        )
        for s in scored(comparison) if s.cost is not None and s.family != "dummy"
    ]  # fmt: skip
    if len(offers) < 2:
        return None
    unbeaten = listed([o.title for o in frontier(offers, metric.greater_is_better)], 6)
    ringed = "; the ringed mark is recommended" if any(offer.recommended for offer in offers) else ""
    caption = (
        f"No model is both cheaper and better than those on the stepped line ({unbeaten}); for each off the line "
        "another is cheaper and on average at least as good. Upright bars are one standard deviation over "
        f"folds{ringed}."
    )
    draw = partial(pareto, offers, metric.title, "seconds to train one fold", metric.greater_is_better)
    return figure("pareto", "What a better score costs", caption, draw)


def effort_figure(comparison: Comparison) -> Figure | None:
    """What more effort brought, where anybody made more than one step."""
    metric = METRICS[comparison.metric]
    climbs = [
        Climb(
            s.title, s.family, tuple(max(used, 1e-3) for used in s.rung_seconds), s.rung_means, len(s.rungs),
            s.contender == comparison.verdict.recommended,
        )
        for s in comparison.standings
        if s.family not in NO_SIDE and s.rung_means and len(s.rung_seconds) == len(s.rung_means)
    ]  # fmt: skip
    if not any(len(climb.scores) > 1 for climb in climbs):
        return None
    improving = listed([s.title for s in comparison.standings if s.still_improves], 6)
    ringed = ", the ringed one is recommended" if any(climb.recommended for climb in climbs) else ""
    caption = (
        "Each mark is a step of effort that was made on all folds, by the seconds used until then (those of fits that "
        f"a model shares with another included); the last mark of a line is the one that is judged{ringed}."
        f"{f' More effort may still improve: {improving}.' if improving else ''}"
    )
    draw = partial(effort, climbs, metric.title, metric.greater_is_better, worth=comparison.worth)
    return figure("effort", "What more effort brought", caption, draw)


def race_in_words(comparison: Comparison) -> str:
    """How much was done, and why it ended; empty of runs that did not keep it."""
    if not comparison.ended:
        return ""
    mates = [s for s in comparison.standings if s.family not in NO_SIDE]
    steps, used = sum(len(s.rung_means) for s in mates), seconds(sum(s.used_seconds for s in mates))
    done = f"Networks and simple models completed {plain_count(steps, 'step')} of effort in {used}."
    return f"{done} The race ended because {comparison.ended}."


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
        sizes, means, spreads = zip(*((float(a.n_train), score(a.mean), a.spread) for a in one.anchors), strict=True)
        curve = Curve(title, family, sizes, means, spreads)
        if one.law and one.well_behaved:
            low, high = (one.law.high, one.law.low) if metric.greater_is_better else (one.law.low, one.law.high)
            median, low, high = (tuple(map(score, line)) for line in (one.law.median, low, high))
            curve = replace(curve, law_sizes=one.law.sizes, law=median, law_low=low, law_high=high)
        curves.append(curve)
    if not curves:
        return None
    met = comparison.crossing
    meeting = None if met is None or met.rows is None or met.error is None else (met.rows, score(met.error))
    caption = (
        "Marks are measured, with one standard deviation around them; dashed lines continue the fitted power law, with "
        "the band that holds 90% of its bootstrap."
        if any(c.law for c in curves)
        else "Marks are measured, with one standard deviation around them; none was regular enough to be continued."
    )
    if meeting:
        caption += " The ring marks where a network and a simple model would meet."
    draw = partial(learning, curves, metric.title, metric.greater_is_better, meeting=meeting, words=words)
    return figure("learning", f"{outside(metric.title)} against training {words.rows}", caption, draw)


def ablation_figure(comparison: Comparison) -> Figure | None:
    """What each step of preparation changed."""
    metric = METRICS[comparison.metric]
    if not comparison.ablations:
        return None
    titles = {s.contender: s.title for s in comparison.standings}
    rows = [(f"{a.what}, {titles.get(a.contender, a.contender)}", a.mean, a.low, a.high) for a in comparison.ablations]
    caption = (
        "Gain from each step, with its 95% interval, on the same folds with and without it; the shaded region is the "
        "difference that counts as practically none."
    )
    title, worth = "Gain from each step of preparation", comparison.worth
    draw = partial(interval_bars, estimates(rows, "+"), f"gain in {metric.title}", title, worth=worth)
    return figure("ablation", "Gain from each step", caption, draw)


def training_figure(view: ReportView) -> tuple[Figure, str] | None:
    """Loss while training, of the recommended contender or else of the best network, and whose it is."""
    standings = view.comparison.standings
    recommended = [s for s in standings if s.contender == view.comparison.verdict.recommended]
    for standing in [*recommended, *(s for s in standings if s.family == "network")]:
        results = [r.history for r in view.comparison.folds if r.contender == standing.contender]
        histories = [
            History(f"fold {i + 1}", tuple(one.get("train_loss", ())), tuple(one.get("validation_loss", ())))
            for i, one in enumerate(results)
        ]
        histories = [one for one in histories if one.train or one.validation]
        if histories:
            break
    else:
        return None
    is_network = standing.family == "network"
    caption = f"Loss on training {view.words.rows}, one line per fold."
    if any(one.validation for one in histories):
        caption = f"One pair of lines per fold; the ring marks the lowest loss on validation {view.words.rows}"
        caption += ", where the weights were taken from." if is_network else "."
    family, steps = ("network", "epochs") if is_network else ("simple", "rounds")
    draw = partial(training, histories, family, steps, words=view.words)
    return figure("training", f"Loss while training: {standing.title}", caption, draw), standing.title
