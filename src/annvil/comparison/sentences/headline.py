"""The answer, in one or two sentences."""

from __future__ import annotations

from collections.abc import Sequence

from annvil.comparison.results import Posterior, Standing, competing, only_explainable
from annvil.comparison.sentences.told import Told, beats, usual
from annvil.text.phrases import inside, is_plural, listed, named, outside
from annvil.text.quantities import probability


class Headline(Told):
    """One kind of answer a method."""

    def headline(self) -> str:
        """One or two sentences: the answer, and how sure it is."""
        posterior, kind = self.finding.posterior, self.finding.kind
        recommended = self.table[self.finding.recommendation.contender]
        if recommended.family == "dummy" and len(self.finding.paired.results) == 1:
            why = self._how_far([s for s in self.evidence.standings if s.family != "dummy"])
            return f"Nothing but guessing could be scored{why}. More time, or fewer {self.words.features}, would help."
        if recommended.family == "dummy" and not self.network_may_know and self.evidence.untried:
            untried = listed([named(self.table[name].title) for name in self.evidence.untried])
            verb = "was" if len(self.evidence.untried) == 1 and not is_plural(untried) else "were"
            return (
                f"Not enough time to tell whether the inputs predict the target: {untried} {verb} not scored, and what "
                "was scored does not beat a baseline that ignores them."
            )
        if recommended.family == "dummy" and not self.network_may_know:
            return self._nothing_learnt(recommended)
        if only_explainable(self.evidence.standings) and recommended in competing(self.evidence.standings):
            return self._to_read(recommended)
        if posterior is None:
            return self._no_comparison(recommended)
        gap, worth = self.amount(abs(posterior.mean)), self.metric.tells(self.evidence.worth)
        if kind == "network":
            return (
                f"A network is worth it. {outside(self.network)} {beats(self.network)} {self.simple} by {gap}; "
                f"the chance that the gain is more than {worth} is {probability(posterior.p_first)}."
            )
        if kind == "simple":
            return (
                f"{self._not_needed} {outside(self.simple)} {beats(self.simple)} {self.network} by {gap}; "
                f"the chance that the gap is more than {worth} is {probability(posterior.p_second)}."
            )
        if kind == "equal":
            return self._equal(posterior, recommended)
        if kind == "no network":
            return (
                f"{self._not_needed} The chance that one is better than {self.simple} by more than {self.worth} is "
                f"only {probability(posterior.p_first)}."
            )
        return self._cannot_tell(posterior)

    def _to_read(self, recommended: Standing) -> str:
        """Where only models compete that a person can read: which of them, not whether it is a network."""
        name, verb = self.metric.name, "are" if is_plural(recommended.title) else "is"
        others = [s for s in competing(self.evidence.standings) if s is not recommended and name in s.means]
        beside = "".join(f", {inside(s.title)} {self.metric.shows(s.means[name])}" for s in others[:1])
        return (
            f"Of the models that a person can read, {named(recommended.title)} {verb} the one to use: "
            f"{self.metric.title} {self.metric.shows(recommended.means[name])}{beside}."
        )

    def _nothing_learnt(self, dummy: Standing) -> str:
        """Where the baseline ships; a model that is ahead of it all the same is named."""
        name = self.metric.name
        scored = [s for s in self.evidence.standings if s.family != "dummy" and name in s.means]
        gains = {s.title: self.metric.gain(s.means[name], dummy.means[name]) for s in scored}
        best = max(gains, key=gains.__getitem__, default="")
        if best and gains[best] > self.evidence.worth:
            verb = "are" if is_plural(best) else "is"
            return (
                f"Whether the inputs predict the target is open: {named(best)} {verb} {self.amount(gains[best])} ahead "
                "of a baseline that ignores them, but not surely, or cannot ship."
            )
        return (
            "The inputs do not predict the target: no model beats a baseline that ignores them by more than "
            f"{self.worth}."
        )

    def _equal(self, posterior: Posterior, recommended: Standing) -> str:
        opening = (
            "A network is as good as the simple models here, and no better."
            if recommended.family == "network"
            else self._not_needed
        )
        return (
            f"{opening} {outside(self.simple)} and {self.network} are practically equal: they differ by "
            f"{self.amount(abs(posterior.mean))}, and the chance that it is no more than "
            f"{self.metric.tells(self.evidence.worth)} is {probability(posterior.p_equal)}."
        )

    @property
    def _not_needed(self) -> str:
        """The opening where the answer is no; a team may gain by a network that is not worth it alone."""
        members = self.table[self.finding.recommendation.contender].members
        if any(self.table[name].family == "network" for name in members):
            return "No network needed alone, but one helps in a team."
        return "No network needed."

    def _cannot_tell(self, posterior: Posterior) -> str:
        if self.finding.unfinished is not None:
            pair = (self.network, self.simple)
            loser, other = pair if self.finding.unfinished.name == "network" else pair[::-1]
            gap = posterior.mean if self.finding.unfinished.name == "network" else -posterior.mean
            place = f"{self.amount(abs(gap))} {'ahead of' if gap > 0 else 'behind'} {other}"
            if self.metric.tells(abs(gap)) == "0":
                place = f"level with {other}"
            if self.finding.untried:
                verb = "are" if is_plural(loser) else "is"
                untried = self.finding.untried
                return (
                    f"Not enough time to tell: {named(untried)} {'were' if is_plural(untried) else 'was'} not scored; "
                    f"so far {loser} {verb} {place}. A larger budget would go on from here."
                )
            return (
                f"Not enough time to tell: {loser} {self._not_at_its_end(loser)}, and so far "
                f"{'they are' if is_plural(loser) else 'it is'} {place}. A larger budget would go on from here."
            )
        if self.seems_better(posterior):
            seems = "seem" if is_plural(self.network) else "seems"
            return (
                f"Cannot tell yet: {self.network} {seems} better than {self.simple}, but whether the inputs predict "
                "the target at all is not beyond doubt."
            )
        rows = self.finding.rows_that_would_tell
        more = f"; about {rows:,} {self.words.rows} would probably tell" if rows else ""
        return (
            f"Cannot tell yet whether a network is worth it: with {self.evidence.plan.n_rows:,} {self.words.rows} "
            f"its advantage over {self.simple} lies anywhere from {self.metric.tells(posterior.low, sign=True)} to "
            f"{self.amount(posterior.high, sign=True)}{more}."
        )

    def _not_at_its_end(self, loser: str) -> str:
        """What is known of the side's training: a single step says nothing of how far it climbs."""
        standing = self.table[usual(self.finding.unfinished)]
        if standing.rung == 0:
            return "have only had a first training" if is_plural(loser) else "has only had a first training"
        return "still improve with longer training" if is_plural(loser) else "still improves with longer training"

    def _no_comparison(self, recommended: Standing) -> str:
        if self.finding.network is None:
            why = self._how_far([s for s in self.evidence.standings if s.family == "network"])
            verb = "are" if is_plural(recommended.title) else "is"
            return f"No network could be compared{why}. {outside(named(recommended.title))} {verb} recommended."
        return "Cannot tell: there was time for one common test fold only, and one score has no certainty."

    def _how_far(self, absent: Sequence[Standing]) -> str:
        """Why whoever came furthest has no score, in brackets: `` (dense network: 3 of 5 folds were fitted)``."""
        tried = max((s for s in absent if s.reason), key=lambda s: s.used_seconds, default=None)  # else the first
        return f" ({inside(tried.title)}: {inside(tried.reason.rstrip('.'))})" if tried else ""
