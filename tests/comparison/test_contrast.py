"""Any two sides are compared as network and simple are."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from annvil.comparison.contrast import pair, side
from annvil.comparison.results import Cost, FoldResult, Standing, fold_key
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
    found = paired.contrast(paired.alone("deep"), paired.alone("wide"), 0.01)
    assert found.first is not None
    assert found.second is not None
    assert (found.first.name, found.second.name) == ("deep", "wide")
    assert found.posterior is not None
    gains = np.subtract(first, second)
    scale = np.sqrt((1 / 4 + 20 / 80) * gains.var(ddof=1))  # Nadeau and Bengio's correction
    assert found.posterior.p_first == pytest.approx(stats.t.sf((0.01 - gains.mean()) / scale, 3))
    turned = paired.contrast(found.second, found.first, 0.01)
    assert turned.posterior is not None
    assert turned.posterior.p_second == pytest.approx(found.posterior.p_first)


def test_independent_replicates_need_no_correction() -> None:
    scores = [0.8, 0.7, 0.9, 0.8], [0.7, 0.75, 0.8, 0.75]
    results = [result(n, k, s, overlap=0.0) for n, side in zip("ab", scores, strict=True) for k, s in enumerate(side)]
    paired = pair(results, [standing("a"), standing("b")], METRIC)
    posterior = paired.contrast(paired.alone("a"), paired.alone("b"), 0.01).posterior
    assert posterior is not None
    assert posterior.corrected_p == pytest.approx(stats.ttest_rel(*scores).pvalue)


def test_a_side_is_who_validation_preferred_and_may_be_nobody() -> None:
    results = [result("a", 0, 0.1, 0.9), result("a", 1, 0.2, 0.1), result("b", 0, 0.3, 0.2), result("b", 1, 0.4, 0.8)]
    paired = pair(results, [standing("a"), standing("b")], METRIC)
    both = side("either", ["a", "b"], paired)
    assert both is not None
    assert (both.name, both.contenders, both.per_fold) == ("either", ("a", "b"), (0.1, 0.4))
    assert paired.contrast(both, side("nobody", [], paired), 0.01).posterior is None
