"""Ranks against SciPy."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata

from annvil.tasks.ranks import average_ranks

NUMBERS = st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True))


@given(arrays.arrays(np.float64, st.integers(0, 30), elements=NUMBERS))
def test_ranks_are_those_of_scipy(values):
    np.testing.assert_array_equal(average_ranks(values), rankdata(values))
