"""Points stand for groups of rows, and for nobody."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.attribution.background import FEWEST, MOST, Values, summary_points


def rows(seed: int, n: int, n_numbers: int, n_texts: int, whole: bool) -> list[Values]:
    """Unique rows: numbers with gaps, whole or not; texts with levels that few rows have, and one that a single has."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(n_numbers):
        numbers = random.lognormal(sigma=2, size=n) * 100
        numbers = np.round(numbers) if whole else numbers
        found.append(Values(np.where(random.random(n) < 0.1, np.nan, numbers), unit=1.0 if whole else 0.0))
    for _ in range(n_texts):
        codes = np.minimum(random.geometric(0.4, size=n) - 1, 8)
        codes[random.integers(n)] = 9
        found.append(Values(codes, tuple(f"level {i}" for i in range(10))))
    return found


def of_few(features: list[Values]) -> set[tuple[Any, ...]]:
    """Rows like which there are too few."""
    columns = [
        [None if np.isnan(v) else float(v) for v in one.values]
        if one.levels is None
        else [one.levels[code] for code in one.values]
        for one in features
    ]
    return {row for row, count in Counter(zip(*columns, strict=True)).items() if count < FEWEST}


@given(
    seed=st.integers(0, 2**31),
    n=st.integers(1, 900),
    n_numbers=st.integers(1, 4),
    n_texts=st.integers(0, 3),
    whole=st.booleans(),
)
@settings(max_examples=25)
def test_no_point_is_a_row_and_rare_texts_never_appear(
    seed: int, n: int, n_numbers: int, n_texts: int, whole: bool
) -> None:
    features = rows(seed, n, n_numbers, n_texts, whole)
    points, weights = summary_points(features)
    assert 1 <= len(points) <= max(1, min(MOST, n // FEWEST))
    assert weights.sum() == pytest.approx(1)
    assert (weights * n >= min(FEWEST, n) - 1e-9).all()
    if n >= FEWEST:
        assert not (set(points) - {(None,) * len(features)}) & of_few(features)
    for j, one in enumerate(features):
        if one.levels is not None and n >= FEWEST:
            often = {level for code, level in enumerate(one.levels) if (one.values == code).sum() >= FEWEST}
            assert {point[j] for point in points} <= often | {None}


def test_points_follow_the_rows() -> None:
    """Two far clusters: no point lies between them, and the mean of the points is that of the rows."""
    random = np.random.default_rng(0)
    side = np.repeat([0.0, 100.0], 300)
    features = [Values(side + random.normal(size=600)), Values((side > 50).astype(int), ("low", "high"))]
    points, weights = summary_points(features)
    assert len(points) > 8
    for number, text in points:
        assert isinstance(number, float)
        assert (abs(number) < 5, text) == (True, "low") or (abs(number - 100) < 5, text) == (True, "high")
    assert weights @ [point[0] for point in points] == pytest.approx(features[0].values.mean(), abs=0.1)


def test_members_are_counted_not_rows() -> None:
    """One person with a hundred rows is nobody's summary."""
    random = np.random.default_rng(1)
    numbers = np.concatenate([random.normal(size=200), np.full(100, 50.0) + random.normal(size=100)])
    texts = np.repeat([0, 1], [200, 100])
    members = np.concatenate([np.arange(200), np.full(100, 200)])
    features = [Values(numbers), Values(texts, ("many", "one person's"))]
    points, _ = summary_points(features, members)
    assert {text for _, text in points} == {"many"}
    assert max(number for number, _ in points) < 40


def test_rows_that_are_all_alike_are_one_point() -> None:
    points, weights = summary_points([Values(np.full(500, 3.0), unit=1.0), Values(np.zeros(500, int), ("a",))])
    assert points == [(3.0, "a")]
    assert weights.tolist() == [1.0]
