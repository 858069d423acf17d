"""Parquet and JSON lines, read by DuckDB."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from annvil.data.dataset import Source
from annvil.data.readers.delimited import MOST_COLUMNS
from annvil.data.readers.duckdb import Wanted, columns_of, reader, sql
from annvil.data.readers.frames import table_from_records
from annvil.data.readers.raw import RawTable, refuse_repeated_names
from annvil.errors import DataError
from annvil.text.phrases import quoted

LONGEST_RECORD = 2**24
"""Bytes of one JSON line."""


def read_parquet(path: Path, source: Source, wanted: Wanted) -> RawTable:
    """The table in a Parquet file."""
    import duckdb

    with reader(path) as (connection, file):
        try:
            schema = connection.execute(f"SELECT name, num_children FROM parquet_schema({sql(file)})").fetchall()
            names = _top_level(schema)
            _refuse_too_many(len(names), source.name)
            refuse_repeated_names(names, source.name)
            aliases = ", ".join(f"c{i}" for i in range(len(names)))
            connection.execute(f"CREATE TABLE t AS SELECT * FROM read_parquet({sql(file)}) AS p({aliases})")
        except duckdb.Error as error:
            raise DataError(f"{source.name} cannot be read as Parquet: {_first_line(error)}.") from None
        n_rows = int(connection.execute("SELECT count(*) FROM t").fetchall()[0][0])
        columns = columns_of(connection, "t", names, wanted, typed=True)
    return RawTable(tuple(columns), n_rows, Source(source.name, source.path, source.sha256, source.n_bytes, "Parquet"))


def _top_level(schema: list[tuple[str, int | None]]) -> list[str]:
    """Names of the columns in a depth-first listing of a Parquet schema, whose first entry is the root."""
    names = []
    position = 1

    def skip(at: int) -> int:
        end = at + 1
        for _ in range(schema[at][1] or 0):
            end = skip(end)
        return end

    while position < len(schema):
        names.append(schema[position][0])
        position = skip(position)
    return names


def read_json_lines(path: Path, source: Source, wanted: Wanted) -> RawTable:
    """The table in a file with one JSON object per line (or one array of objects)."""
    import duckdb

    with reader(path) as (connection, file):
        query = (
            f"read_json({sql(file)}, format='auto', records=true, sample_size=-1, "
            f"convert_strings_to_integers=false, maximum_object_size={LONGEST_RECORD})"
        )
        try:
            names = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {query}").fetchall()]
            _refuse_too_many(len(names), source.name)
            if _may_be_renamed(names):
                return _read_json_plainly(path, source)
            aliases = ", ".join(f"c{i}" for i in range(len(names)))
            connection.execute(f"CREATE TABLE t AS SELECT * FROM {query} AS p({aliases})")
        except duckdb.Error:
            return _read_json_plainly(path, source)
        n_rows = int(connection.execute("SELECT count(*) FROM t").fetchall()[0][0])
        columns = columns_of(connection, "t", names, wanted, typed=True)
    return RawTable(tuple(columns), n_rows, source)


def _may_be_renamed(names: Sequence[str]) -> bool:
    """Whether DuckDB, to which ``Age`` and ``age`` are one name, may have called a column ``age_1``."""
    known = {name.lower() for name in names}
    numbered = [re.fullmatch(r"(.*)_\d+", name.lower(), re.DOTALL) for name in names]
    return any(match is not None and match[1] in known for match in numbered)


def _read_json_plainly(path: Path, source: Source) -> RawTable:
    """The same through Python's reader: slower, but it takes the NaN that Python writes, and knows the bad line."""
    text = path.read_text(encoding="utf-8-sig")
    is_array = text.lstrip().startswith("[")
    records: list[dict[str, Any]] = []
    for number, line in enumerate([text] if is_array else text.split("\n"), start=1):
        if not line.strip():
            continue
        where = source.name if is_array else f"Line {number} of {source.name}"
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{where} is not JSON: {str(error).rstrip('.')}.") from None
        for record in found if is_array else [found]:
            if not isinstance(record, dict):
                raise DataError(
                    f"{where} holds {quoted(json.dumps(record))} instead of an object; every row must be one, such as "
                    '{"age": 31, "sex": "f"}.'
                )
            records.append(record)
    table = table_from_records(records, source.name)
    _refuse_too_many(len(table.columns), source.name)
    return RawTable(table.columns, table.n_rows, source)


def _refuse_too_many(n_columns: int, name: str) -> None:
    if n_columns > MOST_COLUMNS:
        raise DataError(f"{name} has {n_columns} columns; Annvil reads at most {MOST_COLUMNS}. Keep those that matter.")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
