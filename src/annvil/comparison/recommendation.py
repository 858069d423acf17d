"""Which contender to ship: the cheapest that is not practically worse than the best.

The rule, in order:

1. Eligible are contenders with a complete rung whose model could be exported. The verdict narrows them: where a
   network is the answer, networks and teams with one; where the simple side is, or a network is ruled out, all but
   networks (a team may gain by one all the same); where it is not beyond doubt that the inputs predict anything, all
   without networks.
2. The best is the one with the best mean. Of the others those stay that are more likely near it than worse (P(worse by
   more) <= 1/2). Near is half of `worth`; `worth` itself where one of the two is a network and the other none, and for
   the dummy: that is the gain that would justify a network, or a model. Giving up as much between models of one side
   shipped linear models that were 1 to 5% behind in log-loss or RMSE (measured on 13 tables).
3. Of those the cheapest is taken. Cost is the geometric mean of three ratios to the cheapest: latency of one row, size,
   and processor seconds of fitting. Costs within a factor of five count as equal: clocks on a shared machine vary, and
   nobody should give up score for less. The simpler family then goes first (dummy, linear, trees, neighbours, network,
   team), and in a family the better score. A team costs what its members cost together.

The dummy can only be recommended by rule 2: when nothing beats it by `worth`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annvil.comparison.contrast import Paired
from annvil.comparison.results import Cost, Standing
from annvil.models.contract import FAMILIES

NOT_WORSE = 0.5
"""A contender is dropped when it is likelier than this to be worse than the best by more than worth (assumed)."""

NEAR = 0.5
"""Part of `worth` within which a cheaper model takes the place of a better one of its side, or of a team (assumed)."""

SAME_COST = 5.0
"""Costs within this factor count as equal (assumed)."""


@dataclass(frozen=True)
class Recommendation:
    """What to ship, what was best by the mean, who else would do, and among whom was chosen."""

    contender: str
    best: str
    not_worse: tuple[str, ...]
    allowed: tuple[str, ...] = ()


def recommend(
    paired: Paired, standings: Sequence[Standing], worth: float, may_ship: Callable[[Standing], bool]
) -> Recommendation | None:
    """The recommendation by the module's rule among those that ``may_ship``, or among all when none of these can.

    None when no contender has a score and a model to ship.
    """
    table = {s.contender: s for s in standings}
    shippable = [name for name in paired.results if _shippable(table[name])]
    if not shippable:
        return None
    allowed = [name for name in shippable if may_ship(table[name])] or shippable
    ranked = sorted(allowed, key=lambda name: paired.metric.error(paired.mean(name)))
    best = ranked[0]
    close = tuple(
        name
        for name in allowed
        if name == best or _not_worse(paired, best, name, reach(table[best], table[name], worth))
    )
    chosen = cheapest([table[name] for name in ranked if name in close])
    return Recommendation(chosen.contender, best, close, tuple(allowed))


def reach(best: Standing, other: Standing, worth: float) -> float:
    """How far behind the best a cheaper contender may be and take its place, by the module's second rule."""
    sides = {best.family, other.family}
    needs_worth = "dummy" in sides or ("network" in sides and len(sides - {"team"}) > 1)
    return worth if needs_worth else NEAR * worth


def cheapest(candidates: Sequence[Standing]) -> Standing:
    """The simplest of those that cost least, by the module's rule; of equally simple ones the first."""
    costs = relative_costs([s.cost for s in candidates])
    least = min(costs)
    tied = [s for s, cost in zip(candidates, costs, strict=True) if cost <= SAME_COST * least]
    return min(tied, key=lambda s: FAMILIES.index(s.family))


def relative_costs(costs: Sequence[Cost | None]) -> list[float]:
    """Geometric mean of latency, size and processor seconds, relative to the least; unmeasured parts count as 1."""
    logs = [0.0] * len(costs)
    nothing = (None, None, None)
    parts = [nothing if c is None else (c.latency_ms_p50, c.size_bytes, c.core_seconds) for c in costs]
    for part in zip(*parts, strict=True):
        values = [float(value or math.nan) for value in part]
        least = min((v for v in values if v > 0), default=math.nan)
        for i, value in enumerate(values):
            if value > 0 and least > 0:
                logs[i] += math.log(value / least) / 3
    return [math.exp(log) for log in logs]


def _shippable(standing: Standing) -> bool:
    return standing.cost is not None and standing.cost.size_bytes is not None


def _not_worse(paired: Paired, best: str, other: str, worth: float) -> bool:
    posterior = paired.contrast([best], [other], worth).posterior
    if posterior is None:
        return paired.metric.gain(paired.mean(best), paired.mean(other)) <= worth
    return posterior.p_first <= NOT_WORSE
