"""Why the recommended contender ships, and not another."""

from __future__ import annotations

from annvil.comparison.recommendation import SAME_COST, relative_costs
from annvil.comparison.results import Standing
from annvil.comparison.sentences.told import Told
from annvil.models.contract import FAMILIES
from annvil.text.phrases import is_plural, listed, named, outside
from annvil.text.quantities import digits

COST = "latency, size and fitting together"


class Because(Told):
    """The recommendation's reasons."""

    def because(self) -> str:
        """Why this contender, and who is in it where it is a team."""
        chosen = self.table[self.finding.recommendation.contender]
        if not chosen.members:
            return self._why()
        costs = "time to fit, latency and size are those of all together"
        return f"{self._why()} It averages {chosen.summary}; {costs}."

    def _why(self) -> str:
        chosen, best = (
            self.table[n] for n in (self.finding.recommendation.contender, self.finding.recommendation.best)
        )
        it = outside(named(chosen.title))
        score = "score" if is_plural(chosen.title) else "scores"
        if chosen.family == "dummy" and len(self.finding.paired.results) == 1:
            return "It is all there is."
        if chosen.family == "dummy" and self.network_may_know:
            return (
                "No simple model beats it by the gain that would justify one, and that a network does is not certain."
            )
        if chosen.family == "dummy":
            return "Nothing beats it by the gain that would justify a model."
        if chosen.contender == best.contender and (aside := self._set_aside(chosen)):
            return f"{it} {score} best of the models that may ship. {aside}"
        if chosen.contender == best.contender:
            return f"{it} {score} best, and {self._no_substitute()}."
        aside = self._set_aside(best)
        behind = self.finding.paired.metric.gain(
            self.finding.paired.mean(best.contender), self.finding.paired.mean(chosen.contender)
        )
        are = "are" if is_plural(chosen.title) else "is"
        cheaper = f"at a clearly lower cost ({COST})"
        if FAMILIES.index(chosen.family) < FAMILIES.index(best.family):
            within = f"counts as equal (within {SAME_COST:g} times)"
            cheaper = f"and a simpler kind of model whose cost ({COST}) is lower, or {within}"
        why = f"{it} {are} practically as good as {named(best.title)} ({self._away(behind)}), {cheaper}."
        return " ".join(one for one in (why, aside, *self._between()) if one)

    def costs(self) -> str:
        """What the best, and who is near it, cost beside the recommended: clock readings, kept out of the reasons."""
        found, chosen = self.finding.recommendation, self.table[self.finding.recommendation.contender]
        near = [s for s in self.evidence.standings if s.contender in found.not_worse and s is not chosen]
        if not near:
            return ""
        ratios = [b / a for a, b in (relative_costs([chosen.cost, s.cost]) for s in near)]
        told = [f"{named(s.title)} {_in_times(ratio)}" for s, ratio in zip(near, ratios, strict=True)]
        return f"Of models near enough to ship, cost beside {named(chosen.title)} ({COST}): {listed(told, len(told))}."

    def _between(self) -> list[str]:
        """Why those who score higher than the recommended contender, and no higher than the best, do not ship."""
        found, name = self.finding.recommendation, self.metric.name
        chosen, best = self.table[found.contender], self.table[found.best]
        others = [s for s in self.evidence.standings if name in s.means and s not in (chosen, best)]
        between = [
            s
            for s in others
            if self.metric.gain(s.means[name], chosen.means[name]) > 0
            and self.metric.gain(s.means[name], best.means[name]) <= 0
        ]
        near = [f"{named(s.title)} ({self._beside(s, chosen)})" for s in between if s.contender in found.not_worse]
        told = [f"Near enough, too, but not clearly cheaper: {listed(near, len(near))}."] if near else []
        for s in between:
            if s.contender in found.not_worse:
                continue
            verb, are = ("score", "are") if is_plural(s.title) else ("scores", "is")
            far = f"{are} probably too far behind {named(best.title)}"
            why = far if s.contender in found.allowed else self._why_not(s)
            told.append(f"{outside(named(s.title))} {verb} {self.metric.shows(s.means[name])}, but {why}.")
        return told

    def _no_substitute(self) -> str:
        """Why nobody cheaper takes the place of the best: nobody is near, or the near ones are no cheaper."""
        recommendation = self.finding.recommendation
        if len(recommendation.not_worse) == 1:
            half, whole = (self.metric.tells(part * self.evidence.worth) for part in (0.5, 1.0))
            return (
                "every other model that may ship is probably too far behind to take its place (further than "
                f"{half}, or {whole} between a network and a simple model)"
            )
        chosen = self.table[recommendation.contender]
        near = [self.table[name] for name in recommendation.not_worse if name != recommendation.contender]
        told = listed([f"{named(s.title)} ({self._beside(s, chosen)})" for s in near])
        are = "are" if len(near) > 1 or is_plural(near[0].title) else "is"
        return (
            f"{told}, near enough to take its place, {are} no clearly cheaper choice: costs within "
            f"{SAME_COST:g} times count as equal, and then the simpler kind of model goes first"
        )

    def _beside(self, other: Standing, chosen: Standing) -> str:
        """How far from the recommended contender: "0.006 behind"."""
        behind = self.metric.gain(self.finding.paired.mean(chosen.contender), self.finding.paired.mean(other.contender))
        return self._away(behind)

    def _away(self, behind: float) -> str:
        """``"0.006 behind"``, ``"0.001 ahead"``; of two that differ by nothing ``"level"``."""
        told = self.metric.tells(abs(behind))
        return "level" if told == "0" else f"{told} {'behind' if behind > 0 else 'ahead'}"

    def _set_aside(self, best: Standing) -> str:
        """Who scores higher than the best that may ship, and why it may not; empty where nobody does."""
        name, told = self.metric.name, []
        for s in self.evidence.standings:
            if name in s.means and name in best.means and self.metric.gain(s.means[name], best.means[name]) > 0:
                verb = "score" if is_plural(s.title) else "scores"
                why = f"but {self._why_not(s)}"
                told.append(f"{outside(named(s.title))} {verb} {self.metric.shows(s.means[name])}, {why}.")
        return " ".join(told)

    def _why_not(self, standing: Standing) -> str:
        """Why a contender may not ship, in the order in which the recommendation asks."""
        if standing.contender not in self.finding.paired.results:
            return "not on all test folds that the others have"
        if standing.cost is None or standing.cost.size_bytes is None:
            return "could not be exported"
        with_network = standing.family == "network" or bool(standing.members)
        if with_network and self.finding.kind == "cannot tell":
            return "that a network beats the baseline at all is not beyond doubt"
        if self.finding.kind == "network":
            return "a network is what the verdict asks for"
        return "no network is needed"


def _in_times(ratio: float) -> str:
    """``"3.4 times"``; of costs that are equal but for what a clock scatters ``"about the same"``."""
    return "about the same" if 0.95 < ratio < 1.05 else f"{digits(ratio)} times"
