"""Student's t against SciPy."""

from __future__ import annotations

import pytest
from scipy.special import stdtr, stdtrit

from annvil.comparison.student import student_cdf, student_quantile

DEGREES = 0.5, 1, 2, 4, 14.2, 77, 1e3, 1e6


@pytest.mark.parametrize("df", DEGREES)
@pytest.mark.parametrize("t", [-1e3, -8.0, -1.0, -1e-6, 0.0, 1e-9, 0.2, 2.0, 30.0])
def test_the_distribution_is_that_of_scipy(t, df):
    assert student_cdf(t, df) == pytest.approx(stdtr(df, t), rel=1e-7, abs=1e-300)


@pytest.mark.parametrize("df", DEGREES)
@pytest.mark.parametrize("p", [1e-6, 0.025, 0.5, 0.8, 0.975, 0.999])
def test_quantiles_are_those_of_scipy(p, df):
    assert student_quantile(p, df) == pytest.approx(stdtrit(df, p), rel=1e-7, abs=1e-12)


def test_many_degrees_are_the_normal_distribution():
    assert student_cdf(1.959963984540054, 1e12) == pytest.approx(0.975)
    assert student_quantile(0.975, float("inf")) == pytest.approx(1.959963984540054)
