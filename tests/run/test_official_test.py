"""Whether the source's own test contradicts the folds."""

from __future__ import annotations

from hypothesis import given, strategies as st
from tests.report.views import binary, regression

from annvil.comparison.score_interval import score_interval
from annvil.run.official_test import _surely_worse
from annvil.tasks.metric_index import METRICS
from annvil.text.words import ROWS


@given(st.sampled_from([binary, regression]), st.floats(0.2, 3.0), st.floats(0.0, 0.5))
def test_a_test_that_is_surely_worse_is_a_serious_finding_and_no_other(made, factor, width):
    comparison = made().comparison
    metric = METRICS[comparison.metric]
    chosen = next(s for s in comparison.standings if s.contender == comparison.verdict.recommended)
    mean = chosen.means[metric.name] * factor
    ends = (mean * (1 - width), mean * (1 + width))
    folds = score_interval(comparison, chosen)
    found = list(_surely_worse(comparison, metric, ends, "On the 9 test rows: so much.", ROWS))
    worse = ends[1] < folds[0] if metric.greater_is_better else ends[0] > folds[1]
    assert len(found) == worse
    for one in found:
        assert one.severity == "serious"
        assert metric.shows(chosen.means[metric.name]) in one.what
