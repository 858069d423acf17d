"""What it costs to be able to read the model: the best explainable contender against the best of all others.

The same folds and statistics as the verdict's (`annvil.comparison.contrast`): in every fold each side is the contender
that the fold's inner validation preferred. The dummy and teams are on neither side. What is said is as careful: nobody
has lost, or won nothing, while a family of models on their side waits for its first score, or while more effort may
turn the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from annvil.comparison.contrast import pair
from annvil.comparison.evidence import Evidence
from annvil.comparison.results import Contrast, Posterior, Price, Side, Standing, competing
from annvil.comparison.sentences.reasons import cost_sentence
from annvil.comparison.sentences.told import EACH, side_title, stood_alone, usual
from annvil.comparison.sides import PriceKind
from annvil.comparison.statistics import region_probabilities
from annvil.text.phrases import inside, is_plural, listed, named
from annvil.text.quantities import probability

ONLY_READABLE = "Only models that a person can read competed"

MOST_NAMED = 2
"""Models without a score that a sentence names; more are counted."""


def price_of(evidence: Evidence) -> Price:
    """The price, in numbers and one sentence."""
    own = competing(evidence.standings)
    readable, others = ([s for s in own if s.explainable == is_readable] for is_readable in (True, False))
    if not readable:
        return Price("not applicable", f"No model for {evidence.words.data[0]} in this run can be read by a person.")
    if not others:
        why = f"{ONLY_READABLE}, so what that costs is not known; a fit of all models would tell."
        return Price("cannot tell", why)
    paired = pair(evidence.folds, evidence.standings, evidence.metric)
    scored = [[s.contender for s in side if s.contender in paired.results] for side in (others, readable)]
    contrast = paired.contrast(scored[0], scored[1], evidence.worth, ("other", "explainable"))
    kind = _kind_of(contrast.posterior, evidence.confidence)
    why_not = _untried(kind, readable, others, contrast) or _unfinished(kind, contrast, evidence)
    kind = "cannot tell" if why_not else kind
    return Price(
        kind=kind,
        sentence=_Sentences(evidence, contrast).sentence(kind, why_not),
        explainable=contrast.second,
        other=contrast.first,
        posterior=contrast.posterior,
        costs=_costs(evidence, contrast),
    )


def _kind_of(posterior: Posterior | None, confidence: float) -> PriceKind:
    if posterior is None:
        return "cannot tell"
    if posterior.p_first <= 1 - confidence:
        return "costs nothing"
    return "costs" if posterior.p_first >= confidence else "cannot tell"


def _untried(kind: PriceKind, readable: Sequence[Standing], others: Sequence[Standing], contrast: Contrast) -> str:
    """The families of models that might turn the answer and of which none was scored, as part of a sentence.

    More readable models can only lower a price, more others only raise it.
    """
    waiting: list[str] = []
    for side, standings, answer in ((contrast.second, readable, "costs"), (contrast.first, others, "costs nothing")):
        if side is None or kind == answer:
            tried = {s.family for s in standings if s.means}
            waiting += [s.title for s in standings if s.family not in tried and s.state != "failed"]
    if not waiting:
        return ""
    if len(waiting) > MOST_NAMED:
        everybody = [*readable, *others]
        return f"{sum(not s.means for s in everybody)} of {len(everybody)} models were not scored"
    several = len(waiting) > 1 or is_plural(waiting[0])
    return f"{listed([named(title) for title in waiting])} {'were' if several else 'was'} not scored"


def _unfinished(kind: PriceKind, contrast: Contrast, evidence: Evidence) -> str:
    """The side whose further effort is expected to turn the answer, as part of a sentence."""
    posterior, loser = contrast.posterior, contrast.second if kind == "costs" else contrast.first
    if posterior is None or loser is None or kind == "cannot tell":
        return ""
    gain = min(evidence.metric.error(loser.mean), max(evidence.gains.get(n, 0.0) for n in set(loser.contenders)))
    if gain <= evidence.worth / 2:
        return ""
    moved = posterior.mean + (gain if loser is contrast.first else -gain)
    p_more, _, _ = region_probabilities(moved, posterior.scale, posterior.df, posterior.worth)
    if (p_more >= evidence.confidence) if kind == "costs" else (p_more <= 1 - evidence.confidence):
        return ""
    title = _title(loser, evidence)
    return f"{title} may still improve with longer training"


def _title(side: Side, evidence: Evidence) -> str:
    """The side as the subject of a sentence."""
    titles = {s.contender: s.title for s in evidence.standings}
    return f"{named(side_title(side, titles))}{'' if stood_alone(side) else EACH}"


def _costs(evidence: Evidence, contrast: Contrast) -> tuple[str, ...]:
    if contrast.first is None or contrast.second is None:
        return ()
    table = {s.contender: s for s in evidence.standings}
    told = cost_sentence(table[usual(contrast.second)], table[usual(contrast.first)], evidence.words)
    return (told,) if told else ()


class _Sentences:
    """The price for people."""

    def __init__(self, evidence: Evidence, contrast: Contrast) -> None:
        self.evidence, self.contrast, self.metric = evidence, contrast, evidence.metric

    def sentence(self, kind: PriceKind, why_not: str) -> str:
        """One sentence, two where the second says why it is not known."""
        other, readable, p = self.contrast.first, self.contrast.second, self.contrast.posterior
        if other is None or readable is None:
            none = "no other model was scored" if other is None else "no model that a person can read was scored"
            return f"What it costs to be able to read the model is not known: {why_not or none}."
        if p is None:
            return (
                "What it costs to be able to read the model is not known: there was time for one common test fold only."
            )
        best, black_box = _title(readable, self.evidence), _title(other, self.evidence)
        scores = f"{self.metric.title} {self.metric.shows(readable.mean)} against {self.metric.shows(other.mean)}"
        worth, low, high = (self.metric.tells(value, sign=sign) for value, sign in self._amounts(p))
        more = f"the chance that more than {worth} is given up is {probability(p.p_first)}"
        if kind == "costs":
            gap = f"{self.metric.tells(p.mean)} in {self.metric.title}"
            return (
                f"Being able to read the model costs {gap} [{low}, {high}]: {scores}, {inside(best)} against "
                f"{black_box}; {more}."
            )
        if kind == "costs nothing":
            return (
                f"Being able to read the model costs nothing here: {inside(best)} {self._place(p)} {black_box} "
                f"({scores}), and {more}."
            )
        why = why_not or more
        return (
            f"What it costs to be able to read the model cannot be told yet: {inside(best)} against {black_box}, "
            f"{scores}, so {low} to {high} is given up; {why}."
        )

    def _amounts(self, p: Posterior) -> tuple[tuple[float, bool], ...]:
        return (p.worth, False), (p.low, True), (p.high, True)

    def _place(self, p: Posterior) -> str:
        """``"is 0.004 ahead of"``."""
        assert self.contrast.second is not None
        titles = {s.contender: s.title for s in self.evidence.standings}
        verb = "are" if is_plural(side_title(self.contrast.second, titles)) else "is"
        told = self.metric.tells(abs(p.mean))
        if told == "0":
            return f"{verb} level with"
        return f"{verb} {told} {'behind' if p.mean > 0 else 'ahead of'}"
