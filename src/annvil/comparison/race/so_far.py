"""What a race would answer if it ended now, told whenever a piece of work begins or ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from annvil.comparison.evidence import Evidence
from annvil.comparison.race.decisions import Decision
from annvil.comparison.race.racing import Race
from annvil.comparison.request import Moment
from annvil.comparison.results import Crossing, LearningCurve, Standing, Verdict
from annvil.comparison.verdict import judge
from annvil.errors import OutOfTime
from annvil.tasks.metrics import Metric
from annvil.text.phrases import listed
from annvil.text.quantities import probability

MOST_NAMES = 6
NOT_BOTH = "Not enough is scored yet to compare networks with simple models."


def evidence_of(
    race: Race, curves: Sequence[LearningCurve] = (), crossing: Crossing | str = "", *, over: bool
) -> Evidence:
    """All that a verdict is made from, as it lies in the store now; ``over`` says that no more results will come.

    ``crossing`` may be the reason why there is none.
    """
    plan, problem = race.records.entrants.plan, race.problem
    view = race.view(race.posterior())
    return Evidence(
        metric=race.request.metric,
        worth=race.worth,
        confidence=race.request.confidence,
        plan=plan,
        standings=race.records.standings(over=over),
        folds=race.records.all_folds(),
        curves=tuple(curves),
        crossing=crossing if isinstance(crossing, Crossing) else None,
        no_crossing=crossing if isinstance(crossing, str) else "",
        base_rate=problem.economics.base_rate(plan.n_rows),
        time_ordered=problem.ordered,
        words=problem.words,
        untried=tuple(race.candidates.central_untried()),
        gains={name: view.expected_gain(one) for name, one in view.entrants.items()},
    )


def verdict_so_far(race: Race) -> Verdict | None:
    """The verdict without learning curves; None while nobody is scored."""
    try:
        verdict = judge(evidence_of(race, over=False))
    except OutOfTime:
        return None
    return replace(verdict, headline=NOT_BOTH) if verdict.posterior is None else verdict


def tell_so_far(verdict: Verdict | None, standings: Sequence[Standing], metric: Metric) -> tuple[str, ...]:
    """A verdict that is not the last one, for people: the answer, the chances, who waits, the best contender.

    Nothing without a table.
    """
    best = next((s for s in standings if metric.name in s.means), None)
    if not standings:
        return ()
    if best is None or verdict is None:
        return ("Nothing is scored yet.",)
    sentences = [f"So far: {verdict.headline}"]
    if (p := verdict.posterior) is not None:
        sides = (("network", p.p_first), ("equal", p.p_equal), ("simple", p.p_second))
        sentences.append(f"The chances: {', '.join(f'{side} {probability(chance)}' for side, chance in sides)}.")
    waiting = [s.title for s in standings if s.rung is None and s.state in ("waiting", "running")]
    sentences += [f"Not scored yet: {listed(waiting, MOST_NAMES)}."] if waiting else []
    score = metric.shows_mean(best.means[metric.name], best.spread(metric.name))
    step = "" if best.rung is None else f", step {best.rung + 1} of {len(best.rungs)}"
    sentences.append(f"The best so far: {best.title}, {metric.title} {score}{step}.")
    return tuple(sentences)


@dataclass
class Teller:
    """Tells the listener of a race of every decision, with what is believed at that moment."""

    race: Race
    _verdict: Verdict | None = None

    def tell(self, decision: Decision) -> None:
        """The table first, so that a listener knows of whom it is told."""
        race, unit, begun = self.race, decision.unit, decision.ending == "begun"
        spent = race.clock.spent_seconds
        race.show(unit.contender if begun else "")
        if self._verdict is None or not begun:  # what is begun changes no answer
            self._verdict = verdict_so_far(race)
        posterior = None if self._verdict is None else self._verdict.posterior
        certain = self._verdict is not None and self._verdict.kind not in ("no network", "cannot tell")
        latest, likely = race.latest_end(), race.likely_end
        likely = None if latest is None or likely is None or not certain else max(spent, min(latest, likely))
        race.listener.moment(
            Moment(
                posterior=posterior,
                unit=unit,
                why=decision.why,
                expected_seconds=decision.expected_seconds,
                spent_seconds=spent,
                ending=decision.ending,
                seconds=decision.seconds,
                verdict=self._verdict,
                latest_end=latest,
                likely_end=likely,
            )
        )
