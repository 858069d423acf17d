"""The verdict: what the evidence says, in one of five words, and what to ship.

- *network*: P(a network is better by more than `worth`) reaches the confidence (95%), and that the inputs predict the
  target at all is beyond doubt: P(the network side beats the dummy by more than `worth`) is at least 99.9%, by the
  folds or by the rows alone. Without the second, one shuffled target in twenty would ask for a network;
- *simple*: the same for the simple side;
- *equal*: P(both are within `worth` of each other) does;
- *no network*: P(a network is better by more than worth) is at most 5%, so none is needed, but whether the sides are
  equal or the simple one is better is open;
- *cannot tell*: none of them; then it says how many rows would probably tell.

Each side is represented in every fold by the contender that the fold's inner validation preferred, so that no test row
chooses who is compared (`contrast`). What is said is written by `annvil.comparison.sentences`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from annvil.comparison.contrast import Paired, pair
from annvil.comparison.evidence import BEYOND_DOUBT, Evidence, Finding
from annvil.comparison.learning_curves import gap_change, law_of
from annvil.comparison.recommendation import Recommendation, recommend
from annvil.comparison.results import Contrast, Posterior, Side, Standing, Verdict, VerdictKind
from annvil.comparison.sentences.verdict import put_into_words
from annvil.comparison.statistics import region_probabilities, rows_that_would_tell
from annvil.errors import OutOfTime


def judge(evidence: Evidence) -> Verdict:
    """The verdict in words and numbers.

    Raises
    ------
    OutOfTime
        When not one contender has a score and a model that could be shipped.
    """
    return put_into_words(evidence, find(evidence))


def find(evidence: Evidence) -> Finding:
    """Kind, posterior and recommendation; raises as `judge` does."""
    paired = pair(evidence.folds, evidence.standings, evidence.metric)
    contrast = network_against_simple(paired, evidence.standings, evidence.worth)
    posterior = contrast.posterior
    beats_guessing = _beats_guessing(contrast.first, paired, evidence)
    doubtful = beats_guessing is not None and beats_guessing < BEYOND_DOUBT
    kind = kind_of(posterior, evidence.confidence)
    if doubtful and kind == "network":
        kind = "cannot tell"
    unfinished = _unfinished(contrast, kind, evidence)
    if unfinished is not None:
        kind = "cannot tell"
    ruled_out = posterior is not None and posterior.p_first <= 1 - evidence.confidence and unfinished is None
    if kind == "cannot tell" and ruled_out:
        kind = "no network"
    rows = None
    is_open = kind == "cannot tell" and unfinished is None
    if is_open and posterior is not None and posterior.p_first < evidence.confidence:
        change = _gap_change(evidence)
        rows = rows_that_would_tell(posterior, evidence.plan.n_rows, confidence=evidence.confidence, gap_change=change)
    return Finding(
        kind=kind,
        contrast=contrast,
        network_ruled_out=ruled_out,
        beats_guessing=beats_guessing,
        rows_that_would_tell=rows,
        recommendation=_recommend(evidence, paired, kind, doubtful=doubtful),
        paired=paired,
        unfinished=unfinished,
        untried="" if unfinished is None else _untried(unfinished, evidence),
    )


def network_against_simple(paired: Paired, standings: Sequence[Standing], worth: float) -> Contrast:
    """The contrast that the product is about; the dummy is one of the simple contenders, a team is on neither side."""
    families = {s.contender: s.family for s in standings}
    alone = {name: results for name, results in paired.results.items() if families[name] != "team"}
    networks = [name for name in alone if families[name] == "network"]
    others = [name for name in alone if families[name] != "network"]
    return Paired(alone, paired.metric).contrast(networks, others, worth, ("network", "simple"))


def _unfinished(contrast: Contrast, kind: VerdictKind, evidence: Evidence) -> Side | None:
    """The side that lost, or drew, though more effort is expected to carry it on by more than worth / 2.

    It is beaten all the same where that gain would not turn the answer; before a contender was tried that stands for
    what people mean by that side (`Traits.central`), where not even a perfect model would.
    """
    posterior = contrast.posterior
    if posterior is None or kind == "cannot tell":
        return None
    losers = {"network": [contrast.second], "simple": [contrast.first], "equal": [contrast.first, contrast.second]}
    for loser in losers[kind]:
        if loser is None:
            continue
        untried = bool(_untried(loser, evidence))
        most = evidence.metric.error(loser.mean)  # then it would be perfect
        gain = most if untried else min(most, max(evidence.gains.get(name, 0.0) for name in set(loser.contenders)))
        if untried or gain > evidence.worth / 2:
            moved = gain if loser is contrast.first else -gain
            p = region_probabilities(posterior.mean + moved, posterior.scale, posterior.df, posterior.worth)
            if p[("network", "equal", "simple").index(kind)] < evidence.confidence:
                return loser
    return None


def _untried(side: Side, evidence: Evidence) -> str:
    """The title of a central contender of that side that was not scored; empty where all were."""
    by_name = {standing.contender: standing for standing in evidence.standings}
    ours = (by_name[name] for name in evidence.untried)
    return next((s.title for s in ours if (s.family == "network") == (side.name == "network")), "")


def _recommend(evidence: Evidence, paired: Paired, kind: VerdictKind, *, doubtful: bool) -> Recommendation:
    networks = {s.contender for s in evidence.standings if s.family == "network"}

    def may_ship(standing: Standing) -> bool:
        uses_one = not networks.isdisjoint((standing.contender, *standing.members))
        if kind == "network":
            return uses_one
        if kind in ("simple", "no network") or (kind == "cannot tell" and doubtful):
            return not uses_one if doubtful else standing.contender not in networks
        return True

    recommendation = recommend(paired, evidence.standings, evidence.worth, may_ship)
    if recommendation is None:
        raise OutOfTime(
            f"The budget of {evidence.plan.budget_seconds:g} s ended before any model was scored on all test "
            f"folds. Give it more time, or fewer {evidence.words.rows}."
        )
    return recommendation


def _beats_guessing(network: Side | None, paired: Paired, evidence: Evidence) -> float | None:
    dummies = [s.contender for s in evidence.standings if s.family == "dummy" and s.contender in paired.results]
    if network is None or not dummies:
        return None
    networks = sorted(set(network.contenders))
    posterior = paired.contrast(networks, dummies[:1], evidence.worth).posterior
    by_rows = paired.by_rows(networks, dummies[:1], evidence.worth)
    return max((one.p_first for one in (posterior, by_rows) if one is not None), default=None)


def kind_of(posterior: Posterior | None, confidence: float) -> VerdictKind:
    """The word that the posterior allows."""
    if posterior is None:
        return "cannot tell"
    if posterior.p_first >= confidence:
        return "network"
    if posterior.p_second >= confidence:
        return "simple"
    return "equal" if posterior.p_equal >= confidence else "cannot tell"


def _gap_change(evidence: Evidence) -> Callable[[float], float] | None:
    """How the curves say the difference would move with rows, where those of both sides may be extrapolated."""
    curves = {curve.contender: curve for curve in evidence.curves}
    if evidence.crossing is None:
        return None
    seed = evidence.plan.seed
    network = law_of(curves.get(evidence.crossing.network), seed)
    simple = law_of(curves.get(evidence.crossing.simple), seed)
    if network is None or simple is None:
        return None
    return gap_change(network, simple, min(network.largest, simple.largest))
