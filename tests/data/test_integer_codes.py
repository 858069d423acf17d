"""What is taken for a code and what is not: columns whose meaning is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from annvil.data.integer_codes import is_code, name_words

RNG = np.random.default_rng(0)
N = 3000
POSTCODES = RNG.choice(np.arange(10_000, 99_999), 150, replace=False)
AMOUNTS = np.append(RNG.choice(np.arange(114, 30_000), 60, replace=False), 99_999)


def often(values: Any) -> np.ndarray[Any, Any]:
    """The values, some far commoner than others."""
    chance = RNG.exponential(size=len(values))
    return RNG.choice(np.asarray(values, dtype=float), N, p=chance / chance.sum())


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("place", often(POSTCODES)),
        ("place", np.where(RNG.random(N) < 0.3, np.nan, often(POSTCODES))),
        ("storeId", often(np.arange(1, 30))),
        ("zip_code", often(np.arange(10, 40))),
        ("TrafficType", often(np.arange(1, 20))),
        ("gain", np.where(RNG.random(N) < 0.8, 0.0, often(AMOUNTS))),  # amounts fixed by law recur to the unit
    ],
)
def test_codes(name, values):
    assert is_code(name, values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("age", RNG.integers(18, 90, N)),
        ("visits", RNG.poisson(3, N)),
        ("visits", RNG.negative_binomial(1, 0.02, N)),  # a long tail: counts up to hundreds
        ("age", np.where(RNG.random(N) < 0.01, 9999, RNG.integers(18, 90, N))),  # a typing error far off
        ("grade", RNG.integers(1, 6, N)),
        ("status_code", RNG.integers(1, 6, N)),  # few enough for numbers
        ("year", RNG.integers(1960, 2020, N)),
        ("salary", 1000 * RNG.integers(20, 90, N)),
        ("salary", often(5 * RNG.integers(4000, 19_000, 100))),
        ("days", often([1, 3, 7, 14, 28, 56, 90, 91, 100, 120, 180, 270, 360, 365])),  # chosen points of a scale
        ("price", RNG.integers(1000, 500_000, N)),
        ("pressure", 2 * RNG.integers(40, 70, N)),
        ("offset_code", RNG.integers(-20, 20, N)),
        ("zip_code", RNG.normal(size=N)),
        ("zip_code", np.full(N, np.nan)),
        ("zip_code", 1e17 * RNG.integers(1, 30, N)),
    ],
)
def test_no_codes(name, values):
    assert not is_code(name, np.asarray(values, dtype=float))


def test_words_of_names():
    assert name_words("customerID") == ["customer", "id"]
    assert name_words("row_nr") == ["row", "nr"]
    assert name_words("HTTPServer2") == ["http", "server", "2"]
