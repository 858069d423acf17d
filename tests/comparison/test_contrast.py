"""Any two sides are compared as network and simple are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from annvil.comparison.contrast import pair, side
from annvil.comparison.results import Cost, FoldResult, Standing, fold_key
from annvil.comparison.statistics import correlated_posterior, jackknife_variance
from annvil.tasks.metric_index import METRICS

METRIC = METRICS["accuracy"]


def result(contender: str, fold: int, score: float, inner: float = 0.5, overlap: float | None = None) -> FoldResult:
    place = (fold_key(0, fold), 0, fold, 80, 20)
    return FoldResult(contender, *place, {METRIC.name: score}, inner, {}, "", (), 0.0, 0.0, 1, overlap=overlap)


def standing(name: str) -> Standing:
    return Standing(name, name, "network", "finished", "", (), {METRIC.name: 0.5}, {}, "", Cost(1, 1, 1, 1), 0.0)


def test_any_two_contenders_can_be_contrasted() -> None:
    first, second = [0.8, 0.7, 0.9, 0.8], [0.7, 0.7, 0.8, 0.75]
    results = [result("deep", k, s) for k, s in enumerate(first)] + [result("wide", k, s) for k, s in enumerate(second)]
    paired = pair(results, [standing("deep"), standing("wide")], METRIC)
    found = paired.contrast(["deep"], ["wide"], 0.01)
    assert found.first is not None
    assert found.second is not None
    assert (found.first.name, found.second.name) == ("deep", "wide")
    assert found.posterior is not None
    gains = np.subtract(first, second)
    scale = np.sqrt((1 / 4 + 20 / 80) * gains.var(ddof=1))  # Nadeau and Bengio's correction
    assert found.posterior.p_first == pytest.approx(stats.t.sf((0.01 - gains.mean()) / scale, 3))
    turned = paired.contrast(["wide"], ["deep"], 0.01)
    assert turned.posterior is not None
    assert turned.posterior.p_second == pytest.approx(found.posterior.p_first)


def test_independent_replicates_need_no_correction() -> None:
    scores = [0.8, 0.7, 0.9, 0.8], [0.7, 0.75, 0.8, 0.75]
    results = [result(n, k, s, overlap=0.0) for n, side in zip("ab", scores, strict=True) for k, s in enumerate(side)]
    paired = pair(results, [standing("a"), standing("b")], METRIC)
    posterior = paired.contrast(["a"], ["b"], 0.01).posterior
    assert posterior is not None
    assert posterior.corrected_p == pytest.approx(stats.ttest_rel(*scores).pvalue)


def test_a_side_is_who_validation_preferred_and_may_be_nobody() -> None:
    results = [result("a", 0, 0.1, 0.9), result("a", 1, 0.2, 0.1), result("b", 0, 0.3, 0.2), result("b", 1, 0.4, 0.8)]
    paired = pair(results, [standing("a"), standing("b")], METRIC)
    both = paired.contrast(["a", "b"], [], 0.01, ("either", "nobody"))
    assert both.first is not None
    assert (both.first.name, both.first.contenders, both.first.per_fold) == ("either", ("a", "b"), (0.1, 0.4))
    assert both.second is None
    assert both.posterior is None
    assert side("nobody", [], [(0, 0)], paired) is None
    assert side("nowhere", ["a"], [], paired) is None


def test_of_equals_the_first_stands_for_the_side() -> None:
    results = [result(name, k, score, 0.5) for name, score in (("a", 0.1), ("b", 0.9)) for k in range(2)]
    found = pair(results, [standing("a"), standing("b")], METRIC).contrast(["a", "b"], [], 0.01)
    assert found.first is not None
    assert found.first.contenders == ("a", "a")


def test_a_side_has_the_folds_of_its_leader_and_is_judged_on_those_that_both_sides_have() -> None:
    """Repeats are bought for the leaders only: who has fewer does not shorten the contrast, it stands aside."""

    def of(name: str, repeats: int, inner: float) -> list[FoldResult]:
        folds = [(repeat, fold) for repeat in range(repeats) for fold in range(3)]
        return [replace(result(name, k, 0.5 + 0.01 * k, inner), repeat=r, job=fold_key(r, k)) for r, k in folds]

    names = {"best": (3, 0.9), "other": (1, 0.8), "simple": (2, 0.5)}
    results = [one for name, (repeats, inner) in names.items() for one in of(name, repeats, inner)]
    paired = pair(results, [standing(name) for name in names], METRIC)
    assert paired.common(["best", "simple"]) == tuple((r, k) for r in range(2) for k in range(3))
    found = paired.contrast(["best", "other"], ["simple"], 0.01)
    assert found.first is not None
    assert found.second is not None
    assert len(found.first.per_fold) == len(found.second.per_fold) == 6
    assert set(found.first.contenders) == {"best"}
    assert paired.mean("best") == pytest.approx(0.51)  # of the folds that all have
    # Where the leader has the fewest folds, all of the side stand for it.
    shorter = paired.contrast(["other"], ["simple"], 0.01)
    assert shorter.posterior is not None
    assert shorter.posterior.df == 2


def test_rows_have_their_say_where_both_sides_kept_it() -> None:
    scores = {"a": [0.8, 0.7, 0.9], "b": [0.7, 0.7, 0.8]}
    parts = {"a": (0.79, 0.81), "b": (0.70, 0.69)}
    results = [
        replace(result(name, k, score), without_part=parts[name])
        for name, found in scores.items()
        for k, score in enumerate(found)
    ]
    table = [standing("a"), standing("b")]
    posterior = pair(results, table, METRIC).contrast(["a"], ["b"], 0.01).posterior
    assert posterior is not None
    gains, rows = np.subtract(scores["a"], scores["b"]), np.subtract(parts["a"], parts["b"])
    expected = correlated_posterior(gains.tolist(), overlap=0.2, worth=0.01, row_variance=jackknife_variance(rows))
    assert posterior == expected
    one_sided = [one if one.contender == "a" else replace(one, without_part=()) for one in results]
    posterior = pair(one_sided, table, METRIC).contrast(["a"], ["b"], 0.01).posterior
    assert posterior == correlated_posterior(gains.tolist(), overlap=0.2, worth=0.01)


def test_rows_alone_tell_it_where_folds_are_too_few() -> None:
    rng = np.random.default_rng(5)
    scores = {"a": [0.8, 0.76], "b": [0.7, 0.68]}
    parts = {name: [tuple(s + 0.004 * rng.normal(size=20)) for s in found] for name, found in scores.items()}
    results = [
        replace(result(name, k, score), without_part=parts[name][k])
        for name, found in scores.items()
        for k, score in enumerate(found)
    ]
    # A further repeat tests the same rows again: it tells nothing new of them.
    again = [replace(one, repeat=1, job=fold_key(1, one.fold)) for one in results]
    paired = pair([*results, *again], [standing("a"), standing("b")], METRIC)
    found = paired.by_rows(["a"], ["b"], 0.01)
    assert found is not None
    gains = [np.subtract(parts["a"][k], parts["b"][k]) for k in range(2)]
    scale = np.sqrt(sum(19 * one.var() for one in gains)) / 2
    assert (found.mean, found.df) == (pytest.approx(0.09), 38)
    assert found.p_first == pytest.approx(stats.t.sf((0.01 - 0.09) / scale, 38))
    by_folds = pair(results, [standing("a"), standing("b")], METRIC).contrast(["a"], ["b"], 0.01).posterior
    assert by_folds is not None
    assert by_folds.p_first < 0.999 < found.p_first
    one_sided = [one if one.contender == "a" else replace(one, without_part=()) for one in results]
    assert pair(one_sided, [standing("a"), standing("b")], METRIC).by_rows(["a"], ["b"], 0.01) is None
