"""What a column is taken for, and why."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from annvil.data.readers.frames import column_from_any
from annvil.errors import DataError, RequestError
from annvil.kinds.tables.inference import Judged, check_kind, judge

rng = np.random.default_rng(0)
N = 60


def judged(values: Any, name: str = "x", **options: Any) -> Judged:
    return judge(column_from_any(name, values), where="t.csv", **options)


def repeat(*values: Any, n: int = N) -> list[Any]:
    return [values[i % len(values)] for i in range(n)]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (rng.normal(size=N), "number"),
        (repeat(1, 2, 3), "number"),
        (repeat(0, 1), "number"),
        (repeat("1", "2", "30"), "number"),
        (repeat("1,5", "2,25", "1.000,0"), "number"),
        (repeat("12%", "$3.50", "NA"), "number"),
        (repeat("a", "b"), "category"),
        (repeat("2", "4", "5more"), "category"),
        (repeat("+", "-"), "category"),
        (repeat("f", "m"), "category"),
        (repeat("none", "some"), "category"),
        (repeat("yes", "no"), "boolean"),
        (repeat("Y", "N", None), "boolean"),
        (repeat("True", "False"), "boolean"),
        (repeat(True, False, None), "boolean"),
        (repeat("2020-01-01", "2021-05-06"), "datetime"),
        (repeat("01.02.2020", "28.02.2021"), "datetime"),
        (repeat(dt.date(2020, 1, 1), None, dt.date(2020, 1, 5)), "datetime"),
        (repeat("a", None), "category"),  # the gaps may tell something
        (repeat(5.0, None), "number"),
    ],
)
def test_used(values: Any, kind: str) -> None:
    found = judged(values)
    assert found.note.kind == kind
    assert found.note.used
    assert found.column is not None
    assert found.column.kind == kind


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None] * N, "empty"),
        (["NA", "?"] * N, "empty"),
        ([7] * N, "constant"),
        (["same"] * N, "constant"),
        (["True"] * N, "constant"),
        (list(range(N)), "identifier"),
        (list(rng.permutation(np.arange(1, N + 1))), "identifier"),
        ([f"K-{i:04d}" for i in range(N)], "identifier"),
        ([f"{i:032x}" for i in range(N)], "identifier"),
        ([f"Dear Sir, this is letter number {i}" for i in range(N)], "text"),
        ([[1, 2]] * N, "text"),
    ],
)
def test_left_out(values: Any, kind: str) -> None:
    found = judged(values)
    assert found.note.kind == kind
    assert not found.note.used
    assert found.column is None
    assert found.note.reason


@pytest.mark.parametrize("share", [0.0, 0.01, 0.02, 0.3, 0.98, 0.99])
@pytest.mark.parametrize("text", ["deck {}", "a sentence of some words about case {}", "id-{}"])
def test_gaps_of_texts_that_hardly_repeat_stay(share: float, text: str) -> None:
    """Between 2% and 98% of gaps, which rows have a text is an input, and no text is shown; no column is said to tell
    nothing."""
    gaps = round(3000 * share)
    found = judged([None] * gaps + [text.format(k) for k in range(3000 - gaps)], name="cabin")
    assert found.note.used == (0.02 <= share <= 0.98)
    assert "nothing can be learnt" not in found.note.reason
    if found.column is not None:
        assert (found.note.kind, found.note.examples, found.note.n_missing) == ("boolean", (), gaps)
        assert set(found.column.texts()) == {"", "true"}
        assert (found.column.texts() == "").sum() == gaps


def test_numbers_with_fractions_are_never_identifiers() -> None:
    assert judged(np.arange(N) + 0.5, "id").note.kind == "number"


@pytest.mark.parametrize(
    "values",
    [
        1000 + 3 * np.arange(N),
        np.arange(N) ** 2,
        np.cumsum(rng.integers(1, 9, N)),
        np.sort(rng.choice(3 * N, N, False)),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_to_grow_with_the_row_number_is_no_reason_to_be_left_out(values: np.ndarray, order: int) -> None:
    for given in (values[::order], [str(value) for value in values[::order]]):
        assert judged(given, "mileage").note.used


@pytest.mark.parametrize(
    ("name", "values", "keep"),
    [
        ("x", list(range(N)), "number"),
        ("customer_id", rng.choice(10**7, N, replace=False), "number"),
        ("x", [f"K-{i:04d}" for i in range(N)], "category"),
        ("x", [f"Dear Sir, this is letter number {i}" for i in range(N)], "category"),
        ("patient_id", [f"P{i // 2}" for i in range(N)], "category"),
    ],
)
def test_leaving_out_is_told_with_what_would_keep_the_column(name: str, values: Any, keep: str) -> None:
    found = judged(values, name)
    assert not found.note.used
    assert f"kinds={{{name!r}: {keep!r}}} (--as {name}={keep})" in found.note.reason
    assert judged(values, name, asked=keep).note.used


def test_large_unique_amounts_are_numbers() -> None:
    assert judged(rng.choice(10**7, N, replace=False), "income").note.kind == "number"


def test_names_decide_where_values_do_not() -> None:
    amounts = rng.choice(10**7, N, replace=False)
    assert judged(amounts, "customerID").note.kind == "identifier"
    assert judged(amounts, "order_nr").note.kind == "identifier"
    assert judged(np.arange(1950, 1950 + N), "year").note.kind == "number"
    assert judged(amounts, "paid").note.kind == "number"  # "id" is part of the word only


def test_a_repeated_identifier_is_left_out_and_offered_as_groups() -> None:
    found = judged(np.repeat(rng.choice(10**6, 60, replace=False), 3), "patient_id")
    assert found.note.kind == "identifier"
    assert "groups='patient_id'" in found.note.reason
    few_patients = judged(np.repeat(rng.choice(10**6, 25, replace=False), 4), "id")
    assert few_patients.note.kind == "identifier"
    assert judged(repeat(1, 2, 3), "status_id").note.kind == "number"


def test_missing_words_are_said() -> None:
    found = judged(repeat("1", "2", "-", "?"))
    assert "'-' and '?' read as missing" in found.note.reason
    assert found.note.n_missing == N // 2
    assert "'?' read as missing" in judged(repeat("a", "b", "?")).note.reason


def test_declared_missing_values() -> None:
    found = judged(repeat(1.5, -999.0), missing=("-999",))
    assert found.note.n_missing == N // 2
    assert judged(repeat("1.5", "k.A."), missing=("k.A.",)).note.kind == "number"
    assert judged(repeat("a", "b", "k.A."), missing=("k.A.",)).note.n_missing == N // 3


def test_typing_errors_among_numbers_are_asked_about() -> None:
    values = [str(i / 10) for i in range(100)]
    values[11], values[39] = "n. bek.", "abc"
    with pytest.raises(DataError) as caught:
        judged(values, "age")
    assert str(caught.value) == (
        "Column 'age' of t.csv has 2 values that are not a number (rows 12 and 40: 'n. bek.', 'abc'); if they mean "
        "that the value is unknown, pass missing=['n. bek.', 'abc'], if the column holds categories, "
        "kinds={'age': 'category'}, or mend them."
    )


def test_infinite_values_are_refused_with_rows() -> None:
    with pytest.raises(DataError, match=r"Column 'x' of t.csv has infinite values \(rows 2 and 5\)"):
        judged([1.5, np.inf, 2, 3, -np.inf] + [0.0] * 20)
    with pytest.raises(DataError, match=r"numbers beyond ±1e\+30, which models cannot compute with, \(row 2\)"):
        judged([1.5, 1e31, 2, 3] + [0.0] * 20)


def test_kinds_asked_for() -> None:
    codes = judged(repeat(1.0, 2.0, None), asked="category")
    assert codes.column is not None
    assert codes.column.levels == ("1", "2")
    text = judged([f"Dear Sir, letter {i}" for i in range(N)], asked="category")
    assert text.column is not None
    assert len(text.column.levels) == N
    number = judged(repeat(True, False), asked="number")
    assert number.column is not None
    assert number.column.values.tolist()[:2] == [1.0, 0.0]
    with pytest.raises(DataError, match="not a number"):
        judged(repeat("a", "b"), asked="number")
    with pytest.raises(RequestError, match=r"Column 'x' cannot be read as 'numbr'; .* Did you mean 'number'\?"):
        check_kind("x", "numbr")


def test_style_is_remembered_for_rows_to_come() -> None:
    comma = judged(repeat("1,5", "2,25"))
    dates = judged(repeat("03/04/2020", "25/06/2021"))
    assert comma.column is not None
    assert dates.column is not None
    assert comma.column.field.style == "comma"
    assert dates.column.field.style == "day/month/year"


def test_booleans_have_one_spelling() -> None:
    found = judged(repeat("Y", "N", "yes", None))
    assert found.column is not None
    assert found.column.levels == ("false", "true")
    assert found.column.values.tolist()[:4] == [1, 0, 1, -1]


def test_levels_do_not_depend_on_the_order_of_rows() -> None:
    first, second = judged(repeat("b", "a", "c")).column, judged(repeat("c", "b", "a")).column
    assert first is not None
    assert second is not None
    assert first.levels == second.levels == ("a", "b", "c")
