"""What is said of single rows is what planted models do, comes from the bundle alone, and refuses in one sentence."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import msgspec
import numpy as np
import pytest

from annvil.bundle import Predictor, export, load
from annvil.bundle.effects import Check
from annvil.bundle.explanation import (
    Background,
    Explanation,
    Feature,
    StoredTerm,
    write_explanation,
    write_terms,
)
from annvil.bundle.manifest import EXPLANATION, TERMS
from annvil.bundle.storage import add_parts
from annvil.bundle.term_graph import TermGraph
from annvil.data.table import Field, table_form, table_from_columns
from annvil.errors import BundleError, DataError, RequestError
from annvil.tasks.union import make_task

FEATURES = (
    Feature(name="age", kind="number", input="numbers", place=0),
    Feature(name="city", kind="category", input="texts", place=0),
    Feature(name="income", kind="number", input="numbers", place=1),
)
POINTS = ((40.0, "Oslo", 2.0), (60.0, None, 4.0))
STORED = Explanation(features=FEATURES, background=Background(POINTS, (0.25, 0.75), "Made by hand."))


@pytest.fixture
def explained(example, tmp_path):
    """The logistic model of `conftest`, saved with what explains it."""
    path = example.save(tmp_path / "model", beside={EXPLANATION: write_explanation(STORED)})
    return load(path)


def test_contributions_are_those_of_the_planted_model(explained, example):
    found = explained.explain(example.rows)
    ages, cities = np.array([20, 50, 30, 10, 25.0]), np.array([0.5, -0.5, 0, 0, 0.5])
    np.testing.assert_allclose(found.contributions["age"], 0.1 * (ages - (10 + 45)), atol=1e-6)
    np.testing.assert_allclose(found.contributions["city"], cities - 0.125, atol=1e-6)
    assert not found.contributions["income"].any()
    assert not found.matrix[:, 2].any()
    np.testing.assert_allclose(found.base_value, 5.5 + 0.125 - 2, atol=1e-6)
    assert found.output == ("log-odds of 'yes'",) * 5
    assert found.adds_up
    assert found.method == "shapley"
    assert found.prediction.tolist() == explained.predict(example.rows).tolist()


def test_the_other_class_is_the_same_with_the_other_sign(explained, example):
    yes, no = explained.explain(example.rows), explained.explain(example.rows, label="no")
    np.testing.assert_allclose(no.matrix, -yes.matrix)
    np.testing.assert_allclose(no.base_value, -yes.base_value)
    assert no.output[0] == "log-odds of 'no'"


def test_it_is_told_in_sentences_drawings_frames_and_json(explained, example):
    found = explained.explain(example.rows)
    said = found.sentences(0)
    assert said[0].startswith("Predicted: 'yes' (probability 62%).")
    assert "city = Oslo (+0.375)" in said[0]
    assert "age = 20 (−3.5)" in said[0]
    assert "missing" in found.sentences(2)[0]
    assert "age = 20" in found.plot(0)._repr_svg_()
    assert found._repr_html_().count("<svg") == 5
    frame = found.to_frame()
    assert list(frame.columns)[-3:] == ["contribution_age", "contribution_city", "contribution_income"]
    plain = found.to_json()
    assert msgspec.json.decode(msgspec.json.encode(plain)) == plain
    assert plain["rows"][0]["contributions"]["income"] == 0.0
    with pytest.raises(RequestError, match="There is no row 5"):
        found.sentences(5)


def test_what_failed_a_test_is_not_to_be_relied_on(example, tmp_path):
    path = example.save(tmp_path / "model", beside={EXPLANATION: write_explanation(STORED)})
    failed = Check("stability", 0.1, 0.8, False, "Do not rely on the order: refits rank the features otherwise.")
    add_parts(path, {EXPLANATION: write_explanation(msgspec.structs.replace(STORED, checks=(failed,)))})
    found = load(path).explain(example.rows)
    assert "Do not rely on the order: refits rank the features otherwise." in found.faithful
    assert found.to_json()["mistrust"] == [failed.said]


FORM = table_form((Field("a", "number"), Field("b", "number"), Field("c", "number")))
ROWS = table_from_columns(
    [(name, "number", values) for name, values in zip("abc", ([1.0, 4.0], [2.0, -1.0], [0.5, 3.0]), strict=True)]
)


class Planted:
    """3 + 2 (a - 1), a pair (a - 1)(b - 1), and a projection (0.6 b + 0.8 c)²; held at 100."""

    def terms(self, graph: Any, numbers: Any, texts: Any) -> Any:
        a, b, c = (graph.columns(numbers, [j]) for j in range(3))
        one = graph.constant(1.0)
        a, b1 = graph.op("Sub", a, one), graph.op("Sub", b, one)
        along = graph.op("Add", graph.op("Mul", b, graph.constant(0.6)), graph.op("Mul", c, graph.constant(0.8)))
        parts = [graph.op("Mul", a, graph.constant(2.0)), graph.op("Mul", a, b1), graph.op("Mul", along, along)]
        return graph.op("Reshape", graph.concat(parts), graph.constant([-1, 3, 1], "int64"))

    def write(self, graph: Any, numbers: Any, texts: Any) -> Any:
        total = graph.op("ReduceSum", self.terms(graph, numbers, texts), graph.constant([1], "int64"), keepdims=0)
        held = graph.op("Add", total, graph.constant(3.0))
        return graph.op("Clip", held, graph.constant(-100.0), graph.constant(20.0))


def planted(**changes: Any) -> Predictor:
    features = tuple(Feature(name=n, kind="number", input="numbers", place=j) for j, n in enumerate("abc"))
    terms = (StoredTerm(("a",)), StoredTerm(("a", "b")), StoredTerm(("b", "c"), ("b", "c"), (0.6, 0.8)))
    stored = Explanation(
        features=features,
        background=Background(((1.0, 1.0, 1.0), (0.0, 2.0, -1.0)), (0.5, 0.5)),
        terms=terms,
        base=(3.0,),
        limits=(-100.0, 20.0),
    )
    stored = msgspec.structs.replace(stored, **changes)
    task = make_task("regression", "y")
    beside = {EXPLANATION: write_explanation(stored), TERMS: write_terms(Planted().terms, 3, 1, FORM)}
    return Predictor.from_graph(export(Planted(), FORM, task), FORM, task, beside=beside)


def test_terms_are_exact_and_columns_share_what_they_have_together():
    found = planted().explain(ROWS)
    assert found.method == "exact"
    assert found.terms == ("a", "a × b", "b × c")
    b, c = np.array([2.0, -1.0]), np.array([0.5, 3.0])
    pair, projection = np.array([0.0, 3 * -2.0]), (0.6 * b + 0.8 * c) ** 2
    np.testing.assert_allclose(found.term_matrix, np.stack([[0.0, 6.0], pair, projection], axis=1), atol=1e-9)
    # of the projection against each point (b0, c0), by the definition for two players; then the mean of both
    shares: Any = []
    for b0, c0 in ((1.0, 1.0), (2.0, -1.0)):
        at = lambda x, z: (0.6 * x + 0.8 * z) ** 2  # noqa: E731
        shares.append(
            [
                ((at(b, c0) - at(b0, c0)) + (at(b, c) - at(b0, c))) / 2,
                ((at(b0, c) - at(b0, c0)) + (at(b, c) - at(b, c0))) / 2,
            ]
        )
    of_b, of_c = np.mean(shares, axis=0)
    np.testing.assert_allclose(found.contributions["a"], [0.0, 6.0] + pair / 2, atol=1e-9)
    np.testing.assert_allclose(found.contributions["b"], pair / 2 + of_b, atol=1e-9)
    np.testing.assert_allclose(found.contributions["c"], of_c, atol=1e-9)
    assert found.adds_up
    assert not found.errors.any()


class Wide:
    """A projection of 30 of 34 columns, squared, beside an effect of another one."""

    n, d = 30, 34
    weights = np.sqrt(np.arange(1, n + 1) / np.arange(1, n + 1).sum())

    def terms(self, graph: Any, numbers: Any, texts: Any) -> Any:
        projected = graph.columns(numbers, list(range(self.n)))
        along = graph.op("MatMul", projected, graph.constant(self.weights[:, None]))
        parts = [graph.op("Mul", along, along), graph.columns(numbers, [self.n])]
        return graph.op("Reshape", graph.concat(parts), graph.constant([-1, 2, 1], "int64"))

    def write(self, graph: Any, numbers: Any, texts: Any) -> Any:
        return graph.op("ReduceSum", self.terms(graph, numbers, texts), graph.constant([1], "int64"), keepdims=0)


def test_projections_of_many_columns_are_shared_among_those_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a square of a sum antithetic orders are exact: its Shapley values are those of functions of two columns."""
    names = [f"x{j}" for j in range(Wide.d)]
    form, task = table_form(tuple(Field(name, "number") for name in names)), make_task("regression", "y")
    drawn = np.random.default_rng(4).normal(size=(4 + 32, Wide.d))
    rows, points = drawn[:4], drawn[4:]
    features = tuple(Feature(name=name, kind="number", input="numbers", place=j) for j, name in enumerate(names))
    stored = Explanation(
        features=features,
        background=Background(tuple(map(tuple, points.tolist())), (1 / 32,) * 32),
        terms=(StoredTerm(tuple(names[:30]), tuple(names[:30]), tuple(Wide.weights.tolist())), StoredTerm(("x30",))),
        base=(0.0,),
        limits=(-1e3, 1e3),
    )
    beside = {EXPLANATION: write_explanation(stored), TERMS: write_terms(Wide().terms, 2, 1, form)}
    model = Predictor.from_graph(export(Wide(), form, task), form, task, beside=beside)
    called, contributions = [], TermGraph.contributions
    monkeypatch.setattr(
        TermGraph, "contributions", lambda self, feeds: called.append(feeds) or contributions(self, feeds)
    )
    table = {name: rows[:, j] for j, name in enumerate(names)}
    found = model.explain(table)
    assert found.adds_up
    np.testing.assert_allclose(found.base_value + found.matrix.sum(axis=1), model.predict(table), atol=1e-4)
    parts, at = rows[:, :30] * Wide.weights, points[:, :30] * Wide.weights
    # of (sum of a_j)^2 against b: the mean over orders of (a_j - b_j)(a_j + b_j + 2 (half of all others of a and b))
    others = (parts.sum(axis=1, keepdims=True) - parts)[:, None] + (at.sum(axis=1, keepdims=True) - at)[None]
    truth = ((parts[:, None] - at[None]) * (parts[:, None] + at[None] + others)).mean(axis=1)
    np.testing.assert_allclose(found.matrix[:, :30], truth, atol=1e-5)
    np.testing.assert_allclose(found.matrix[:, 30], rows[:, 30], atol=1e-5)
    assert not found.matrix[:, 31:].any()
    for feeds in called[1:]:  # no call for a column that is not projected: those have the values of a point, or the row
        mixed = feeds["numbers"]
        assert (mixed[:, None, 30:] == np.concatenate([rows, points])[None, :, 30:]).all(axis=2).any(axis=1).all()
    n_called = sum(len(feeds["numbers"]) for feeds in called)
    assert n_called <= 8 * 32 * 2 * 30 * 4 + 100


def test_predictions_at_the_limit_are_explained_before_it():
    row = {"a": 10.0, "b": 1.0, "c": 1.0}
    found = planted().explain(row)
    assert found.prediction[0] == 20.0
    assert found.score[0] == pytest.approx(3 + 18 + 1.4**2)
    assert found.held.all()
    assert found.adds_up
    assert "held within" in found.sentences(0)[0]
    called = planted().explain(row, "shapley")
    assert called.score[0] == pytest.approx(20.0)
    assert not called.held.any()


def test_a_sum_that_is_not_the_model_is_told():
    found = planted(base=(2.0,)).explain(ROWS)
    assert not found.adds_up
    assert "do not rely on this" in found.faithful


def test_terms_that_do_not_fit_are_refused():
    with pytest.raises(BundleError, match="does not fit its explanation"):
        planted(terms=(StoredTerm(("a",)),)).explain(ROWS)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"method": "lime"}, RequestError, r"No method of explaining is called 'lime'\..*auto, exact, shapley"),
        ({"method": "exact"}, RequestError, r"no sum of terms.*use shapley"),
        ({"method": "integrated-gradients"}, RequestError, r"carries no gradients.*use shapley"),
        ({"label": "maybe"}, RequestError, r"knows no class 'maybe'\..*no, yes"),
        ({"rows": {"age": 3}}, DataError, r"city"),
        ({"rows": {"age": [], "city": [], "income": []}}, DataError, r"(?i)no rows|none"),
    ],
)
def test_what_cannot_be_explained_is_refused(explained, example, asked, error, said):
    with pytest.raises(error, match=said):
        explained.explain(**{"rows": example.rows, **asked})


def test_a_model_that_carries_nothing_says_what_to_do(saved, example):
    with pytest.raises(RequestError, match=r"earlier version.*Fit again"):
        load(saved).explain(example.rows)
    with pytest.raises(RequestError, match=r"earlier version.*Fit again"):
        load(saved).effects()


def test_nothing_that_trains_is_loaded(explained, example, tmp_path):
    """And no writer of graphs: onnxruntime and NumPy explain, also where pandas draws no frame."""
    path = example.save(tmp_path / "alone", beside={EXPLANATION: write_explanation(STORED)})
    code = (
        "import sys, annvil.bundle as b\n"
        f"found = b.load({str(path)!r}).explain({{'age': 20, 'city': 'Oslo', 'income': 1.0}})\n"
        "found.sentences(), found.plot(), found.to_json(), found.to_columns()\n"
        "print({'torch', 'scipy', 'sklearn', 'onnx', 'pandas', 'narwhals'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\n" * 50])
def test_hostile_terms_are_refused_where_they_are_used(example, tmp_path, content):
    """The model itself predicts: what explains it is looked at only by whoever asks."""
    told = msgspec.structs.replace(STORED, terms=(StoredTerm(("age",)),), base=(0.0,))
    path = example.save(tmp_path / "model", beside={EXPLANATION: write_explanation(told), TERMS: content})
    model = load(path)
    assert len(model.predict(example.rows)) == 5
    with pytest.raises(BundleError):
        model.explain(example.rows)


def test_terms_that_are_missing_are_refused(example, tmp_path):
    told = msgspec.structs.replace(STORED, terms=(StoredTerm(("age",)),), base=(0.0,))
    model = load(example.save(tmp_path / "model", beside={EXPLANATION: write_explanation(told)}))
    with pytest.raises(BundleError, match="terms"):
        model.explain(example.rows)
