"""Rows unlike the training rows are told of, by the saved model alone; rows like them are not."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from annvil.bundle import InputNotice, export, load, save
from annvil.data.table import Column, Field, Table, table_from_columns
from annvil.kinds.tables.form import TableForm
from annvil.kinds.tables.kind import KIND
from annvil.kinds.tables.seen import MARGIN, MOST_LEVELS, Seen, seen_in
from annvil.onnx.builder import Graph
from annvil.tasks.union import make_task

TRAINED = table_from_columns(
    [
        ("age", "number", [1.0, 80, 20, 35]),
        ("port", "category", ["S", "C", "S", None]),
        ("sex", "category", ["f", "m", "f", "m"]),
        ("joined", "datetime", [1577836800.0, 1609459200.0, 1590969600.0, np.nan]),  # 2020-01-01 to 2021-01-01
    ]
)
FORM = TableForm(TRAINED.schema, seen=seen_in(TRAINED))
RANGE = "Out of the range of the training data: "
UNSEEN = "Unseen categories, of which the model has learnt nothing: "
USUAL = {"age": 50, "port": "S", "sex": "f", "joined": "2020-03-04"}


def told(*rows):
    """Notices for the rows: alone as a dict where it is one, as a frame otherwise."""
    raw = {**USUAL, **rows[0]} if len(rows) == 1 else pd.DataFrame([{**USUAL, **row} for row in rows])
    return FORM.conform(raw).notices


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (({},), ()),
        (({}, {}), ()),
        (({"age": 87.9}, {"age": -6.9}), ()),  # a little beyond is nothing
        (({"age": 230},), (f"{RANGE}'age' (230; training 1 to 80).",)),
        (
            ({"age": 230}, {"age": -30}, {}),
            (f"{RANGE}'age' in 2 of 3 rows (230; training 1 to 80).",),
        ),
        (({"age": -30}, {}), (f"{RANGE}'age' in 1 of 2 rows (-30; training 1 to 80).",)),
        (
            ({"joined": "2031-05-06"}, {}),
            (f"{RANGE}'joined' in 1 of 2 rows (2031-05-06; training 2020-01-01 to 2021-01-01).",),
        ),
        (({"port": "Q"},), (f"{UNSEEN}'port' ('Q').",)),
        (
            ({"port": "Q"}, {"port": "X", "sex": "d"}),
            (
                f"{UNSEEN}'port' in all 2 rows ('Q', 'X') and 'sex' in 1 of 2 rows ('d').",
                "No category is known to the model in 1 of 2 rows.",
            ),
        ),
        (
            ({"port": None, "sex": "d"},),
            (
                f"{UNSEEN}'sex' ('d').",
                "No category is known to the model in the row.",
            ),
        ),
        (
            (dict.fromkeys(USUAL),),
            ("Every value is missing in the row: the prediction rests on nothing.",),
        ),
        (
            (dict.fromkeys(USUAL), {}),
            ("Every value is missing in 1 of 2 rows: the prediction rests on nothing.",),
        ),
    ],
)
def test_what_is_told(rows, said):
    assert told(*rows) == said


def test_many_columns_and_categories_are_counted():
    table = table_from_columns([*((f"x{j}", "number", [0, 1]) for j in range(9)), ("c", "category", ["a", "b"])])
    form = TableForm(table.schema, seen=seen_in(table))
    numbers, texts = form.conform([{**{f"x{j}": 5 for j in range(9)}, "c": f"new {i}"} for i in range(6)]).notices
    assert numbers.endswith("'x2' in all 6 rows (5; training 0 to 1) and 6 more.")
    assert "('new 0', 'new 1', 'new 2', 'new 3', …)" in texts


@st.composite
def tables(draw):
    """Tables of every kind of column, gaps included."""
    n = draw(st.integers(1, 12))
    columns = []
    for j in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["number", "datetime", "category", "boolean"]))
        value = {
            "number": st.floats(-1e29, 1e29),
            "datetime": st.integers(-(10**9), 4 * 10**9).map(float),
            "category": st.text(st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=5),
            "boolean": st.sampled_from(["false", "true"]),
        }[kind]
        values = draw(st.lists(st.none() | value, min_size=n, max_size=n))
        gap = None if kind in ("category", "boolean") else np.nan
        columns.append((f"c{j}", kind, [gap if v is None else v for v in values]))
    return table_from_columns(columns)


@settings(deadline=None, max_examples=60)
@given(tables(), st.randoms(use_true_random=False))
def test_the_training_rows_themselves_are_never_told_of(table, random):
    form = TableForm(table.schema, seen=seen_in(table))
    again = msgspec.json.decode(msgspec.json.encode(form), type=TableForm)
    assert again == form
    assert form.check() is None
    rows = np.array(random.choices(range(table.n_rows), k=5))
    assert [n for n in again.conform(table.take(rows)).notices if not n.startswith("Every value")] == []


@settings(deadline=None, max_examples=60)
@given(tables(), st.data())
def test_one_value_unlike_all_others_is_always_told_of(table, data):
    place = data.draw(st.integers(0, len(table.columns) - 1))
    column = table.columns[place]
    row = {one.name: None for one in table.columns}
    if column.field.is_text:
        if column.kind == "boolean" and set(column.levels) == {"false", "true"}:
            return
        row[column.name] = {"boolean": "true" if "false" in column.levels else "false"}.get(column.kind, "unheard of")
        if column.kind == "boolean" and row[column.name] in column.levels:
            return
        said = "Unseen categories"
    else:
        present = column.values[~column.missing]
        if not len(present):
            return
        low, high = present.min(), present.max()
        beyond = max(2 * MARGIN * (high - low), abs(high) * 1e-9, 1e-3)
        row[column.name] = float(high + beyond)
        said = "Out of the range"
    one = table_from_columns(
        [(c.name, c.kind, [row[c.name] if row[c.name] is not None else gap(c)]) for c in table.columns]
    )
    notices = TableForm(table.schema, seen=seen_in(table)).conform(one).notices
    assert [n for n in notices if n.startswith(said) and repr(column.name) in n], (notices, row)


def gap(column):
    return None if column.field.is_text else np.nan


def test_columns_of_very_many_categories_keep_none():
    many = table_from_columns([("name", "category", [f"n{i}" for i in range(MOST_LEVELS + 1)])])
    half = Table((Column(Field("odd", "category"), np.array([0], np.int32), ("\ud800",)),), 1)
    assert seen_in(many) == seen_in(half) == (Seen(),)
    assert TableForm(many.schema, seen=seen_in(many)).conform({"name": "new"}).notices == ()


def test_levels_that_no_row_has_are_not_seen():
    column = Column(Field("port", "category"), np.array([0, 0, -1], np.int32), ("S", "unused"))
    assert seen_in(Table((column,), 3)) == (Seen(levels=("S",)),)


@pytest.mark.parametrize(
    "seen", [[{}], [{"range": [0, 1]}] * 3, [{"range": [1e31, 1]}], [{"levels": [1]}], [{"rows": []}], None, {}]
)
def test_what_cannot_have_been_seen_is_refused(seen):
    plain = msgspec.to_builtins(TableForm(TRAINED.schema)) | {"seen": seen}
    try:
        wrong = msgspec.convert(plain, TableForm).check()
    except msgspec.ValidationError:
        return
    assert wrong == "what was seen in training is not that of its columns"


class Twice:
    def write(self, graph: Graph, numbers: str, texts: str) -> str:
        return graph.op("Mul", graph.columns(numbers, [0]), graph.constant(2.0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A bundle as a run saves it: its kind says what of the training rows is kept."""
    from annvil.data.dataset import Dataset

    task = make_task("regression", "y")
    form = KIND.form_to_save(Dataset(TRAINED, np.arange(4.0), task, np.arange(4)))
    assert form == FORM
    return save(tmp_path_factory.mktemp("seen") / "model", export(Twice(), form, task), form=form, task=task)


def test_the_model_alone_tells(saved):
    with pytest.warns(InputNotice, match="'age'") as caught:
        assert load(saved).predict({**USUAL, "age": 230}).tolist() == [460]
    assert len(caught) == 1
    assert load(saved).predict(USUAL).tolist() == [100]


def test_predict_prints_it_once(saved, tmp_path):
    pd.DataFrame([{**USUAL, "age": 230 + i} for i in range(30)]).to_csv(tmp_path / "new.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-m", "annvil.cli", "predict", str(saved), str(tmp_path / "new.csv")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count(f"{RANGE}'age' in all 30 rows") == 1
    assert len(done.stdout.splitlines()) == 31


def test_models_without_it_stay_silent():
    assert TableForm(TRAINED.schema).conform({**USUAL, "age": 230, "port": "Q"}).notices == ()
