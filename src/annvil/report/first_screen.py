"""What a reader sees first, in the report and at the end of `annvil fit`: few words, in the order in which they matter.

Badge, one sentence, what to ship, the chances, the best six, red flags, one command. Both surfaces only draw it.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from annvil.comparison.results import Comparison, Standing, competing, only_explainable
from annvil.comparison.score_interval import score_interval
from annvil.comparison.sentences.told import EACH, side_title, stood_alone
from annvil.tasks.metric_index import METRICS
from annvil.tasks.metrics import Metric
from annvil.text.phrases import inside, is_plural, listed, outside
from annvil.text.quantities import minus, plain_count, probability
from annvil.text.words import Words

if TYPE_CHECKING:
    from annvil.data.findings import Finding

BADGES = {
    "network": "A network is worth it",
    "simple": "A simple model is better",
    "equal": "Practically equal",
    "no network": "No network needed",
    "cannot tell": "Cannot tell yet",
}
TO_READ = "The readable model to use"
OUT_OF_TIME = "Not enough time to tell"

MOST_LEADERS, MOST_FLAGS = 6, 3


@dataclass(frozen=True)
class Chance:
    """How likely one of the three answers is."""

    side: str  # "network", "equal" or "simple"
    share: float
    text: str  # "network 71%"


@dataclass(frozen=True)
class Flag:
    """A finding that may make the scores meaningless, by its name; what was found stands with the data."""

    severity: str  # "serious" or "warning"
    text: str  # "Leakage: boat"


@dataclass(frozen=True)
class FirstScreen:
    """The facts, in words."""

    badge: str
    sentence: str
    recommended: str  # title
    score: str  # "ROC AUC 0.862 [0.801, 0.923]"; the interval holds 95%
    chances: tuple[Chance, ...]  # empty where there are none
    leaders: tuple[Standing, ...]
    n_more: int  # contenders that are not among the leaders
    flags: tuple[Flag, ...]
    n_more_flags: int
    next_step: str  # what the command does
    command: str  # empty where the run has no folder
    price: str = ""  # of a model that can be read


def first_screen(comparison: Comparison, findings: Sequence[Finding], words: Words, folder: str) -> FirstScreen:
    """The facts of a finished run; ``folder`` is how a command names it."""
    verdict, metric = comparison.verdict, METRICS[comparison.metric]
    chosen = next(s for s in comparison.standings if s.contender == verdict.recommended)
    leaders = _leaders(comparison.standings, chosen)
    flags = [_flag(f) for severity in ("serious", "warning") for f in findings if f.severity == severity]
    to_read = only_explainable(comparison.standings) and chosen in competing(comparison.standings)
    badge = TO_READ if to_read else OUT_OF_TIME if verdict.unfinished else BADGES[verdict.kind]
    next_step, command = _next(comparison, words, folder)
    return FirstScreen(
        badge=badge,
        sentence=_which_to_read(comparison, metric, chosen) if to_read else _sentence(comparison, metric, words),
        recommended=chosen.title,
        score=_score(comparison, metric, chosen),
        chances=() if to_read else _chances(comparison),
        leaders=leaders,
        n_more=len(comparison.standings) - len(leaders),
        flags=tuple(flags[:MOST_FLAGS]),
        n_more_flags=max(0, len(flags) - MOST_FLAGS),
        next_step=next_step,
        command=command,
        price=_price(comparison, metric),
    )


def _leaders(standings: Sequence[Standing], chosen: Standing) -> tuple[Standing, ...]:
    """The best, with the recommended one and the baseline, in the order of the table; who was left out is no leader."""
    baseline = [s for s in standings if s.family == "dummy" and s is not chosen]
    others = [s for s in standings if s is not chosen and s not in baseline and s.state != "skipped"]
    kept = [chosen, *baseline, *others][:MOST_LEADERS]
    return tuple(s for s in standings if s in kept)


def _flag(finding: Finding) -> Flag:
    where = f": {listed(finding.columns, 2)}" if finding.columns else ""
    return Flag(finding.severity, f"{outside(finding.kind)}{where}")


def _chances(comparison: Comparison) -> tuple[Chance, ...]:
    p = comparison.verdict.posterior
    if p is None:
        return ()
    sides = (("network", p.p_first), ("equal", p.p_equal), ("simple", p.p_second))
    return tuple(Chance(side, share, f"{side} {probability(share, brief=True)}") for side, share in sides)


def _score(comparison: Comparison, metric: Metric, standing: Standing) -> str:
    if metric.name not in standing.means:
        return ""
    mean, spread = standing.means[metric.name], standing.spread(metric.name)
    interval = score_interval(comparison, standing)
    score = metric.shows_mean(mean, spread) if interval is None else metric.shows_interval(mean, spread, *interval)
    return f"{outside(metric.title)} {score}"


def _sentence(comparison: Comparison, metric: Metric, words: Words) -> str:
    """The two sides and their scores; where there are not two, the verdict's headline."""
    verdict = comparison.verdict
    table = {s.contender: s for s in comparison.standings}
    titles, chosen = {name: s.title for name, s in table.items()}, table[verdict.recommended]
    p, network, simple = verdict.posterior, verdict.network, verdict.simple
    if chosen.family == "dummy":
        return _nothing_learnt(comparison, metric, chosen, words)
    if network is None or simple is None:
        return minus(verdict.headline)
    pair = [(inside(side_title(side, titles)), side) for side in (network, simple)]
    if verdict.kind == "simple":
        pair.reverse()
    (first_name, first_side), (second_name, second_side) = pair
    several = [not stood_alone(side) for _, side in pair]
    first = f"{outside(first_name)}{EACH if several[0] and not several[1] else ''}"
    second = f"{second_name}{EACH if several[1] else ''}"
    name = outside(metric.title) if metric.greater_is_better else f"{metric.title} (lower is better)"
    way = 1.0 if metric.greater_is_better == (verdict.kind != "simple") else -1.0  # a raw difference, first less second
    ends = () if p is None else sorted((way * p.low, way * p.high))
    scores = f"{name} {minus(metric.compares(first_side.mean, second_side.mean, *ends))}"
    if p is None:
        return f"{first} vs {second}: {scores} on one test fold, and one score has no certainty."
    who = f"{first} vs {second}: {scores}"
    worth = metric.tells(p.worth)
    if verdict.kind in ("network", "simple"):
        said = f"{first} {'beat' if is_plural(first_name) else 'beats'} {second}: {scores}."
    elif verdict.kind == "equal":
        said = f"{who}; a difference within ±{worth} counts as equal."
    elif verdict.kind == "no network":
        said = f"{who}; the chance of a gain above {worth} is {probability(p.p_first)}."
    elif verdict.unfinished:
        said = f"{who} so far; {'networks' if verdict.unfinished == 'network' else 'simple models'} need more time."
    else:
        rows = verdict.rows_that_would_tell
        said = f"{who}{f'; about {rows:,} {words.rows} would probably tell' if rows else ''}."
    with_network = any(table[name].family == "network" for name in chosen.members)
    return f"{said} In a team a network helps." if with_network and verdict.kind in _NOT_ALONE else said


def _which_to_read(comparison: Comparison, metric: Metric, chosen: Standing) -> str:
    """Where only models compete that a person can read: how many were scored, and the best beside the recommended."""
    own = competing(comparison.standings)
    scored = [s for s in own if metric.name in s.means]
    others = [s for s in scored if s is not chosen]
    said = plain_count(len(own), "readable model")
    if len(scored) < len(own):
        said = f"{len(scored)} of {said} {'was' if len(scored) == 1 else 'were'} scored"
    if not others:
        return f"{said}."
    one, other = (minus(metric.shows(s.means[metric.name])) for s in (chosen, others[0]))
    lower = "" if metric.greater_is_better else " (lower is better)"
    return f"{said}: {inside(chosen.title)} vs {inside(others[0].title)}, {metric.title}{lower} {one} vs {other}."


def _nothing_learnt(comparison: Comparison, metric: Metric, dummy: Standing, words: Words) -> str:
    """Where the baseline ships: the best beside it; the headline where nothing else was scored."""
    scored = [s for s in comparison.standings if s is not dummy and metric.name in s.means]
    if not scored:
        return minus(comparison.verdict.headline)
    best = scored[0]
    scores = [minus(metric.shows(s.means[metric.name])) for s in (best, dummy)]
    surely = "surely " if metric.gain(best.means[metric.name], dummy.means[metric.name]) > 0 else ""
    return (
        f"No model that could ship is {surely}better than the baseline, which {words.baseline}: "
        f"{inside(best.title)} vs baseline, {metric.title} {scores[0]} vs {scores[1]}."
    )


def _price(comparison: Comparison, metric: Metric) -> str:
    """The price in a few words, with whom it is of: ``"linear model: costs nothing"``; empty where it is not known."""
    price = comparison.price
    if price is not None and only_explainable(comparison.standings):
        return "cost not known: only readable models competed"
    if price is None or price.explainable is None or price.posterior is None:
        return ""
    titles, p = {s.contender: s.title for s in comparison.standings}, price.posterior
    low, high = (minus(metric.tells(end, sign=True)) for end in (p.low, p.high))
    said = {
        "costs nothing": "costs nothing",
        "costs": f"costs {metric.tells(p.mean)} in {metric.title} [{low}, {high}]",
    }.get(price.kind, f"cannot tell yet (costs {low} to {high} in {metric.title})")
    return f"{side_title(price.explainable, titles)}: {said}"


_NOT_ALONE = ("simple", "equal", "no network")


def _next(comparison: Comparison, words: Words, folder: str) -> tuple[str, str]:
    """More time where that may turn the answer, else the model's use; nothing of a run without a folder."""
    if not folder:
        return "", ""
    place = shlex.quote(folder)
    if comparison.verdict.kind == "cannot tell" and any(
        s.still_improves or s.state == "cut short" for s in comparison.standings
    ):
        return "Give it more time", f"annvil resume {place} --budget {2 * comparison.plan.budget_seconds:g}s"
    return "Use the model", f"annvil predict {place} {words.example} -o predictions.csv"
