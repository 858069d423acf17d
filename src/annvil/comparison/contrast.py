"""Any two sides on the same folds: who stands for each, chosen without a look at test rows, and their difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.comparison.results import Contrast, FoldResult, Side, Standing
from annvil.comparison.statistics import correlated_posterior
from annvil.tasks.metrics import Metric

Place = tuple[int, int]
"""(repeat, fold)."""


@dataclass(frozen=True)
class Paired:
    """Scores that may be compared: of every entrant, on folds that all of them have.

    Attributes
    ----------
    results : contender → place → record, in the order in which contenders run (cheap families first)
    places : the common folds in order
    overlap : rho of the common folds' scores (`annvil.comparison.statistics`)
    """

    results: Mapping[str, Mapping[Place, FoldResult]]
    places: tuple[Place, ...]
    overlap: float
    metric: Metric

    def scores(self, contender: str) -> tuple[float, ...]:
        """The contender's scores on the common folds."""
        return tuple(self.results[contender][place].scores[self.metric.name] for place in self.places)

    def mean(self, contender: str) -> float:
        """Their mean."""
        return float(np.mean(self.scores(contender)))

    def alone(self, contender: str) -> Side | None:
        """A side that is one contender."""
        return side(contender, [contender], self)

    def contrast(self, first: Side | None, second: Side | None, worth: float) -> Contrast:
        """Belief about how much better the first is than the second."""
        if first is None or second is None:
            return Contrast(first, second, None)
        gains = [self.metric.gain(a, b) for a, b in zip(first.per_fold, second.per_fold, strict=True)]
        return Contrast(first, second, correlated_posterior(gains, overlap=self.overlap, worth=worth))


FEWEST_FOLDS = 2
"""A contender that was cut takes part from so many folds on: then a difference has a spread."""


def pair(folds: Sequence[FoldResult], standings: Sequence[Standing], metric: Metric) -> Paired:
    """Entrants and the folds that all of them have.

    A contender that was cut short takes part with the folds it has, even if the others must then be judged on fewer:
    leaving out what might be the best would be worse than being less sure. Those with fewer than two folds take part
    only where nobody but the dummy has more; those that failed never do.
    """
    families = {s.contender: s.family for s in standings if s.state != "failed"}
    by_name: dict[str, dict[Place, FoldResult]] = {}
    for result in folds:
        if result.contender in families:
            by_name.setdefault(result.contender, {})[result.repeat, result.fold] = result
    able = {name for name, results in by_name.items() if len(results) >= FEWEST_FOLDS}
    if all(families[name] == "dummy" for name in able):
        able = set(by_name)
    results = {name: by_name[name] for name in by_name if name in able}
    common = set.intersection(*(set(r) for r in results.values())) if results else set()
    places = tuple(sorted(common))
    records = [next(iter(results.values()))[place] for place in places]
    return Paired(results, places, _pooled_overlap(records), metric)


def _pooled_overlap(records: Sequence[FoldResult]) -> float:
    """Of folds of different sizes, by how many rows they see: tested rows as a part of all."""
    if not records:
        return 0.0
    seen = [r.n_train + r.n_test for r in records]
    each = [r.n_test / n if r.overlap is None else r.overlap for r, n in zip(records, seen, strict=True)]
    return float(np.average(each, weights=seen))


def side(name: str, contenders: Sequence[str], paired: Paired) -> Side | None:
    """In every fold the score of the contender that the fold's own inner validation preferred; the first of equals.

    None without contenders or common folds.
    """
    if not contenders or not paired.places:
        return None
    chosen, scores = [], []
    for place in paired.places:
        best = contenders[0]
        for other in contenders[1:]:
            ahead = paired.metric.gain(
                paired.results[other][place].inner_score, paired.results[best][place].inner_score
            )
            if ahead > 0:
                best = other
        chosen.append(best)
        scores.append(paired.results[best][place].scores[paired.metric.name])
    return Side(
        name=name,
        contenders=tuple(chosen),
        per_fold=tuple(scores),
        mean=float(np.mean(scores)),
        spread=float(np.std(scores, ddof=1)) if len(scores) > 1 else 0.0,
    )
