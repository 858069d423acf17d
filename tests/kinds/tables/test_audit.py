"""Every finding that is promised, on a table that has it and on one that has not."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from annvil.data.findings import Finding
from annvil.kinds.registry import audit, read

N = 400


def columns(**more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    made = {"a": rng.normal(size=N), "b": rng.normal(size=N), "c": rng.choice(["u", "v", "w"], N).tolist()}
    noise = rng.normal(size=N)
    made["y"] = np.where(made["a"] + noise > 0, "yes", "no").tolist()
    return made | more


def found(made: dict[str, Any], kind: str, **arguments: Any) -> list[Finding]:
    return [finding for finding in audit(read(made, target="y", **arguments)) if finding.kind == kind]


def test_a_clean_table_has_no_finding() -> None:
    assert audit(read(columns(), target="y")) == ()


def test_missing_values() -> None:
    (finding,) = found(columns(a=[None, *np.arange(N - 1) * 0.5]), "missing values")
    assert finding.columns == ("a",)
    assert finding.what == "1 of 3 columns has missing values: 'a' 0.2%."
    assert finding.severity == "info"
    half_gone = [None] * 250 + (np.arange(N - 250) * 0.5).tolist()
    assert found(columns(a=half_gone), "missing values")[0].severity == "warning"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"d": [1] * N}, "constant columns"),
        ({"d": [None] * N}, "empty columns"),
        ({"d": columns()["a"].copy()}, "duplicate columns"),
        ({"d": list(range(N))}, "identifiers"),
        ({"d": [f"a long text with number {i}" for i in range(N)]}, "free text"),
    ],
)
def test_columns_left_out(more: dict[str, Any], kind: str) -> None:
    (finding,) = found(columns(**more), kind)
    assert finding.columns == ("d",)
    assert "left out" in finding.action.lower()


def test_repeated_identifier() -> None:
    ids = np.repeat(np.random.default_rng(0).choice(10**6, N // 4, replace=False), 4)
    (finding,) = found(columns(patient_id=ids), "repeated identifier")
    assert "groups='patient_id'" in finding.action


def test_duplicate_rows_are_kept_together() -> None:
    made = {name: list(values)[:-20] + list(values)[:20] for name, values in columns().items()}
    data = read(made, target="y")
    (finding,) = [f for f in audit(data) if f.kind == "duplicate rows"]
    assert finding.what == "20 of 400 rows (5%) repeat the inputs of an earlier row."
    assert "one side of every split" in finding.action
    np.testing.assert_array_equal(data.groups[-20:], data.groups[:20])


def test_contradicting_rows() -> None:
    made = {"a": [0.5, 1.5, 2.5, 3.5] * 100, "b": ["x", "y"] * 200, "y": ([0] * 4 + [1] * 4) * 50}
    (finding,) = found(made, "contradicting rows")
    assert "400 rows have the same inputs as another row but a different 'y'" in finding.what
    assert "No model can be right in more than 50.0% of the rows" in finding.what
    (repeats,) = found(made, "duplicate rows")
    assert "different cases that look alike" in repeats.action


def test_imbalance_and_few_rows_per_class() -> None:
    rare = ["yes" if i % 50 == 0 else "no" for i in range(N)]
    (finding,) = found(columns(y=rare), "imbalance")
    assert "'yes' has 8 of 400 rows (2.0%), so always answering 'no' is right in 98.0%" in finding.what
    (few,) = found(columns(y=rare), "few rows per class")
    assert "'yes' (8)" in few.what
    assert few.severity == "warning"
    single = ["yes", "no", *["maybe"] * (N - 2)]
    assert found(columns(y=single), "few rows per class")[0].severity == "serious"


def test_rare_and_many_categories() -> None:
    rng = np.random.default_rng(0)
    (finding,) = found(columns(c=["rare", *["u", "v", "w"] * 133]), "rare categories")
    assert finding.what == "Categories with fewer than 10 rows: 'c' 1."
    (many,) = found(columns(c=[f"k{i}" for i in rng.integers(0, 60, N)]), "many categories")
    assert many.what == "Columns with more than 50 categories: 'c' 60."


def test_outliers() -> None:
    values = np.random.default_rng(1).normal(size=N)
    values[7] = 1e6
    (finding,) = found(columns(a=values), "outliers")
    assert finding.columns == ("a",)


def test_numeric_targets() -> None:
    rng = np.random.default_rng(0)
    skewed = np.exp(rng.normal(size=N) * 3)
    assert found(columns(y=skewed), "heavy tail")
    capped = np.minimum(rng.normal(size=N), 1.0)
    (finding,) = found(columns(y=capped), "capped target")
    assert "share the largest value of 'y', 1" in finding.what


def test_rows_in_order_of_time() -> None:
    when = pd.date_range("2020", periods=N)
    (finding,) = found(columns(when=when), "rows in order of time")
    assert "time='when'" in finding.action
    assert not found(columns(when=when), "rows in order of time", time="when")
    shuffled = when[np.random.default_rng(0).permutation(N)]
    assert not found(columns(when=shuffled), "rows in order of time")


def test_shapes() -> None:
    rng = np.random.default_rng(0)
    wide = {f"g{i}": rng.normal(size=40) for i in range(50)} | {"y": [0, 1] * 20}
    assert found(wide, "more columns than rows")
    few = {name: list(values)[:60] for name, values in columns().items()}
    assert "with five folds a score rests on 12 at a time" in found(few, "few rows")[0].what


def test_leakage_comes_first_and_says_it_may_be_legitimate() -> None:
    made = columns(d=[None] * 250 + (np.arange(N - 250) * 0.5).tolist())
    made["outcome_code"] = [3.0 if label == "yes" else 8.0 for label in made["y"]]
    findings = audit(read(made, target="y"))
    assert findings[0].kind == "leakage"
    assert findings[0].severity == "serious"
    assert findings[0].columns == ("outcome_code",)
    assert "may be legitimate" in findings[0].action
    assert "drop=['outcome_code']" in findings[0].action


def test_codes_are_told_and_have_no_outliers() -> None:
    rng = np.random.default_rng(0)
    codes = np.append(rng.choice(np.arange(100, 900), 29, replace=False), 99_999)
    made = columns(area_code=codes[rng.integers(0, 30, N)].tolist(), age=rng.integers(18, 90, N).tolist())
    finding = found(made, "numbers that are codes")[0]
    assert finding.columns == ("area_code",)
    assert "'area_code' (30 values)" in finding.what
    assert "--as area_code=category" in finding.action
    assert not found(made, "outliers")
    assert not found(columns(age=rng.integers(18, 90, N).tolist()), "numbers that are codes")


def test_a_million_rows_are_audited_quickly() -> None:
    rng = np.random.default_rng(0)
    n = 300_000
    made: dict[str, Any] = {f"x{i}": rng.normal(size=n) for i in range(10)}
    made |= {f"c{i}": rng.integers(0, 50, n) for i in range(5)}
    made["y"] = rng.integers(0, 2, n)
    data = read(made, target="y")
    start = time.perf_counter()
    audit(data)
    assert time.perf_counter() - start < 5  # measured 0.5 s; 3 s for 1 000 000 × 30


def test_identical_rows_in_all_groups_are_not_said_to_be_kept_together():
    n = 80
    data = {
        "a": [k % 37 for k in range(n)],
        "case": [f"c{k // 3}" for k in range(n)],
        "y": [k % 37 % 2 for k in range(n)],
    }
    dataset = read(data, target="y", groups="case")
    (said,) = [finding.action for finding in audit(dataset) if finding.kind == "duplicate rows"]
    assert "the groups decide the splits" in said
    assert len(set(dataset.groups.tolist())) == 27
