"""Any two sides on the same folds: who stands for each, chosen without a look at test rows, and their difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from annvil.comparison.results import Contrast, FoldResult, Posterior, Side, Standing
from annvil.comparison.statistics import correlated_posterior, jackknife_variance, posterior_of_rows
from annvil.tasks.metrics import Metric

Place = tuple[int, int]
"""(repeat, fold)."""


@dataclass(frozen=True)
class Paired:
    """Judged scores of every entrant, all of which have the folds of the first repeat; some have further repeats.

    Attributes
    ----------
    results : contender → place → record, in the order in which contenders run (cheap families first)
    """

    results: Mapping[str, Mapping[Place, FoldResult]]
    metric: Metric

    def mean(self, contender: str) -> float:
        """Of its scores on the folds of the first repeat: what the table shows."""
        return float(np.mean([self._score(contender, place) for place in self._first_repeat()]))

    def _first_repeat(self) -> list[Place]:
        return [place for place in self.common(tuple(self.results)) if place[0] == 0]

    def common(self, contenders: Sequence[str]) -> tuple[Place, ...]:
        """The places that all of them have, in order."""
        sets = [set(self.results[name]) for name in contenders]
        return tuple(sorted(set.intersection(*sets))) if sets else ()

    def contrast(
        self, first: Sequence[str], second: Sequence[str], worth: float, names: tuple[str, str] = ("", "")
    ) -> Contrast:
        """Belief about how much better the first side is than the second; a side is one contender or several.

        Of several, those stand for their side that have all repeats which the leaders of both sides have; in every fold
        it is the one that the fold's inner validation preferred. ``names`` are those of the sides; by default, of
        their first contender.
        """
        places = self._places(first, second)
        sides = [
            side(name or (members[0] if members else ""), self._with(members, places), places, self)
            for name, members in zip(names, (first, second), strict=True)
        ]
        if sides[0] is None or sides[1] is None:
            return Contrast(sides[0], sides[1], None)
        pairs = zip(sides[0].per_fold, sides[1].per_fold, strict=True)
        gains = [self.metric.gain(a, b) for a, b in pairs]
        overlap = pooled_overlap([next(iter(self.results.values()))[place] for place in self._known(places)])
        posterior = correlated_posterior(
            gains, overlap=overlap, worth=worth, row_variance=self._row_variance(sides[0], sides[1], places)
        )
        return Contrast(sides[0], sides[1], posterior)

    def by_rows(self, first: Sequence[str], second: Sequence[str], worth: float) -> Posterior | None:
        """Belief about the same difference as the rows alone tell it that the first repeat tested, each of them once.

        It says whether these models know something, not how others of their kind would do: how fits differ is left out.
        None where the rows' part is unknown.
        """
        places = self._first_repeat()
        one, other = (side("", self._with(members, places), places, self) for members in (first, second))
        if one is None or other is None:
            return None
        gains = [self.metric.gain(a, b) for a, b in zip(one.per_fold, other.per_fold, strict=True)]
        found = self._without_parts(one, other, places)
        return None if found is None else posterior_of_rows(gains, found, worth=worth)

    def _row_variance(self, first: Side, second: Side, places: Sequence[Place]) -> float | None:
        """Variance of a fold's difference that comes from which rows are tested, mean over the folds."""
        found = self._without_parts(first, second, places)
        return None if found is None else float(np.mean([jackknife_variance(parts) for parts in found]))

    def _without_parts(self, first: Side, second: Side, places: Sequence[Place]) -> list[list[float]] | None:
        """Of every fold, the difference without each part of its test rows; None where that is not known of all."""
        found = []
        for place, one, other in zip(places, first.contenders, second.contenders, strict=True):
            parts = self.results[one][place].without_part, self.results[other][place].without_part
            if not parts[0] or len(parts[0]) != len(parts[1]):
                return None
            found.append([self.metric.gain(a, b) for a, b in zip(*parts, strict=True)])
        return found or None

    def _places(self, first: Sequence[str], second: Sequence[str]) -> tuple[Place, ...]:
        """The folds of as many repeats as the leaders of both sides have, by inner validation."""
        leaders = [self._leader(members) for members in (first, second) if members]
        return self.common(leaders)

    def _leader(self, members: Sequence[str]) -> str:
        """Whom inner validation prefers on the folds of the first repeat; the first of equals."""
        places = self._first_repeat()
        means = [float(np.mean([self.results[name][place].inner_score for place in places])) for name in members]
        return members[int(np.argmin([self.metric.error(mean) for mean in means]))]

    def _with(self, members: Sequence[str], places: Sequence[Place]) -> list[str]:
        return [name for name in members if set(places) <= set(self.results[name])]

    def _known(self, places: Sequence[Place]) -> list[Place]:
        """Those of the first entrant: the overlap is that of the data, whoever fits."""
        first = next(iter(self.results.values()))
        return [place for place in places if place in first] or list(first)

    def _score(self, contender: str, place: Place) -> float:
        return self.results[contender][place].scores[self.metric.name]


def pair(folds: Sequence[FoldResult], standings: Sequence[Standing], metric: Metric) -> Paired:
    """Entrants with their judged folds; those that failed before they had any, and those cut short, have none."""
    known = {s.contender for s in standings}
    by_name: dict[str, dict[Place, FoldResult]] = {}
    for result in folds:
        if result.contender in known:
            by_name.setdefault(result.contender, {})[result.repeat, result.fold] = result
    return Paired(by_name, metric)


def pooled_overlap(records: Sequence[FoldResult]) -> float:
    """rho of folds of different sizes, by how many rows they see: tested rows as a part of all."""
    seen = [r.n_train + r.n_test for r in records]
    each = [r.n_test / n if r.overlap is None else r.overlap for r, n in zip(records, seen, strict=True)]
    return float(np.average(each, weights=seen))


def side(name: str, contenders: Sequence[str], places: Sequence[Place], paired: Paired) -> Side | None:
    """In every fold the score of the contender that the fold's own inner validation preferred; the first of equals.

    None without contenders or places.
    """
    if not contenders or not places:
        return None
    chosen, scores = [], []
    for place in places:
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
