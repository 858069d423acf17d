"""The reasons for an answer, a sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from annvil.comparison.evidence import BEYOND_DOUBT
from annvil.comparison.results import NO_SIDE, Side, Standing
from annvil.comparison.sentences.told import Told, beats, usual
from annvil.text.phrases import inside, named
from annvil.text.quantities import probability, round_up, seconds, size, times
from annvil.text.words import Words


class Reasons(Told):
    """One sentence a method."""

    def sentences(self) -> list[str]:
        """The reasons in order, without what a clock measured; empty strings where there is nothing to say."""
        return [
            self.scores(),
            self.chances(),
            self.more_rows(),
            self.curves(),
            self.guessing(),
            self.caveats(),
        ]

    def scores(self) -> str:
        """What both sides scored, and who stood for them."""
        network, simple = self.finding.network, self.finding.simple
        if network is None or simple is None:
            return ""
        p, n = self.finding.posterior, len(network.per_fold)
        interval = (None, None) if p is None else (p.low, p.high)
        if p is not None and not self.metric.greater_is_better:  # of an advantage, which is a lower error
            interval = -p.high, -p.low
        meaning = "" if p is None else " (mean difference and its 95% interval)"
        lower = "" if self.metric.greater_is_better else "; lower is better"
        return (
            f"Network side vs simple side on the same {n} test fold{'s' * (n > 1)}, {self.metric.title}{lower}: "
            f"{self.metric.compares(network.mean, simple.mean, *interval)}{meaning}. In every fold each side is the "
            f"model that validation inside the training {self.words.rows} preferred: {self._counts(network)} "
            f"vs {self._counts(simple)}."
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

    def more_rows(self) -> str:
        """How many rows would tell, when it cannot be told."""
        plan, rows = self.evidence.plan, self.finding.rows_that_would_tell
        posterior = self.finding.posterior
        if self.finding.kind != "cannot tell" or posterior is None or self.finding.unfinished is not None:
            return ""
        if self.seems_better(posterior):
            sure = probability(self.finding.beats_guessing or 0.0)
            return (
                f"The chance that a network beats the baseline, which {self.words.baseline}, by more than {self.worth} "
                f"is {sure}; {probability(BEYOND_DOUBT)} is asked before one is called worth it, because chance alone "
                "makes some model look good on data that hold nothing."
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
        found = self.evidence.crossing
        if found is None:
            return self._curves_say_nothing()
        network, simple = (named(self.table[name].title) for name in (found.network, found.simple))
        rows, metric = self.words.rows, self.metric
        if found.rows is not None:
            first, second = (network, simple) if found.gap_now < 0 else (simple, network)
            since = f"{round_up(found.low or found.rows):,}"
            until = f"to {round_up(found.high):,} {rows}" if found.high else "or more, as far as can be seen"
            return (
                f"With about {round_up(found.rows):,} training {rows} {first} would overtake {second} (90% band: "
                f"{since} {until})."
            )
        low, high = metric.tells(found.gap_later_low, sign=True), metric.tells(found.gap_later_high, sign=True)
        place = "ahead of" if found.gap_later >= 0 else "behind"
        at = (
            f"with {round_up(found.reach):,} training {rows} {network} would be {metric.tells(abs(found.gap_later))} "
            f"{place} {simple} (90% band: {low} to {high})"
        )
        if found.gap_later_low > 0 or found.gap_later_high < 0:
            return f"More {rows} would not change who is ahead: {at}."
        return f"Whether more {rows} would change who is ahead is uncertain: {at}."

    def _curves_say_nothing(self) -> str:
        """Why it is not known what more rows would change; empty where no curve was measured."""
        why = self.evidence.no_crossing
        return f"Whether more {self.words.rows} would change who is ahead is not known: {why}." if why else ""

    def costs(self) -> str:
        """What the network costs beside the simple side."""
        network, simple = self.finding.network, self.finding.simple
        if network is None or simple is None:
            return ""
        first, second = self.table[usual(network)], self.table[usual(simple)]
        return cost_sentence(first, second, self.words)

    def guessing(self) -> str:
        """The dummy's score, and how sure it is that the recommended contender beats it."""
        dummies = [s for s in self.evidence.standings if s.family == "dummy" and s.means]
        if not dummies:
            return ""
        dummy, chosen = dummies[0], self.finding.recommendation.contender
        text = f"The baseline, which {self.words.baseline}, scores {self.metric.shows(dummy.means[self.metric.name])}"
        paired = self.finding.paired
        if chosen == dummy.contender or dummy.contender not in paired.results:
            return f"{text}."
        posterior = paired.contrast([chosen], [dummy.contender], self.evidence.worth).posterior
        if posterior is None:
            return f"{text}."
        title, sure = named(self.table[chosen].title), probability(posterior.p_first)
        return f"{text}; the chance that {title} {beats(title)} that by more than {self.worth} is {sure}."

    def fairness(self) -> str:
        """What each side was offered and used."""
        used = {side: self._used(side) for side in (True, False)}
        if not any(took for took, _, _ in used.values()):
            return ""
        parts = [
            f"{'networks' if network else 'simple models'} used {seconds(took)} for {done} of {offered} steps"
            for network, (took, done, offered) in used.items()
        ]
        return f"Effort, in steps of longer training and wider search: {', '.join(parts)}."

    def _used(self, network: bool) -> tuple[float, int, int]:
        """Seconds, rungs that are complete, and rungs of all ladders, of one side."""
        mates = [s for s in self.evidence.standings if s.family not in NO_SIDE and (s.family == "network") == network]
        done = sum(0 if s.rung is None else s.rung + 1 for s in mates)
        return sum(s.used_seconds for s in mates), done, sum(len(s.rungs) for s in mates)

    def caveats(self) -> str:
        """What the numbers do not cover."""
        texts = []
        cut = [inside(s.title) for s in self.evidence.standings if s.state == "cut short"]
        if cut:
            texts.append(f"Not scored, for lack of time: {', '.join(cut)}.")
        if self.evidence.time_ordered:
            texts.append(
                f"The folds follow time and differ in how many {self.words.rows} they train on, which the "
                "probabilities do not account for: take them as rough."
            )
        return " ".join(texts)


def cost_sentence(first: Standing, second: Standing, words: Words) -> str:
    """What the first costs beside the second: fitting, one answer, size; empty when neither is known."""
    if first.cost is None or second.cost is None:
        return ""
    parts = [
        _compared("processor time to fit", first.cost.core_seconds, second.cost.core_seconds, seconds),
        _compared(f"time for one {words.row}", first.cost.latency_ms_p50, second.cost.latency_ms_p50, _milliseconds),
        _compared("size", first.cost.size_bytes, second.cost.size_bytes, size),
    ]
    told = [part for part in parts if part]
    return f"Cost of {named(first.title)} beside {named(second.title)}: {', '.join(told)}." if told else ""


def _milliseconds(ms: float) -> str:
    return seconds(ms / 1000)


def _compared(what: str, first: float | None, second: float | None, show: Callable[[float], str]) -> str:
    return f"{what} {show(first)} against {show(second)}" if first and second else ""
