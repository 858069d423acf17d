"""Numbers that are codes reach models as numbers and as categories, in the graph as well."""

from __future__ import annotations

import numpy as np
import pytest

from annvil.data.table import table_from_columns
from annvil.preparation import LinearPreparation, NetworkPreparation, TreePreparation

RNG = np.random.default_rng(0)
CODES = np.sort(RNG.choice(np.arange(1000, 9999), 30, replace=False)).astype(float)
N = 600


def rows(values, **texts):
    columns = [(name, "category", column) for name, column in texts.items()]
    return table_from_columns([("size", "number", np.arange(len(values)) / 7), ("place", "number", values), *columns])


PLACES = CODES[RNG.integers(0, 30, N)]
GAPS = np.where(np.arange(N) % 9 == 0, np.nan, PLACES)
STRANGE = [np.nan, CODES[0], CODES[0] + 0.5, CODES[-1], 5.0, -1.0, 1e300, np.inf, -np.inf, -0.0, 2.0**53, -(2.0**60)]


def test_a_number_and_a_column_for_every_code():
    table = rows(PLACES)
    fitted = LinearPreparation.fit(table)
    levels = [f"place = {int(code)}" for code in CODES]
    assert fitted.names[:2] == ("size", "place")
    assert list(fitted.names[2:]) == levels
    assert {feature.source for feature in fitted.features} == {"size", "place"}
    prepared = fitted.transform(table).numbers
    np.testing.assert_array_equal(prepared[:, 2:], np.equal.outer(PLACES, CODES))
    new = fitted.transform(rows([CODES[3], 5.0, CODES[3] + 0.5])).numbers[:, 2:]
    assert new.sum(axis=1).tolist() == [1, 0, 0]
    assert "'place': codes, given as numbers and as categories." in fitted.describe()


def test_trees_get_their_target_means(task):
    y = (np.isin(PLACES, CODES[::3]) ^ (RNG.random(N) < 0.1)).astype(int)
    fitted, prepared = TreePreparation.fit_transform(rows(PLACES), y=y, task=task)
    assert fitted.names == ("size", "place", "place (share of yes)")
    means = fitted.transform(rows(CODES)).numbers[:, 2]
    expected = np.array([y[code == PLACES].mean() for code in CODES])
    assert np.corrcoef(means, expected)[0, 1] > 0.99
    assert np.any(prepared.numbers[:, 2] != fitted.transform(rows(PLACES)).numbers[:, 2])  # cross-fitted


def test_networks_get_codes_for_an_embedding():
    fitted = NetworkPreparation.fit(rows(PLACES))
    assert fitted.names == ("size", "place")
    assert fitted.cardinalities == (31,)
    assert fitted.transform(rows(CODES)).codes[:, 0].tolist() == list(range(1, 31))
    assert fitted.transform(rows([5.0, np.nan])).codes[:, 0].tolist() == [0, 0]


@pytest.mark.parametrize("kind", [LinearPreparation, NetworkPreparation, TreePreparation])
@pytest.mark.parametrize("values", [PLACES, GAPS])
@pytest.mark.parametrize("has_texts", [False, True])
def test_the_graph_gives_the_same(kind, values, has_texts, task, assert_graph_agrees):
    def table(places):
        return rows(places, **({"colour": np.resize(["red", "green", "blue"], len(places))} if has_texts else {}))

    fitted = kind.fit(table(values), y=RNG.integers(0, 2, N), task=task)
    assert fitted.schema == table(values).schema
    assert_graph_agrees(fitted, table(values))
    assert_graph_agrees(fitted, table(np.array(STRANGE)))


def test_numbers_that_are_no_codes_stay_numbers():
    table = table_from_columns([("age", "number", RNG.integers(18, 90, N).astype(float))])
    assert LinearPreparation.fit(table).names == ("age",)
