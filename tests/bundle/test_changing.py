"""The smallest change is found, is what the saved model itself was asked about, and is refused in one sentence."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from annvil.bundle import Predictor, export, load
from annvil.bundle.explanation import Background, Explanation, Feature, write_explanation
from annvil.bundle.manifest import EXPLANATION
from annvil.data.table import Field, table_form
from annvil.errors import DataError, RequestError
from annvil.tasks.union import make_task

FEATURES = (
    Feature(name="age", kind="number", input="numbers", place=0, low=0, high=90, spread=10.0, whole=True),
    Feature(name="city", kind="category", input="texts", place=0, levels=("Oslo", "Bergen")),
    Feature(name="income", kind="number", input="numbers", place=1, low=0.0, high=5.0, spread=1.0),
)
STORED = Explanation(features=FEATURES, background=Background(((20.0, "Oslo", 2.0), (30.0, None, 3.0)), (0.5, 0.5)))
ROW = {"age": 10, "city": "Bergen", "income": 1.0}


@pytest.fixture
def model(example, tmp_path):
    """p(yes) = sigmoid(0.1 age + 0.5 [Oslo] - 0.5 [Bergen] - 2)."""
    return load(example.save(tmp_path / "model", beside={EXPLANATION: write_explanation(STORED)}))


def test_one_number_as_far_as_it_must_and_no_farther(model):
    found = model.counterfactual(ROW, "age", "yes")
    assert found.reached
    assert found.changes == {"age": (10, 26)}  # at 25 both are equally likely, and the first class is said
    (said,) = found.sentences()
    assert said.startswith("It would be 'yes' (")
    assert "rather than 'no'" in said
    assert "if age were 26 instead of 10" in said


def test_the_other_class_is_wanted_unless_said_otherwise(model):
    assert model.counterfactual(ROW, ["age"]) == model.counterfactual(ROW, ["age"], "yes")
    assert "already, as wanted ('no')" in model.counterfactual(ROW, ["age"], "no").sentences()[0]


def test_what_cannot_be_reached_is_said_with_the_nearest(model):
    found = model.counterfactual(ROW, ["city", "income"], "yes")
    assert not found.reached
    assert found.changes == {"city": ("Bergen", "Oslo")}
    (said,) = found.sentences()
    assert said.startswith(
        "No change of these columns within what the training knows was found that makes it 'yes'. The nearest is 'no' "
    )
    assert "city were 'Oslo' instead of 'Bergen'" in said
    assert msgspec.json.decode(msgspec.json.encode(found.to_json()))["reached"] is False


def test_where_nothing_comes_nearer_no_change_is_named(model):
    """Of the best values already, and of columns that do nothing to what is said."""
    best = {"age": 10, "city": "Oslo", "income": 1.0}
    for row, change in ((best, "city"), (best, "income"), (ROW, ["income"]), ({**best, "age": 0}, ["city", "income"])):
        found = model.counterfactual(row, change, "yes")
        assert not found.reached
        assert found.changes == {}
        assert found.after == found.before
        (said,) = found.sentences()
        assert said.endswith(f"Nothing that was tried comes nearer to it than {found.before}.")
        assert "The nearest" not in said


class Sum:
    """a + b + c, and 5 more where the text is "x"."""

    def write(self, graph: Any, numbers: Any, texts: Any) -> Any:
        total = graph.op("ReduceSum", numbers, graph.constant([1], "int64"), keepdims=1)
        code = graph.op(
            "LabelEncoder", graph.columns(texts, [0]), domain="ai.onnx.ml", keys_strings=["x"], values_floats=[5.0],
            default_float=0.0,
        )  # fmt: skip
        return graph.op("Add", total, graph.cast(code, "float64"))


NUMBERS = [
    Feature(name=n, kind="number", input="numbers", place=j, low=0.0, high=4.0, spread=1.0) for j, n in enumerate("abc")
]
TEXT = Feature(name="text", kind="category", input="texts", place=0, levels=("x", "y"))


def summed() -> Predictor:
    form, task = table_form([Field(f.name, f.kind) for f in (*NUMBERS, TEXT)]), make_task("regression", "y")  # type: ignore[arg-type]
    points = ((1.0, 1.0, 1.0, "y"), (3.0, 3.0, 3.0, "x"))
    stored = Explanation(features=(*NUMBERS, TEXT), background=Background(points, (0.5, 0.5)), limits=(0.0, 17.0))
    beside = {EXPLANATION: write_explanation(stored)}
    return Predictor.from_graph(export(Sum(), form, task), form, task, beside=beside)


@given(
    row=st.tuples(st.floats(0, 4), st.floats(0, 4), st.floats(0, 4), st.sampled_from(["x", "y", None])),
    change=st.lists(st.sampled_from(["a", "b", "c", "text"]), min_size=1, unique=True),
    limit=st.floats(0, 17),
    sign=st.sampled_from([">=", "<=", ">", "<"]),
)
@settings(max_examples=30)
def test_whatever_is_wanted_is_reached_by_the_model_itself_or_cannot_be(row, change, limit, sign):
    """Against the truth of a sum: what can be reached within the ranges is, with allowed columns alone."""
    model, given_row = summed(), dict(zip(("a", "b", "c", "text"), row, strict=True))
    found = model.counterfactual(given_row, change, f"{sign} {limit!r}")
    changed = given_row | {name: new for name, (_, new) in found.changes.items()}
    says = float(model.predict(changed)[0])
    assert {">=": says >= limit, "<=": says <= limit, ">": says > limit, "<": says < limit}[sign] == found.reached
    assert set(found.changes) <= set(change)
    assert all(0 <= new <= 4 for name, (_, new) in found.changes.items() if name != "text")
    best = sum((4.0 if sign[0] == ">" else 0.0) if n in change else given_row[n] for n in "abc")
    at_best = 5.0 if (sign[0] == ">" if "text" in change else given_row["text"] == "x") else 0.0
    if not found.reached:
        before = float(model.predict(given_row)[0])
        assert (says - before) * (1 if sign[0] == ">" else -1) >= 0  # the nearest is no farther than the row
        assert bool(found.changes) == (found.after != found.before)
        short = (limit - (best + at_best)) * (1 if sign[0] == ">" else -1)
        assert short >= -0.05 * len(change)  # numbers that are proposed are rounded


def test_few_columns_come_before_small_steps():
    found = summed().counterfactual({"a": 1.0, "b": 1.0, "c": 1.0, "text": "y"}, ["a", "b", "c"], ">= 5")
    assert len(found.changes) == 1
    two = summed().counterfactual({"a": 1.0, "b": 1.0, "c": 1.0, "text": "y"}, ["a", "b", "c"], ">= 8")
    assert len(two.changes) == 2
    assert sum(new - old for old, new in two.changes.values()) == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"change": "incme"}, RequestError, r"no column 'incme'.*'income'"),
        ({"change": ()}, RequestError, r"Name at least one column"),
        ({"wanted": "perhaps"}, RequestError, r"knows no class 'perhaps'.*no, yes"),
        ({"row": {"age": [1, 2], "city": ["Oslo", "Oslo"], "income": [1, 2]}}, DataError, r"One row .* got 2 rows"),
        ({"row": {"age": 1}}, DataError, r"city"),
    ],
)
def test_what_cannot_be_asked_is_refused(model, asked, error, said):
    with pytest.raises(error, match=said):
        model.counterfactual(**{"row": ROW, "change": "age", "wanted": "yes", **asked})


@pytest.mark.parametrize("wanted", [None, "more", ">= lots", "30", ">= nan"])
def test_a_number_is_wanted_as_a_bound(wanted):
    with pytest.raises(RequestError, match=r"as a bound, such as '>= 30'"):
        summed().counterfactual({"a": 1.0, "b": 1.0, "c": 1.0, "text": "y"}, "a", wanted)


def test_the_number_of_rows_and_their_order_do_not_matter(model):
    a, b = model.counterfactual(ROW, ["age", "city"]), model.counterfactual(ROW, ["city", "age"])
    assert a.changes == b.changes
    assert np.isfinite(a.changes["age"][1])
