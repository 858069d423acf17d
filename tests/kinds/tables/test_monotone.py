"""``--monotone``: kept by construction, by everybody who competes; refused in one sentence where it cannot be kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.battery import Shipped, fit_one, made_job

import annvil
from annvil.comparison.data_problem import DataProblem
from annvil.data.dataset import Dataset
from annvil.data.table import table_from_columns
from annvil.errors import RequestError
from annvil.kinds.registry import read
from annvil.kinds.tables.contenders import contenders_for_tables, has_gaps
from annvil.kinds.tables.options import TableOptions, split_directions
from annvil.models.jobs import Effort
from annvil.models.left_out import LeftOut
from annvil.options.declaring import cleaned, declared
from annvil.tasks.union import make_task

GRID = 10_000
ROUNDING = 1e-9
"""Of the range of predictions: matrix products of a batch may differ by so much between its rows."""


def data(task: str, seed: int, *, gaps: bool, n_rows: int = 160) -> Dataset:
    """A column whose truth goes up and down, one that is skewed, one of codes, a category; some values missing."""
    rng = np.random.default_rng(seed)
    wave, skewed = rng.uniform(-3, 3, n_rows), np.exp(rng.normal(size=n_rows) * 2)
    codes, colour = rng.integers(100, 140, n_rows).astype(float), rng.choice(["red", "green", "blue"], n_rows)
    score = np.sin(2 * wave) + np.log(skewed) * (colour == "red") + (codes % 7 == 0) + 0.3 * rng.normal(size=n_rows)
    if gaps:
        for column in (wave, skewed, codes):
            column[rng.random(n_rows) < 0.1] = np.nan
    columns: list[Any] = [("wave", "number", wave), ("skewed", "number", skewed), ("zip code", "number", codes)]
    table = table_from_columns([*columns, ("colour", "category", colour)])
    if task == "regression":
        return Dataset(table, 100 * score, make_task(task, "y"), np.arange(n_rows))
    return Dataset(table, (score > 0.3).astype(np.int64), make_task(task, "y", ("no", "yes")), np.arange(n_rows))


NAMES = [one.name for one in contenders_for_tables({"x": 1}) if not isinstance(one, LeftOut)]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=2, deadline=None)
@given(
    st.sampled_from(["regression", "binary"]),
    st.integers(0, 99),
    st.booleans(),
    st.dictionaries(st.sampled_from(["wave", "skewed", "zip code"]), st.sampled_from([1, -1]), min_size=1, max_size=2),
)
def test_the_promise_is_kept_on_a_fine_grid_by_the_graph_that_ships(
    name: str, task: str, seed: int, gaps: bool, monotone: dict[str, int]
) -> None:
    dataset = data(task, seed, gaps=gaps)
    (contender,) = (one for one in contenders_for_tables(monotone, gaps=has_gaps(dataset)) if one.name == name)
    if contender.declines(DataProblem(dataset).shape(dataset.n_rows)) is not None:
        assert gaps
        return
    fitted = fit_one(contender, dataset, made_job(dataset, folds=1, seed=seed), Effort(1, scale=0.05))
    ship = Shipped(fitted, dataset.inputs.form)
    rng, spread = np.random.default_rng(seed), np.ptp(ship.predict(dataset.inputs)[:, -1])
    for column, sign in monotone.items():
        known = next(one.values for one in dataset.inputs.columns if one.name == column)
        low, high = np.nanmin(known), np.nanmax(known)
        far = np.linspace(2 * low - high, 2 * high - low, GRID // 8 - 3 * len(known))
        near = [np.nextafter(known, -np.inf), known, np.nextafter(known, np.inf)]
        grid = np.sort(np.concatenate([far, *(one[~np.isnan(one)] for one in near)]))
        for row in rng.integers(0, dataset.n_rows, 8):
            one = dataset.inputs.take(np.full(len(grid), row))
            changed = [
                (each.name, each.field.kind, grid if each.name == column else _values(each)) for each in one.columns
            ]
            said = ship.predict(table_from_columns(changed))[:, -1]
            assert (sign * np.diff(said)).min() >= -ROUNDING * max(spread, 1e-6), (column, row)


def _values(column: Any) -> Any:
    if not column.field.is_text:
        return column.values
    return np.array([column.levels[code] if code >= 0 else "" for code in column.values])


def test_who_cannot_promise_it_is_left_out_with_the_reason() -> None:
    dataset = data("binary", 0, gaps=True)
    shape = DataProblem(dataset).shape(100)
    told = {one.name: one.declines(shape) for one in contenders_for_tables({"wave": 1}, gaps=True)}
    assert {name for name, why in told.items() if why is None} >= {"dummy", "linear", "spline-gam", "boosted-trees"}
    assert told["neighbours"] == ("K-nearest neighbours cannot promise that predictions only rise or fall with 'wave'.")
    assert told["extra-trees"] == (
        "Extra trees cannot promise that predictions only rise or fall with 'wave' where values are missing."
    )
    free = [one for one in contenders_for_tables() if isinstance(one, LeftOut)]
    assert free == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {}),
        (["a=increasing"], {"a": "increasing"}),
        (["a=increasing, b=decreasing", "c=increasing"], {"a": "increasing", "b": "decreasing", "c": "increasing"}),
        (['"a,b"=increasing', '"say ""x"""=decreasing'], {"a,b": "increasing", 'say "x"': "decreasing"}),
        (["a=b=increasing", "a=b=increasing"], {"a=b": "increasing"}),
        (["a=INCREASING"], {"a": "increasing"}),
    ],
)
def test_directions_are_read_and_typed_again(given: list[str], expected: dict[str, str]) -> None:
    (option,) = declared(TableOptions)
    kept = cleaned(TableOptions, {"monotone": split_directions(given)}, "fit()").monotone
    assert kept == expected
    again = split_directions(option.option.write(kept))
    assert again == kept


ROWS = {"age": list(range(40)), "sex": ["m", "f"] * 20, "sick": ["no", "yes"] * 20, "grade": ["a", "b", "c", "d"] * 10}


@pytest.mark.parametrize(
    ("monotone", "more", "message"),
    [
        ({"agee": "increasing"}, {}, r"no column 'agee' \(monotone\)\. Did you mean 'age'"),
        ({"age×age": "increasing"}, {}, r"no column 'age×age' \(monotone\)"),
        ({"sex": "increasing"}, {}, r"'sex' \(monotone\) is read as category.*only numbers have a direction"),
        ({"sick": "increasing"}, {}, r"'sick' \(monotone\) is not learnt from: the target"),
        ({"age": "increasing"}, {"drop": ["age"]}, r"'age' \(monotone\) is not learnt from: dropped as asked"),
        ({"age": "up"}, {}, r"The direction of 'age' is increasing or decreasing; got 'up'"),
        ({"age": "+"}, {}, r"The direction of 'age' is increasing or decreasing; got '\+'"),
        ("age=increasing,age=decreasing", {}, "two directions for 'age': increasing and decreasing"),
        ("age", {}, r"takes COLUMN=DIRECTION"),
        (["age"], {}, r"monotone takes columns with their direction"),
        ({"age": "increasing"}, {"target": "grade"}, r"needs an answer with an order.*'grade' has 4 classes"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_sentence(tmp_path: Any, monotone: Any, more: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message) as refused:
        annvil.fit(ROWS, **{"target": "sick", "monotone": monotone, "out": tmp_path / "runs"} | more)
    assert str(refused.value).count("\n") == 0
    assert not (tmp_path / "runs").exists()


def test_unknown_columns_are_refused_by_the_header_before_any_value_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annvil.kinds.tables.reading.judge", lambda *_, **__: pytest.fail("a column was read"))
    with pytest.raises(RequestError, match=r"no column 'agee' \(monotone\)"):
        read(ROWS, target="sick", monotone="agee=increasing")


def test_what_was_asked_is_noted_beside_the_column_with_the_class_that_counts() -> None:
    dataset = read(ROWS, target="sick", monotone="age=increasing")
    (note,) = (note for note in dataset.notes if note.name == "age")
    assert note.reason.endswith("as asked, the chance of 'yes' is only increasing with it")
    assert [one for one in read(ROWS, target="sick").notes if one.name != "age"] == [
        one for one in dataset.notes if one.name != "age"
    ]
