"""Settings that vary, and the candidates drawn from them."""

from __future__ import annotations

import math

import pytest

from annvil.errors import RequestError
from annvil.trainer.population.search_space import Space, log_uniform, numbered_seed, uniform


def drawn(vary, members, seed=0):
    return [dict(candidate.settings) for candidate in Space.read(vary).draw(members, seed)]


def test_a_range_is_met_once_in_each_of_its_parts():
    rates = sorted(c["learning_rate"] for c in drawn({"learning_rate": log_uniform(1e-4, 1e-1)}, 12))
    shares = [(math.log10(rate) + 4) / 3 * 12 for rate in rates]
    # Four digits are kept, so that a value at the very edge of its part may be rounded over it.
    assert all(abs(share - (k + 0.5)) <= 0.51 for k, share in enumerate(shares))


def test_a_list_is_met_evenly_and_independently_of_others():
    candidates = drawn({"dropout": [0, 0.2, 0.4], "weight_decay": [0, 1e-2]}, 64, seed=3)
    counts = [sum(c["dropout"] == value for c in candidates) for value in (0, 0.2, 0.4)]
    assert sorted(counts) == [21, 21, 22]
    pairs = {(c["dropout"], c["weight_decay"]) for c in candidates}
    assert len(pairs) == 6


def test_values_can_be_written_down():
    for candidate in drawn({"learning_rate": log_uniform(1e-4, 1e-1), "dropout": uniform(0, 0.5)}, 20):
        for value in candidate.values():
            assert float(f"{value:.4g}") == value


def test_ends_are_never_left_even_by_rounding():
    low, high = 0.00012345678, 0.00012345999
    assert all(low <= c["learning_rate"] <= high for c in drawn({"learning_rate": log_uniform(low, high)}, 50))


def test_whole_numbers_with_both_ends():
    values = [c["batch_size"] for c in drawn({"batch_size": uniform(3, 6, whole=True)}, 40)]
    assert {type(v) for v in values} == {int}
    assert [values.count(v) for v in (3, 4, 5, 6)] == [10, 10, 10, 10]


def test_lists_alone_make_every_combination():
    grid = drawn({"learning_rate": [1e-3, 1e-2], "optimizer": ["sgd", "adamw"]}, None)
    assert grid == [
        {"learning_rate": rate, "optimizer": optimizer} for rate in (1e-3, 1e-2) for optimizer in ("sgd", "adamw")
    ]


def test_without_anything_that_varies_candidates_differ_in_their_seeds():
    candidates = Space.read(None).draw(5, 7)
    assert [dict(c.settings) for c in candidates] == [{}] * 5
    assert candidates[0].seed == 7
    assert len({c.seed for c in candidates}) == 5


def test_a_seed_that_varies_is_taken_as_it_is():
    assert [c.seed for c in Space.read({"seed": [4, 9]}).draw(None, 0)] == [4, 9]


def test_the_same_seed_draws_the_same():
    vary = {"learning_rate": log_uniform(1e-4, 1), "dropout": [0, 0.1]}
    assert drawn(vary, 9, 1) == drawn(vary, 9, 1) != drawn(vary, 9, 2)


def test_numbered_seeds_fit_into_31_bits_and_differ():
    seeds = [numbered_seed(123, k) for k in range(1000)]
    assert len(set(seeds)) == 1000
    assert max(seeds) < 2**31
    assert seeds[0] == 123


def test_a_name_goes_to_the_function_that_takes_it():
    space = Space.read({"dropout": [0.1], "width": [4], "batch_size": [8], "momentum": [0.5]}, {"dropout", "width"})
    assert space.home == {"dropout": "network", "width": "network", "batch_size": "recipe", "momentum": "member"}


def test_a_function_that_takes_any_name_gets_unknown_ones():
    assert Space.read({"depth": [1], "dropout": [0]}, None).home == {"depth": "network", "dropout": "member"}


def test_an_unknown_name_is_met_with_a_suggestion():
    with pytest.raises(RequestError, match=r"nothing is called 'learing_rate'\. Did you mean 'learning_rate'"):
        Space.read({"learing_rate": [1]})
    with pytest.raises(RequestError, match=r"'widht'\. Did you mean 'width'.*your function \(depth, width\)"):
        Space.read({"widht": [1]}, {"width", "depth"})


@pytest.mark.parametrize("values", [0.2, [], "sgd", None, {"a": 1}])
def test_values_must_be_a_list_or_a_range(values):
    with pytest.raises(RequestError, match=r"vary\['dropout'\] must be a list of values, annvil\.uniform"):
        Space.read({"dropout": values})


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-1, 1), (2, 1), (math.nan, 1), (1, math.inf), ("a", 1)])
def test_log_uniform_needs_positive_ends_in_order(low, high):
    with pytest.raises(RequestError, match="0 < low <= high"):
        log_uniform(low, high)


def test_uniform_needs_ends_in_order_and_whole_ones_where_asked():
    with pytest.raises(RequestError, match="low <= high; got 2 and 1"):
        uniform(2, 1)
    with pytest.raises(RequestError, match=r"whole ends; got 0\.5 and 3"):
        uniform(0.5, 3, whole=True)
