"""Twice the bytes are twice the work: calls of Python and memory are counted, seconds are not."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from tests.pictures import folder_of

from annvil.data.readers.files import read_file
from annvil.data.readers.frames import table_from_records
from annvil.data.readers.labels import read_answers
from annvil.data.readers.opened import read_raw
from annvil.data.readers.raw import column_from_texts
from annvil.errors import DataError
from annvil.kinds.registry import read

MOST = 2.3
"""Twice, and what sorting and growing lists add."""


def csv(n: int) -> str:
    return "a,b,c\n" + "".join(f"{i},{i % 7},word {i % 50}\n" for i in range(n))


WRITTEN: dict[str, tuple[str, Callable[[int], str], int]] = {
    "rows of CSV": ("t.csv", csv, 2_000),
    "different texts of CSV": ("t.csv", lambda n: "a,b\n" + "".join(f"text {i},{i}\n" for i in range(n)), 1_000),
    "columns of CSV": (
        "t.csv",
        lambda n: ",".join(f"c{i}" for i in range(n)) + "\n" + (",".join(["1"] * n) + "\n") * 5,
        300,
    ),
    "mixed line ends": ("t.csv", lambda n: csv(n).replace("\n", "\r\n", n // 2), 2_000),
    "blanks": ("t.txt", lambda n: csv(n).replace(",", " ").replace("word ", "w"), 1_000),
    "comments": ("t.csv", lambda n: csv(n).replace("word 3\n", "word 3\n# note\n"), 1_000),
    "JSON lines": (
        "t.jsonl",
        lambda n: "".join(json.dumps({"a": i, "b": f"t{i % 9}"}) + "\n" for i in range(n)),
        2_000,
    ),
    "keys of JSON lines": ("t.jsonl", lambda n: (json.dumps({f"k{i}": i for i in range(n)}) + "\n") * 5, 600),
    "keys that differ": (
        "t.jsonl",
        lambda n: "".join(json.dumps({f"k{i}.{j}": 1 for j in range(10)}) + "\n" for i in range(n // 10)),
        1_000,
    ),
    "columns of JSON": ("t.json", lambda n: json.dumps({"a": [*range(n)], "b": ["x", "y"] * (n // 2)}), 2_000),
    "one long text": ("t.jsonl", lambda n: json.dumps({"a": 1, "t": "x" * n}), 200_000),
}


def work(do: Callable[[], Any]) -> int:
    """Calls of Python's functions, its own built-in ones too."""
    calls = 0

    def count(frame: Any, event: str, arg: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        do()
    finally:
        sys.setprofile(before)
    return calls


def peak(do: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("what", list(WRITTEN))
def test_a_file_of_twice_the_size(tmp_path: Path, what: str) -> None:
    name, written, n = WRITTEN[what]
    calls, memory = [], []
    for size in (n, 2 * n):
        path = tmp_path / f"{size}-{name}"
        path.write_text(written(size), encoding="utf-8", newline="")
        read_file(path)  # what is imported and made once
        calls.append(work(lambda path=path: read_file(path)))  # type: ignore[misc]
        memory.append(peak(lambda path=path: read_file(path)))  # type: ignore[misc]
    assert calls[1] <= MOST * calls[0] + 500
    assert memory[1] <= MOST * memory[0] + 2**19


def _answers(n: int) -> None:
    column = column_from_texts("t", [f"text {i}" for i in range(n)])
    with suppress(DataError):  # "classes must repeat"
        read_answers([column], None, where="t.csv")


IN_MEMORY: dict[str, tuple[Callable[[int], Any], int]] = {
    "different labels": (_answers, 2_000),
    "records": (lambda n: table_from_records([{"a": i, f"k{i % 50}": "x"} for i in range(n)]), 1_000),
    "records of keys that differ": (lambda n: table_from_records([{f"k{i}": i} for i in range(n)]), 500),
    "a dict of columns": (lambda n: read_raw({"a": [*range(n)], "b": [f"t{i}" for i in range(n)]}), 2_000),
    "an array": (lambda n: read_raw(np.zeros((n, 3))), 100_000),
}


@pytest.mark.parametrize("what", list(IN_MEMORY))
def test_twice_the_rows_in_memory(what: str) -> None:
    do, n = IN_MEMORY[what]
    do(10)
    calls = [work(lambda size=size: do(size)) for size in (n, 2 * n)]  # type: ignore[misc]
    assert calls[1] <= MOST * calls[0] + 500


def frame(n: int) -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=n)
    return pd.DataFrame(
        {"a": range(n), "b": [f"t{i}" for i in range(n)], "c": days, "d": pd.to_timedelta(range(n), "s")}
    )


SAVED: dict[str, tuple[Callable[[int, Path], Any], int]] = {
    "Excel": (lambda n, path: frame(n).to_excel(path.with_suffix(".xlsx"), index=False), 100),
    "Parquet": (lambda n, path: frame(n).to_parquet(path.with_suffix(".parquet")), 500),
    "Feather": (lambda n, path: frame(n).to_feather(path.with_suffix(".feather")), 500),
    "packed": (lambda n, path: frame(n).to_csv(path.with_suffix(".csv.gz"), index=False), 500),
    "pictures": (lambda n, path: folder_of(path, {"cat": n // 2, "dog": n // 2}), 40),
    "a table of pictures": (lambda n, path: _table_of_pictures(n, path), 40),
}


def _table_of_pictures(n: int, path: Path) -> None:
    folder_of(path / "shown", {"all": n})
    rows = [f"all/{k}.png,{k % 2},p{k // 2}" for k in range(n)]
    (path / "labels.csv").write_text("\n".join(["file,label,patient", *rows]) + "\n")


@pytest.mark.parametrize("what", list(SAVED))
def test_what_other_programs_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save, n = SAVED[what]
    target = {"target": "label"} if what == "a table of pictures" else {}
    calls = []
    for size in (n // 2, n, 2 * n):  # the first for what is imported and made once
        path = tmp_path / f"{size}"
        save(size, path)
        (found,) = tmp_path.glob(f"{size}*")
        do = (lambda at=found: read(at, **target)) if found.is_dir() else (lambda at=found: read_file(at))
        calls.append(work(do))
    assert calls[2] <= MOST * calls[1] + 500


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_twice_the_rows_of_a_frame(make: Callable[[Any], Any]) -> None:
    columns = [{name: frame(n)[name].tolist() for name in "abc"} for n in (10, 500, 1000)]
    _, first, second = (work(lambda made=made: read_raw(made)) for made in map(make, columns))  # type: ignore[misc]
    assert second <= MOST * first + 500


def test_values_are_handed_over_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the values, Python holds no second copy of a column."""
    from annvil.data.readers import duckdb

    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i % 2}\n" for i in range(20_000)))
    whole = read_file(path)
    monkeypatch.setattr(duckdb, "_VALUES_AT_ONCE", 1_000)
    in_parts = read_file(path)
    for one, other in zip(whole.columns, in_parts.columns, strict=True):
        assert np.array_equal(one.values, other.values)
