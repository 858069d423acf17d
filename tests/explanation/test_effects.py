"""Effects of planted models are the planted ones, and bands are as wide as theory says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.data.dataset import Dataset
from annvil.data.splits import Split, inner_splits
from annvil.data.table import Table, table_from_columns
from annvil.explanation.axes import at_rows, axis_of, laid_out, stored
from annvil.explanation.effects import Curve, busy_effects, effects_of
from annvil.explanation.exact_effects import SumLayout
from annvil.explanation.local_effects import LocalLayout, with_lines
from annvil.explanation.refits import drawn, refit
from annvil.models.jobs import Context, Effort, Job
from annvil.models.linear import Linear
from annvil.models.terms import Additive, Term
from annvil.tasks.base import FloatArray
from annvil.tasks.union import make_task

SHAPES = (np.sin, np.square, np.tanh, lambda x: 2 * x, lambda x: np.where(x > 0, 1.0, -1.0), np.zeros_like)


def planted(seed: int, n: int = 240) -> tuple[Table, dict[str, FloatArray], Any]:
    """Rows of numbers that go together, counts and categories with gaps; what each column adds; and the sum of them."""
    random = np.random.default_rng(seed)
    common = random.normal(size=n)
    a, b = common + 0.5 * random.normal(size=n), common - random.normal(size=n)
    a[random.random(n) < 0.1] = np.nan
    k = random.integers(0, 5, n).astype(float)
    c = [
        None if gap else level for level, gap in zip(random.choice(list("xyz"), n), random.random(n) < 0.1, strict=True)
    ]
    table = table_from_columns([("a", "number", a), ("b", "number", b), ("k", "number", k), ("c", "category", c)])
    shapes = {name: SHAPES[random.integers(len(SHAPES))] for name in "abk"}
    offsets = {"": random.normal(), **dict(zip("xyz", random.normal(size=3), strict=True))}
    gap = random.normal()

    def added(rows: Table) -> dict[str, FloatArray]:
        by = {column.name: column for column in rows.columns}
        numbers = {m: np.where(by[m].missing, gap, shapes[m](np.nan_to_num(by[m].values))) for m in "abk"}
        return {**numbers, "c": np.array([offsets[text] for text in by["c"].texts()])}

    return table, added(table), added


def scored(added: Any) -> Any:
    return lambda rows: sum(added(rows).values())[:, None]


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_lines_of_single_points_are_the_effect_of_a_sum_and_tell_where_columns_act_together(
    seed: int,
) -> None:
    table, _, added = planted(seed)
    points = table.take(np.arange(20))
    curves = LocalLayout.of(table).curves(scored(added))
    for curve in with_lines(curves, table, points, scored(added)):
        if curve.axes[0].levels:
            assert curve.lines is None
            continue
        assert curve.lines is not None
        assert curve.lines.shape == (8, len(curve.axes[0]), 1)
        known = curve.values[: len(curve.axes[0]), 0]
        for line in curve.lines[:, :, 0]:
            np.testing.assert_allclose(line - line.mean(), known - known.mean(), atol=1e-9)

    def together(rows: Table) -> FloatArray:
        b, k = (rows.columns[rows.names.index(name)].values for name in "bk")
        return np.asarray(b * k)[:, None]

    curves = LocalLayout.of(table).curves(together)
    lines = next(one.lines for one in with_lines(curves, table, points, together) if one.axes[0].column == "b")
    assert lines is not None
    slopes = np.ptp(lines[:, :, 0], axis=1) / np.ptp(curves[1].axes[0].values)
    k = points.columns[points.names.index("k")].values[:8]
    np.testing.assert_allclose(slopes, k, atol=1e-9)


def truth(table: Table, added: Any, curve: Curve) -> FloatArray:
    """What the planted column adds along the axis of a curve, 0 on average over the rows."""
    (axis,) = curve.axes
    grid, _ = laid_out(table, [curve.axes])
    return np.asarray(added(grid)[axis.column] - added(table)[axis.column].mean())


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_local_effects_of_a_sum_are_its_terms(seed: int) -> None:
    table, at, added = planted(seed)
    for curve in LocalLayout.of(table).curves(scored(added)):
        expected, known = truth(table, added, curve), len(curve.axes[0])
        level = np.mean(curve.values[:known, 0] - expected[:known])  # means differ by straight lines between values
        np.testing.assert_allclose(curve.values[:known, 0] - level, expected[:known], atol=1e-9)
        assert abs(level) < 0.1 + 0.1 * np.ptp(expected)
        if curve.axes[0].missing:
            assert curve.values[-1, 0] == pytest.approx(expected[-1], abs=0.35 + 0.1 * np.ptp(expected))
        name = curve.axes[0].column
        np.testing.assert_allclose(curve.rows[:, 0].std(), at[name].std(), rtol=0.25, atol=0.12)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=25, deadline=None)
def test_effects_of_a_sum_are_its_terms_with_pairs_and_projections(seed: int, turned: bool) -> None:
    table, at, added = planted(seed)

    def product(rows: Table) -> FloatArray:
        b, k = (rows.columns[rows.names.index(name)].values for name in ("b", "k"))
        return np.asarray(b * k)

    def weighted(rows: Table) -> FloatArray:
        b, k = (rows.columns[rows.names.index(name)].values for name in ("b", "k"))
        return np.asarray((0.6 * b + 0.8 * k) * (-1 if turned else 1))

    def contributions(rows: Table) -> FloatArray:
        parts = [*added(rows).values(), product(rows), np.tanh((-1 if turned else 1) * weighted(rows))]
        return np.stack(parts, axis=1)[:, :, None]

    def projected(rows: Table) -> FloatArray:
        return np.stack([np.full(rows.n_rows, np.nan)] * 5 + [weighted(rows)], axis=1)

    sign = -1.0 if turned else 1.0
    terms = (
        *(Term((name,)) for name in "abkc"),
        Term(("b", "k")),
        Term(("b", "k"), ("b", "k"), (0.6 * sign, 0.8 * sign)),
    )
    model = Additive(terms, np.zeros(1), contributions, lambda graph, *raw: "", projected)
    layout = SumLayout.of(model, table)
    curves = layout.curves(model)
    assert len(curves) == len(terms)
    for curve in curves[:4]:
        np.testing.assert_allclose(curve.values[:, 0], truth(table, added, curve), atol=1e-9)
        np.testing.assert_allclose(curve.rows[:, 0], at[curve.axes[0].column] - at[curve.axes[0].column].mean())
    pair, ridge = curves[4:]
    expected = np.outer(pair.axes[0].values, pair.axes[1].values) - product(table).mean()
    np.testing.assert_allclose(pair.values[:, 0].reshape(expected.shape), expected, atol=1e-9)
    along = np.tanh(sign * np.array(ridge.axes[0].values)) - np.tanh(sign * weighted(table)).mean()
    np.testing.assert_allclose(ridge.values[:, 0], along, atol=0.1)
    mirrored = Term(("b", "k"), ("b", "k"), (-0.6 * sign, -0.8 * sign))
    other = Additive(
        (mirrored,), np.zeros(1), lambda rows: contributions(rows)[:, 5:], lambda graph, *raw: "",
        lambda rows: -weighted(rows)[:, None],
    )  # fmt: skip
    again = layout.curves(other)
    np.testing.assert_allclose(again[5].values, ridge.values, atol=1e-9)  # the same function of the turned weights
    assert not any(curve.values.any() for curve in again[:5])


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_an_effect_along_its_axis_is_found_again_at_rows(seed: int) -> None:
    table, _, added = planted(seed)
    for column in table.columns:
        axis = axis_of(column)
        assert axis is not None
        grid, _ = laid_out(table, [(axis,)])
        values = grid.columns[grid.names.index(column.name)].values
        np.testing.assert_array_equal(values, stored(column, axis, missing=True))
        at = at_rows(column, axis, added(grid)[column.name])
        at_row = added(table)[column.name]
        inside = column.missing | (np.isin(column.values, values) if axis.values else column.values >= 0)
        np.testing.assert_allclose(at[inside], at_row[inside], atol=1e-9)
        assert sum(axis.density) == pytest.approx(1 - axis.missing, abs=0.03)


def test_bands_are_as_wide_as_theory_says_and_certainty_follows_them() -> None:
    random = np.random.default_rng(0)
    n, axis = 400, axis_of(table_from_columns([("x", "number", np.linspace(-1, 1, 400))]).columns[0])
    assert axis is not None
    along, x = np.array(axis.values), np.linspace(-1, 1, n)

    def curve(slope: float) -> Curve:
        return Curve((axis,), slope * along[:, None], slope * x[:, None])

    error = 0.1
    refits = [[curve(1 + error * z)] for z in random.normal(size=200)]
    (effect,) = effects_of([curve(1.0)], refits, ["y"], exact=True)
    np.testing.assert_allclose(effect.high, along + 2.0 * error * np.abs(along), atol=0.03)
    assert effect.certain == 1.0
    assert not effect.mistrust
    unsure = [[curve(0.1 * z)] for z in random.normal(size=12)]
    (nothing,) = effects_of([curve(0.05)], unsure, ["y"], exact=True)
    assert nothing.certain == 0.0
    assert nothing.mistrust
    (alone,) = effects_of([curve(1.0)], refits[:3], ["y"], exact=True)
    assert alone.low == ()
    assert alone.certain is None
    (flat,) = effects_of([curve(0.0)], [], ["y"], exact=True)
    assert busy_effects([effect, flat], ["x", "never"]) == ([effect], ("never",))


def test_refits_of_a_linear_model_scatter_as_its_standard_error_says() -> None:
    random = np.random.default_rng(3)
    n = 300
    x = random.normal(size=n)
    y = 3 * x + random.normal(size=n)
    rows = np.arange(n)
    dataset = Dataset(table_from_columns([("x", "number", x)]), y, make_task("regression", "y"), rows)
    job = Job("final", rows, inner_splits(dataset, rows, 1, 0), 0)
    (model,) = Linear().fit(dataset, [job], Effort(), Context())
    refits = refit(dataset, Linear(), job, model.configuration, 60.0, n=30)
    additive = model.additive()
    assert additive is not None
    layout = SumLayout.of(additive, dataset.inputs)
    others = [layout.curves(sum_) for sum_ in (one.additive() for one in refits) if sum_ is not None]
    (effect,) = effects_of(layout.curves(additive), others, ["y"], exact=True)
    ends = np.array(effect.values)[[0, -1]] / np.array(effect.axes[0].values)[[0, -1]]
    np.testing.assert_allclose(ends, 3.0, atol=0.35)
    half = (effect.high[-1] - effect.low[-1]) / 2
    theory = 2.0 * np.abs(effect.axes[0].values[-1] - x.mean()) / (np.sqrt(n) * x.std())
    assert 0.6 * theory < half < 1.6 * theory
    assert effect.certain is not None
    assert effect.certain > 0.9


@given(st.integers(20, 60), st.booleans(), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_drawn_jobs_look_at_the_same_rows_and_keep_sides_apart(n: int, weights: bool, seed: int) -> None:
    rows = np.arange(5, 5 + n)
    job = Job("final", rows, (Split(rows[: -n // 5], rows[-n // 5 :]),), seed)
    kinds = np.arange(n) % 7 // 6
    jobs = list(drawn(job, kinds, 12, weights=weights))
    assert len(jobs) == 12
    assert len({one.key for one in jobs}) == 12
    for one in jobs:
        (split,) = one.inner
        assert not np.intersect1d(split.train, split.test).size
        assert sorted(kinds[one.rows - 5]) == sorted(kinds)
        assert sorted(np.concatenate([split.train, split.test])) == sorted(one.rows)
        if weights:
            assert one.weights is not None
            assert one.weights.mean() == pytest.approx(1.0)
            assert one.weights.min() > 0
            assert len(np.unique(one.weights)) == n
        else:
            assert len(one.rows) == n
            assert len(np.unique(one.rows)) < n


def test_rare_categories_count_though_they_are_on_no_axis() -> None:
    random = np.random.default_rng(0)
    common, rare = random.random(900) < 0.7, [f"rare {k}" for k in range(90)]
    c = np.where(common, random.choice([*"ab"], 900), random.choice(rare, 900))
    table = table_from_columns([("c", "category", c), ("x", "number", random.normal(size=900))])

    def scores(rows: Table) -> FloatArray:
        return np.array([[10.0 * text.startswith("rare 1")] for text in rows.texts()[:, 0]])

    curves = LocalLayout.of(table).curves(scores)
    effects = effects_of(curves, [], ["y"], exact=False)
    assert effects[0].name == "c"
    assert effects[0].importance == pytest.approx(scores(table).std(), rel=0.35)
    assert busy_effects(effects, table.names)[1] == ("x",)


def test_rare_categories_are_neither_shown_nor_make_others_look_important() -> None:
    random = np.random.default_rng(0)
    names = [f"rare {k}" for k in range(60)]
    c = random.choice([*"abc", *names], 600, p=[0.3, 0.3, 0.3, *[0.1 / 60] * 60])
    table = table_from_columns([("c", "category", c), ("x", "number", random.normal(size=600))])
    (curve, other) = LocalLayout.of(table).curves(lambda rows: 5000.0 + rows.numbers()[:, :1])
    assert set(curve.axes[0].levels) == set("abc")
    np.testing.assert_allclose(curve.values, 0.0, atol=1e-9)
    np.testing.assert_allclose(curve.rows, 0.0, atol=1e-9)
    assert other.rows.std() == pytest.approx(table.numbers().std(), rel=0.1)
