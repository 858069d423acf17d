"""The verdict in sentences that a domain expert understands; every number in them stands in the records too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from annvil.comparison.evidence import BEYOND_DOUBT, Evidence, Finding
from annvil.comparison.recommendation import NOT_WORSE, relative_costs
from annvil.comparison.results import Posterior, Side, Standing, Verdict
from annvil.tasks.metrics import Metric
from annvil.text.phrases import inside, is_plural, listed, named, outside
from annvil.text.quantities import probability, times
from annvil.text.words import Words


def put_into_words(evidence: Evidence, finding: Finding) -> Verdict:
    """The verdict record."""
    told = _Sentences(evidence, finding)
    return Verdict(
        kind=finding.kind,
        headline=told.headline(),
        sentences=tuple(sentence for sentence in told.sentences() if sentence),
        recommended=finding.recommendation.contender,
        recommended_because=told.because(),
        posterior=finding.posterior,
        network_ruled_out=finding.network_ruled_out,
        rows_that_would_tell=finding.rows_that_would_tell,
        base_rate=evidence.base_rate,
        network=finding.network,
        simple=finding.simple,
        unfinished=finding.unfinished.name if finding.unfinished else "",
    )


class _Sentences:
    """One sentence a method."""

    def __init__(self, evidence: Evidence, finding: Finding) -> None:
        self.evidence, self.finding, self.words = evidence, finding, evidence.words
        self.metric: Metric = evidence.metric
        self.table = {s.contender: s for s in evidence.standings}
        self.worth = self.amount(evidence.worth)
        self.network = named(self.table[_usual(finding.network)].title) if finding.network else "a network"
        self.simple = named(self.table[_usual(finding.simple)].title) if finding.simple else "a simple model"

    def amount(self, difference: float, *, sign: bool = False) -> str:
        """A difference with the metric's name: "0.3 points of ROC AUC", "512 in RMSE"."""
        return f"{self.metric.tells(difference, sign=sign)} {self._of} {self.metric.title}"

    @property
    def _of(self) -> str:
        return "of" if self.metric.greater_is_better else "in"

    # -- the answer ------------------------------------------------------------------------------------------------

    def headline(self) -> str:
        """One or two sentences: the answer, and how sure it is."""
        posterior, kind = self.finding.posterior, self.finding.kind
        recommended = self.table[self.finding.recommendation.contender]
        if recommended.family == "dummy" and len(self.finding.paired.results) == 1:
            others = [s.reason for s in self.evidence.standings if s.family != "dummy" and s.reason]
            why = f": {others[0].rstrip('.')}" if others else ""
            return f"Nothing but guessing could be scored{why}. More time, or fewer {self.words.features}, would help."
        if recommended.family == "dummy" and not self._network_may_know and self.evidence.untried:
            untried = listed([named(self.table[name].title) for name in self.evidence.untried])
            verb = "was" if len(self.evidence.untried) == 1 and not is_plural(untried) else "were"
            return (
                f"Not enough time to tell whether the inputs predict the target: {untried} {verb} not scored, and what "
                "was scored does not beat a baseline that ignores them."
            )
        if recommended.family == "dummy" and not self._network_may_know:
            return (
                "The inputs do not predict the target: no model beats a baseline that ignores them by more than "
                f"{self.worth}."
            )
        if posterior is None:
            return self._no_comparison(recommended)
        gap, worth = self.amount(abs(posterior.mean)), self.metric.tells(self.evidence.worth)
        if kind == "network":
            return (
                f"A network is worth it. {outside(self.network)} {_beat(self.network)} {self.simple} by {gap}; "
                f"the chance that the gain is more than {worth} is {probability(posterior.p_first)}."
            )
        if kind == "simple":
            return (
                f"{self._not_needed} {outside(self.simple)} {_beat(self.simple)} {self.network} by {gap}; "
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

    def _equal(self, posterior: Posterior, recommended: Standing) -> str:
        opening = (
            "A network and the simple models are practically equal, and here the network is the cheaper one."
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
            if self.finding.untried:
                verb = "are" if is_plural(loser) else "is"
                untried = self.finding.untried
                return (
                    f"Not enough time to tell: {named(untried)} {'were' if is_plural(untried) else 'was'} not scored; "
                    f"so far {loser} {verb} {place}. A larger budget would go on from here."
                )
            return (
                f"Not enough time to tell: {loser} {self._not_at_its_end(loser)}, and so far it is {place}. A larger "
                "budget would go on from here."
            )
        if self._seems_better(posterior):
            return (
                f"Cannot tell yet: {self.network} seems better than {self.simple}, but whether the inputs predict the "
                "target at all is not beyond doubt."
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
        standing = self.table[_usual(self.finding.unfinished)]
        if standing.rung == 0:
            return "have only had a first training" if is_plural(loser) else "has only had a first training"
        return "still improve with longer training" if is_plural(loser) else "still improves with longer training"

    @property
    def _network_may_know(self) -> bool:
        """Whether it is likelier than not that the network side beats guessing."""
        return (self.finding.beats_guessing or 0.0) > NOT_WORSE

    def _seems_better(self, posterior: Posterior) -> bool:
        """Whether a network would have been the answer, had it been beyond doubt that it beats guessing."""
        return self.finding.kind == "cannot tell" and posterior.p_first >= self.evidence.confidence

    def _no_comparison(self, recommended: Standing) -> str:
        if self.finding.network is None:
            reasons = [s.reason.rstrip(".") for s in self.evidence.standings if s.family == "network" and s.reason]
            why = f": {reasons[0][:1].lower()}{reasons[0][1:]}" if reasons else ""
            verb = "are" if is_plural(recommended.title) else "is"
            return f"No network could be compared{why}. {outside(named(recommended.title))} {verb} recommended."
        return "Cannot tell: there was time for one common test fold only, and one score has no certainty."

    # -- the reasons -----------------------------------------------------------------------------------------------

    def sentences(self) -> list[str]:
        """The reasons in order; empty strings where there is nothing to say."""
        return [
            self.scores(),
            self.chances(),
            self.interval(),
            self.more_rows(),
            self.curves(),
            self.costs(),
            self.guessing(),
            self.lost(),
            self.fairness(),
            self.caveats(),
        ]

    def scores(self) -> str:
        """What both sides scored, and who stood for them."""
        network, simple = self.finding.network, self.finding.simple
        if network is None or simple is None:
            return ""
        n = len(network.per_fold)
        return (
            f"On the same {n} test folds the network side scored {self.metric.shows(network.mean)} and the simple side "
            f"{self.metric.shows(simple.mean)} {self.metric.title} on average. In every fold each side is the "
            f"contender that validation inside the training {self.words.rows} preferred: {self._counts(network)} "
            f"against {self._counts(simple)}."
        )

    def _counts(self, side: Side) -> str:
        counts = Counter(side.contenders).most_common()
        if len(counts) == 1:
            return inside(self.table[counts[0][0]].title)
        return ", ".join(f"{inside(self.table[name].title)} in {count}" for name, count in counts)

    def chances(self) -> str:
        """The three probabilities."""
        p = self.finding.posterior
        if p is None:
            return ""
        return (
            f"The chance that a network is better by more than {self.worth}, the gain that would justify one, is "
            f"{probability(p.p_first)}; that the two sides are that close to each other, {probability(p.p_equal)}; "
            f"that the simple side is better by more, {probability(p.p_second)}."
        )

    def interval(self) -> str:
        """The 95% interval."""
        p = self.finding.posterior
        if p is None:
            return ""
        return (
            f"With 95% certainty the network's advantage lies between {self.metric.tells(p.low, sign=True)} and "
            f"{self.amount(p.high, sign=True)}."
        )

    def more_rows(self) -> str:
        """How many rows would tell, when it cannot be told."""
        plan, rows = self.evidence.plan, self.finding.rows_that_would_tell
        posterior = self.finding.posterior
        if self.finding.kind != "cannot tell" or posterior is None or self.finding.unfinished is not None:
            return ""
        if self._seems_better(posterior):
            sure = probability(self.finding.beats_guessing or 0.0)
            return (
                f"The chance that a network beats the baseline, which ignores the inputs, by more than {self.worth} "
                f"is {sure}; {probability(BEYOND_DOUBT)} is asked before one is called worth it, because chance alone "
                "makes some contender look good on data that hold nothing."
            )
        if rows is None:
            return (
                f"No reasonable number of {self.words.rows} would settle it: the difference is too close to the border "
                "of what would be worth it."
            )
        return (
            f"If the difference stays as it is, about {rows:,} {self.words.rows} ({times(rows / plan.n_rows)} "
            "times as many) would probably settle it; this is an extrapolation."
        )

    def curves(self) -> str:
        """Whether more rows would turn the answer round."""
        if self.evidence.crossing is not None:
            return self.evidence.crossing.sentence
        ill = [curve for curve in self.evidence.curves if not curve.well_behaved]
        if not ill:
            return ""
        title, remark = named(self.table[ill[0].contender].title), ill[0].remark
        return (
            f"What more {self.words.rows} would change is not said; the learning curve of {title}: "
            f"{remark[:1].lower()}{remark[1:]}"
        )

    def costs(self) -> str:
        """What the network costs beside the simple side."""
        network, simple = self.finding.network, self.finding.simple
        if network is None or simple is None:
            return ""
        first, second = self.table[_usual(network)], self.table[_usual(simple)]
        return cost_sentence(first, second, self.words)

    def guessing(self) -> str:
        """The dummy's score, and how sure it is that the recommended contender beats it."""
        dummies = [s for s in self.evidence.standings if s.family == "dummy" and s.means]
        if not dummies:
            return ""
        dummy, chosen = dummies[0], self.finding.recommendation.contender
        text = f"The baseline, which ignores the inputs, scores {self.metric.shows(dummy.means[self.metric.name])}"
        paired = self.finding.paired
        if chosen == dummy.contender or dummy.contender not in paired.results:
            return f"{text}."
        posterior = paired.contrast([chosen], [dummy.contender], self.evidence.worth).posterior
        if posterior is None:
            return f"{text}."
        title, sure = named(self.table[chosen].title), probability(posterior.p_first)
        return f"{text}; the chance that {title} {_beat(title)} that by more than {self.worth} is {sure}."

    def lost(self) -> str:
        """Every contender that is not recommended, with its distance from the best."""
        best = self.table[self.finding.recommendation.best]
        name = self.metric.name
        rows = []
        for s in self.evidence.standings:
            if s.contender in (self.finding.recommendation.contender, best.contender) or s.family == "dummy":
                continue
            if s.means:
                behind = self.metric.gain(best.means[name], s.means[name])
                rows.append(f"{inside(s.title)} ({self.metric.shows(s.means[name])}, {self._place(behind, best)})")
            else:
                rows.append(f"{inside(s.title)} ({s.state})")
        return f"Also tried: {'; '.join(rows)}." if rows else ""

    def _place(self, behind: float, best: Standing) -> str:
        if behind == 0:
            return f"level with {named(best.title)}"
        return f"{self.metric.tells(abs(behind))} {'behind' if behind > 0 else 'ahead of'} {named(best.title)}"

    def fairness(self) -> str:
        """What each side was offered and used."""
        used = {side: self._used(side) for side in (True, False)}
        if not any(seconds for seconds, _, _ in used.values()):
            return ""
        parts = [
            f"{'networks' if network else 'simple models'} used {_seconds(seconds)} for {done} of {offered} steps"
            for network, (seconds, done, offered) in used.items()
        ]
        return f"Effort, in steps of longer training and wider search: {', '.join(parts)}."

    def _used(self, network: bool) -> tuple[float, int, int]:
        """Seconds, rungs that are complete, and rungs of all ladders, of one side."""
        mates = [
            s
            for s in self.evidence.standings
            if s.family not in ("dummy", "team") and (s.family == "network") == network
        ]
        done = sum(0 if s.rung is None else s.rung + 1 for s in mates)
        return sum(s.used_seconds for s in mates), done, sum(len(s.rungs) for s in mates)

    def caveats(self) -> str:
        """What the numbers do not cover."""
        texts = []
        cut = [inside(s.title) for s in self.evidence.standings if s.state == "cut short"]
        if cut:
            texts.append(f"Cut short by the clock, and perhaps better with more time: {', '.join(cut)}.")
        if self.evidence.time_ordered:
            texts.append(
                f"The folds follow time and differ in how many {self.words.rows} they train on, which the "
                "probabilities do not account for: take them as rough."
            )
        return " ".join(texts)

    # -- the recommendation ----------------------------------------------------------------------------------------

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
        if chosen.family == "dummy" and self._network_may_know:
            return (
                "No simple model beats it by the gain that would justify one, and that a network does is not certain."
            )
        if chosen.family == "dummy":
            return "Nothing beats it by the gain that would justify a model."
        if chosen.contender == best.contender and (aside := self._set_aside(chosen)):
            return f"{it} {score} best of the models that may ship. {aside}"
        if chosen.contender == best.contender:
            others = [n for n in self.finding.recommendation.not_worse if n != chosen.contender]
            if not others:
                return f"{it} {score} best, and no other contender is within reach."
            return f"{it} {score} best, and nothing simpler or clearly cheaper is near enough to take its place."
        aside = self._set_aside(best)
        behind = self.finding.paired.metric.gain(
            self.finding.paired.mean(best.contender), self.finding.paired.mean(chosen.contender)
        )
        costs = relative_costs([chosen.cost, best.cost])
        ratio = costs[1] / costs[0]
        plural = is_plural(chosen.title)
        cheaper = f"{'cost' if plural else 'costs'} {times(ratio)} times less"
        if ratio < 2:
            cheaper = f"{'are' if plural else 'is'} simpler at a similar cost"
        are, behind_by = "are" if plural else "is", self.metric.tells(behind)
        return (
            f"{it} {are} practically as good as {named(best.title)} ({behind_by} behind) and {cheaper} "
            f"(latency, size and fitting together).{' ' if aside else ''}{aside}"
        )

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


def cost_sentence(first: Standing, second: Standing, words: Words) -> str:
    """What the first costs beside the second: fitting, one answer, size; empty when neither is known."""
    if first.cost is None or second.cost is None:
        return ""
    parts = [
        _compared("processor time to fit", first.cost.core_seconds, second.cost.core_seconds, _seconds),
        _compared(f"time for one {words.row}", first.cost.latency_ms_p50, second.cost.latency_ms_p50, _milliseconds),
        _compared("size", first.cost.size_bytes, second.cost.size_bytes, _bytes),
    ]
    told = [part for part in parts if part]
    return f"Cost of {named(first.title)} beside {named(second.title)}: {', '.join(told)}." if told else ""


def _compared(what: str, first: float | None, second: float | None, show: Callable[[float], str]) -> str:
    return f"{what} {show(first)} against {show(second)}" if first and second else ""


def _milliseconds(ms: float) -> str:
    return f"{ms:.2g} ms"


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds:,.0f} s"


def _bytes(size: float) -> str:
    return f"{size / 1e3:,.0f} kB" if size < 1e6 else f"{size / 1e6:,.1f} MB"


def _usual(side: Side | None) -> str:
    """Who stood for the side most often; the first of equals."""
    assert side is not None
    return Counter(side.contenders).most_common(1)[0][0]


def _beat(name: str) -> str:
    return "beat" if is_plural(name) else "beats"
