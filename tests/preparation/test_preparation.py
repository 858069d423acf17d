"""What holds for every preparation: graph and NumPy agree, and what must not matter does not."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from annvil.data.table import Column, Field, Table, table_from_columns
from annvil.preparation import LinearPreparation, NetworkPreparation, TreePreparation

KINDS = [LinearPreparation, NetworkPreparation, TreePreparation]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
every_scaling = pytest.mark.parametrize("scaling", ["robust", "none"])


@pytest.fixture
def fit(answers, task):
    def fitted(kind, rows, **options):
        return kind.fit(rows, y=answers(rows), task=task, **options)

    return fitted


@every_kind
@every_scaling
def test_the_graph_agrees_on_ordinary_and_hostile_rows(
    kind, scaling, fit, training_rows, hostile_rows, written, assert_graph_agrees
):
    fitted = fit(kind, training_rows(), scaling=scaling)
    session = written(fitted)
    for n_rows in (1, 2, 7, 256):
        assert_graph_agrees(fitted, hostile_rows(n_rows, seed=n_rows), session)
        assert_graph_agrees(fitted, training_rows(n_rows, seed=n_rows), session)


@every_kind
@every_scaling
def test_prepared_rows_are_finite(kind, scaling, fit, training_rows, hostile_rows):
    prepared = fit(kind, training_rows(), scaling=scaling).transform(hostile_rows(500))
    assert not np.isinf(prepared.numbers).any()
    assert kind is TreePreparation or not np.isnan(prepared.numbers).any()
    assert prepared.numbers.dtype == np.float32
    assert prepared.codes.dtype == np.int64


@every_kind
def test_shapes_are_as_promised(kind, fit, training_rows):
    fitted = fit(kind, training_rows())
    prepared = fitted.transform(training_rows(30))
    assert prepared.numbers.shape == (30, len(fitted.names))
    assert prepared.codes.shape == (30, len(fitted.cardinalities))
    assert np.all(prepared.codes < np.array(fitted.cardinalities))
    assert np.all(prepared.codes >= 0)
    assert len(set(fitted.names)) == len(fitted.names)
    assert {feature.source for feature in fitted.features} <= set(training_rows().names)
    assert fitted.transform(training_rows().take(slice(0, 0))).numbers.shape == (0, len(fitted.names))


@every_kind
def test_the_order_of_training_rows_does_not_matter(kind, training_rows, hostile_rows):
    rows = training_rows().take(np.arange(200))
    y, order = np.arange(200) % 2, np.random.default_rng(0).permutation(200)
    from annvil.tasks.union import make_task

    task = make_task("binary", "t", ("no", "yes"))
    one = kind.fit(rows, y=y, task=task)
    other = kind.fit(rows.take(order), y=y[order], task=task)
    assert one.names == other.names
    new = hostile_rows(50)
    np.testing.assert_allclose(one.transform(new).numbers, other.transform(new).numbers, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(one.transform(new).codes, other.transform(new).codes)


@every_kind
def test_rows_do_not_see_each_other(kind, fit, training_rows, hostile_rows):
    fitted = fit(kind, training_rows())
    rows = hostile_rows(40)
    whole = fitted.transform(rows)
    order = np.random.default_rng(0).permutation(40)
    np.testing.assert_array_equal(fitted.transform(rows.take(order)).numbers, whole.numbers[order])
    single = [fitted.transform(rows.take(np.array([i]))).numbers[0] for i in range(40)]
    np.testing.assert_array_equal(single, whole.numbers)


@every_kind
def test_names_of_columns_do_not_matter(kind, fit, training_rows, hostile_rows):
    def renamed(table):
        columns = [Column(Field(f"c{i}", c.kind), c.values, c.levels) for i, c in enumerate(table.columns)]
        return Table(tuple(columns), table.n_rows)

    rows, new = training_rows(), hostile_rows(30)
    expected = fit(kind, rows).transform(new)
    prepared = fit(kind, renamed(rows)).transform(renamed(new))
    np.testing.assert_array_equal(prepared.numbers, expected.numbers)
    np.testing.assert_array_equal(prepared.codes, expected.codes)


@every_kind
def test_one_training_row_is_enough(kind, fit, training_rows, hostile_rows, assert_graph_agrees):
    fitted = fit(kind, training_rows(1))
    assert_graph_agrees(fitted, hostile_rows(20))


@every_kind
def test_rows_must_have_the_columns_it_was_fitted_on(kind, fit, training_rows):
    fitted = fit(kind, training_rows())
    with pytest.raises(AssertionError, match="the columns"):
        fitted.transform(Table(training_rows().columns[1:], 400))


@every_kind
def test_it_speaks_in_sentences(kind, fit, training_rows):
    sentences = fit(kind, training_rows()).describe()
    assert all(sentence.endswith(".") for sentence in sentences)
    text = " ".join(sentences)
    assert "4 numbers" in text
    assert "'colour'" in text
    assert len(sentences) < 14


def test_what_is_said_of_a_network_preparation():
    rows = table_from_columns(
        [
            ("age", "number", [20, 30, 40, np.nan]),
            ("same", "number", [1, 1, 1, 1]),
            ("sex", "category", ["f", "m", "f", None]),
            ("colour", "category", ["red", "green", "blue", "red"]),
        ]
    )
    assert NetworkPreparation.fit(rows).describe() == (
        "2 numbers: median to 0, distance of the quartiles to 1, smoothly clipped at ±3.",
        "'same' constant in the training data: becomes 0.",
        "'age' missing in 25%: median 30 and an indicator column.",
        "1 category as -1 or +1: 'sex'.",
        "1 category one-hot: 'colour'.",
        "'sex' with missing values: missing is a level of its own.",
    )


@every_kind
def test_members_that_share_a_preparation_share_its_nodes(kind, fit, training_rows):
    from annvil.onnx.builder import Graph

    fitted = fit(kind, training_rows())
    graph = Graph()
    numbers, texts = graph.input("numbers", "float64", ["rows", 5]), graph.input("texts", "string", ["rows", 5])
    assert fitted.write(graph, numbers, texts) == fitted.write(graph, numbers, texts)


@every_kind
def test_wide_tables_are_one_block(kind, written, assert_graph_agrees):
    values = np.random.default_rng(0).normal(size=(60, 2000))
    values[5, 3] = np.nan
    rows = table_from_columns([(f"x{i}", "number", values[:, i]) for i in range(2000)])
    fitted = kind.fit(rows)
    session = written(fitted)
    assert_graph_agrees(fitted, rows, session)
    one = {"numbers": rows.numbers()[:1], "texts": rows.texts()[:1]}
    seconds = []
    for _ in range(50):
        start = time.perf_counter()
        session.run(None, one)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1e-3


finite = st.floats(allow_nan=True, allow_infinity=False)
text = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4))


@st.composite
def tables(draw):
    """A table to learn from and one to prepare, with the same columns."""
    kinds = draw(st.lists(st.sampled_from(["number", "datetime", "category", "boolean"]), min_size=1, max_size=5))

    def rows(n_rows):
        made = []
        for i, kind in enumerate(kinds):
            cell = finite if kind in ("number", "datetime") else text
            if kind == "boolean":
                cell = st.sampled_from(["true", "false", None])
            values = draw(st.lists(cell, min_size=n_rows, max_size=n_rows))
            made.append((f"c{i}", kind, values))
        return table_from_columns(made)

    return rows(draw(st.integers(1, 30))), rows(draw(st.integers(1, 5)))


def check_any_table(kind, pair, scaling, fit, assert_graph_agrees):
    rows, new = pair
    fitted = fit(kind, rows, scaling=scaling)
    prepared = fitted.transform(new).numbers
    assert not np.isinf(prepared).any()
    assert kind is TreePreparation or not np.isnan(prepared).any()
    assert_graph_agrees(fitted, new)
    assert fitted.describe()


hostile = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@every_kind
@settings(hostile, max_examples=40)
@given(pair=tables(), scaling=st.sampled_from(["robust", "none"]))
def test_any_table_is_prepared_and_written(kind, pair, scaling, fit, assert_graph_agrees):
    check_any_table(kind, pair, scaling, fit, assert_graph_agrees)


@pytest.mark.slow
@every_kind
@settings(hostile, max_examples=2000)
@given(pair=tables(), scaling=st.sampled_from(["robust", "none"]))
def test_any_of_many_tables_is_prepared_and_written(kind, pair, scaling, fit, assert_graph_agrees):
    check_any_table(kind, pair, scaling, fit, assert_graph_agrees)
