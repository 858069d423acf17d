"""Category columns: against scikit-learn's encoders and against hand calculation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import OneHotEncoder

from annvil.data.table import Column, Field, Table, table_from_columns
from annvil.preparation import LinearPreparation, NetworkPreparation, TreePreparation
from annvil.preparation.categories import one_hot, text_columns
from annvil.preparation.for_models import ONE_HOT_HEIGHT


def texts(**columns):
    return table_from_columns([(name, "category", values) for name, values in columns.items()])


def test_two_levels_are_minus_and_plus_one():
    table = texts(sex=["m", "f", "f", None])
    fitted = NetworkPreparation.fit(table)
    assert fitted.names == ("sex = m", "sex is missing")
    assert fitted.transform(table).numbers.tolist() == [[1, 0], [-1, 0], [-1, 0], [0, 1]]
    assert fitted.transform(texts(sex=["x", "M"])).numbers.tolist() == [[0, 0], [0, 0]]


def test_two_levels_without_missing_values_are_one_column():
    fitted = LinearPreparation.fit(texts(sex=["m", "f", "f"]))
    assert fitted.names == ("sex = m",)
    assert fitted.transform(texts(sex=[None, "f"])).numbers.tolist() == [[0], [-1]]


def test_trees_keep_what_is_missing_in_two_levels():
    fitted = TreePreparation.fit(texts(sex=["m", "f", None]))
    prepared = fitted.transform(texts(sex=["m", "f", None, "x"])).numbers[:, 0]
    np.testing.assert_array_equal(prepared, [1, -1, np.nan, np.nan])


def test_small_categories_are_one_hot_for_networks():
    fitted = NetworkPreparation.fit(texts(colour=["red", "blue", "green", "red", None]))
    assert fitted.names == ("colour is missing", "colour = blue", "colour = green", "colour = red")
    assert fitted.cardinalities == ()
    prepared = fitted.transform(texts(colour=["green", None, "mauve"])).numbers / np.float32(ONE_HOT_HEIGHT)
    assert prepared.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def test_one_hot_height_is_what_robust_scaling_gives():
    column = table_from_columns([("x", "number", [0, 0, 0, 0, 0, 1])])
    assert NetworkPreparation.fit(column).transform(column).numbers.max() == pytest.approx(ONE_HOT_HEIGHT)


@pytest.mark.parametrize(("least", "most"), [(1, None), (3, None), (3, 5), (1, 4), (1000, None)])
def test_one_hot_is_scikit_learns(least, most):
    rng = np.random.default_rng(0)
    values = [f"level {int(k)}" for k in rng.exponential(4, 200)]
    new = [*values[:40], "never seen", "", "level 99"]
    encoder = OneHotEncoder(
        min_frequency=least, max_categories=most, handle_unknown="infrequent_if_exist", sparse_output=False
    ).fit(np.array(values, dtype=object)[:, None])
    (column,) = text_columns(texts(c=values))
    lookup = one_hot(column, least=least, most=most)
    ours = lookup.table[[lookup.slots.get(value, lookup.unknown) for value in new]]
    np.testing.assert_array_equal(ours, encoder.transform(np.array(new, dtype=object)[:, None]))
    assert len({feature.name for feature in lookup.features}) == len(lookup.features)


def test_rare_levels_share_a_column_with_unknown_ones_for_linear_models():
    fitted = LinearPreparation.fit(texts(city=["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d", "e"]))
    assert fitted.names == ("city = a", "city = b", "city = c", "city: other")
    assert fitted.transform(texts(city=["d", "zzz", "c"])).numbers.tolist() == [
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 1, 0],
    ]


def test_large_categories_are_codes_for_networks():
    levels = [f"city {k:02}" for k in range(20)]
    fitted = NetworkPreparation.fit(texts(city=[*levels, *levels[:12], None, None]))
    assert fitted.cardinalities == (14,)  # unknown and once seen, missing, and 12 levels seen twice
    assert fitted.names == ("nothing",)
    prepared = fitted.transform(texts(city=["city 00", "city 11", "city 12", "never seen", None]))
    assert prepared.codes[:, 0].tolist() == [2, 13, 0, 0, 1]
    assert prepared.numbers.tolist() == [[0]] * 5


def test_levels_of_other_rows_are_unknown():
    whole = texts(colour=["red", "blue", "green", "violet"] * 3)
    fitted = NetworkPreparation.fit(whole.take(np.array([0, 1, 2, 4, 5, 6])))
    assert fitted.names == ("colour = blue", "colour = green", "colour = red")
    assert not fitted.transform(whole.take(np.array([3]))).numbers.any()


def test_the_order_of_levels_in_storage_does_not_matter():
    field = Field("c", "category")
    one = Table((Column(field, np.array([0, 1, 2, -1], dtype=np.int32), ("x", "y", "z")),), 4)
    other = Table((Column(field, np.array([2, 0, 1, -1], dtype=np.int32), ("y", "z", "x", "unused")),), 4)
    for kind in (LinearPreparation, NetworkPreparation, TreePreparation):
        a, b = kind.fit(one), kind.fit(other)
        assert a.names == b.names
        np.testing.assert_array_equal(a.transform(one).numbers, b.transform(other).numbers)


def test_few_rows_of_many_levels_are_looked_up_by_themselves():
    levels = tuple(f"l{k}" for k in range(5000))
    table = Table((Column(Field("c", "category"), np.tile(np.arange(5000, dtype=np.int32), 2), levels),), 10_000)
    fitted = NetworkPreparation.fit(table)
    few = np.array([7, 4999, 7])
    assert fitted.transform(table.take(few)).codes.tolist() == fitted.transform(table).codes[few].tolist()


def test_many_equal_columns(written):
    fitted = NetworkPreparation.fit(texts(**{f"q{k}": ["yes", "no", "no"] for k in range(300)}))
    rows = texts(**{f"q{k}": [["yes", "no", None][k % 3]] for k in range(300)})
    session = written(fitted)
    (out,) = session.run(None, {"numbers": rows.numbers(), "texts": rows.texts()})
    np.testing.assert_array_equal(out, fitted.transform(rows).numbers)
