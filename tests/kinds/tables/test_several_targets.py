"""Tables with several labels a row: columns of 0 and 1, lists in a column, a matrix y."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from annvil.data.groups import number_groups
from annvil.errors import DataError, RequestError
from annvil.kinds.registry import audit, read


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "cat": (x[:, 0] > 0) * 1, "dog": (x.sum(axis=1) > 0.5) * 1})


def test_columns_lists_and_a_matrix_are_the_same(frame):
    columns = read(frame, target=["cat", "dog"])
    lists = frame[["a", "b"]].assign(
        pets=["|".join(name for name in ("cat", "dog") if row[name]) or "cat|dog" for _, row in frame.iterrows()]
    )
    of_lists = read(lists, target="pets", task="multilabel")
    matrix = read((frame[["a", "b"]].to_numpy(), frame[["cat", "dog"]].to_numpy()))
    assert columns.task.kind == of_lists.task.kind == matrix.task.kind == "multilabel"
    assert columns.task.classes == of_lists.task.classes == ("cat", "dog")
    assert matrix.task.classes == ("label 1", "label 2")
    np.testing.assert_array_equal(columns.y, frame[["cat", "dog"]])
    np.testing.assert_array_equal(columns.y, matrix.y)
    there = columns.y.any(axis=1)
    np.testing.assert_array_equal(of_lists.y[there], columns.y[there])
    assert columns.inputs.names == ("a", "b")
    assert [note.kind for note in columns.notes if note.name in ("cat", "dog")] == ["role", "role"]


def test_a_column_with_bars_is_no_list_unless_asked(frame):
    frame["pets"] = np.where(frame["a"] > 0, "cat|dog", "cat")
    assert read(frame[["a", "b", "pets"]], target="pets").task.kind == "binary"


def test_what_cannot_be_labels_is_refused(frame):
    with pytest.raises(DataError, match="'b' may hold 0 and 1 only"):
        read(frame, target=["cat", "b"])
    with pytest.raises(RequestError, match="make a multilabel task"):
        read(frame, target=["cat", "dog"], task="binary")
    with pytest.raises(RequestError, match="different columns"):
        read(frame, target=["cat", "dog"], groups="dog")
    with pytest.raises(RequestError, match="has no column 'cow'"):
        read(frame, target=["cat", "cow"])
    with pytest.raises(DataError, match=r"'dog' of .* is never there"):
        read(frame.assign(dog=0), target=["cat", "dog"])


def test_the_audit_looks_at_every_label(frame):
    frame = pd.concat([frame] * 3, ignore_index=True)
    frame["dog"] = 0
    frame.loc[:6, "dog"] = 1
    findings = audit(read(frame.assign(copy=frame["cat"] + 0.5), target=["cat", "dog"]))
    by_kind = {finding.kind: finding for finding in findings}
    assert "'cat'" in by_kind["leakage"].what
    assert "'dog' (7)" in by_kind["few rows per label"].what


def test_rows_of_a_matrix_are_numbered_as_one_label_each():
    y = np.array([[1, 0], [0, 0], [1, 0], [1, 1]])
    assert number_groups(y).tolist() == [0, 1, 0, 2]
