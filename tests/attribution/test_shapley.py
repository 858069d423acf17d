"""Shapley values are those of the definition, add up whatever is drawn, and hang on nothing but the row."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.attribution.shapley import Game, shapley

LEVELS = np.array(["", "a", "b"], dtype=object)


def problem(seed: int, n_numbers: int, n_texts: int, n_points: int, n_rows: int = 3) -> tuple[Game, dict[str, Any]]:
    """A crooked model of numbers with gaps and of texts; many values of rows are those of points."""
    random = np.random.default_rng(seed)

    def some(n: int) -> dict[str, Any]:
        numbers = random.integers(-2, 3, size=(n, n_numbers)).astype(float)
        numbers[random.random(numbers.shape) < 0.15] = np.nan
        return {"numbers": numbers, "texts": LEVELS[random.integers(0, 3, size=(n, n_texts))].reshape(n, n_texts)}

    slopes = random.normal(size=(n_numbers + n_texts, 2))

    def score(feeds: dict[str, Any]) -> Any:
        numbers = np.nan_to_num(feeds["numbers"], nan=0.7)
        codes = np.searchsorted(LEVELS.astype(str), feeds["texts"].astype(str)).astype(float)
        z = np.concatenate([numbers, codes], axis=1)
        return np.sin(z @ slopes) + np.prod(1 + 0.3 * z, axis=1, keepdims=True)

    weights = random.uniform(0.5, 1.5, size=n_points)
    places = [("numbers", j) for j in range(n_numbers)] + [("texts", j) for j in range(n_texts)]
    return Game(score, some(n_points), weights / weights.sum(), places), some(n_rows)


def by_definition(game: Game, rows: dict[str, Any]) -> Any:
    """The mean over all orders, feature by feature."""
    n, d = len(rows["numbers"]), len(game.places)
    found: Any = 0.0
    orders = list(permutations(range(d)))
    for point, weight in enumerate(game.weights):
        for order in orders:
            gains = np.zeros((n, d, 2))
            feeds = {name: np.repeat(array[point : point + 1], n, axis=0) for name, array in game.points.items()}
            before = game.score(feeds)
            for j in order:
                name, place = game.places[j]
                feeds[name][:, place] = rows[name][:, place]
                after = game.score(feeds)
                gains[:, j], before = after - before, after
            found = found + weight * gains / len(orders)
    return found


@given(seed=st.integers(0, 2**31), n_numbers=st.integers(1, 3), n_texts=st.integers(0, 2), n_points=st.integers(1, 4))
@settings(max_examples=15)
def test_where_all_sets_are_called_they_are_those_of_the_definition(
    seed: int, n_numbers: int, n_texts: int, n_points: int
) -> None:
    game, rows = problem(seed, n_numbers, n_texts, n_points)
    found = shapley(game, rows, evaluations=4096)
    np.testing.assert_allclose(found.contributions, by_definition(game, rows), atol=1e-10)
    assert not found.errors.any()


@given(
    seed=st.integers(0, 2**31),
    n_numbers=st.integers(0, 12),
    n_texts=st.integers(1, 4),
    n_points=st.integers(1, 20),
    evaluations=st.sampled_from([1, 100, 2000]),
)
@settings(max_examples=20)
def test_they_add_up_and_features_that_equal_the_background_add_nothing(
    seed: int, n_numbers: int, n_texts: int, n_points: int, evaluations: int
) -> None:
    game, rows = problem(seed, n_numbers, n_texts, n_points)
    found = shapley(game, rows, evaluations)
    np.testing.assert_allclose(found.base + found.contributions.sum(axis=1), game.score(rows), atol=1e-9)
    same = {name: np.repeat(array[:1], 2, axis=0) for name, array in game.points.items()}
    one = Game(game.score, {name: array[:1] for name, array in same.items()}, np.ones(1), game.places)
    assert not shapley(one, same, evaluations).contributions.any()
    alone = shapley(game, {name: array[1:2] for name, array in rows.items()}, evaluations)
    np.testing.assert_allclose(alone.contributions[0], found.contributions[1], atol=1e-12)


@pytest.mark.parametrize("n_features", [6, 7])
def test_drawn_orders_are_within_their_errors(n_features: int) -> None:
    """Of a product, against all sets: over many contributions no more than one in a hundred is 3 errors off."""
    game, rows = problem(n_features, n_features, 0, 6, n_rows=40)
    exact = shapley(game, rows, evaluations=4096)
    drawn = shapley(game, rows, evaluations=6 * 2 * (n_features - 1) * 5)
    assert drawn.errors.max() > 0
    off = np.abs(drawn.contributions - exact.contributions) > 4 * drawn.errors + 1e-9
    assert off.mean() < 0.05  # five pairs each: Student's t with 4 degrees of freedom has heavy tails
    assert np.sqrt(np.mean((drawn.contributions - exact.contributions) ** 2)) < 1.5 * np.sqrt(np.mean(drawn.errors**2))


def test_of_a_product_they_are_those_of_the_closed_form() -> None:
    """Of x1 x2 against one point (a, b): half of each difference with the mean of the other."""
    points = {"numbers": np.array([[0.5, -1.0]])}
    rows = {"numbers": np.array([[2.0, 3.0], [-1.0, 4.0]])}
    game = Game(
        lambda feeds: feeds["numbers"].prod(axis=1, keepdims=True), points, np.ones(1), [("numbers", 0), ("numbers", 1)]
    )
    for evaluations in (1, 1000):  # a pair of orders is exact, too
        found = shapley(game, rows, evaluations).contributions[..., 0]
        expected = [[(x - 0.5) * (y - 1) / 2, (y + 1) * (x + 0.5) / 2] for x, y in rows["numbers"]]
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_sums_of_pairs_are_exact_with_any_draw() -> None:
    random = np.random.default_rng(3)
    matrix = random.normal(size=(14, 14))

    def score(feeds: dict[str, Any]) -> Any:
        z = feeds["numbers"]
        return np.einsum("ni,ij,nj->n", z, matrix, z)[:, None]

    points, rows = {"numbers": random.normal(size=(5, 14))}, {"numbers": random.normal(size=(4, 14))}
    game = Game(score, points, np.full(5, 0.2), [("numbers", j) for j in range(14)])
    both = matrix + matrix.T
    z, b = rows["numbers"][:, None], points["numbers"][None]
    expected = ((z - b) * ((z + b) @ both / 2)).mean(axis=1)
    np.testing.assert_allclose(shapley(game, rows, 1, seed=1).contributions[..., 0], expected, atol=1e-10)
