"""Parquet, Arrow, JSON lines and Excel agree with the frame they were written from."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

from annvil.data.readers import arrow
from annvil.data.readers.files import read_file
from annvil.data.readers.frames import table_from_frame
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError


def frame() -> pd.DataFrame:
    n = 7
    return pd.DataFrame(
        {
            "whole": [1, 2, 3, 4, 5, 6, 7],
            "number": [0.5, None, 1.5, 2.0, 3.25, -1.0, 0.0],
            "text": ["x", "y", None, "x", "ü", 'q"', "x"],
            "Text": ["1", "2", "3", "4", "5", "6", "7"],
            "class": pd.Categorical(["u", "v", None, "u", "u", "v", "u"]),
            "flag": pd.array([True, False, None, True, True, False, True], dtype="boolean"),
            "moment": pd.to_datetime(["2020-01-01 05:06:07"] * n),
            "zoned": pd.to_datetime(["2020-01-01 05:06:07"] * n).tz_localize("Europe/Berlin"),
        }
    )


def texts(raw: RawTable, name: str) -> list[str]:
    levels = (*raw[name].levels, "")
    return [levels[code] for code in raw[name].values]


def check(raw: RawTable, *, skip: tuple[str, ...] = ()) -> None:
    expected = table_from_frame(frame())
    assert raw.n_rows == expected.n_rows
    for column in expected.columns:
        if column.name in skip:
            continue
        got = raw[column.name]
        assert got.storage == column.storage, column.name
        if column.storage in ("text", "boolean"):
            assert texts(raw, column.name) == texts(expected, column.name)
        else:
            np.testing.assert_array_equal(got.values, column.values)


def test_what_a_frame_becomes() -> None:
    raw = table_from_frame(frame())
    assert [column.storage for column in raw.columns] == [
        *("number", "number", "text", "text", "text", "boolean", "date", "date"),
    ]
    moment = dt.datetime(2020, 1, 1, 5, 6, 7, tzinfo=dt.UTC).timestamp()
    assert raw["moment"].values[0] == moment
    assert raw["zoned"].values[0] == moment - 3600
    assert raw["whole"].label == "int"
    assert raw["number"].label == "float"


def test_polars_and_arrow_frames() -> None:
    check(table_from_frame(pl.from_pandas(frame())))
    check(table_from_frame(pa.Table.from_pandas(frame())))
    check(table_from_frame(pl.from_pandas(frame()).lazy()))


def test_parquet(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.parquet")
    check(read_file(tmp_path / "t.parquet"))


def test_parquet_under_another_name(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.csv")
    check(read_file(tmp_path / "t.csv"))


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather(tmp_path: Path, compression: str) -> None:
    pyarrow.feather.write_feather(frame(), tmp_path / "t.feather", compression=compression, chunksize=3)
    check(read_file(tmp_path / "t.feather"))


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_arrow_files_of_polars(tmp_path: Path, compression: Any) -> None:
    data = pl.from_pandas(frame()).with_columns(pl.col("class").cast(pl.Categorical))
    data.write_ipc(tmp_path / "t.arrow", compression=compression, compat_level=pl.CompatLevel.oldest())
    check(read_file(tmp_path / "t.arrow"))


def not_installed(path: Path, is_file: bool) -> None:
    raise ImportError


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
@pytest.mark.parametrize("without", [[], ["polars"], ["polars", "pyarrow"]])
def test_arrow_texts_of_the_view_type(
    tmp_path: Path, compression: Any, without: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Polars writes them unless told otherwise."""
    data = pl.from_pandas(frame().drop(columns="class"))
    path = tmp_path / "t.arrow"
    data.write_ipc(path, compression=compression)
    for name in without:
        monkeypatch.setattr(arrow, f"_by_{name}", not_installed)
    if len(without) == 2:
        with pytest.raises(DataError, match=r"view type, as Polars writes them.* Save it as Parquet"):
            read_file(path)
        return
    found, expected = read_file(path), table_from_frame(data)
    assert found.names == expected.names
    for one, other in zip(found.columns, expected.columns, strict=True):
        assert (one.storage, one.levels) == (other.storage, other.levels)
        assert np.array_equal(one.values, other.values, equal_nan=True)
    content = path.read_bytes()
    path.write_bytes(content[:200] + bytes(60) + content[260:])
    with suppress(DataError):  # damaged, or damaged where only values are
        read_file(path)


def test_arrow_stream(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(frame().drop(columns="class"))
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    check(read_file(tmp_path / "t.arrow"), skip=("class",))


def test_dictionaries_of_numbers_and_shared_ones(tmp_path: Path) -> None:
    numbers = pa.array([30, 10, None, 30]).dictionary_encode()
    table = pa.table(
        {"a": numbers, "b": pa.array(["p", "q", "p", None]).dictionary_encode(), "c": [1.0, 2.0, 3.0, 4.0]}
    )
    pyarrow.feather.write_feather(table, tmp_path / "t.feather", compression="lz4")
    raw = read_file(tmp_path / "t.feather")
    np.testing.assert_array_equal(raw["a"].values, [30, 10, np.nan, 30])
    assert texts(raw, "b") == ["p", "q", "p", ""]


@pytest.mark.parametrize("cut", [1, 20, 200, 600])
def test_damaged_arrow_files(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "t.feather"
    pyarrow.feather.write_feather(frame(), path)
    data = path.read_bytes()
    path.write_bytes(data[: -cut - 10] + data[-10:])
    message = ""
    try:
        read_file(path)
    except DataError as error:
        message = str(error)
    assert message == "" or "t.feather" in message


def test_json_lines(tmp_path: Path) -> None:
    frame().to_json(tmp_path / "t.jsonl", orient="records", lines=True, date_format="iso")
    check(read_file(tmp_path / "t.jsonl"), skip=("moment", "zoned", "Text"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1, "A": 2}\n{"a": 3}\n', {"a": [1, 3], "A": [2, np.nan]}),  # names that differ in case alone
        ('{"a": NaN}\n{"a": 3}\n', {"a": [np.nan, 3]}),  # what Python's json writes
        ('[{"a": 1}, {"a": 2}]', {"a": [1, 2]}),
        ('{"a": 1}\n\n{"a": 2}', {"a": [1, 2]}),
    ],
)
def test_json_of_other_shapes(tmp_path: Path, content: str, expected: dict[str, list[float]]) -> None:
    (tmp_path / "t.json").write_text(content)
    raw = read_file(tmp_path / "t.json")
    for name, values in expected.items():
        np.testing.assert_array_equal(raw[name].values, values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": 1}\n{"a":\n', "Line 2 of t.jsonl is not JSON"),
        ('{"a": 1}\n[1, 2]\n', r"Line 2 of t.jsonl holds '\[1, 2\]' instead of an object"),
        ("[1, 2]", "t.jsonl holds '1' instead of an object"),
        ("nonsense", "Line 1 of t.jsonl is not JSON"),
    ],
)
def test_json_that_is_no_table(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        read_file(tmp_path / "t.jsonl")


def test_nested_values_are_no_columns(tmp_path: Path) -> None:
    pl.DataFrame({"a": [[1], [2]], "b": [{"x": 1}, {"x": 2}], "c": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    raw = read_file(tmp_path / "t.parquet")
    assert [column.storage for column in raw.columns] == ["nested", "nested", "number"]


def test_too_many_columns(tmp_path: Path) -> None:
    pl.DataFrame({f"c{i}": [1] for i in range(10_001)}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"t.parquet has 10001 columns; Annvil reads at most 10000"):
        read_file(tmp_path / "t.parquet")


def test_excel(tmp_path: Path) -> None:
    data = frame().drop(columns=["zoned", "Text"])
    data.to_excel(tmp_path / "t.xlsx", index=False)
    raw = read_file(tmp_path / "t.xlsx")
    check(raw, skip=("zoned", "Text"))
    assert raw["whole"].label == "int"
    assert raw.source.details == "workbook, sheet 'Sheet1'"
