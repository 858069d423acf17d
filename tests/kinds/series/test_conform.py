"""A model takes series in every layout, whatever it learnt from, and says where they are unlike its training."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from annvil.errors import AnnvilError, DataError
from annvil.kinds.registry import read
from annvil.kinds.series.form import SeriesForm
from annvil.kinds.series.kind import KIND

N, STEPS = 24, 16
X = np.random.default_rng(0).normal(size=(N, 2, STEPS)).astype(np.float32)
Y = ["a" if row % 2 else "b" for row in range(N)]


def long(rows: Any = slice(None)) -> dict[str, list[Any]]:
    some = X[rows]
    return {
        "id": [f"s{n}" for n in range(len(some)) for _ in range(STEPS)],
        "t": [*range(STEPS)] * len(some),
        "x": some[:, 0].ravel().tolist(),
        "y": some[:, 1].ravel().tolist(),
    }


def wide(rows: Any = slice(None)) -> dict[str, list[float]]:
    return {f"{name}_{t}": X[rows][:, c, t].tolist() for c, name in enumerate("xy") for t in range(STEPS)}


def forms() -> dict[str, SeriesForm]:
    of_long = long() | {"label": [answer for answer in Y for _ in range(STEPS)]}
    made = {
        "long": read(of_long, target="label", series="id", time="t"),
        "wide": read(wide() | {"label": Y}, target="label", steps=list(wide())),
        "arrays": read((X, Y), channels=["x", "y"]),
    }
    return {name: KIND.form_to_save(dataset) for name, dataset in made.items()}


FORMS = forms()
SCHEMA = Draft202012Validator(FORMS["long"].json_schema())


def brought(learnt: str, tmp_path: Any) -> dict[str, Any]:
    """The first three series in every way."""
    np.savez(tmp_path / "new.npz", X=X[:3])
    records = [{name: values[row] for name, values in long([0, 1, 2]).items()} for row in range(3 * STEPS)]
    (tmp_path / "new.json").write_text(json.dumps(records))
    named = [{"x": one[0].tolist(), "y": one[1].tolist()} for one in X[:3]]
    rows = [{name: values[row] for name, values in wide([0, 1, 2]).items()} for row in range(3)]
    always = {"arrays": X[:3], "list": [*X[:3]], "named": named, "npz": tmp_path / "new.npz"}
    of_long = {"long": long([0, 1, 2]), "json": str(tmp_path / "new.json"), "records": records}
    of_wide = {"wide": wide([0, 1, 2]), "rows": rows}
    return always | {"long": of_long, "wide": of_wide, "arrays": {}}[learnt]


@pytest.mark.parametrize("learnt", ["long", "wide", "arrays"])
def test_every_layout_is_taken(learnt, tmp_path):
    for how, raw in brought(learnt, tmp_path).items():
        found = FORMS[learnt].conform(raw)
        padded, lengths = found.inputs.padded()
        np.testing.assert_allclose(padded, X[:3], rtol=1e-6, err_msg=how)
        assert lengths.tolist() == [STEPS] * 3
        assert found.notices == ()


@pytest.mark.parametrize("learnt", ["wide", "arrays"])
def test_rows_of_several_series_are_not_run_together(learnt):
    """A model that never saw a column of names takes one called series, and refuses others that may be one."""
    several = long([0, 1, 2])
    names = several.pop("id")
    found = FORMS[learnt].conform({"series": names, **several})
    assert found.inputs.names() == ["s0", "s1", "s2"]
    np.testing.assert_allclose(found.inputs.padded()[0], X[:3], rtol=1e-6)
    asked = "If it names the series, call it 'series'"
    with pytest.raises(DataError, match=rf"'id' of .* holds 3 different texts\. {asked}"):
        FORMS[learnt].conform({"id": names, **several})
    (notice, *_) = FORMS[learnt].conform(several).notices
    assert "taken for the steps of one series; not used: 't'" in notice


def test_one_series_as_a_mapping():
    for form in FORMS.values():
        one = form.conform({"x": X[5, 0].tolist(), "y": X[5, 1].tolist()}).inputs
        np.testing.assert_array_equal(one.one(0), X[5])


VALUES = st.none() | st.floats(-1e30, 1e30, width=64) | st.integers(-(10**6), 10**6)
SERIES = st.integers(1, 12).flatmap(
    lambda n: st.fixed_dictionaries({name: st.lists(VALUES, min_size=n, max_size=n) for name in "xy"})
)


@settings(max_examples=150, deadline=None)
@given(SERIES)
def test_what_the_schema_allows_is_taken(one: dict[str, Any]):
    sent = json.loads(json.dumps(one))
    assert SCHEMA.is_valid(sent)
    found = FORMS["long"].conform(sent).inputs
    assert found.lengths.tolist() == [len(one["x"])]
    expected = [[np.nan if v is None else v for v in one[name]] for name in "xy"]
    there = ~np.isnan(expected)
    np.testing.assert_allclose(found.one(0)[there], np.array(expected)[there], rtol=1e-6, atol=1e-38)
    empty = ~there.any(axis=1)
    assert np.isnan(found.one(0)).all(axis=1).tolist() == empty.tolist()


def test_series_satisfy_their_schema():
    assert SCHEMA.is_valid(json.loads(json.dumps(FORMS["long"].conform(X).inputs.raw_row(3))))


@pytest.mark.parametrize(
    "bad", [{"x": [1]}, {"x": [1], "y": ["high"]}, {"x": [1], "y": []}, {"x": [1e31], "y": [1]}, {"x": 1, "y": 1}]
)
def test_what_the_schema_refuses_is_refused(bad):
    assert not SCHEMA.is_valid(bad)
    if bad["x"] != [1e31]:
        with pytest.raises(AnnvilError):
            FORMS["long"].conform(bad)


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"x": [0.1] * 20, "y": [0.1] * 20}, "longer than any in training (16 steps)"),
        ({"x": [0.1], "y": [0.2]}, "shorter than any in training (16 steps)"),
        ({"x": [0.1] * 15 + [90], "y": [0.1] * 16}, "out of the range of the training in 'x'"),
        (long([0]) | {"t": [2 * t for t in range(STEPS)]}, "Steps are 2 apart, and 1 in the training"),
        ({name: values for name, values in long([0]).items() if name != "t"}, "There is no column 't'"),
        (long([0]) | {"t": [*range(STEPS)][::-1]}, "are not in the order of time"),
    ],
)
def test_what_is_unlike_the_training_is_told(given_, said):
    notices = FORMS["long"].conform(given_).notices
    assert len(notices) == 1
    assert said in notices[0]


@pytest.mark.parametrize(
    ("learnt", "raw", "said"),
    [
        ("long", {"id": ["a"], "t": [0], "x": [1.0]}, "no column 'y'"),
        ("wide", {"x_0": [1.0]}, "no column 'x_1' and 30 more"),
        ("long", {"t": [0], "x": [1.0], "y": [1.0], "z": ["text"]}, None),
        ("long", np.zeros((3, 5, 9)), "5 channels; the model needs 2"),
        ("long", np.zeros((3, 2, 9)) + np.inf, "infinite"),
        ("long", [{"x": [1, 2], "y": [1]}], "as many values; got 'x' 2, 'y' 1"),
        ("long", {"id": ["a", "a"], "t": [0, None], "x": [1, 2], "y": [1, 2]}, "row 2, of series 'a', has no moment"),
        ("long", {"id": ["a", "a"], "t": [0, 1], "x": ["1", "high"], "y": [1, 2]}, "'x' of"),
        ("wide", [], "no series"),
    ],
)
def test_what_cannot_be_is_one_sentence(learnt, raw, said):
    if said is None:
        assert FORMS[learnt].conform(raw).inputs.n_rows == 1
        return
    with pytest.raises(DataError, match=said):
        FORMS[learnt].conform(raw)


@pytest.mark.parametrize(("ranges", "told"), [(0.9, False), (1.1, True)])
@pytest.mark.parametrize("side", [-1, 1])
def test_what_lies_a_whole_range_outside_is_told(ranges, told, side):
    form = FORMS["arrays"]
    low, high = form.low[0], form.high[0]
    series = X[:1].copy()
    series[0, 0, 3] = (high if side > 0 else low) + side * ranges * (high - low)
    notices = form.conform(series).notices
    assert any("far out of the range of the training in 'x'" in one for one in notices) == told
