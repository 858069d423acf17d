"""Columns on knots: whatever the values are, a row's hat functions add up to one and lie where the value lies."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from annvil.data.table import table_from_columns
from annvil.preparation.knots import KnotPreparation

VALUES = st.one_of(
    st.sampled_from([0.0, 1.0, np.nan, -1e300, 1e300, 5e-324]),
    st.integers(-5, 5).map(float),
    st.floats(-1e6, 1e6),
)


@given(st.lists(st.tuples(VALUES, st.sampled_from(["", "a", "b", "c"])), min_size=1, max_size=60), st.integers(12, 20))
def test_any_column_has_knots(rows: list[tuple[float, str]], most: int) -> None:
    numbers, texts = (list(column) for column in zip(*rows, strict=True))
    table = table_from_columns([("x", "number", numbers), ("c", "category", texts)])
    knots = KnotPreparation.fit(table, most=most, coarse=5)
    for (at, share), which in zip(knots.place(table), ("n_slots", "n_coarse"), strict=True):
        sizes = np.array([getattr(one, which) for one in knots.knots])
        assert (at >= 0).all()
        assert (at < sizes).all()
        assert ((share >= 0) & (share <= 1)).all()
    x = knots.knots[0]
    assert 2 <= len(x.points) <= 3 * most
    assert (np.diff(x.points) > 0).all()
    np.testing.assert_allclose(x.refinement().sum(axis=1), 1.0)
    (at, share), _ = knots.place(table)
    missing = np.isnan(numbers)
    assert (at[missing, 0] == x.n_slots - 1).all()
    lower = x.points[np.minimum(at[:, 0], len(x.points) - 2)][~missing]
    known = np.clip(np.array(numbers)[~missing], x.points[0], x.points[-1])
    assert (lower <= known).all()


def test_distinct_values_fewer_than_a_twentieth_each_are_no_spikes() -> None:
    table = table_from_columns([("x", "number", np.arange(20.0))])
    assert len(KnotPreparation.fit(table, most=12, coarse=4).knots[0].points) == 12


def test_a_spike_can_be_jumped_at() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(1, 2, 100)])
    points = KnotPreparation.fit(table_from_columns([("x", "number", values)]), most=30, coarse=5).knots[0].points
    assert points[0] == 0.0
    assert points[1] == 1.0
    assert len(points) > 20
