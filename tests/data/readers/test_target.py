"""Which task a target makes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from annvil import read
from annvil.data.readers.frames import column_from_any
from annvil.data.readers.target import read_target
from annvil.errors import DataError, RequestError
from annvil.tasks.base import Task

N = 300


def repeat(*values: Any, n: int = N) -> list[Any]:
    return [values[i % len(values)] for i in range(n)]


def task(values: Any, asked: str | None = None) -> Task:
    return read_target(column_from_any("y", values), asked, where="t.csv")[0]


@pytest.mark.parametrize(
    ("values", "kind", "classes"),
    [
        (repeat("no", "yes"), "binary", ("no", "yes")),
        (repeat("Yes", "No"), "binary", ("No", "Yes")),
        (repeat(0, 1), "binary", (0, 1)),
        (repeat(1, 0, 1), "binary", (0, 1)),
        (repeat(-1, 1), "binary", (-1, 1)),
        (repeat(True, False), "binary", (False, True)),
        (repeat(2, 4, 4), "binary", (4, 2)),  # the rarer is positive
        (repeat("good", "bad", "good"), "binary", ("good", "bad")),
        (repeat("a", "b"), "binary", ("a", "b")),
        (repeat("negative", "positive"), "binary", ("negative", "positive")),
        (repeat(1.0, 2.0, 2.0), "binary", (2.0, 1.0)),
        (repeat(0.5, 1.5, 1.5), "binary", (1.5, 0.5)),
        (repeat("x", "y", "z"), "multiclass", ("x", "y", "z")),
        (repeat(0, 1, 2), "multiclass", (0, 1, 2)),
        (repeat(1, 2, 3, 5, 6, 7), "multiclass", (1, 2, 3, 5, 6, 7)),
        (repeat(3, 4, 5, 6, 7, 8, 9), "regression", ()),  # grades of wine
        (list(range(1, 30)) * 10, "regression", ()),  # rings of abalones
        (repeat(0.1, 0.2, 0.3), "regression", ()),
        (list(np.arange(N) * 1.5), "regression", ()),
    ],
)
def test_inferred(values: Any, kind: str, classes: tuple[Any, ...]) -> None:
    found = task(values)
    assert found.kind == kind
    assert found.classes == classes
    assert [type(label) for label in found.classes] == [type(label) for label in classes]
    assert found.reason


def test_reasons_name_the_way_out() -> None:
    assert "(--task regression)" in task(repeat(1, 2, 3, 4, 5)).reason
    assert "(--task multiclass)" in task(repeat(3, 4, 5, 6, 7)).reason
    assert "because it is rarer" in task(repeat("a", "b", "b")).reason


def test_asked() -> None:
    assert task(repeat(1, 2, 3), "regression").kind == "regression"
    assert task(repeat(3, 4, 5), "multiclass").classes == (3, 4, 5)
    assert task(repeat("1", "2", "3"), "regression").kind == "regression"
    assert task(repeat(0, 1), "regression").kind == "regression"
    with pytest.raises(RequestError, match="has 3 classes, so the task cannot be binary"):
        task(repeat(1, 2, 3), "binary")
    with pytest.raises(RequestError, match=r"no task 'regresion'; .* Did you mean 'regression'\?"):
        task(repeat(1, 2), "regresion")
    with pytest.raises(RequestError, match=r"regression, multilabel\. Did you mean 'multilabel'"):
        task(repeat(1, 2), "multilable")
    with pytest.raises(RequestError, match="is one class each, so the task cannot be multilabel"):
        task(repeat("a", "b"), "multilabel")
    with pytest.raises(DataError, match="not a number"):
        task(repeat("a", "b"), "regression")


def test_codes_and_gaps() -> None:
    found, y, gaps = read_target(column_from_any("y", repeat("b", None, "a", "?")), None, where="t.csv")
    assert found.classes == ("a", "b")
    assert y[:4].tolist() == [1, -1, 0, -1]
    assert gaps[:4].tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (repeat("a"), "'y' of t.csv is 'a' in every row; a model needs examples of at least two classes"),
        (repeat(1.5), "is 1.5 in every row"),
        (repeat(None), "has no value in any row"),
        ([f"name {i}" for i in range(N)], "300 different texts in 300 rows .* classes must repeat"),
        ([*np.arange(N - 1) * 1.5, np.inf], "infinite values"),
        ([np.inf, *repeat(0, 1)], "infinite values"),
        ([[1]] * N, "holds lists"),
        ([f"{1 + i % 28}.{1 + i % 12}.2021" for i in range(N)], "is a date"),
        (np.array(["2020-01-01"] * N, dtype="datetime64[D]"), "is a date"),
    ],
)
def test_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        task(values)


@pytest.mark.parametrize("word", ["NA", "n/a", "null", "?"])
def test_words_that_count_as_no_class_are_named(word: str) -> None:
    """A region or a finding may be called so by whoever wrote it."""
    two = {"x": list(range(60)), "y": [("EU", word)[i % 2] for i in range(60)]}
    with pytest.raises(DataError, match=re.escape(f"is 'EU' in every row that has a value ('{word}' count as none)")):
        read(two, target="y")
    three = {"x": list(range(60)), "y": [("EU", word, "AS")[i % 3] for i in range(60)]}
    with pytest.raises(DataError, match=re.escape(f"where it says '{word}'")):
        read(three, target="y")
