"""Parquet, read by DuckDB, and sheets of Excel and OpenDocument by python-calamine (extra ``excel``)."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import replace
from pathlib import Path
from typing import Any

from annvil.data.dataset import Source
from annvil.data.readers.arrow import duration_units
from annvil.data.readers.duckdb import Wanted, first_line, load, reader, sql
from annvil.data.readers.raw import RawTable, column_from_values, refuse_header
from annvil.errors import DataError, MachineError


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


def read_excel(path: Path, source: Source) -> RawTable:
    """The first sheet of a workbook that holds anything; its first row holds the names."""
    try:
        import python_calamine
    except ImportError:
        raise MachineError(
            f"Reading {source.name} needs python-calamine: pip install 'annvil[excel]', or save the sheet as CSV."
        ) from None
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(str(path))
        sheets = [(name, workbook.get_sheet_by_name(name)) for name in workbook.sheet_names]
        name, rows = next(((name, s.to_python()) for name, s in sheets if s.total_height), ("", []))
    except Exception as error:  # the library raises many kinds, among them plain ones
        raise DataError(f"{source.name} cannot be read as a workbook: {error}.") from None
    rows = [row for row in rows if any(cell != "" for cell in row)]
    if not rows:
        raise DataError(f"{source.name} is empty: no sheet holds a value.")
    names = [str(cell).strip() or f"column {i + 1}" for i, cell in enumerate(rows[0])]
    refuse_header(names, source.name)
    columns = [column_from_values(column, [_cell(row[i]) for row in rows[1:]]) for i, column in enumerate(names)]
    ignored = f", {len(sheets) - 1} other sheets ignored" if len(sheets) > 1 else ""
    source = replace(source, details=f"workbook, sheet {name!r}{ignored}")
    return RawTable(tuple(columns), len(rows) - 1, source)


def _cell(value: Any) -> Any:
    """An empty cell is a missing value; a whole float is the integer that the sheet showed."""
    if value == "":
        return None
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
