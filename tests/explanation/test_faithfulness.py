"""Right explanations of planted models pass, wrong ones fail."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from annvil.data.table import Table, table_from_columns
from annvil.explanation.effects import Curve
from annvil.explanation.faithfulness import additivity, by_column, deletion, rank_correlation, stability, typical_row
from annvil.tasks.base import FloatArray


def planted(seed: int, n_columns: int) -> tuple[Table, FloatArray]:
    """Rows of numbers and a category, and weights that differ."""
    random = np.random.default_rng(seed)
    numbers = [(f"x{k}", "number", random.normal(size=120)) for k in range(n_columns)]
    return table_from_columns([*numbers, ("c", "category", random.choice(["p", "q"], 120))]), random.normal(  # type: ignore[list-item]
        size=n_columns + 1
    ) + 2 * (np.arange(n_columns + 1) % 2)


def terms_of(weights: FloatArray, rows: Table) -> FloatArray:
    numbers = rows.numbers()
    category = (rows.texts()[:, 0] == "q").astype(float)
    return np.column_stack([numbers, category]) * weights


@given(st.integers(0, 10_000), st.integers(2, 8))
@settings(max_examples=25, deadline=None)
def test_contributions_pass_and_those_of_other_columns_or_rows_fail(seed: int, n_columns: int) -> None:
    table, weights = planted(seed, n_columns)

    def scores(rows: Table) -> FloatArray:
        return np.asarray(terms_of(weights, rows).sum(axis=1))

    right = terms_of(weights, table)
    right = right - right.mean(axis=0)
    passed = deletion(scores, table, right)
    assert passed is not None
    assert passed.passed, passed.said
    random = np.random.default_rng(seed)
    wrong = [deletion(scores, table, -right), deletion(scores, table, np.abs(right))]
    wrong += [deletion(scores, table, right[random.permutation(len(right))]) for _ in range(3)]
    values = [one.value for one in wrong if one is not None]
    assert values[0] < 0
    assert values[1] < passed.value  # sizes without signs know something
    assert max(values[2:]) < passed.value / 2
    assert not all(one is None or one.passed for one in wrong)


def test_chance_passes_as_seldom_as_its_threshold_says() -> None:
    passed = 0
    for seed in range(200):
        table, weights = planted(seed, 4)
        noise = np.random.default_rng(seed + 1).normal(size=(120, 5))
        check = deletion(lambda rows, w=weights: terms_of(w, rows).sum(axis=1), table, noise, seed=seed)  # type: ignore[misc]
        assert check is not None
        passed += check.passed
    assert passed <= 14  # 2.3% of 200 are 5 by a normal law; 14 and more have probability 2e-4


def test_what_cannot_be_tested_is_not() -> None:
    table, weights = planted(0, 3)
    assert deletion(lambda rows: np.zeros(rows.n_rows), table, terms_of(weights, table)) is None
    few = table.take(np.arange(5))
    assert deletion(lambda rows: terms_of(weights, rows).sum(axis=1), few, terms_of(weights, few)) is None


def test_additivity_is_a_part_of_the_range() -> None:
    scores = np.linspace(0, 10, 50)[:, None]
    assert additivity(np.full((50, 1), 0.009), scores).passed
    check = additivity(np.full((50, 1), 0.011), scores)
    assert not check.passed
    assert check.said.startswith("Do not rely on")


def curves(sizes: FloatArray) -> list[Curve]:
    rows = np.linspace(-1, 1, 30)[:, None]
    return [Curve((), np.zeros((1, 1)), size * rows) for size in sizes]


def test_stability_tells_alike_from_unlike() -> None:
    random = np.random.default_rng(0)
    own = curves(np.arange(1.0, 9.0))
    alike = stability(own, [curves(np.arange(1.0, 9.0) * random.uniform(0.9, 1.1, 8)) for _ in range(12)])
    unlike = stability(own, [curves(random.permutation(np.arange(1.0, 9.0))) for _ in range(12)])
    assert alike is not None
    assert unlike is not None
    assert alike.passed
    assert not unlike.passed
    assert unlike.said.startswith("Do not rely on")
    assert stability(own[:2], [own[:2]] * 5) is None


@given(st.lists(st.integers(0, 6), min_size=3, max_size=12))
@settings(max_examples=25, deadline=None)
def test_rank_correlation_is_that_of_ranks_counted_one_by_one(values: list[int]) -> None:
    def ranks(numbers: FloatArray) -> FloatArray:
        return np.array([np.sum(numbers < number) + np.sum(numbers == number) / 2 for number in numbers])

    one = np.array(values, dtype=float)
    other = np.roll(one, 1) + np.arange(len(one))
    if np.ptp(one) and np.ptp(other):
        assert abs(rank_correlation(one, other) - np.corrcoef(ranks(one), ranks(other))[0, 1]) < 1e-12
    else:
        assert rank_correlation(one, other) == 0.0


def test_terms_of_several_columns_are_shared() -> None:
    found = by_column(np.array([[2.0, 4.0]]), [("a",), ("a", "b")], ["a", "b", "c"])
    np.testing.assert_allclose(found, [[4.0, 2.0, 0.0]])


def test_the_typical_row_has_medians_and_the_commonest_categories() -> None:
    columns = [("x", "number", [1, 2, 9]), ("c", "category", ["p", "q", "q"]), ("gone", "number", [np.nan, np.nan, 1])]
    row = typical_row(table_from_columns(columns))  # type: ignore[arg-type]
    assert (row.columns[0].values[0], row.columns[1].texts()[0]) == (2.0, "q")
    assert row.columns[2].missing[0]
