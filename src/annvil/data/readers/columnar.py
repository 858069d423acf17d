"""Parquet, read by DuckDB."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path

from annvil.data.dataset import Source
from annvil.data.readers.arrow import duration_units
from annvil.data.readers.duckdb import Wanted, first_line, load, reader, sql
from annvil.data.readers.raw import RawTable
from annvil.errors import DataError


def read_parquet(path: Path, source: Source, wanted: Wanted) -> RawTable:
    """The table in a Parquet file.

    Parquet has no type for durations: whoever writes them (Arrow, pandas, Polars) stores plain integers, and says in
    Arrow's schema, which lies in the file's metadata, what they are.
    """
    import duckdb

    with reader(path) as (connection, file):
        try:
            schema = connection.execute(f"SELECT name, num_children FROM parquet_schema({sql(file)})").fetchall()
            stored = connection.execute(
                f"SELECT value FROM parquet_kv_metadata({sql(file)}) WHERE key = 'ARROW:schema'::BLOB"
            ).fetchone()
            wanted = replace(wanted, units=duration_units(b64decode(stored[0])) if stored else {})
            query = f"read_parquet({sql(file)})"
            columns, n_rows = load(connection, query, _top_level(schema), wanted, typed=True, where=source.name)
        except (duckdb.Error, ValueError, RuntimeError) as error:
            raise DataError(f"{source.name} cannot be read as Parquet: {first_line(error)}.") from None
    return RawTable(tuple(columns), n_rows, replace(source, details="Parquet"))


def _top_level(schema: list[tuple[str, int | None]]) -> list[str]:
    """Names of the columns in a depth-first listing of a Parquet schema, whose first entry is the root."""
    names = []
    inside = 0  # entries still to come below a column
    for name, n_children in schema[1:]:
        if not inside:
            names.append(name)
        inside = max(inside - 1, 0) + (n_children or 0)
    return names
