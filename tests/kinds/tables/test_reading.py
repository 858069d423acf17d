"""From any source to a `Dataset`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from annvil.data.readers.samples import sample_names
from annvil.errors import DataError, RequestError
from annvil.kinds.registry import read

N = 60


def columns(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "age": rng.normal(40, 10, N),
        "sex": ["f", "m", None] * (N // 3),
        "id": list(range(N)),
        "ill": ["no", "yes"] * (N // 2),
        **more,
    }


def test_a_data_set() -> None:
    data = read(columns(), target="ill")
    assert data.inputs.names == ("age", "sex")
    assert [note.name for note in data.notes] == ["age", "sex", "id", "ill"]
    assert [note.used for note in data.notes] == [True, True, False, False]
    assert data.notes[3].reason == "the target"
    assert data.task.classes == ("no", "yes")
    assert data.y.tolist() == [0, 1] * (N // 2)
    assert data.y.dtype == np.int64
    assert not data.grouped
    assert data.time is None


def test_every_source_gives_the_same(tmp_path: Path) -> None:
    made = columns(day=pd.date_range("2020-01-01", periods=N // 2).tolist() * 2, flag=[True, False] * (N // 2))
    frame = pd.DataFrame(made)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "t.tsv", index=False, sep="\t")
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    frame.to_feather(tmp_path / "t.feather")
    records = frame.to_dict("records")
    sources = [made, frame, pl.from_pandas(frame), records, *sorted(tmp_path.iterdir())]
    expected = read(sources[0], target="ill")
    for source in sources[1:]:
        data = read(source, target="ill")
        assert data.inputs.names == expected.inputs.names
        np.testing.assert_allclose(data.inputs.numbers(), expected.inputs.numbers(), rtol=1e-12)
        assert data.inputs.texts().tolist() == expected.inputs.texts().tolist()
        assert data.task.classes == expected.task.classes
        assert data.y.tolist() == expected.y.tolist()


def test_arrays() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, 3)), rng.integers(0, 3, N)
    data = read((X, y))
    assert data.inputs.names == ("x0", "x1", "x2")
    assert data.task.target == "target"
    np.testing.assert_array_equal(data.inputs.numbers(), X)
    framed = read((pd.DataFrame(X, columns=["a", "b", "c"]), y))
    assert framed.inputs.names == ("a", "b", "c")


ROWS_OF_SAMPLES = {
    "airline": 109,  # origins from the end of the second year to that of the last but one
    "breast-cancer": 569,
    "diabetes": 442,
    "digit-images": 1797,
    "digits": 1797,
    "gun-point-like": 150,
    "iris": 150,
    "wine": 178,
}


@pytest.mark.parametrize("name", list(sample_names()))
def test_samples(name: str) -> None:
    data = read(f"sample:{name}", **({"horizon": 12} if name == "airline" else {}))
    kinds = {"airline": "forecast", "breast-cancer": "binary", "diabetes": "regression", "gun-point-like": "binary"}
    assert data.n_rows == ROWS_OF_SAMPLES[name]
    assert data.task.kind == kinds.get(name, "multiclass")


def test_breast_cancer_sample_predicts_malignant() -> None:
    data = read("sample:breast-cancer")
    assert data.task.classes == ("benign", "malignant")
    assert data.y.sum() == 212


def test_unknown_sample() -> None:
    with pytest.raises(RequestError, match=r"no sample 'irsi'; .* Did you mean 'iris'\?"):
        read("sample:irsi")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Name the column of dict of columns to predict as target"),
        ({"target": "il"}, r"no column 'il' \(target\). Did you mean 'ill'\?"),
        ({"target": "ill", "drop": ["agee"]}, r"no column 'agee' \(drop\). Did you mean 'age'\?"),
        ({"target": "ill", "columns": ["foo"]}, r"no column 'foo' \(columns\). Its columns are 'age'"),
        ({"target": "ill", "kinds": {"foo": "number"}}, r"no column 'foo' \(kinds\)"),
        ({"target": "ill", "groups": "foo"}, r"no column 'foo' \(groups\)"),
        ({"target": "ill", "groups": "ill"}, "target, groups and time must be different columns"),
        ({"target": "ill", "task": "classify"}, "no task 'classify'"),
    ],
)
def test_names_that_do_not_exist(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        read(columns(), **arguments)


def test_without_a_header_columns_have_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("5.1,3.5,setosa\n" * 30)
    with pytest.raises(RequestError, match=r"has no column 'species' .* are 'column 1', 'column 2' and 'column 3'"):
        read(tmp_path / "t.csv", target="species")


def test_columns_and_drop() -> None:
    assert read(columns(), target="ill", columns=["age"]).inputs.names == ("age",)
    data = read(columns(), target="ill", drop=["age"])
    assert data.inputs.names == ("sex",)
    assert data.notes[0].kind == "dropped"


def test_kinds_override() -> None:
    data = read(columns(), target="ill", kinds={"id": "category", "sex": "category"})
    assert data.inputs.names == ("age", "sex", "id")
    assert data.inputs.schema[2].kind == "category"


def test_missing_target() -> None:
    made = columns(ill=["no", "yes", None] * (N // 3))
    with pytest.raises(DataError, match=r"missing in rows 3, 6, 9, 12, 15 and 15 more; .* \(--drop-missing-target\)"):
        read(made, target="ill")
    data = read(made, target="ill", drop_missing_target=True)
    assert data.n_rows == 40
    assert data.groups.shape == (40,)


def test_too_few_rows() -> None:
    few = {name: list(values)[:5] for name, values in columns().items()}
    with pytest.raises(DataError, match="dict of columns has 5 rows; at least 20 are needed to train and to test"):
        read(few, target="ill")
    with pytest.raises(DataError, match="no rows below its header"):
        read({"a": [], "b": []}, target="a")


def test_duplicate_columns_are_left_out_once() -> None:
    made = columns()
    made["copy"] = made["age"].copy()
    data = read(made, target="ill")
    assert data.inputs.names == ("age", "sex")
    assert data.notes[-1].kind == "duplicate"
    assert data.notes[-1].reason == "the same values as 'age' in every row"


def test_no_column_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"no column to learn from .*'a': the same value in every row"):
        read({"a": [1] * N, "y": [0, 1] * 30}, target="y")


def test_groups_and_time_are_no_inputs() -> None:
    made = columns(patient=np.repeat(range(20), 3), when=pd.date_range("2020", periods=N))
    data = read(made, target="ill", groups="patient", time="when")
    assert data.inputs.names == ("age", "sex")
    assert data.grouped
    assert data.groups.tolist() == np.repeat(range(20), 3).tolist()
    assert data.time is not None
    assert np.all(np.diff(data.time) == 86400)


def test_time_needs_a_value_in_every_row() -> None:
    when = [None, *pd.date_range("2020", periods=N - 1)]
    with pytest.raises(DataError, match=r"time column 'when' .* no usable value in row 1; every row needs its time"):
        read(columns(when=when), target="ill", time="when")
    with pytest.raises(DataError, match="not a date or a number"):
        read(columns(when=["soon"] * N), target="ill", time="when")


def test_declared_missing_values_are_remembered() -> None:
    data = read(columns(weight=[-999.0, 60.5] * 30), target="ill", missing=["-999"])
    assert data.inputs.form.missing == ("-999",)
    assert np.isnan(data.inputs.numbers()[0, 1])


def test_fingerprint_of_a_frame_follows_its_values() -> None:
    first, again = read(columns(), target="ill"), read(columns(), target="ill")
    other = read(columns(age=np.arange(N) / 7), target="ill")
    assert first.source.sha256 == again.source.sha256 != other.source.sha256


def test_import_is_light() -> None:
    import subprocess
    import sys

    code = "import annvil.data, sys; print({'torch', 'sklearn', 'duckdb', 'pandas', 'narwhals'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
