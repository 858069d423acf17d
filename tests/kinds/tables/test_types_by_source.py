"""One table in every form in which people have tables: the same columns, kinds, values, labels and predictions."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from tests.battery import fit_one, made_job

import annvil
from annvil.data.dataset import Dataset
from annvil.data.readers.duckdb import Wanted
from annvil.data.readers.opened import read_raw
from annvil.data.readers.target import read_target
from annvil.data.table import Column, Field
from annvil.errors import DataError
from annvil.kinds.tables.conform import conform
from annvil.kinds.tables.contenders import contenders_for_tables
from annvil.models.members import Fitted
from annvil.text.phrases import quoted

ROWS = 60
BIG = 1234567890123456789
START = dt.datetime(2021, 3, 4, 5, 6, 7)
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Typed:
    """A column of that Arrow type, whose value in row i is ``make(i)``, and what is right for it."""

    type: pa.DataType
    make: Callable[[int], Any]
    kind: str
    right: Callable[[Any], Any]
    gaps: bool = False  # every seventh value is missing
    asked: str = ""

    def values(self) -> list[Any]:
        return [None if self.gaps and i % 7 == 3 else self.make(i) for i in range(ROWS)]


def seconds(value: dt.timedelta) -> float:
    return value / dt.timedelta(seconds=1)


def clock(i: int) -> dt.time:
    return dt.time(i % 24, i * 7 % 60, i * 11 % 60)


TYPES = {
    "whole": Typed(pa.int64(), lambda i: i * 37 % 11, "number", float),
    "whole with gaps": Typed(pa.int64(), lambda i: i * 37 % 11, "number", float, gaps=True),
    "fraction": Typed(pa.float64(), lambda i: i * 37 % 11 / 8, "number", float, gaps=True),
    "single": Typed(pa.float32(), lambda i: i * 37 % 11 / 8, "number", float),
    "decimal": Typed(pa.decimal128(12, 2), lambda i: Decimal(i * 37 % 11) / 4, "number", float, gaps=True),
    "truth": Typed(pa.bool_(), lambda i: i % 3 == 0, "boolean", lambda v: str(v).lower()),
    "truth with gaps": Typed(pa.bool_(), lambda i: i % 3 == 0, "boolean", lambda v: str(v).lower(), gaps=True),
    "text": Typed(pa.string(), lambda i: "abc"[i % 3], "category", str, gaps=True),
    "category": Typed(pa.dictionary(pa.int32(), pa.string()), lambda i: "xyz"[i % 3], "category", str, gaps=True),
    "category of numbers": Typed(
        pa.dictionary(pa.int32(), pa.int64()), lambda i: i % 3 + 4, "number", float, gaps=True
    ),
    "code": Typed(pa.int64(), lambda i: BIG + i % 5, "category", str, gaps=True, asked="category"),
    "whole code": Typed(pa.int64(), lambda i: BIG + i % 5, "category", str, asked="category"),
    "small code": Typed(pa.int64(), lambda i: 7 + i % 5, "category", str, gaps=True, asked="category"),
    "fraction code": Typed(
        pa.float64(), lambda i: i % 5 / 2, "category", lambda v: f"{v:g}", gaps=True, asked="category"
    ),
    "large": Typed(pa.int64(), lambda i: BIG + i % 9 * 10**15, "number", float),
    "day": Typed(
        pa.date32(),
        lambda i: (START + dt.timedelta(days=i % 13)).date(),
        "datetime",
        lambda v: seconds(dt.datetime(v.year, v.month, v.day, tzinfo=dt.UTC) - EPOCH),
        gaps=True,
    ),
    "moment": Typed(
        pa.timestamp("us"),
        lambda i: START + dt.timedelta(hours=i % 13),
        "datetime",
        lambda v: seconds(v.replace(tzinfo=dt.UTC) - EPOCH),
        gaps=True,
    ),
    "moment with zone": Typed(
        pa.timestamp("us", tz="Asia/Tokyo"),
        lambda i: (START + dt.timedelta(hours=i % 13)).replace(tzinfo=dt.timezone(dt.timedelta(hours=9))),
        "datetime",
        lambda v: seconds(v - EPOCH),
        gaps=True,
    ),
    "duration": Typed(
        pa.duration("us"), lambda i: dt.timedelta(hours=i % 17 * 3, seconds=i % 7), "number", seconds, gaps=True
    ),
    "time of day": Typed(
        pa.time64("us"), clock, "number", lambda v: v.hour * 3600.0 + v.minute * 60 + v.second, gaps=True
    ),
}


def arrow(names: list[str]) -> pa.Table:
    made = {}
    for name in names:
        spec = TYPES[name]
        plain = spec.type.value_type if pa.types.is_dictionary(spec.type) else spec.type
        column = pa.array(spec.values(), type=plain)
        made[name] = column.dictionary_encode() if plain is not spec.type else column
    return pa.table(made)


def as_json(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return f"PT{value // dt.timedelta(seconds=1)}S"
    return float(value) if isinstance(value, Decimal) else value.isoformat()


def rows_of(names: list[str]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in zip(*(TYPES[name].values() for name in names), strict=True)]


def csv(names: list[str], path: Path) -> Path:
    nullable(names, path).to_csv(path / "a.csv", index=False)
    return path / "a.csv"


def parquet(names: list[str], path: Path) -> Path:
    import pyarrow.parquet

    pyarrow.parquet.write_table(arrow(names), path / "a.parquet")
    return path / "a.parquet"


def parquet_of_pandas(names: list[str], path: Path) -> Path:
    frame = nullable(names, path)
    frame.astype({"duration": "timedelta64[ns]"} if "duration" in names else {}).to_parquet(path / "p.parquet")
    return path / "p.parquet"


def parquet_of_polars(names: list[str], path: Path) -> Path:
    polars(names, path).write_parquet(path / "q.parquet")
    return path / "q.parquet"


def feather(names: list[str], path: Path) -> Path:
    import pyarrow.feather

    pyarrow.feather.write_feather(arrow(names), path / "a.feather")
    return path / "a.feather"


def ipc_of_polars(names: list[str], path: Path) -> Path:
    polars(names, path).write_ipc(path / "q.arrow")
    return path / "q.arrow"


def json_lines(names: list[str], path: Path) -> Path:
    lines = [json.dumps(row, default=as_json) for row in rows_of(names)]
    (path / "a.jsonl").write_text("\n".join(lines))
    return path / "a.jsonl"


def excel(names: list[str], path: Path) -> Path:
    book = openpyxl.Workbook()
    book.active.append(names)
    for row in rows_of(names):
        cells = [v.astimezone(dt.UTC).replace(tzinfo=None) if getattr(v, "tzinfo", None) else v for v in row.values()]
        book.active.append([str(v) if isinstance(v, int) and abs(v) > 2**53 else v for v in cells])  # 15 digits at most
    book.save(path / "a.xlsx")
    return path / "a.xlsx"


def excel_of_pandas(names: list[str], path: Path) -> Path:
    frame = pandas_numpy(names, path)
    for name in names:
        if isinstance(frame[name].dtype, pd.DatetimeTZDtype):
            frame[name] = frame[name].dt.tz_convert("UTC").dt.tz_localize(None)
        if isinstance(TYPES[name].make(0), int) and abs(TYPES[name].make(0)) > 2**53:  # 15 digits at most
            frame[name] = [None if value is None else str(value) for value in TYPES[name].values()]
    frame.to_excel(path / "p.xlsx", index=False)
    return path / "p.xlsx"


def pandas_numpy(names: list[str], path: Path) -> pd.DataFrame:
    frame = arrow(names).to_pandas()
    long = [name for name in names if TYPES[name].make(0) == BIG and TYPES[name].gaps]  # NumPy rounds them beside gaps
    return frame.assign(**{name: pd.array(TYPES[name].values(), dtype="Int64") for name in long})


def nullable(names: list[str], path: Path) -> pd.DataFrame:
    table, made = arrow(names), {}
    for name in names:
        if pa.types.is_integer(type_ := TYPES[name].type):
            made[name] = pd.array(TYPES[name].values(), dtype="UInt64" if type_ == pa.uint64() else "Int64")
        else:
            made[name] = table[name].to_pandas()
    return pd.DataFrame(made).convert_dtypes()


def pandas_arrow(names: list[str], path: Path) -> pd.DataFrame:
    return arrow(names).to_pandas(types_mapper=pd.ArrowDtype)


def polars(names: list[str], path: Path) -> pl.DataFrame:
    made = pl.from_arrow(arrow(names))
    assert isinstance(made, pl.DataFrame)
    return made


def relation(names: list[str], path: Path) -> Any:
    table = arrow(names)
    for name in names:
        if pa.types.is_dictionary(table[name].type):
            table = table.set_column(names.index(name), name, table[name].cast(TYPES[name].type.value_type))
    return duckdb.from_arrow(table)


SOURCES: dict[str, Callable[[list[str], Path], Any]] = {
    "CSV": csv,
    "Parquet": parquet,
    "Parquet of pandas": parquet_of_pandas,
    "Parquet of Polars": parquet_of_polars,
    "Feather": feather,
    "Arrow of Polars": ipc_of_polars,
    "JSON lines": json_lines,
    "Excel": excel,
    "Excel of pandas": excel_of_pandas,
    "pandas": pandas_numpy,
    "nullable pandas": nullable,
    "pandas on Arrow": pandas_arrow,
    "Polars": polars,
    "Arrow table": lambda names, path: arrow(names),
    "DuckDB": relation,
    "records": lambda names, path: rows_of(names),
    "dict of lists": lambda names, path: {name: TYPES[name].values() for name in names},
}
KINDS = {name: spec.asked for name, spec in TYPES.items() if spec.asked}


def shown(column: Column) -> list[Any]:
    values = column.texts().tolist() if column.field.is_text else column.values.tolist()
    return [None if v == "" or v != v else v for v in values]


@pytest.mark.parametrize("source", SOURCES)
def test_columns_kinds_and_values_are_the_same_from_every_source(source: str, tmp_path: Path) -> None:
    names = [*TYPES]
    data = annvil.read(SOURCES[source]([*names], tmp_path), target="whole", kinds=KINDS)
    made = {column.name: column for column in data.inputs.columns}
    notes = {note.name: note for note in data.notes}
    for name, spec in TYPES.items():
        if name == "whole":
            continue
        assert name in made, (name, notes[name])
        right = [None if v is None else spec.right(v) for v in spec.values()]
        assert made[name].kind == spec.kind, name
        assert shown(made[name]) == right, name


@pytest.fixture(scope="module", params=["CSV", "pandas"])
def learnt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Fitted]:
    source = SOURCES[request.param]([*TYPES], tmp_path_factory.mktemp("learnt"))
    data = annvil.read(source, target="whole", kinds=KINDS)
    (linear,) = (contender for contender in contenders_for_tables() if contender.name == "linear")
    return data, fit_one(linear, data, made_job(data))


@pytest.mark.parametrize("source", SOURCES)
def test_rows_mean_the_same_to_a_model_from_every_source(
    learnt: tuple[Dataset, Fitted], source: str, tmp_path: Path
) -> None:
    data, fitted = learnt
    rows = SOURCES[source]([name for name in TYPES if name != "whole"], tmp_path)
    table, notices = conform(rows, data.inputs.schema)
    assert not notices
    for column in table.columns:
        spec = TYPES[column.name]
        assert shown(column) == [None if v is None else spec.right(v) for v in spec.values()], column.name
    predicted = fitted.predict(table)
    assert np.std(predicted) > 0.1
    np.testing.assert_array_equal(predicted, fitted.predict(data.inputs))


LABELS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "whole numbers": (pa.int64(), [1, 2]),
    "whole numbers beyond 2**53": (pa.int64(), [BIG, BIG + 1]),
    "several beyond 2**53": (pa.int64(), [BIG, BIG + 1, BIG + 2]),
    "below -2**53": (pa.int64(), [-BIG, -BIG - 1]),
    "unsigned beyond 2**63": (pa.uint64(), [2**63 + 1, 2**63 + 2]),
    "booleans": (pa.bool_(), [False, True]),
    "texts": (pa.string(), ["no", "yes"]),
    "a class called None": (pa.string(), ["None", "Apnea", "Insomnia"]),
    "composed": (pa.string(), ["Z\u00fcrich", "Bern"]),
    "categories": (pa.dictionary(pa.int32(), pa.string()), ["a", "b"]),
    "categories of whole numbers": (pa.dictionary(pa.int32(), pa.int64()), [4, 5]),
    "categories of booleans": (pa.dictionary(pa.int32(), pa.bool_()), [False, True]),
    "fractions": (pa.float64(), [0.5, 1.5]),
}
"""Types of labels, and the labels."""

NO_CATEGORIES_OF_BOOLEANS = ("Polars", "Parquet of Polars", "Arrow of Polars", "Parquet of pandas")


@pytest.mark.parametrize("source", SOURCES)
def test_labels_come_back_in_the_type_they_came_in(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, (type_, classes) in LABELS.items():
        monkeypatch.setitem(TYPES, name, Typed(type_, lambda i, of=classes: of[i % len(of)], "", str))
    names = [name for name in LABELS if name != "categories of booleans" or source not in NO_CATEGORIES_OF_BOOLEANS]
    table = read_raw(SOURCES[source](names, tmp_path), Wanted(whole=names))
    for name in names:
        task, y, gaps = read_target(table[name], None, where="here")
        assert not gaps.any(), name
        assert [task.classes[code] for code in y] == TYPES[name].values(), name
        assert {type(label) for label in task.classes} == {type(LABELS[name][1][0])}, name


def test_plain_numbers_and_durations_are_never_taken_for_each_other_in_silence(tmp_path: Path) -> None:
    waits = pd.DataFrame({"wait": pd.to_timedelta(range(1, 61), unit="h"), "y": [0, 1] * 30})
    (learnt,) = annvil.read(waits, target="y").inputs.schema
    waits.assign(wait=waits.wait * 24).to_excel(tmp_path / "days.xlsx", index=False)  # whole days are plain numbers
    with pytest.raises(DataError, match=r"plain numbers \(1\).*does not say their unit"):
        conform(tmp_path / "days.xlsx", (learnt,))
    table, notices = conform({"wait": [3600.0, None]}, (learnt,))
    assert notices == ("Column 'wait' holds durations as numbers (3600), which are read as seconds.",)
    assert shown(table.columns[0]) == [3600.0, None]
    for kind, expected in (("number", "plain numbers"), ("datetime", "dates")):
        with pytest.raises(DataError, match=f"holds durations or times of day where {expected} are expected"):
            conform(waits, (Field("wait", kind),))  # type: ignore[arg-type]
        with pytest.raises(DataError, match=f"holds durations or times of day where {expected} are expected"):
            conform({"wait": dt.timedelta(hours=1)}, (Field("wait", kind),))  # type: ignore[arg-type]


PAIRS = [("3.1", "3.10"), ("01234", "1234"), ("1E2", "100"), ("250.0", "250.00"), ("250.0", "250")]


@pytest.mark.parametrize("source", ["CSV", "Parquet", "Excel", "pandas on Arrow", "Polars", "records"])
@pytest.mark.parametrize("pair", PAIRS)
def test_categories_are_what_was_written(
    pair: tuple[str, str], source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TYPES, "version", Typed(pa.string(), lambda i: pair[i % 2], "category", str))
    monkeypatch.setitem(TYPES, "mixed", Typed(pa.string(), lambda i: (*pair, "3.9rc")[i % 3], "category", str))
    names = ["whole", "version", "mixed"]
    data = annvil.read(SOURCES[source](names, tmp_path), target="whole", kinds={"version": "category"})
    for column in data.inputs.columns:
        assert shown(column) == TYPES[column.name].values()
    assert len(data.inputs.columns) == 2
    one, two = pair
    for row in ({"version": one, "mixed": two}, pd.DataFrame({"version": [one], "mixed": [two]})):
        assert conform(row, data.inputs.schema)[0].texts().tolist() == [[one, two]]


@pytest.mark.parametrize("source", ["CSV", "Parquet", "Excel", "Excel of pandas", "pandas", "Polars", "records"])
def test_spellings_read_as_one_number_are_told_of(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pair in PAIRS[:3]:
        name = " ".join(pair)
        monkeypatch.setitem(TYPES, name, Typed(pa.string(), lambda i, of=pair: (*of, "7")[i % 3], "", str))
    monkeypatch.setitem(TYPES, "only", Typed(pa.string(), lambda i: PAIRS[0][i // 2 % 2], "", str))
    monkeypatch.setitem(TYPES, "many", Typed(pa.string(), lambda i: ("3.1", "3.10", f"{i}.5")[i % 3], "", str))
    names = [" ".join(pair) for pair in PAIRS[:3]]
    data = annvil.read(SOURCES[source]([*names, "only", "many"], tmp_path), target="many")
    notes = {note.name: note for note in data.notes}
    for name, pair in zip(names, PAIRS, strict=False):
        assert notes[name].kind == "number"
        one = f"are read as one number; to keep them apart, ask for it: kinds={{{name!r}: 'category'}}"
        assert all(part in notes[name].reason for part in (*map(quoted, pair), one))
    only = notes["only"]
    assert (only.kind, only.reason) == ("category", "2 different texts, all of one number")
    assert sorted(data.inputs.columns[-1].levels) == sorted(PAIRS[0])
    assert data.task.kind == "regression"
    assert "are read as one number; to keep them apart, ask for task multiclass" in data.task.reason


def test_zeros_that_a_writer_adds_are_not_told_of(tmp_path: Path) -> None:
    written = {"1.00": "1.50", "1": "1.0", "0.10": "0.25", "+1": "1", "-0": "0", "1e5": "2e5", "007": "012"}
    for i, pair in enumerate(written.items()):
        (tmp_path / f"{i}.csv").write_text("x,y\n" + "".join(f"{(*pair, '3')[k % 3]},{k % 2}\n" for k in range(60)))
        assert annvil.read(tmp_path / f"{i}.csv", target="y").notes[0].reason == "numbers", pair


def test_what_looks_the_same_is_the_same(tmp_path: Path) -> None:
    one, other = "Z\u00fcrich", "Zu\u0308rich"
    frame = pd.DataFrame({f"Stadt {other}": [one, other, "Bern"] * 20, "y": [other, one, "Bern"] * 20})
    frame.to_csv(tmp_path / "a.csv", index=False)
    for source in (frame, tmp_path / "a.csv", frame.to_dict("records")):
        for name in (one, other):
            data = annvil.read(source, target="y", kinds={f"Stadt {name}": "category"})
            assert (data.task.classes, data.inputs.columns[0].levels) == ((one, "Bern"), ("Bern", one))
            for row in ({f"Stadt {other}": other}, [{f"Stadt {one}": other}] * 2, {f"Stadt {other}": [one]}):
                assert conform(row, data.inputs.schema)[0].texts()[0, 0] == one
    with pytest.raises(DataError, match="more than one column named"):
        annvil.read(frame.assign(**{f"Stadt {one}": 1}), target="y")
